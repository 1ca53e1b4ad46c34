"""One mail handed to an outgoing server: in which order, how that ends, and what it says of the server.

Waits for nothing but what it is given to wait for, and knows no clock but its office's: the daemon hands mail to
servers by it (`flow.carrying`), a rehearsal to doubles of them.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from mailwicket.errors import (
    BlockedError,
    MailwicketError,
    PermanentError,
    SessionEndedError,
    StoreError,
    TransientError,
    UncertainError,
)
from mailwicket.flow.judge import utc_now
from mailwicket.flow.switchboard import Switchboard
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.ports import Transaction
from mailwicket.rules.own import canonical
from mailwicket.rules.schedule import pause_s
from mailwicket.store import attempts
from mailwicket.store.attempts import Attempt, Noted, pause_of
from mailwicket.store.outbox import Claimed, SentAs

OWN_FAULT: Final = 3
"""A mail that was tried so often is itself to blame where a server that let us in fails again; others go on."""

UNCERTAIN: Final = timedelta(minutes=1)

Begin = Callable[[Claimed, SentAs], Awaitable[None]]
"""Called before a mail is handed over: whatever happens from then on, a server may have it."""

Submit = Callable[[Claimed, Envelope, bytes], Awaitable[Mapping[str, RecipientStatus] | None]]
"""See `ports.Submission.submit`; None: as `ports.LooksFirst.resume` has it, nobody can tell yet."""


class Write(Protocol):
    """Makes the bytes of a mail (`flow.writing`)."""

    async def __call__(self, mail: Claimed, sent_as: SentAs) -> bytes:
        """Return them.

        Raises:
            PermanentError: it cannot be sent, whoever tries.
            StoreError: our disk.
        """
        ...


class Aftermath(Protocol):
    """What follows from an attempt, in the same transaction (`flow.posting`)."""

    def ended(self, tx: Transaction, mail: Claimed, attempt: Attempt, noted: Noted, now: datetime) -> None:
        """The *attempt* of *mail* ended so; called where somebody is not reached, or where nobody knows."""
        ...


@dataclass(frozen=True, slots=True)
class Office:
    """What all who take mail to servers work with."""

    board: Switchboard
    write: Write
    aftermath: Aftermath
    clock: Callable[[], datetime] = utc_now
    chance: Callable[[], float] = random.random

    def conclude_all(self, tx: Transaction, ended: Sequence[tuple[Claimed, Attempt]]) -> None:
        """Note how many attempts ended; those that simply succeeded with three statements."""
        plain = {mail.outbox_id: attempt.sent_as for mail, attempt in ended if attempts.is_plain(mail, attempt)}
        attempts.note_sent(tx, plain, self.clock())
        for mail, attempt in ended:
            if mail.outbox_id not in plain:
                self.conclude(tx, mail, attempt)

    def conclude(self, tx: Transaction, mail: Claimed, attempt: Attempt) -> None:
        """Note how an *attempt* of *mail* ended, and what follows."""
        now = self.clock()
        noted = attempts.note_attempt(tx, mail, attempt, now)
        if noted.failed or attempt.outcome == "uncertain":
            self.aftermath.ended(tx, mail, attempt, noted, now)


class ConnectionOverError(Exception):
    """Connect anew: the connection ended, and nothing is wrong with the server."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended."""

    attempt: Attempt
    raises: BaseException | None = None
    """Why the connection is over, to be raised once the attempt is noted: the server's failure, a
    ConnectionOverError, or our own end. None: the next mail may follow."""


