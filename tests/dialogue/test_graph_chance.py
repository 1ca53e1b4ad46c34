"""Whatever Graph, the line and people do by chance: each mail that lies in the folder is told, whole and as itself."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.contract.sources import USER, GraphBench, graph_bench
from tests.contract.test_sources import mail
from tests.dialogue.graph import BRISK
from tests.lab.graph import GraphError
from tests.lab.graph.mailboxes import Mailbox, Message

from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import MailRef, Settlement, SpooledMail
from mailwicket.sources.graph import GraphSource

STEPS = 25
EVENTS = "deliver deliver deliver deliver file read move back take forget trouble work work work work".split()
HABITS: dict[str, list[Any]] = {
    "shuffled": [False, True],
    "duplicates": [False, True],
    "replays": [0, 0, 1, 7],
    "empty_pages": [0, 0, 2],
    "sees_latecomers": [False, True],
    "first_round_removals": [False, True],
    "partial_rows": [False, True],
}
TROUBLES: list[dict[str, Any]] = [
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "after", "times": 2},
    {"status": 500},
    {"status": 502, "html": True},
    {"status": 401, "code": "InvalidAuthenticationToken"},
    {"body": "{"},
    {"body": "{}"},
    {"cut_after": 100},
    {"status": 504, "after": 2},
]
PLACES = ["*", "GET */delta", "GET */$value", "PATCH *", "POST */move", "DELETE *"]
DEATHS = [(410, "SyncStateNotFound"), (410, "resyncRequired"), (404, "syncStateNotFound"), (400, "SyncStateNotFound")]


class Play:
    """One course of events, and what a daemon keeps of it."""

    def __init__(self, bench: GraphBench, chance: random.Random, start_from: str) -> None:
        self.lab = bench.lab
        self.box: Mailbox = bench.lab.mailbox(USER)
        self.chance = chance
        self.after = chance.choice(["leave", "seen", "delete", "move:Done"])
        self.source: GraphSource = bench.source(after=self.after, start_from=start_from)
        self.source.deadlines = BRISK  # type: ignore[misc]  # of this one alone
        self.source._memory.page_mails = chance.choice([1, 2, 50])
        self.every: dict[str, Message] = {}
        self.lay_there: set[str] = set()
        """Before the first look, where that leaves alone what it finds."""
        self.touched: set[str] = set()
        """What people moved, read or removed."""
        self.cursor: str | None = None
        self.told: set[str] = set()
        self.pending: dict[str, MailRef] = {}
        self.done: set[str] = set()
        for name, values in HABITS.items():
            setattr(bench.lab.delta.manners, name, chance.choice(values))

    def any_item(self, folder: str) -> Message | None:
        items = self.box.messages(folder)
        item = self.chance.choice(items) if items else None
        if item is not None:
            self.touched.add(item.immutable_id)
        return item

    def deliver(self, folder: str = "inbox") -> None:
        item = self.box.deliver(mail(len(self.every)), folder)
        self.every[item.immutable_id] = item

    async def begin(self) -> None:
        """Look for the first time ever, while nothing goes wrong."""
        for _ in range(5):
            self.deliver()
        assert await self.work()
        self.lay_there = {item.immutable_id for item in self.box.messages("inbox")} - self.told - self.done
        assert self.lay_there in (set(), set(self.every))

    async def step(self) -> None:  # noqa: C901 - an event a case
        match self.chance.choice(EVENTS):
            case "deliver":
                for _ in range(self.chance.randint(1, 5)):
                    self.deliver()
            case "file":
                self.deliver("archive")
            case "read" if item := self.any_item("inbox"):
                self.box.read(item, is_read=not item.is_read)
            case "move" if item := self.any_item("inbox"):
                self.box.move(item, self.box.folder("archive"))
            case "back" if item := self.any_item("archive"):
                self.box.move(item, self.box.folder("inbox"))
            case "take" if item := self.any_item("inbox"):
                self.box.take(item)
            case "forget":
                self.lab.delta.expire(GraphError(*self.chance.choice(DEATHS), "Forgotten."))
            case "trouble":
                trouble = self.chance.choice(TROUBLES)
                nonsense = "body" in trouble  # in the place of a mail nobody can tell it from one
                self.lab.faults.add("GET */delta" if nonsense else self.chance.choice(PLACES), **trouble)
            case "work":
                await self.work()

    async def work(self) -> bool:
        """Look, fetch and settle as the flow does; tell whether all of it went well."""
        try:
            async with self.source.connect() as mailbox:
                more = True
                while more:
                    look = await mailbox.look(self.cursor)
                    self.cursor, more = look.cursor, look.more
                    new = {ref.remote_id: ref for ref in look.refs if ref.remote_id not in self.done}
                    self.told |= new.keys()
                    self.pending |= new
                found = await mailbox.fetch(list(self.pending.values()))
                for one in found:
                    raw = one.raw.path.read_bytes() if isinstance(one.raw, SpooledMail) else one.raw
                    assert one.headers_only or raw == self.every[one.ref.remote_id].content
                    self.pending[one.ref.remote_id] = one.ref
                await mailbox.settle([Settlement(one.ref, headers_only=one.headers_only) for one in found])
                self.done |= {one.ref.remote_id for one in found if not one.headers_only}
                self.pending.clear()
        except TransientError:
            return False
        except BlockedError as error:
            if error.reason != "needs_sign_in":  # two refusals of a token, one after the other
                raise
            return False
        return True

    async def end(self) -> None:
        """The line is good again: within a few rounds all is told and settled."""
        self.lab.faults.clear()
        for _ in range(5):
            if await self.work() and await self.work():
                break
        else:
            raise AssertionError("it does not recover")
        here = {item.immutable_id: item for item in self.box.messages("inbox")}
        assert here.keys() - self.lay_there <= self.told, "a mail was never told"
        assert self.told.isdisjoint(self.lay_there), "what lay there before the first look was taken"
        assert self.told <= self.every.keys(), "a mail was told that never was"
        assert not self.lab.delta.altered, "a link went back other than it came"
        settled = [name for name in self.done - self.touched if name in here]
        match self.after:
            case "seen":
                assert all(here[name].is_read for name in settled)
            case "delete" | "move:Done":
                assert not settled
        assert max(self.lab.throttling.peak.values(), default=0) <= 1, "one request at a time"


async def played(seed: int, directory: Path) -> None:
    async with graph_bench(directory) as bench:
        play = Play(bench, random.Random(seed), "now" if seed % 3 == 0 else "all")
        await play.begin()
        for _ in range(STEPS):
            await play.step()
        await play.end()


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_no_mail_is_lost(seed: int, tmp_path: Path) -> None:
    await played(seed, tmp_path)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(1000, 2000, 100))
async def test_whatever_happens_again_and_again(seed: int, tmp_path: Path) -> None:
    for one in range(seed, seed + 100):
        try:
            await played(one, tmp_path)
        except BaseException as error:
            error.add_note(f"seed {one}")
            raise
