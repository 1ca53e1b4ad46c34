"""Mail after mail over one connection to an outgoing server: the order of effects stands here.

Mails are claimed, many at a time. Of each a line in the connection's slip says that it begins, it is handed over, and a
line says how that ended; the database is told of all with the next claim. A death repeats what was begun and not ended:
on each connection one mail at most, with the same bytes. See docs/flow.md.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import anyio

from mailwicket.errors import (
    BlockedError,
    MailwicketError,
    PermanentError,
    SessionEndedError,
    StoreError,
    TransientError,
    UncertainError,
)
from mailwicket.failpoint import failpoint
from mailwicket.flow.judge import utc_now
from mailwicket.flow.observe import CourierObserver
from mailwicket.flow.switchboard import Switchboard
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.ports import LooksFirst, Submission, Transaction
from mailwicket.rules.own import canonical
from mailwicket.rules.schedule import pause_s
from mailwicket.store import outbox
from mailwicket.store.outbox import Attempt, Claimed, Noted, OutboxId, SentAs, pause_of
from mailwicket.store.slips import Slip
from mailwicket.store.store import Store

BATCH: Final = 100

FEW: Final = 4
MANY: Final = 20
"""From so many mails in hand on the next are claimed while they are sent."""

SETTLE_S: Final = 0.25
"""So long people wait at most until they see what became of a mail."""

IDLE_S: Final = 20
"""So long a connection is kept for the next mail: less than the 5 minutes that servers wait (RFC 5321 4.5.3.2.7)."""

SUBMIT_S: Final = 15 * 60
"""A mail that is under way for so long may have been taken, or not (RFC 5321 4.5.3.2.6: 10 minutes for its end)."""

OWN_FAULT: Final = 3
"""A mail that was tried so often is itself to blame where a server that let us in fails again; others go on."""

UNCERTAIN: Final = timedelta(minutes=1)


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
    """What all couriers work with."""

    store: Store
    board: Switchboard
    write: Write
    aftermath: Aftermath
    clock: Callable[[], datetime] = utc_now
    chance: Callable[[], float] = random.random

    def conclude_all(self, tx: Transaction, ended: Sequence[tuple[Claimed, Attempt]]) -> None:
        """Note how many attempts ended; those that simply succeeded with three statements."""
        plain = {mail.outbox_id: attempt.sent_as for mail, attempt in ended if outbox.is_plain(mail, attempt)}
        outbox.note_sent(tx, plain, self.clock())
        for mail, attempt in ended:
            if mail.outbox_id not in plain:
                self.conclude(tx, mail, attempt)

    def conclude(self, tx: Transaction, mail: Claimed, attempt: Attempt) -> None:
        """Note how an *attempt* of *mail* ended, and what follows."""
        now = self.clock()
        noted = outbox.note_attempt(tx, mail, attempt, now)
        if noted.failed or attempt.outcome == "uncertain":
            self.aftermath.ended(tx, mail, attempt, noted, now)


class Pace:
    """So many mails a minute, evenly spread, over so many connections to a server."""

    def __init__(self, rate_per_minute: int | None, connections: int) -> None:
        """Allow *rate_per_minute*; None: as fast as they are taken."""
        self._connections = connections
        self._interval_s = 0.0 if rate_per_minute is None else 60 / rate_per_minute
        self._due = 0.0

    @property
    def is_free(self) -> bool:
        """Whether nobody has to wait."""
        return not self._interval_s

    @property
    def most(self) -> int:
        """How many mails that wait make a difference to `share`."""
        return BATCH * self._connections

    def share(self, due: int) -> int:
        """Return how many of the mails that are *due* one connection claims at a time."""
        return max(min(BATCH, -(-due // self._connections)), FEW) if self.is_free else 1

    async def keep(self) -> None:
        """Wait until the next mail may leave."""
        now = anyio.current_time()
        due = max(self._due, now)
        self._due = due + self._interval_s
        await anyio.sleep(due - now)


class ConnectionOverError(Exception):
    """Connect anew: the connection ended, and nothing is wrong with the server."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A mail with its bytes."""

    mail: Claimed
    sent_as: SentAs
    raw: bytes