class Handing:
    """Hands mails to the server *name*."""

    def __init__(self, name: str, office: Office) -> None:
        """Take the mail of *office*."""
        self._name = name
        self._office = office

    async def hand(self, mail: Claimed, begin: Begin, submit: Submit, *, rested: bool = False) -> Ending:
        """Hand *mail* over; *rested*: the connection was idle, and that a server ends it then says nothing.

        Raises:
            StoreError: our disk, before anything was begun.
        """
        sent_as = self._office.board.sent_as(mail, self._name)
        try:
            written = mail.raw if mail.written_as == sent_as else None
            raw = written or await self._office.write(mail, sent_as)
        except PermanentError as failure:
            return Ending(self._refused(failure))
        await begin(mail, sent_as)
        try:
            said = await submit(mail, envelope(mail, sent_as), raw)
        except BaseException as failure:  # noqa: BLE001 - whatever it is: it was begun, and is raised once that is noted
            ending = self._failed(mail, failure, rested=rested)
        else:
            return Ending(
                replace(self._undecided(), sent_as=sent_as) if said is None else self._told(mail, said, sent_as)
            )
        return replace(ending, attempt=replace(ending.attempt, sent_as=sent_as))

    def _told(self, mail: Claimed, answers: Mapping[str, RecipientStatus], sent_as: SentAs) -> Attempt:
        """The server spoke of each recipient."""
        statuses = {canonical(address): status for address, status in answers.items()}
        self._office.board.took(self._name)
        now = self._office.clock()
        refused = [one for one in statuses.values() if not one.is_taken]
        if not refused:
            return Attempt(self._name, "sent", now, statuses=statuses, sent_as=sent_as)
        said = f"{refused[0].code} {refused[0].text}"
        if all(one.is_permanent for one in refused):
            return Attempt(self._name, "refused", now, said, statuses, sent_as=sent_as)
        at = now + pause_of(mail.attempts + 1, self._office.chance())
        return Attempt(self._name, "later", at, said, statuses, sent_as=sent_as)

    def _failed(self, mail: Claimed, failure: BaseException, *, rested: bool) -> Ending:
        if isinstance(failure, PermanentError):
            self._office.board.took(self._name)
            return Ending(self._refused(failure), _over(failure))
        if isinstance(failure, UncertainError) or not isinstance(failure, TransientError | BlockedError):
            return Ending(self._uncertain(mail, failure), failure)
        rested = rested or isinstance(failure, SessionEndedError)
        is_ours = isinstance(failure, BlockedError | StoreError)
        is_excused = not is_ours and (rested or mail.attempts >= OWN_FAULT)
        return Ending(self._broke(mail, failure, rested=rested), _over(failure) if is_excused else failure)

    def _refused(self, failure: PermanentError) -> Attempt:
        return Attempt(self._name, "refused", self._office.clock(), str(failure))

    def _broke(self, mail: Claimed, failure: MailwicketError, *, rested: bool) -> Attempt:
        """The server failed, and nothing was taken: others may go first, and it goes as soon as a server works."""
        now, chance = self._office.clock(), self._office.chance()
        if rested:
            return Attempt(self._name, "server", now, str(failure), counted=False)
        if isinstance(failure, BlockedError):  # the server takes nothing more: another may have it at once
            return Attempt(self._name, "server", now, str(failure))
        if mail.attempts >= OWN_FAULT:
            return Attempt(self._name, "server", now + pause_of(mail.attempts - OWN_FAULT + 1, chance), str(failure))
        return Attempt(self._name, "server", now + timedelta(seconds=pause_s(mail.attempts + 1, chance)), str(failure))

    def _undecided(self) -> Attempt:
        """The server was asked what became of it, and could not tell yet."""
        at = self._office.clock() + UNCERTAIN
        return Attempt(self._name, "uncertain", at, "the server does not show yet what became of it", counted=False)

    def _uncertain(self, mail: Claimed, failure: BaseException) -> Attempt:
        now, chance = self._office.clock(), self._office.chance()
        pause = pause_of(mail.attempts, chance) if mail.attempts else UNCERTAIN
        said = str(failure) if isinstance(failure, MailwicketError) else type(failure).__name__
        if not isinstance(failure, Exception):  # we end; who goes on asks the same server at once
            return Attempt(self._name, "uncertain", now, "the daemon ended meanwhile", counted=False)
        return Attempt(self._name, "uncertain", now + pause, said)


def _over(failure: MailwicketError) -> ConnectionOverError:
    over = ConnectionOverError(str(failure))
    over.__cause__ = failure
    return over


def envelope(mail: Claimed, sent_as: SentAs) -> Envelope:
    """Return whom the server is told: each recipient as the mail writes him, his domain as DNS does."""
    to, cc = mail.people
    written = {canonical(one.address): one.address for one in (*cc, *to)}
    paths = []
    for address in mail.recipients:
        local = written.get(address, address).rpartition("@")[0]
        paths.append(f"{local}@{address.rpartition('@')[2]}")
    return Envelope(sent_as.reverse_path, paths)
