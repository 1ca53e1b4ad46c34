"""Floods, with the deadlines of every day: what ends them is their size. Memory stays within 32 MiB, the loop turns."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest
from tests.fakes import mail
from tests.hostile.house import House, Tenant, house
from tests.hostile.misdeeds import FLOODS, changes, in_pieces
from tests.hostile.server import MailServer, Misdeed, mail_server
from tests.waiting import becomes

from mailwicket.sources.imap import ImapSource

MEMORY_BYTES: Final = 32 * 1024 * 1024
STRETCH_S: Final = 0.1
"""Of one thread's time, so that a busy machine adds nothing. It was 1 to 3 s before answers were read in turns."""

VERBS: Final = ("SEARCH", "FETCH")
OTHER_VERBS: Final = "GREETING CAPABILITY LOGIN SELECT LOOK STORE MOVE IDLE DONE".split()
LINE_BYTES: Final = 8 * 1024 * 1024 - 100


@asynccontextmanager
async def flooded(directory: Path, verb: str, misdeed: Misdeed) -> AsyncIterator[tuple[House, MailServer, Tenant]]:
    """A unit with a mail, whose server floods it at *verb*."""
    async with house(directory) as one, mail_server() as server:
        server.exists = 5000 if verb == "SEARCH" else None
        server.deliver(mail("first", message_id="first@example.org"))
        after = {"STORE": "seen", "MOVE": "move:Done"}.get(verb, "leave")
        tenant = one.add("box", server.port, ImapSource, after=after)
        server.misbehave(verb, misdeed)
        tenant.start()
        if verb == "DONE":
            await becomes(lambda: "IDLE" in " ".join(server.lines[-1:]), 10, "IDLE")
            server.deliver(mail("second", message_id="second@example.org"))
        yield one, server, tenant


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Fail if more than MEMORY_BYTES are taken at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"{peak / 2**20:.1f} MiB at most")
    assert peak < MEMORY_BYTES


@asynccontextmanager
async def turning_loop() -> AsyncIterator[None]:
    """Fail if the event loop works for longer than STRETCH_S without turning to others.

    What there was before is not looked through by the garbage collection, as in the daemon (`service.footprint`).
    """
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.thread_time() - before)

    gc.collect()
    gc.freeze()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            yield
            tasks.cancel_scope.cancel()
    finally:
        gc.unfreeze()
    print(f"{longest_s * 1000:.0f} ms at a stretch")
    assert longest_s < STRETCH_S


async def check_flood(directory: Path, verb: str, misdeed: Misdeed) -> None:
    with bounded_memory():
        async with flooded(directory, verb, misdeed) as (_, _, tenant):
            await becomes(lambda: tenant.halted, 40, "backing off")
            assert tenant.unit.reason == "server_said"
            assert "bytes" in str(tenant.unit.said) or "refused the connection" in str(tenant.unit.said)


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_flood_ends_by_its_size_and_takes_no_memory(tmp_path: Path, verb: str, flood: str) -> None:
    await check_flood(tmp_path / "state", verb, FLOODS[flood])


@pytest.mark.torture
@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("verb", OTHER_VERBS)
async def test_a_flood_ends_by_its_size_at_every_other_verb(tmp_path: Path, verb: str, flood: str) -> None:
    await check_flood(tmp_path / "state", verb, FLOODS[flood])


def _uids(first: int, count: int, line: str) -> bytes:
    return "".join(line % (uid, uid) + "\r\n" for uid in range(first, first + count)).encode()


def _search(numbers: bytes) -> bytes:
    return b"* SEARCH " + numbers[:LINE_BYTES].rpartition(b" ")[0] + b"\r\n"


TALL_STORIES: Mapping[str, tuple[str, bytes]] = {
    "a million mails": ("SEARCH", _search(b" ".join(b"%d" % uid for uid in range(1_000_000, 2_200_000)))),
    "a million mails in no order": (
        "SEARCH",
        _search(b" ".join(b"%d" % uid for uid in range(2_200_000, 1_000_000, -1))),
    ),
    "one mail, again and again": ("SEARCH", _search(b"10 " * 3_000_000)),
    "two million in ten bytes": ("SEARCH", b'* ESEARCH (TAG "A1") UID ALL 1:1999999\r\n'),
    "seventy thousand where there is one": (
        "LOOK",
        _uids(1000, 70_000, '* %d FETCH (UID %d RFC822.SIZE 100 INTERNALDATE "02-Jan-2026 10:00:00 +0000")'),
    ),
    "the flags of ninety thousand": ("LOOK", _uids(1000, 90_000, "* %d FETCH (UID %d FLAGS ())")),
    "the flags of ninety thousand beside a mail": ("FETCH", _uids(1000, 90_000, "* %d FETCH (UID %d FLAGS ())")),
    "nonsense about seventy thousand": ("LOOK", _uids(1000, 70_000, "* %d FETCH (UID %d RFC822.SIZE")),
}
"""Within what an answer may be long."""


def _done_with(one: House, server: MailServer, tenant: Tenant) -> bool:
    """Whether the story was told to its end, and what it led to has begun."""
    return server.times > 1 or tenant.halted or one.holds(server.delivered[0])


@pytest.mark.parametrize("story", TALL_STORIES)
async def test_a_tall_story_does_not_stop_the_loop(tmp_path: Path, story: str) -> None:
    verb, words = TALL_STORIES[story]
    async with turning_loop(), flooded(tmp_path / "state", verb, in_pieces(words)) as told:
        await becomes(lambda: _done_with(*told), 40, "what follows")


@pytest.mark.parametrize(
    "story", [pytest.param(one, marks=() if one.startswith("seventy") else pytest.mark.torture) for one in TALL_STORIES]
)
async def test_a_tall_story_takes_no_memory(tmp_path: Path, story: str) -> None:
    verb, words = TALL_STORIES[story]
    with bounded_memory():
        async with flooded(tmp_path / "state", verb, in_pieces(words)) as told:
            await becomes(lambda: _done_with(*told), 80, "what follows")


async def test_mail_that_is_announced_for_ever_and_never_there_keeps_nobody_busy(tmp_path: Path) -> None:
    told = itertools.count(2)
    alarm = changes(lambda answer: answer + b"* %d EXISTS\r\n" % next(told))
    async with flooded(tmp_path / "state", "IDLE", alarm) as (_, server, tenant):
        await becomes(lambda: server.times > 10, 40, "ten false alarms")
        before = server.times
        await asyncio.sleep(2)
        assert server.times - before <= 3
        assert await tenant.stop() < 1