class Session:
    """One connection to the server *name*."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a connection works with
        self,
        name: str,
        office: Office,
        pace: Pace,
        observer: CourierObserver,
        submission: Submission,
        slips: tuple[Slip, Slip],
    ) -> None:
        """Take the mail of *office* for it to *submission*, noting it in one of *slips*, by turns."""
        self._name = name
        self._office = office
        self._pace = pace
        self._observer = observer
        self._submission = submission
        self._slips = list(slips)
        self._claimed: dict[OutboxId, Claimed] = {}
        self._ended: list[tuple[Claimed, Attempt]] = []
        """What the database is not yet told."""
        self._ahead: Awaitable[list[Claimed]] | None = None
        """The database is being told of the batch before, and claims the one behind."""
        self._settled_at = 0.0
        self._rested = False
        """The connection was idle: that a server ends it then says nothing."""

    async def carry(self) -> None:
        """Take mail to the server until there is none for a while, or the server is held to be broken.

        Raises:
            TransientError, BlockedError: the server's failure.
            ConnectionOverError: the connection ended, and it was not that.
            StoreError: our disk.
        """
        board = self._office.board
        try:
            while board.covers(self._name):
                changed = board.changed
                if mails := await self._claim():
                    await self._take(mails)
                    self._rested = False
                    continue
                if self._ended:
                    continue  # told to the database by the next claim
                self._rested = True
                with anyio.move_on_after(IDLE_S) as idle:
                    await changed.wait()
                if idle.cancelled_caught:
                    return
        finally:
            with anyio.CancelScope(shield=True):  # the store answers, or fails, within its own time
                await self._settle_all()

    async def _claim(self) -> list[Claimed]:
        """Return the next mails, claimed while those before were sent, or now; tell the database what was done."""
        covers = self._office.board.covers(self._name)
        if self._ahead is not None:
            mails = await self._take_ahead()
        elif self._ended or self._count_due(covers, 1):
            mails = await self._office.store.write(self._settling(covers))
            self._settled()
        else:
            return []
        self._claimed = {one.outbox_id: one for one in mails}
        failpoint("outbox.claimed")
        if len(mails) >= MANY:
            self._look_ahead(covers)
        return mails

    def _count_due(self, covers: Sequence[str], limit: int) -> int:
        office = self._office
        return office.store.read(lambda tx: outbox.count_due(tx, self._name, covers, office.clock(), limit))

    def _look_ahead(self, covers: Sequence[str]) -> None:
        """Have the database told of what ended, and asked for what is next, while the mails in hand are sent."""
        self._ahead = self._office.store.begin(self._settling(covers))
        self._ended = []
        self._slips.reverse()  # what is noted from now on stands in the other file

    async def _take_ahead(self) -> list[Claimed]:
        ahead, self._ahead = self._ahead, None
        assert ahead is not None  # noqa: S101 - asked before
        with anyio.CancelScope(shield=True):
            mails = await ahead
        self._slips[1].clear()
        return mails

    def _settling(self, covers: Sequence[str]) -> Callable[[Transaction], list[Claimed]]:
        """Return a job that writes down what ended and claims what is next for *covers*."""
        office, ended = self._office, self._ended
        limit = self._pace.share(self._count_due(covers, self._pace.most)) if covers else 1

        def job(tx: Transaction) -> list[Claimed]:
            office.conclude_all(tx, ended)
            return outbox.claim(tx, self._name, covers, office.clock(), limit) if covers else []

        return job

    def _settled(self) -> None:
        self._ended = []
        self._settled_at = anyio.current_time()
        self._slips[0].clear()

    async def _settle_all(self) -> None:
        """Whatever ended this: what was done is written down, what was not begun is anybody's again."""
        ahead = await self._take_ahead() if self._ahead is not None else []
        self._claimed |= {one.outbox_id: one for one in ahead}
        if self._ended or self._claimed:
            is_left = bool(self._claimed)
            office, ended, left = self._office, self._ended, list(self._claimed)

            def job(tx: Transaction) -> None:
                office.conclude_all(tx, ended)
                outbox.release(tx, left)

            await office.store.write(job)
            self._claimed = {}
            self._settled()
            if is_left:
                office.board.wake()

    async def _take(self, mails: Sequence[Claimed]) -> None:
        for mail in mails:
            if self._ahead is None and self._ended and anyio.current_time() - self._settled_at > SETTLE_S:
                ended = self._ended
                await self._office.store.write(lambda tx: self._office.conclude_all(tx, ended))  # noqa: B023 - awaited
                self._settled()
            await self._send(mail)

    async def _send(self, mail: Claimed) -> None:
        sent_as = self._office.board.sent_as(mail, self._name)
        try:
            written = mail.raw if mail.written_as == sent_as else None
            ready = Ready(mail, sent_as, written or await self._office.write(mail, sent_as))
        except PermanentError as failure:
            self._end(mail, self._refused(failure))
            return
        if not self._pace.is_free:
            await self._pace.keep()
        self._slips[0].begin(mail.outbox_id, sent_as)
        said = await self._submit(ready)
        failpoint("outbox.submitted")
        if said is None:
            self._end(mail, self._undecided(), sent_as)
            return
        self._end(mail, self._told(mail, {canonical(address): status for address, status in said.items()}), sent_as)
        failpoint("outbox.noted")

    async def _submit(self, ready: Ready) -> Mapping[str, RecipientStatus] | None:
        """Hand the mail over; what may have been taken is looked for first, where the server can be asked."""
        mail, submission = ready.mail, self._submission
        try:
            with anyio.fail_after(SUBMIT_S):
                if mail.uncertain and isinstance(submission, LooksFirst):
                    return await submission.resume(envelope(ready), ready.raw)
                return await submission.submit(envelope(ready), ready.raw)
        except PermanentError as failure:
            self._end(mail, self._refused(failure), ready.sent_as)
            self._office.board.took(self._name)
            raise ConnectionOverError(str(failure)) from failure
        except TimeoutError as failure:
            slow = UncertainError(f"outgoing/{self._name}: no answer in {SUBMIT_S} s", reason="timeout")
            self._end(mail, self._uncertain(mail, slow), ready.sent_as)
            raise slow from failure
        except UncertainError as failure:
            self._end(mail, self._uncertain(mail, failure), ready.sent_as)
            raise
        except (TransientError, BlockedError) as failure:
            self._end(mail, self._broke(mail, failure), ready.sent_as)
            excused = self._rested or isinstance(failure, SessionEndedError) or mail.attempts >= OWN_FAULT
            if excused and isinstance(failure, TransientError) and not isinstance(failure, StoreError):
                raise ConnectionOverError(str(failure)) from failure
            raise
        except BaseException as failure:  # cancelled, or a bug: it was begun, nobody knows how it ended
            self._end(mail, self._uncertain(mail, failure), ready.sent_as)
            raise

    # --- how an attempt ended

    def _told(self, mail: Claimed, statuses: Mapping[str, RecipientStatus]) -> Attempt:
        """The server spoke of each recipient."""
        self._office.board.took(self._name)
        now = self._office.clock()
        refused = [one for one in statuses.values() if not one.is_taken]
        if not refused:
            self._observer.sent()
            return Attempt(self._name, "sent", now, statuses=statuses)
        said = f"{refused[0].code} {refused[0].text}"
        if all(one.is_permanent for one in refused):
            self._observer.refused()
            return Attempt(self._name, "refused", now, said, statuses)
        return Attempt(self._name, "later", now + pause_of(mail.attempts + 1, self._office.chance()), said, statuses)

    def _refused(self, failure: PermanentError) -> Attempt:
        self._observer.refused()
        return Attempt(self._name, "refused", self._office.clock(), str(failure))

    def _broke(self, mail: Claimed, failure: MailwicketError) -> Attempt:
        """The server failed, and nothing was taken: others may go first, and it goes as soon as a server works."""
        now, chance = self._office.clock(), self._office.chance()
        if self._rested or isinstance(failure, SessionEndedError):
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

    def _end(self, mail: Claimed, attempt: Attempt, sent_as: SentAs | None = None) -> None:
        attempt = replace(attempt, sent_as=sent_as)
        self._ended.append((mail, attempt))
        self._claimed.pop(mail.outbox_id, None)
        self._slips[0].end(mail.outbox_id, attempt)


def take_over(office: Office, server: str, tx: Transaction) -> None:
    """Note what somebody who died was doing with *server*, as his slips say, and give back what he had claimed."""
    slips = office.store.slips.left(server)
    for slip in slips:
        for mail, sent_as in slip.begun.items():
            outbox.begin(tx, mail, server, sent_as)
        for mail, attempt in slip.ended:
            if (found := outbox.find(tx, mail)) is not None and found.recipients:
                office.conclude(tx, found, attempt)
    outbox.release_all(tx, server, believed=bool(slips) and all(slip.is_believed for slip in slips))


def envelope(ready: Ready) -> Envelope:
    """Return whom the server is told: each recipient as the mail writes him, his domain as DNS does."""
    to, cc = ready.mail.people
    written = {canonical(one.address): one.address for one in (*cc, *to)}
    paths = []
    for address in ready.mail.recipients:
        local = written.get(address, address).rpartition("@")[0]
        paths.append(f"{local}@{address.rpartition('@')[2]}")
    return Envelope(ready.sent_as.reverse_path, paths)
