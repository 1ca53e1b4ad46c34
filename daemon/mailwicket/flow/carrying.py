"""Mail after mail over one connection to an outgoing server: the order of effects stands here.

A mail is claimed, noted as begun, handed over, noted as ended. A death repeats what was begun and not ended: on each
connection one mail at most, with the same bytes. See docs/flow.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import anyio

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, StoreError, TransientError, UncertainError
from mailwicket.failpoint import failpoint
from mailwicket.flow.judge import utc_now
from mailwicket.flow.observe import CourierObserver
from mailwicket.flow.switchboard import Switchboard
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.ports import Submission, Transaction
from mailwicket.rules.own import canonical
from mailwicket.rules.schedule import pause_s
from mailwicket.store import outbox
from mailwicket.store.outbox import Attempt, Claimed, Noted, OutboxId, SentAs, pause_of
from mailwicket.store.store import Store

BATCH: Final = 20

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

    def conclude(self, tx: Transaction, mail: Claimed, attempt: Attempt) -> None:
        """Note how an *attempt* of *mail* ended, and what follows."""
        now = self.clock()
        noted = outbox.note_attempt(tx, mail, attempt, now)
        if noted.failed or attempt.outcome == "uncertain":
            self.aftermath.ended(tx, mail, attempt, noted, now)


class Pace:
    """So many mails a minute, evenly spread, over all connections to a server."""

    def __init__(self, rate_per_minute: int | None) -> None:
        """Allow *rate_per_minute*; None: as fast as they are taken."""
        self._interval_s = 0.0 if rate_per_minute is None else 60 / rate_per_minute
        self._due = 0.0

    @property
    def is_free(self) -> bool:
        """Whether nobody has to wait."""
        return not self._interval_s

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

    def __init__(
        self, name: str, office: Office, pace: Pace, observer: CourierObserver, submission: Submission
    ) -> None:
        """Take the mail of *office* for it to *submission*."""
        self._name = name
        self._office = office
        self._pace = pace
        self._observer = observer
        self._submission = submission
        self._claimed: dict[OutboxId, Claimed] = {}
        self._ended: tuple[Claimed, Attempt] | None = None
        """What is not yet written down."""
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
        while board.covers(self._name):
            changed = board.changed
            if mails := await self._claim():
                await self._take(mails)
                self._rested = False
                continue
            self._rested = True
            with anyio.move_on_after(IDLE_S) as idle:
                await changed.wait()
            if idle.cancelled_caught:
                return

    async def _claim(self) -> list[Claimed]:
        office = self._office
        covers, limit = office.board.covers(self._name), BATCH if self._pace.is_free else 1
        if not office.store.read(lambda tx: outbox.count_due(tx, self._name, covers, office.clock(), 1)):
            return []
        mails = await office.store.write(lambda tx: outbox.claim(tx, self._name, covers, office.clock(), limit))
        failpoint("outbox.claimed")
        return mails

    async def _take(self, mails: Sequence[Claimed]) -> None:
        self._claimed = {one.outbox_id: one for one in mails}
        try:
            for mail in mails:
                await self._send(mail)
        finally:
            with anyio.CancelScope(shield=True):  # the store answers, or fails, within its own time
                await self._write_down()
                await self._give_back()

    async def _give_back(self) -> None:
        """Whatever ended this: what was not begun is anybody's again."""
        left, self._claimed = list(self._claimed), {}
        if left:
            await self._office.store.write(lambda tx: outbox.release(tx, left))
            self._office.board.wake()

    async def _send(self, mail: Claimed) -> None:
        sent_as = self._office.board.sent_as(mail, self._name)
        try:
            ready = Ready(mail, sent_as, await self._office.write(mail, sent_as))
        except PermanentError as failure:
            self._end(mail, self._refused(failure))
            return
        if not self._pace.is_free:
            await self._write_down()
            await self._pace.keep()
        await self._write_down(ready)
        said = await self._submit(ready)
        failpoint("outbox.submitted")
        self._end(mail, self._told(mail, {canonical(address): status for address, status in said.items()}))

    async def _submit(self, ready: Ready) -> Mapping[str, RecipientStatus]:
        mail = ready.mail
        try:
            with anyio.fail_after(SUBMIT_S):
                return await self._submission.submit(envelope(ready), ready.raw)
        except PermanentError as failure:
            self._end(mail, self._refused(failure))
            self._office.board.took(self._name)
            raise ConnectionOverError(str(failure)) from failure
        except TimeoutError as failure:
            slow = UncertainError(f"outgoing/{self._name}: no answer in {SUBMIT_S} s", reason="timeout")
            self._end(mail, self._uncertain(mail, slow))
            raise slow from failure
        except UncertainError as failure:
            self._end(mail, self._uncertain(mail, failure))
            raise
        except (TransientError, BlockedError) as failure:
            self._end(mail, self._broke(mail, failure))
            excused = self._rested or mail.attempts >= OWN_FAULT
            if excused and isinstance(failure, TransientError) and not isinstance(failure, StoreError):
                raise ConnectionOverError(str(failure)) from failure
            raise
        except BaseException as failure:  # cancelled, or a bug: it was begun, nobody knows how it ended
            self._end(mail, self._uncertain(mail, failure))
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
        if self._rested:
            return Attempt(self._name, "server", now, str(failure), counted=False)
        if isinstance(failure, BlockedError):  # the server takes nothing more: another may have it at once
            return Attempt(self._name, "server", now, str(failure))
        if mail.attempts >= OWN_FAULT:
            return Attempt(self._name, "server", now + pause_of(mail.attempts - OWN_FAULT + 1, chance), str(failure))
        return Attempt(self._name, "server", now + timedelta(seconds=pause_s(mail.attempts + 1, chance)), str(failure))

    def _uncertain(self, mail: Claimed, failure: BaseException) -> Attempt:
        now, chance = self._office.clock(), self._office.chance()
        pause = pause_of(mail.attempts, chance) if mail.attempts else UNCERTAIN
        said = str(failure) if isinstance(failure, MailwicketError) else type(failure).__name__
        if not isinstance(failure, Exception):  # we end; who goes on asks the same server at once
            return Attempt(self._name, "uncertain", now, "the daemon ended meanwhile", counted=False)
        return Attempt(self._name, "uncertain", now + pause, said)

    def _end(self, mail: Claimed, attempt: Attempt) -> None:
        self._ended = mail, attempt
        self._claimed.pop(mail.outbox_id, None)

    async def _write_down(self, following: Ready | None = None) -> None:
        """Note how the last mail ended and that *following* begins: one transaction."""
        ended, self._ended = self._ended, None
        if ended is None and following is None:
            return
        office = self._office

        def job(tx: Transaction) -> None:
            if ended is not None:
                office.conclude(tx, *ended)
            if following is not None:
                outbox.begin(tx, following.mail.outbox_id, self._name, following.sent_as)

        await office.store.jot(job)
        failpoint("outbox.noted")


def envelope(ready: Ready) -> Envelope:
    """Return whom the server is told: each recipient as the mail writes him, his domain as DNS does."""
    to, cc = ready.mail.people
    written = {canonical(one.address): one.address for one in (*cc, *to)}
    paths = []
    for address in ready.mail.recipients:
        local = written.get(address, address).rpartition("@")[0]
        paths.append(f"{local}@{address.rpartition('@')[2]}")
    return Envelope(ready.sent_as.reverse_path, paths)
