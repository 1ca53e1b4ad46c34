"""Mail that somebody hands over instead of a server: the same journal, judge and desk, each mail once.

A mail is named by the SHA-256 of its bytes, so the same again is known, whichever file it comes from and whoever died
before. Whoever hands mails over is answered when they are committed; one batch is decided at a time, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import anyio
import anyio.to_thread

from mailwicket.errors import TransientError, UnknownError
from mailwicket.failpoint import failpoint
from mailwicket.flow.batches import PAGE_ROWS, batches
from mailwicket.flow.judge import Judge, utc_now
from mailwicket.flow.keeping import keep
from mailwicket.flow.reading import ATTEMPTS_MAX, Reading, Work
from mailwicket.model import Fetched, IntakeId, Reason, TicketNumber
from mailwicket.store import journal
from mailwicket.store.journal import State
from mailwicket.store.parked import IMPORT
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

EPOCH: Final = "import"

NO_UNIT: Final = ""
"""The folder of mails that are handed over for no mailbox."""


@dataclass(frozen=True, slots=True)
class Way:
    """What becomes of mails that are handed over for one mailbox, or for none."""

    judge: Judge
    max_mail_bytes: int


@dataclass(frozen=True, slots=True)
class Became:
    """What became of one mail."""

    intake_id: IntakeId
    known: bool
    """It was handed over before; what is told is what became of it then."""
    reason: Reason
    ticket: TicketNumber | None


class Importing:
    """Takes mails over. `run` finishes what a death or an outage left, when it starts and when it is woken."""

    def __init__(self, store: Store, reading: Reading, way: Callable[[str], Way]) -> None:
        """Decide by *way* of a mailbox's name, or of NO_UNIT; it raises UnknownError where there is none."""
        self._store = store
        self._reading = reading
        self._way = way
        self._lock = anyio.Lock()
        self._left_over = True
        self._called = anyio.Event()

    async def run(self) -> None:
        """Finish what was begun, whenever something is left.

        Raises:
            TransientError: our disk or the desk.
        """
        while True:
            self._called = anyio.Event()
            async with self._lock:
                await self._finish()
            await self._called.wait()

    def wake(self) -> bool:
        """Have it look for what is left."""
        self._called.set()
        return True

    def limit_bytes(self, unit: str) -> int:
        """Tell how large a mail for *unit* may be; of a larger one the header section is taken alone.

        Raises:
            UnknownError: there is no such mailbox.
        """
        return self._way(unit).max_mail_bytes

    async def take(self, unit: str, mails: Sequence[Fetched]) -> list[Became]:
        """Bring *mails*, which are of one place, to their tickets; return what became of each, in order.

        Raises:
            UnknownError: there is no mailbox *unit*.
            TransientError: our disk, or the desk; what was begun goes on, offered again all are known or done.
        """
        way = self._way(unit)
        async with self._lock:
            await self._finish()
            self._left_over = True
            try:
                told = await self._take(way.judge, mails) if mails else []
            except BaseException:
                self.wake()
                raise
            self._left_over = False
            return told

    async def _take(self, judge: Judge, mails: Sequence[Fetched]) -> list[Became]:
        now = timestamp(utc_now())
        once = {mail.ref.remote_id: mail for mail in mails}
        refs = [mail.ref for mail in once.values()]
        rows = await self._store.write(lambda tx: journal.note_offered(tx, IMPORT, refs, now))
        new = [mail for mail in once.values() if rows[mail.ref.remote_id][1] is State.SEEN]
        if new:
            ids = {mail.ref: rows[mail.ref.remote_id][0] for mail in new}
            failpoint("intake.fetched")
            work = await keep(self._store, IMPORT, ids, new)
            with self._store.in_hand.worker() as reading, self._store.in_hand.worker() as judging:
                await judge.judge(await self._reading.read(work, reading), judging)
            await self._settle_kept()
        taken = [rows[mail.ref.remote_id][0] for mail in mails]
        decided = self._store.read(lambda tx: journal.decisions(tx, taken))
        if undecided := set(taken) - decided.keys():
            raise TransientError(
                f"mails that cannot be decided, look at the log: intake={min(undecided)}", reason="bug"
            )
        fresh = {rows[mail.ref.remote_id][0] for mail in new}
        told = []
        for intake_id in taken:
            told.append(Became(intake_id, intake_id not in fresh, *decided[intake_id]))
            fresh.discard(intake_id)  # the same bytes a second time in one batch
        return told

    # --- what is left

    async def _finish(self) -> None:
        """Finish what a death or a failure left."""
        if not self._left_over:
            return
        if self._store.read(lambda tx: journal.to_fetch(tx, IMPORT, 0, 1)):  # a start writes nothing for nothing
            await self._store.write(lambda tx: journal.give_up_seen(tx, IMPORT))
        await self._settle_kept()
        self._left_over = False

    async def _settle_kept(self) -> None:
        """Decide what is kept, settle what is decided: no server's copy is to change."""
        for _ in range(ATTEMPTS_MAX + 1):  # one that fails by itself is parked by then
            if not await self._judge_kept():
                break
        while done := self._store.read(lambda tx: journal.to_settle(tx, IMPORT, PAGE_ROWS)):
            settled = [row.intake_id for row in done]
            await self._store.write(lambda tx: journal.note_settled(tx, settled))  # noqa: B023 - awaited at once

    async def _judge_kept(self) -> bool:
        """Decide what is kept, each by the way of its mailbox; tell whether there was anything."""
        after = 0
        while page := self._store.read(lambda tx: journal.to_judge(tx, IMPORT, after, PAGE_ROWS)):  # noqa: B023 - called at once
            after = page[-1].intake_id
            for unit, rows in groupby(page, key=lambda kept: kept.ref.folder):
                judge = self._judge_of(unit)
                for batch in batches(rows):
                    with self._store.in_hand.worker() as reading, self._store.in_hand.worker() as judging:
                        mails = await self._reading.read([Work(mail) for mail in batch], reading)
                        await judge.judge(mails, judging)
        return after > 0

    def _judge_of(self, unit: str) -> Judge:
        try:
            return self._way(unit).judge
        except UnknownError:  # its table is gone from conf.d since
            return self._way(NO_UNIT).judge
