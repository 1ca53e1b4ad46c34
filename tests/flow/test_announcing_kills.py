"""Death amid an announcement: each person gets it, once, whatever is killed and when."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from tests.flow.test_outbox_kills import ROOT, Sink, sink
from tests.lab.courier import local
from tests.postoffice import field_of

from mailwicket.flow.announcing import Announcement, Announcing
from mailwicket.flow.posting import Posting
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.rules.policy import Policy
from mailwicket.store import announcements
from mailwicket.store.announcements import AnnouncementId
from mailwicket.store.store import Store

PEOPLE = [f"p{number:03}@example.com" for number in range(200)]
ONE = AnnouncementId(1)


async def announced(directory: Path, people: list[str]) -> Path:
    """A store in which an announcement is noted, and no mail of it."""
    store = Store(directory / "state")
    posting = Posting(Policy(keys=store.keys), {}, Switchboard(Exchange({"main": local(9, 1)})))
    asked = Announcement(people, "We move", "On Monday.")
    await store.write(lambda tx: Announcing(tx, posting, datetime.now(UTC)).announce(asked))
    await store.close()
    return directory / "state"


async def live(state_dir: Path, one: Sink, goal: int, wait_s: float = 0, death: str = "") -> int | None:
    """Have it sent until so many mails arrived, and kill it a moment later; return how it ended."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}"} | (
        {"MAILWICKET_FAILPOINT": death} if death else {}
    )
    command = [sys.executable, "-m", "tests.lab.crier", str(state_dir), str(one.port)]
    process = await anyio.open_process(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=None)
    with anyio.fail_after(60):
        while len(one.taken) < goal and process.returncode is None:  # noqa: ASYNC110 - it tells nobody
            await anyio.sleep(0.001)
        await anyio.sleep(wait_s)
        if process.returncode is None and goal <= len(one.taken):
            process.kill()
        return await process.wait()


def assert_each_has_one(state_dir: Path, one: Sink, people: list[str], kills: int) -> None:
    store = Store(state_dir)
    told = store.read(lambda tx: announcements.shown(tx, ONE))
    rows = store.read(lambda tx: tx.execute("SELECT count(*) FROM outbox").fetchone())
    store._lock.release()
    assert (told["state"], told["sent"], rows) == ("done", len(people), (len(people),))
    by_id = {field_of(raw, "Message-ID"): field_of(raw, "To") for raw in one.taken}
    assert sorted(by_id.values()) == people  # to each one mail, which a kill in the middle of DATA may repeat
    assert len(one.taken) - len(people) <= kills
    assert len(set(one.taken)) == len(people)


async def test_6_kills_amid_an_announcement_to_200_leave_each_with_exactly_one(tmp_path: Path) -> None:
    chance = random.Random(20261130)
    state_dir = await announced(tmp_path, PEOPLE)
    async with sink() as one:
        for number in range(6):
            assert await live(state_dir, one, 5 + 30 * number, chance.uniform(0, 0.02)) == -9
        assert 150 < len(one.taken) < 200
        assert await live(state_dir, one, 1000) == 0
        print(f"mails {len(one.taken)} for {len(PEOPLE)} people")
        assert_each_has_one(state_dir, one, PEOPLE, kills=6)


@pytest.mark.parametrize("point", ["commit.before", "commit.after", "outbox.submitted"])
async def test_a_death_at_each_step_leaves_each_with_exactly_one(tmp_path: Path, point: str) -> None:
    people = PEOPLE[:25]
    state_dir = await announced(tmp_path, people)
    async with sink() as one:
        for hit in (2, 4):
            assert await live(state_dir, one, 1000, death=f"{point}:{hit}:die") == -9
        assert await live(state_dir, one, 1000) == 0
        assert_each_has_one(state_dir, one, people, kills=2)
