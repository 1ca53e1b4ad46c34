"""The way of mail from one mailbox to the desk: look, fetch, keep, judge, settle.

Every step ends in a commit that names the state of each row, so a death at any point is a row in a named
state, and the next run goes on from there. Progress is never read from the server's flags: they belong to people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from mailwicket.failpoint import failpoint
from mailwicket.flow.batches import batches
from mailwicket.flow.judge import Judge, utc_now
from mailwicket.flow.observe import Observer
from mailwicket.flow.reading import Work
from mailwicket.model import Fetched, IntakeId, MailRef, Settlement, SpooledMail
from mailwicket.ports import Mailbox, Source
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Kept, Seen, timestamp
from mailwicket.store.raw import RawPlace
from mailwicket.store.store import Store

PAGE_ROWS = 1000

Haul = tuple[list[Seen], Sequence[Fetched]]
Worklist = tuple[int, list[Work]]  # rows of the batch, and those of them that are new work


class Intake:
    """Serves one source as long as its connection lives."""

    def __init__(self, name: str, source: Source, store: Store, judge: Judge, observer: Observer) -> None:
        """Bring the mail of *source*, configured as `incoming.NAME`, to *judge*."""
        self._name = name
        self._source = source
        self._store = store
        self._judge = judge
        self._observer = observer
        self._backlog = 0

    async def run(self) -> None:
        """Work until the connection ends or the caller cancels.

        Raises:
            TransientError: the server, the desk or our disk is out; what was begun goes on next time.
            BlockedError: a human must act.
        """
        with self._store.in_hand.worker() as slot:
            self._count_backlog()
            await self._judge_kept(slot)
            async with self._source.connect() as mailbox:
                self._observer.connected(mailbox.silence_s)
                await self._settle(mailbox)
                while True:
                    more = await self._look(mailbox)
                    await self._drain(mailbox, slot)
                    if not more:
                        self._count_backlog()
                        self._observer.caught_up()
                        await mailbox.wait()
                    await self._judge_kept(slot)

    def _count_backlog(self) -> None:
        self._backlog = self._store.read(lambda tx: journal.backlog(tx, self._name))
        self._observer.backlog(self._backlog)

    # --- looking and fetching

    async def _look(self, mailbox: Mailbox) -> bool:
        """Note what is new together with where the next look starts."""
        cursor = self._store.read(lambda tx: journal.cursor(tx, self._name))
        look = await mailbox.look(cursor)
        failpoint("intake.looked")
        if look.refs or look.renumbered or look.cursor != cursor:
            now = timestamp(utc_now())
            await self._store.write(lambda tx: journal.note_look(tx, self._name, look, now))
            self._count_backlog()
        return look.more

    async def _drain(self, mailbox: Mailbox, slot: Slot) -> None:
        """Three batches are under way at a time: one is fetched, one is kept, one is judged and settled."""
        if not self._page(after=0, limit=1):
            return
        fetched, to_keep = anyio.create_memory_object_stream[Haul](0)
        kept, to_judge = anyio.create_memory_object_stream[Worklist](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._fetch_all, mailbox, fetched)
            tasks.start_soon(self._keep_all, to_keep, kept)
            await self._judge_all(mailbox, to_judge, slot)

    async def _fetch_all(self, mailbox: Mailbox, send: MemoryObjectSendStream[Haul]) -> None:
        async with send:
            for batch in batches(self._seen()):
                haul = batch, await mailbox.fetch([row.ref for row in batch])
                failpoint("intake.fetched")
                await send.send(haul)
                del haul  # the next one is fetched without this one in memory

    def _seen(self) -> Iterator[Seen]:
        """Read the rows to fetch page by page: a backlog of 100,000 is not held in memory."""
        after = 0
        while page := self._page(after, PAGE_ROWS):
            yield from page
            after = page[-1].intake_id

    def _page(self, after: int, limit: int) -> list[Seen]:
        return self._store.read(lambda tx: journal.to_fetch(tx, self._name, after, limit))

    # --- keeping and judging

    async def _keep_all(self, receive: MemoryObjectReceiveStream[Haul], send: MemoryObjectSendStream[Worklist]) -> None:
        async with receive, send:
            async for batch, fetched in receive:
                await send.send((len(batch), await self._keep(batch, fetched)))

    async def _judge_all(self, mailbox: Mailbox, receive: MemoryObjectReceiveStream[Worklist], slot: Slot) -> None:
        async with receive:
            async for rows, work in receive:
                await self._judge.judge(work, slot)
                await self._settle(mailbox)
                self._backlog -= rows
                self._observer.backlog(self._backlog)

    async def _keep(self, batch: list[Seen], fetched: Sequence[Fetched]) -> list[Work]:
        """Have the raw bytes on disk before anybody parses them; what the server no longer has is gone."""
        ids = {row.ref: row.intake_id for row in batch}
        places = await anyio.to_thread.run_sync(self._write_raw, ids, fetched)
        kept = [
            Kept(ids[mail.ref], mail.ref, place, mail.headers_only) for mail, place in zip(fetched, places, strict=True)
        ]
        gone = set(ids.values()) - {mail.intake_id for mail in kept}
        now = timestamp(utc_now())
        fresh = await self._store.write(lambda tx: journal.keep(tx, self._name, kept, sorted(gone), now))
        raws = {ids[mail.ref]: mail.raw for mail in fetched if isinstance(mail.raw, bytes)}
        return [Work(mail, raws.get(mail.intake_id)) for mail in fresh]

    def _write_raw(self, ids: Mapping[MailRef, IntakeId], fetched: Sequence[Fetched]) -> list[RawPlace]:
        """In a worker thread: small mails with one sync for all, large ones by a rename each."""
        today = utc_now().date()
        small = iter(self._store.raw.append([mail.raw for mail in fetched if isinstance(mail.raw, bytes)], today))
        return [
            self._store.raw.adopt(mail.raw, today, ids[mail.ref]) if isinstance(mail.raw, SpooledMail) else next(small)
            for mail in fetched
        ]

    async def _judge_kept(self, slot: Slot) -> None:
        """Take up mails that are kept and not decided: a death or a failure came between."""
        after = 0
        while page := self._store.read(lambda tx: journal.to_judge(tx, self._name, after, PAGE_ROWS)):  # noqa: B023 - called at once
            after = page[-1].intake_id
            for batch in batches(page):
                await self._judge.judge([Work(mail) for mail in batch], slot)

    # --- settling

    async def _settle(self, mailbox: Mailbox) -> None:
        """Let the server's copies change: what they stand for is committed."""
        while done := self._store.read(lambda tx: journal.to_settle(tx, self._name, PAGE_ROWS)):
            await mailbox.settle([Settlement(row.ref, row.parked) for row in done])
            failpoint("intake.settled")
            settled = [row.intake_id for row in done]
            await self._store.write(lambda tx: journal.note_settled(tx, settled))  # noqa: B023 - awaited at once
