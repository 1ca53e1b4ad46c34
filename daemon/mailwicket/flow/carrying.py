"""Mail after mail over one connection to an outgoing server: the order of effects stands here.

Mails are claimed, many at a time. Of each a line in the connection's slip says that it begins, it is handed over, and a
line says how that ended; the database is told of all with the next claim. A death repeats what was begun and not ended:
on each connection one mail at most, with the same bytes. See docs/flow.md.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import anyio

from mailwicket.errors import UncertainError
from mailwicket.failpoint import failpoint
from mailwicket.flow.handing import ConnectionOverError, Handing, Office
from mailwicket.flow.observe import CourierObserver
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.ports import LooksFirst, Submission, Transaction
from mailwicket.store import outbox
from mailwicket.store.attempts import Attempt, Noted
from mailwicket.store.outbox import Claimed, OutboxId, SentAs
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

    def wait_s(self, tick: float) -> float:
        """Return for how many seconds no mail may leave; *tick* is of a clock that nobody sets, in seconds."""
        return max(self._due - tick, 0.0)

    def take(self, tick: float) -> float:
        """Take the next place; return in how many seconds it is."""
        wait_s = self.wait_s(tick)
        self._due = tick + wait_s + self._interval_s
        return wait_s


class Session:
    """One connection to the server *name*."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a connection works with
        self,
        name: str,
        store: Store,
        office: Office,
        pace: Pace,
        observer: CourierObserver,
        submission: Submission,
        slips: tuple[Slip, Slip],
    ) -> None:
        """Take the mail of *office* for it from *store* to *submission*, noting it in one of *slips*, by turns."""
        self._name = name
        self._store = store
        self._office = office
        self._handing = Handing(name, office)
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
        self._patience = anyio.CancelScope()
        """Around the mails in hand; its deadline moves on with them: a scope of its own for each costs too much."""
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
            mails = await self._store.write(self._settling(covers))
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
        return self._store.read(lambda tx: outbox.count_due(tx, self._name, covers, office.clock(), limit))

    def _look_ahead(self, covers: Sequence[str]) -> None:
        """Have the database told of what ended, and asked for what is next, while the mails in hand are sent."""
        self._ahead = self._store.begin(self._settling(covers))
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

            await self._store.write(job)
            self._claimed = {}
            self._settled()
            if is_left:
                office.board.wake()

    async def _take(self, mails: Sequence[Claimed]) -> None:
        with anyio.move_on_after(SUBMIT_S) as self._patience:
            for mail in mails:
                if self._ahead is None and self._ended and anyio.current_time() - self._settled_at > SETTLE_S:
                    ended = self._ended
                    self._slips[0].flush()
                    self._patience.deadline = math.inf  # our own disk has its own deadlines
                    await self._store.write(lambda tx: self._office.conclude_all(tx, ended))  # noqa: B023 - awaited
                    self._patience.deadline = anyio.current_time() + SUBMIT_S
                    self._settled()
                await self._send(mail)
        self._slips[0].flush()
        if self._patience.cancelled_caught:
            raise ConnectionOverError(f"a mail was not made ready in {SUBMIT_S} s")

    async def _send(self, mail: Claimed) -> None:
        ending = await self._handing.hand(mail, self._begin, self._submit, rested=self._rested)
        failpoint("outbox.submitted")
        self._end(mail, ending.attempt)
        if ending.raises is not None:
            self._slips[0].flush()
            raise ending.raises
        failpoint("outbox.noted")

    async def _begin(self, mail: Claimed, sent_as: SentAs) -> None:
        if not self._pace.is_free:
            await anyio.sleep(self._pace.take(anyio.current_time()))
        self._slips[0].begin(mail.outbox_id, sent_as)

    async def _submit(self, mail: Claimed, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus] | None:
        """Hand it over; what may have been taken is looked for first, where the server can be asked."""
        submission, patience = self._submission, self._patience
        end_at = anyio.current_time() + SUBMIT_S
        if patience.deadline < end_at:
            patience.deadline = end_at + SUBMIT_S / 10
        try:
            if mail.uncertain and isinstance(submission, LooksFirst):
                return await submission.resume(envelope, raw)
            return await submission.submit(envelope, raw)
        except anyio.get_cancelled_exc_class() as ended:
            if not patience.cancel_called:  # somebody else ends us
                raise
            raise UncertainError(f"outgoing/{self._name}: no answer in {SUBMIT_S} s", reason="timeout") from ended

    def _end(self, mail: Claimed, attempt: Attempt) -> None:
        if attempt.outcome == "sent":
            self._observer.sent()
        elif attempt.outcome == "refused":
            self._observer.refused()
        self._ended.append((mail, attempt))
        self._claimed.pop(mail.outbox_id, None)
        self._slips[0].end(mail.outbox_id, attempt)


def take_over(store: Store, office: Office, server: str, tx: Transaction) -> None:
    """Note what somebody who died was doing with *server*, as his slips say, and give back what he had claimed."""
    slips = store.slips.left(server)
    for slip in slips:
        for mail, sent_as in slip.begun.items():
            outbox.begin(tx, mail, server, sent_as)
            if (found := outbox.find(tx, mail)) is not None and found.waiting:
                now = office.clock()
                died = Attempt(server, "uncertain", now, "the daemon ended meanwhile", counted=False)
                office.aftermath.ended(tx, found, died, Noted("waiting", next_attempt=now), now)
        for mail, attempt in slip.ended:
            if (found := outbox.find(tx, mail)) is not None and found.waiting:
                office.conclude(tx, found, attempt)
    outbox.release_all(tx, server, believed=bool(slips) and all(slip.is_believed for slip in slips))
