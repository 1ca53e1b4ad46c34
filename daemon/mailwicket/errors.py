"""Errors say who must act: time, nobody, or a human. Anything else that is raised is a bug."""

from __future__ import annotations

import errno


class MailwicketError(Exception):
    """A failure whose text a tired admin can act on: server, its own words. Never a secret."""


class TransientError(MailwicketError):
    """Time mends this: the caller backs off and tries again."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, reason: str = "unreachable") -> None:
        """Keep *retry_after_s* where the server named it; *reason* is the unit's reason code."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.reason = reason


class SessionEndedError(TransientError):
    """A session is over as it was to be (its token ends): connect anew at once. No failure, and nobody is told."""

    def __init__(self, message: str) -> None:
        """Say which one."""
        super().__init__(message, reason="connection_lost")


def is_shortage(error: BaseException | None) -> bool:
    """Tell whether the process, or the whole machine, had no descriptor left: nothing is wrong with what was opened."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


class PermanentError(MailwicketError):
    """Nobody can mend this: this one mail will never work. The others go on."""


class BlockedError(MailwicketError):
    """A human must mend this (a password, a folder's name): trying again only locks accounts."""

    def __init__(self, message: str, *, reason: str = "refused", fix: str | None = None) -> None:
        """*reason* is the unit's reason code, see docs/states.md; *fix* what is done about it, where that is known."""
        super().__init__(message)
        self.reason = reason
        self.fix = fix


class UncertainError(TransientError):
    """The connection was lost after a whole mail was sent and before the server answered: it may have taken it.

    Only the same server may be asked again, with the same bytes; another one would double it for sure.
    """


class StoreError(TransientError):
    """Our own disk or database does not take writes: an outage, so mail waits on its server."""


class UnknownError(MailwicketError):
    """An admin named something that there is not."""


class ConflictError(MailwicketError):
    """An admin asked for something that cannot be done as things are; the text says what can."""


class AlreadyRunningError(MailwicketError):
    """Another daemon holds this state directory."""


class StageError(MailwicketError):
    """A stage of a connection's test failed."""

    def __init__(self, message: str, *, fix: str) -> None:
        """*fix* says in plain words what a person does about it."""
        super().__init__(message)
        self.fix = fix
