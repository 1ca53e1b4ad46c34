"""The way of mail from one mailbox to the desk: look, fetch, keep, judge, settle.

Every step ends in a commit that names the state of each row, so a death at any point is a row in a named
state, and the next run goes on from there. Progress is never read from the server's flags: they belong to people.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVarTuple, Unpack

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mailwicket.errors import StoreError
from mailwicket.failpoint import failpoint
from mailwicket.flow.batches import PAGE_ROWS, batches
from mailwicket.flow.judge import Judge, utc_now
from mailwicket.flow.keeping import drop, keep
from mailwicket.flow.observe import Observer
from mailwicket.flow.reading import Read, Reading, Work
from mailwicket.model import Fetched, Look, Settlement
from mailwicket.ports import CountsUnread, Mailbox, Source, Wakes
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Seen
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

SETTLE_MAILS = 1000  # a backlog's copies are settled so many at a time: the server has better to do before

Haul = tuple[list[Seen], Sequence[Fetched]]
Worklist = tuple[int, list[Work]]  # rows of the batch, and those of them that are new work
Readings = tuple[int, list[Read]]
PosArgs = TypeVarTuple("PosArgs")


class Intake:
    """Serves one source as long as its connection lives."""

    def __init__(  # noqa: PLR0913, PLR0917 - one for each thing it stands between
        self, name: str, source: Source, store: Store, reading: Reading, judge: Judge, observer: Observer
    ) -> None:
        """Bring the mail of *source*, configured as `incoming.NAME`, through *reading* to *judge*."""
        self._name = name
        self._source = source
        self._store = store
        self._reading = reading
        self._judge = judge
        self._observer = observer
        self._backlog = 0
        self._mailbox: Mailbox | None = None
        self._cursor = ""
        """Where the next look starts."""

    def wake(self) -> bool:
        """Look for new mail now; False where there is no connection that could be told so."""
        mailbox: object = self._mailbox
        if isinstance(mailbox, Wakes):
            mailbox.wake()
            return True
        return False

    async def run(self) -> None:
        """Work until the connection ends or the caller cancels.

        Raises:
            TransientError: the server, the desk or our disk is out; what was begun goes on next time.
            BlockedError: a human must act.
        """
        with self._store.in_hand.worker() as reading, self._store.in_hand.worker() as judging:
            self._count_backlog()
            if left := self._has_open_work():
                await self._judge_kept(reading, judging)
            async with self._source.connect() as mailbox:
                self._observer.connected(mailbox.silence_s)
                self._mailbox = mailbox
                try:
                    await self._serve(mailbox, reading, judging, left=left)
                finally:
                    self._mailbox = None

    async def _serve(self, mailbox: Mailbox, reading: Slot, judging: Slot, *, left: bool) -> None:
        """Take what comes; *left*: there is open work. Mostly there is none: a sweep is to cost next to nothing."""
        while True:
            try:
                look = await self._look(mailbox)
                if left or look.more or look.refs or look.renumbered:
                    await self._drain(mailbox, reading, judging, more=look.more)
                    self._count_backlog()
                if not self._backlog:
                    self._observer.caught_up()
                    await self._compare(mailbox)
            except StoreError as error:
                await self._observer.outlast(error)  # to log in again would mend nothing
            else:
                await mailbox.wait()
            left = await self._judge_left(reading, judging)

    async def _judge_left(self, reading: Slot, judging: Slot) -> bool:
        """Take up kept mails, as soon as our store lets us; tell whether anything at all was left to do."""
        while True:
            try:
                if left := self._has_open_work():
                    await self._judge_kept(reading, judging)
            except StoreError as error:
                await self._observer.outlast(error)
            else:
                return left

    def _count_backlog(self) -> None:
        self._backlog = self._store.read(lambda tx: journal.backlog(tx, self._name))
        self._tell_backlog()

    def _tell_backlog(self) -> None:
        oldest_at = self._store.read(lambda tx: journal.oldest_open(tx, self._name)) if self._backlog else None
        self._observer.backlog(self._backlog, oldest_at)

    async def _compare(self, mailbox: object) -> None:
        """Hold what the server marks as unread against the journal: what we never had should not be among it."""
        if not isinstance(mailbox, CountsUnread):
            return
        unread = await mailbox.unread(self._cursor)
        if unread is None:
            return
        untaken = 0
        place = self._name, unread.folder, unread.epoch
        for start in range(0, len(unread.remote_ids), PAGE_ROWS):
            page = unread.remote_ids[start : start + PAGE_ROWS]
            untaken += self._store.read(lambda tx: journal.count_untaken(tx, *place, page))  # noqa: B023 - called at once
            await anyio.lowlevel.checkpoint()  # an answer may name 100,000 mails
        self._observer.unread(len(unread.remote_ids), untaken)

    def _has_open_work(self) -> bool:
        return self._store.read(lambda tx: journal.has_open_work(tx, self._name))

    async def _drain(self, mailbox: Mailbox, reading: Slot, judging: Slot, *, more: bool) -> None:
        """Take what was seen and, if there is *more*, everything that the server shows.

        Five batches at a time: each step works on one of its own.

        Raises:
            StoreError: our disk. What was under way with the server came to its end, so the connection can be used.
        """
        outage = _Outage()
        fetched, to_keep = anyio.create_memory_object_stream[Haul](0)
        kept, to_read = anyio.create_memory_object_stream[Worklist](0)
        read, to_judge = anyio.create_memory_object_stream[Readings](0)
        judged, to_settle = anyio.create_memory_object_stream[int](math.inf)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outage.within, self._fetch_all, mailbox, fetched, more)
            tasks.start_soon(outage.within, self._keep_all, to_keep, kept)
            tasks.start_soon(outage.within, self._read_all, to_read, read, reading)
            tasks.start_soon(outage.within, self._judge_all, to_judge, judged, judging)
            tasks.start_soon(outage.within, self._settle_all, mailbox, to_settle, outage)
        if outage.failure is not None:
            raise outage.failure

    # --- looking and fetching

    async def _fetch_all(
        self,
        mailbox: Mailbox,
        send: MemoryObjectSendStream[Haul],
        more: bool,  # noqa: FBT001 - a task's argument
    ) -> None:
        """Fetch what was found, look again; a page at a time, so that a backlog of 100,000 is not in memory."""
        last = 0
        while True:
            while page := self._store.read(lambda tx: journal.to_fetch(tx, self._name, last, PAGE_ROWS)):  # noqa: B023 - called at once
                last = page[-1].intake_id
                for batch in batches(page):
                    haul = batch, await mailbox.fetch([row.ref for row in batch])
                    failpoint("intake.fetched")
                    try:
                        await send.send(haul)
                    except anyio.BrokenResourceError:
                        await anyio.to_thread.run_sync(drop, haul[1])
                        raise
                    del haul  # the next one is fetched without this one in memory
            if not more:
                return
            more = (await self._look(mailbox)).more

    async def _look(self, mailbox: Mailbox) -> Look:
        """Note what is new together with where the next look starts."""
        cursor = self._store.read(lambda tx: journal.cursor(tx, self._name))
        look = await mailbox.look(cursor)
        self._cursor = look.cursor
        failpoint("intake.looked")
        if look.refs or look.renumbered or look.cursor != cursor:
            now = timestamp(utc_now())
            await self._store.write(lambda tx: journal.note_look(tx, self._name, look, now))
            self._count_backlog()
        return look

    # --- keeping and judging

    async def _keep_all(self, receive: MemoryObjectReceiveStream[Haul], send: MemoryObjectSendStream[Worklist]) -> None:
        async for batch, fetched in receive:
            ids = {row.ref: row.intake_id for row in batch}
            await send.send((len(batch), await keep(self._store, self._name, ids, fetched)))

    async def _read_all(
        self, receive: MemoryObjectReceiveStream[Worklist], send: MemoryObjectSendStream[Readings], slot: Slot
    ) -> None:
        async for rows, work in receive:
            mails = await self._reading.read(work, slot)
            failpoint("intake.parsed")
            del work  # the raw bytes
            await send.send((rows, mails))

    async def _judge_all(
        self, receive: MemoryObjectReceiveStream[Readings], send: MemoryObjectSendStream[int], slot: Slot
    ) -> None:
        async for rows, mails in receive:
            await self._judge.judge(mails, slot)
            self._backlog -= rows
            self._tell_backlog()
            await anyio.lowlevel.checkpoint_if_cancelled()  # who settles may have left while we committed
            send.send_nowait(rows)

    async def _judge_kept(self, reading: Slot, judging: Slot) -> None:
        """Take up mails that are kept and not decided: a death or a failure came between."""
        after = 0
        while page := self._store.read(lambda tx: journal.to_judge(tx, self._name, after, PAGE_ROWS)):  # noqa: B023 - called at once
            after = page[-1].intake_id
            for batch in batches(page):
                mails = await self._reading.read([Work(mail) for mail in batch], reading)
                await self._judge.judge(mails, judging)

    # --- settling

    async def _settle_all(self, mailbox: Mailbox, receive: MemoryObjectReceiveStream[int], outage: _Outage) -> None:
        waiting = SETTLE_MAILS  # an earlier run may have left some: they go with the first that are done
        async for rows in receive:
            waiting += rows
            if waiting >= SETTLE_MAILS:
                waiting = 0
                await self._settle(mailbox)
        if outage.failure is None:  # else it could not be noted
            await self._settle(mailbox)  # also what an earlier run left, behind the new mail: it may fail for long

    async def _settle(self, mailbox: Mailbox) -> None:
        """Let the server's copies change: what they stand for is committed."""
        while done := self._store.read(lambda tx: journal.to_settle(tx, self._name, PAGE_ROWS)):
            await mailbox.settle([Settlement(row.ref, row.parked, row.headers_only) for row in done])
            failpoint("intake.settled")
            settled = [row.intake_id for row in done]
            await self._store.write(lambda tx: journal.note_settled(tx, settled))  # noqa: B023 - awaited at once


class _Outage:
    """Lets the stages of a drain end one by one when our store fails.

    To cancel them would cut a dialogue with the server off, and with it the connection.
    """

    def __init__(self) -> None:
        self.failure: StoreError | None = None

    async def within(self, stage: Callable[[Unpack[PosArgs]], Awaitable[None]], *args: *PosArgs) -> None:
        """Run a *stage*; the streams among its *args* end with it, after its failure is known to the others."""
        try:
            await stage(*args)
        except StoreError as error:
            self.failure = self.failure or error
        except anyio.BrokenResourceError:  # who takes the work from here failed
            if self.failure is None:
                raise
        finally:
            for stream in args:
                if isinstance(stream, MemoryObjectReceiveStream | MemoryObjectSendStream):
                    stream.close()
