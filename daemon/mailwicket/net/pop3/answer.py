"""One answer of a POP3 server, and who must act where it is no (RFC 1939, 2449 8, 3206)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.imap.tokens import words_of

IN_USE, LOGIN_DELAY, AUTH = b"IN-USE", b"LOGIN-DELAY", b"AUTH"
TEMPORARY, LASTING = b"SYS/TEMP", b"SYS/PERM"

_STATUS: Final = re.compile(rb"(\+OK|-ERR)(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_CODE: Final = re.compile(rb"\[([A-Za-z0-9/_-]+)[^\]\r\n]*\]")

_BUSY: Final = re.compile(
    rb"lock|in use|busy|already (?:open|active|logged)|another (?:session|process)", re.IGNORECASE
)
_LATER: Final = re.compile(rb"try (?:again|later)|temporar|too many|unavailable|internal|throttl", re.IGNORECASE)
"""Servers that know no response codes say it in words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line."""

    ok: bool
    text: bytes = b""
    """The rest of it."""
    secrets: frozenset[bytes] = frozenset()
    """What no words may hold."""
    asks: bool = False
    """It is no status line: the server waits for more of the command (RFC 5034 4)."""

    @classmethod
    def read(cls, line: bytes, secrets: frozenset[bytes]) -> Answer | None:
        """Read a line without its end; None where it is no answer of POP3."""
        found = _STATUS.fullmatch(line)
        return None if found is None else cls(found[1].upper() == b"+OK", found[2] or b"", secrets)

    @property
    def code(self) -> bytes:
        """The response code in upper case (RFC 2449 8); empty where there is none."""
        found = _CODE.match(self.text)
        return found[1].upper() if found else b""

    @property
    def words(self) -> str:
        """The server's words, fit for a log line."""
        return words_of(self.text, secrets=self.secrets)

    @property
    def in_use(self) -> bool:
        """Whether another session has the maildrop."""
        return self.code == IN_USE or (not self.code and _BUSY.search(self.text) is not None)

    @property
    def passes(self) -> bool:
        """Whether time mends it, as far as the server says so."""
        return self.code in {IN_USE, LOGIN_DELAY, TEMPORARY} or (
            not self.code and (self.in_use or _LATER.search(self.text) is not None)
        )


def refused(peer: str, verb: str, answer: Answer) -> TransientError | BlockedError:
    """Return the error for a *verb* that was answered with -ERR, in a session that is logged in."""
    words = f'{peer} answered {verb} with -ERR ("{answer.words}")'
    if answer.code == LASTING:
        return BlockedError(words, reason="refused")
    return TransientError(words, reason="in_use" if answer.in_use else "server_said")


def login_refused(peer: str, username: str, answer: Answer, login_delay_s: int | None) -> TransientError | BlockedError:
    """Return the error for a login that was answered with -ERR: in doubt the password is wrong, and said no more.

    RFC 3206: [AUTH] is about the account, [SYS/TEMP] passes. RFC 2449 8.1: [IN-USE] and [LOGIN-DELAY].
    """
    if answer.code != AUTH and answer.passes:
        why = f'{peer} does not let {username} in now ("{answer.words}")'
        if answer.in_use:
            return TransientError(f"{why}: another session has the mailbox", reason="in_use")
        delay_s = login_delay_s if answer.code == LOGIN_DELAY else None
        return TransientError(why, reason="server_said", retry_after_s=delay_s)
    return BlockedError(f'{peer} refused login of {username} ("{answer.words}")', reason="login_refused")
