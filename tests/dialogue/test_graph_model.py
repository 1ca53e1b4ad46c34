"""Any order of what people, Graph and our own deaths do to a folder, against a model: no mail is missed or mixed up."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.contract.sources import USER, GraphBench, graph_bench
from tests.contract.test_sources import mail
from tests.lab.graph import GraphError
from tests.lab.graph.mailboxes import Message

from mailwicket.errors import TransientError
from mailwicket.sources.graph import GraphFolder, GraphSource

STEPS = 40


class Journal:
    """What ours promises of a look: refs and cursor are noted together, and a known ref stays as it is."""

    def __init__(self) -> None:
        self.cursor: str | None = None
        self.seen: set[str] = set()

    async def look(self, mailbox: GraphFolder, *, dies: bool) -> bool:
        """Look once; where the daemon *dies* before its commit, nothing was noted."""
        look = await mailbox.look(self.cursor)
        if not dies:
            self.cursor = look.cursor
            self.seen |= {ref.remote_id for ref in look.refs}
        return look.more

    async def drain(self, mailbox: GraphFolder) -> None:
        while await self.look(mailbox, dies=False):
            pass


class World:
    """One folder, and everything that happens to it."""

    def __init__(self, bench: GraphBench, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bench = bench
        self.box = bench.lab.mailbox(USER)
        self.number = 0
        manners = bench.lab.delta.manners
        manners.partial_rows = self.chance.random() < 0.7
        manners.duplicates = self.chance.random() < 0.3
        manners.shuffled = self.chance.random() < 0.5
        manners.replays = self.chance.choice([0, 0, 4])
        manners.empty_pages = self.chance.choice([0, 0, 2])
        manners.sees_latecomers = self.chance.random() < 0.5

    def deliver(self) -> Message:
        self.number += 1
        age = timedelta(days=self.chance.choice([0, 0, 400]))
        folder = self.chance.choice(["inbox", "inbox", "archive"])
        return self.box.deliver(mail(self.number), folder, received=datetime.now(UTC) - age)

    def happen(self) -> None:
        """One thing that people or Graph do."""
        items = self.box.messages()
        match self.chance.randrange(7):
            case 0 | 1 | 2:
                self.deliver()
            case 3 if items:
                self.box.read(self.chance.choice(items), is_read=self.chance.random() < 0.7)
            case 4 if items:
                self.box.move(self.chance.choice(items), self.box.folder(self.chance.choice(["inbox", "archive"])))
            case 5 if items:
                self.box.take(self.chance.choice(items))
            case 6:
                what = self.chance.choice(["forgets", "is busy", "breaks off"])
                if what == "forgets":
                    self.bench.lab.delta.expire(GraphError(410, "SyncStateNotFound", "Forgotten."))
                elif what == "is busy":
                    self.bench.lab.faults.busy("GET */delta", status=504)
                else:
                    self.bench.lab.faults.add("GET */delta", drop="after")

    def here(self) -> set[str]:
        return {item.immutable_id for item in self.box.messages("inbox")}


@pytest.mark.parametrize("start_from", ["now", "all"])
@pytest.mark.parametrize("seed", range(8))
async def test_every_mail_that_stays_in_the_folder_is_told_and_what_lay_there_is_not(
    tmp_path: Path, seed: int, start_from: str
) -> None:
    async with graph_bench(tmp_path) as bench:
        world, journal = World(bench, seed), Journal()
        for _ in range(6):
            world.deliver()
        lay_there = world.here() if start_from == "now" else set()
        source: GraphSource = bench.source(start_from=start_from)
        source._memory.page_mails = world.chance.choice([1, 3, 500])
        async with source.connect() as mailbox:
            await journal.drain(mailbox)
        assert lay_there.isdisjoint(journal.seen)
        assert world.here() == lay_there | journal.seen
        for _ in range(STEPS // 8):
            with suppress(TransientError):
                async with source.connect() as mailbox:
                    for _ in range(8):
                        world.happen()
                        await journal.look(mailbox, dies=world.chance.random() < 0.2)
        bench.lab.faults.clear()
        async with source.connect() as mailbox:
            await journal.drain(mailbox)
        told = journal.seen
        assert world.here() - lay_there <= told, "a mail was missed"
        assert told.isdisjoint(lay_there), "what lay there was taken"
        assert bench.lab.delta.altered == []
