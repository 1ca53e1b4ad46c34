"""The way of mail from one mailbox to the desk: look, fetch, keep, judge, settle.

Every step ends in a commit that names the state of each row, so a death at any point is a row in a named
state, and the next run goes on from there. Progress is never read from the server's flags: they belong to people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from mailwicket.store.journal import IntakeRow, Kept, timestamp
from mailwicket.store.raw import RawPlace
from mailwicket.store.store import Store

PAGE_ROWS = 1000

Haul = tuple[list[IntakeRow], Sequence[Fetched]]


class Intake:
    """Serves one source as long as its connection lives."""

    def __init__(self, name: str, source: Source, store: Store, judge: Judge, observer: Observer) -> None:
        """Bring the mail of *source*, configured as `incoming.NAME`, to *judge*."""
        self._name = name
        self._source = source
        self._store = store
        self._judge = judge
        self._observer = observer

    async def run(self) -> None:
        """Work until the connection ends or the caller cancels.

        Raises:
            TransientError: the server, the desk or our disk is out; what was begun goes on next time.
            BlockedError: a human must act.
        """
        with self._store.in_hand.worker() as slot:
            await self._judge_kept(slot)
            async with self._source.connect() as mailbox:
                self._observer.connected(mailbox.silence_s)
                while True:
                    await self._settle(mailbox)
                    more = await self._look(mailbox)
                    await self._drain(mailbox, slot)
                    self._report()
                    if not more:
                        self._observer.caught_up()
                        await mailbox.wait()
                    await self._judge_kept(slot)

    async def _look(self, mailbox: Mailbox) -> bool:
        """Note what is new together with where the next look starts."""
        cursor = self._store.read(lambda tx: journal.cursor(tx, self._name))
        look = await mailbox.look(cursor)
        failpoint("intake.looked")
        if look.refs or look.renumbered or look.cursor != cursor:
            now = timestamp(utc_now())
            await self._store.write(lambda tx: journal.note_look(tx, self._name, look, now))
        return look.more

    async def _drain(self, mailbox: Mailbox, slot: Slot) -> None:
        """Fetch one batch ahead while the one before it is kept, judged and settled."""
        if not self._store.read(lambda tx: journal.rows(tx, self._name, "seen", limit=1)):
            return
        send, receive = anyio.create_memory_object_stream[Haul](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._fetch_all, mailbox, send)
            await self._judge_all(mailbox, receive, slot)

    async def _fetch_all(self, mailbox: Mailbox, send: MemoryObjectSendStream[Haul]) -> None:
        async with send:
            for batch in batches(self._seen()):
                haul = batch, await mailbox.fetch([row.ref for row in batch])
                failpoint("intake.fetched")
                await send.send(haul)

    def _seen(self) -> Iterator[IntakeRow]:
        """Read the rows to fetch page by page: a backlog of 100,000 is not held in memory."""
        after = 0
        while page := self._store.read(lambda tx: journal.rows(tx, self._name, "seen", after, PAGE_ROWS)):  # noqa: B023 - called at once
            yield from page
            after = page[-1].intake_id

    async def _judge_all(self, mailbox: Mailbox, receive: MemoryObjectReceiveStream[Haul], slot: Slot) -> None:
        async with receive:
            async for batch, fetched in receive:
                work = await self._keep(batch, fetched)
                del fetched
                await self._judge.judge(work, slot)
                del work
                await self._settle(mailbox)
                self._report()

    async def _keep(self, batch: list[IntakeRow], fetched: Sequence[Fetched]) -> list[Work]:
        """Have the raw bytes on disk before anybody parses them; what the server no longer has is gone."""
        rows = {row.ref: row for row in batch}
        places = await anyio.to_thread.run_sync(self._write_raw, rows, fetched)
        kept = [
            Kept(rows[mail.ref].intake_id, mail.ref, place, mail.headers_only)
            for mail, place in zip(fetched, places, strict=True)
        ]
        found = {mail.intake_id for mail in kept}
        gone = [row.intake_id for row in batch if row.intake_id not in found]
        now = timestamp(utc_now())
        fresh = await self._store.write(lambda tx: journal.keep(tx, self._name, kept, gone, now))
        raws = {rows[mail.ref].intake_id: mail.raw for mail in fetched if isinstance(mail.raw, bytes)}
        return [Work(mail, raw=raws.get(mail.intake_id)) for mail in fresh]

    def _write_raw(self, rows: dict[MailRef, IntakeRow], fetched: Sequence[Fetched]) -> list[RawPlace]:
        """In a worker thread: small mails with one sync for all, large ones by a rename each."""
        today = utc_now().date()
        small = iter(self._store.raw.append([mail.raw for mail in fetched if isinstance(mail.raw, bytes)], today))
        return [
            self._store.raw.adopt(mail.raw, today, rows[mail.ref].intake_id)
            if isinstance(mail.raw, SpooledMail)
            else next(small)
            for mail in fetched
        ]

    async def _judge_kept(self, slot: Slot) -> None:
        """Take up mails that are kept and not decided: a death or a failure came between."""
        after = 0
        while page := self._store.read(lambda tx: journal.rows(tx, self._name, "fetched", after, 100)):  # noqa: B023 - called at once
            after = page[-1].intake_id
            for batch in batches(page):
                work = [
                    Work(Kept(row.intake_id, row.ref, row.raw, row.headers_only), row.attempts)
                    for row in batch
                    if row.raw is not None
                ]
                await self._judge.judge(work, slot)

    async def _settle(self, mailbox: Mailbox) -> None:
        """Let the server's copies change: what they stand for is committed."""
        while page := self._store.read(lambda tx: journal.rows(tx, self._name, "done", limit=PAGE_ROWS)):
            await mailbox.settle([Settlement(row.ref, row.parked) for row in page])
            failpoint("intake.settled")
            settled: list[IntakeId] = [row.intake_id for row in page]
            now = timestamp(utc_now())
            await self._store.write(lambda tx: journal.note_settled(tx, settled, now))  # noqa: B023 - awaited at once

    def _report(self) -> None:
        self._observer.backlog(self._store.read(lambda tx: journal.backlog(tx, self._name)))
