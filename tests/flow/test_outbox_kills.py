"""Death around DATA: whatever is killed and when, every mail of the outbox is at the server, and hardly one twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from tests.postoffice import PostOffice, field_of

from mailwicket.demo.smtp_sink import smtp_sink

ROOT = Path(__file__).parents[2]
DEATHS = ("outbox.claimed", "outbox.submitted", "outbox.noted", "commit.before", "commit.after")


class Sink:
    """What a server took, mail by mail."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.port = 0

    async def take(self, raw: bytes) -> None:
        self.taken.append(raw.partition(b"\r\n")[2])  # without its Return-Path

    @property
    def copies(self) -> Counter[str]:
        return Counter(field_of(raw, "Message-ID") for raw in self.taken)

    def assert_whole(self, ids: list[str], kills: int) -> None:
        """Nothing is lost, a kill repeats one mail at most, and that is the same to the byte."""
        copies = self.copies
        assert sorted(copies) == sorted(f"<{one}>" for one in ids)
        assert copies.total() - len(copies) <= kills, copies.most_common(5)
        assert len(set(self.taken)) == len(copies)


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    one = Sink()
    async with smtp_sink(one.take) as one.port:
        yield one


async def filled(directory: Path, mails: int) -> list[str]:
    """Fill an outbox and return the Message-IDs in it."""
    office = PostOffice(directory)
    office.clock.now = datetime.now(UTC)
    queued = await office.queue(*(office.draft(text="Words.\n" * 200) for _ in range(mails)))
    await office.store.close()
    return [one.message_id for one in queued]


async def live(directory: Path, port: int, *, connections: int = 1, life_s: float = 60, death: str = "") -> int | None:
    """Run couriers for so long, then kill them; return how they ended by themselves, None when they were killed."""
    command = [sys.executable, "-m", "tests.lab.courier", str(directory / "state"), str(port), str(connections)]
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}"} | (
        {"MAILWICKET_FAILPOINT": death} if death else {}
    )
    process = await anyio.open_process(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=None)
    with anyio.move_on_after(life_s):
        return await process.wait()
    process.kill()
    await process.wait()
    return None


async def killed(directory: Path, *, mails: int, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    ids = await filled(directory, mails)
    async with sink() as one:
        at_work = 0
        for _ in range(kills):
            before = len(one.taken)
            with anyio.move_on_after(20) as waiting:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_die_at, directory, one, before, chance, mails, kills)
            assert not waiting.cancelled_caught
            at_work += before < len(one.taken) < mails
        assert await live(directory, one.port) == 0
        repeats = one.copies.total() - len(one.copies)
        print(f"kills: {kills}, {at_work} of them at work; mails {mails}, repeats {repeats}; seed {seed}")
        one.assert_whole(ids, kills)


async def _die_at(directory: Path, one: Sink, before: int, chance: random.Random, mails: int, kills: int) -> None:
    """Kill the couriers a random moment after they sent a random number of mails."""
    command = [sys.executable, "-m", "tests.lab.courier", str(directory / "state"), str(one.port), "1"]
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}"}
    process = await anyio.open_process(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=None)
    goal = before + chance.randint(1, max(2 * mails // kills - 2, 2))
    while len(one.taken) < goal and process.returncode is None:  # noqa: ASYNC110 - it tells nobody
        await anyio.sleep(0.001)
    await anyio.sleep(chance.uniform(0, 0.004))
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_6_random_kills_lose_nothing_of_120_mails_and_repeat_6_at_most(tmp_path: Path) -> None:
    await killed(tmp_path, mails=120, kills=6, seed=20261130)


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_50_random_kills_lose_nothing_of_1000_mails_and_repeat_50_at_most(tmp_path: Path) -> None:
    await killed(tmp_path, mails=1_000, kills=50, seed=20261201)


@pytest.mark.parametrize("point", DEATHS)
async def test_a_death_at_each_step_loses_nothing_and_repeats_one_mail_at_most(tmp_path: Path, point: str) -> None:
    ids = await filled(tmp_path, 12)
    async with sink() as one:
        for hit in (1, {"outbox.submitted": 4, "outbox.noted": 4}.get(point, 1)):
            assert await live(tmp_path, one.port, death=f"{point}:{hit}:die") == -9
        assert await live(tmp_path, one.port) == 0
        one.assert_whole(ids, kills=2 if point != "outbox.claimed" else 0)


async def test_a_death_over_several_connections_repeats_one_mail_on_each_at_most(tmp_path: Path) -> None:
    ids = await filled(tmp_path, 60)
    async with sink() as one:
        assert await live(tmp_path, one.port, connections=4, death="outbox.submitted:30:die") == -9
        assert await live(tmp_path, one.port, connections=4) == 0
        one.assert_whole(ids, kills=4)
