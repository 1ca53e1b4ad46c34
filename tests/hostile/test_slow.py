"""Many servers that give a byte now and then, for ever, beside good ones; a daemon of its own, usual deadlines."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.fakes import mail
from tests.hostile.house import PASSWORD
from tests.hostile.misdeeds import dripping
from tests.hostile.server import MailServer, mail_server
from tests.lab.daemon import MIB, Daemon
from tests.waiting import becomes

PLACES: Final = ("GREETING", "LOGIN", "SELECT", "LOOK", "FETCH")


@dataclass
class Run:
    """What a daemon did beside *slow* mailboxes."""

    slow: int
    took_s: list[float]
    memory_bytes: int
    states: Mapping[str, Mapping[str, Any]]
    settled: Sequence[bool]

    @property
    def p99_s(self) -> float:
        """Of the time from a mail's delivery to the flag that says we have its ticket."""
        return statistics.quantiles(self.took_s, n=100)[98]

    def __str__(self) -> str:
        median = statistics.median(self.took_s)
        states = Counter(f"{unit['state']} {unit['reason']}" for name, unit in self.states.items() if "slow" in name)
        return (
            f"{self.slow} slow: {len(self.took_s)} mails, median {median * 1000:.0f} ms, "
            f"p99 {self.p99_s * 1000:.0f} ms, {self.memory_bytes / MIB:.0f} MiB; {dict(states)}"
        )


def box(server: MailServer) -> dict[str, Any]:
    return {
        "email": "desk@example.org",
        "password": PASSWORD,
        "server": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "start_from": "all",
    }


@contextmanager
def started(directory: Path, boxes: Mapping[str, Mapping[str, Any]]) -> Iterator[Daemon]:
    daemon = Daemon(directory, boxes)
    try:
        daemon.start()
        yield daemon
        assert daemon.stop() == 0
    finally:
        daemon.end()


async def run(
    directory: Path, good: int, slow: int, mails: int, *, pace_s: float, period_s: float, begin: asyncio.Barrier
) -> Run:
    """Deliver *mails* to the *good* ones in turn, one every *pace_s*; the *slow* give a byte every *period_s*.

    Other runs of the same daemon may go on at the same time: those that share *begin* deliver at the same time.
    """
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(mail_server()) for _ in range(good)]
        loris = [await stack.enter_async_context(mail_server()) for _ in range(slow)]
        for server, place in zip(loris, itertools.cycle(PLACES), strict=False):
            server.deliver(mail(f"slow {server.port}", "x\r\n" * 500, message_id=f"{server.port}@example.org"))
            server.misbehave(place, dripping(period_s))
        boxes = {f"good{n}": box(server) for n, server in enumerate(servers)}
        boxes |= {f"slow{n}": box(server) for n, server in enumerate(loris)}
        with started(directory, boxes) as daemon:
            await becomes(lambda: all("IDLE" in " ".join(one.lines[-1:]) for one in servers), 120, "all of them idling")
            await becomes(lambda: all(one.begun.is_set() for one in loris), 120, "all of them dripping")
            await begin.wait()
            for number, server in zip(range(mails), itertools.cycle(servers), strict=False):
                server.deliver(mail(f"number {number}", "x\r\n" * 200, message_id=f"{number}@example.org"))
                await asyncio.sleep(pace_s)
            await becomes(lambda: all(server.settled() for server in servers), 180, "the last mail")
            await begin.wait()
            memory = daemon.memory_bytes()
            told = json.loads(await asyncio.to_thread(daemon.get, "/api/v1/status"))["units"]
    states = {unit["name"]: unit for unit in told}
    took_s = [took for server in servers for took in server.took_s]
    return Run(slow, took_s, memory, states, [server.settled() for server in servers])


async def test_ten_slow_servers_starve_none_of_forty_good_ones(tmp_path: Path) -> None:
    seen = await run(tmp_path, 40, 10, 200, pace_s=0.005, period_s=1, begin=asyncio.Barrier(1))
    print(seen)
    assert len(seen.took_s) == 200
    assert all(seen.settled)
    assert max(seen.took_s) < 20
    for name, unit in seen.states.items():
        if "good" in name:
            assert (unit["state"], unit["last_success"] is None) == ("running", False), unit
        else:
            assert unit["last_success"] is None, unit
            assert unit["state"] in {"starting", "waiting"} or PLACES[int(name.rpartition("slow")[2]) % 5] in {
                "LOOK",
                "FETCH",
            }, unit


@pytest.mark.torture
@pytest.mark.timeout(900)
async def test_fifty_slow_servers_cost_two_hundred_good_ones_less_than_twice_their_time(tmp_path: Path) -> None:
    """Side by side, so that whatever else the machine does hits both daemons."""
    begin = asyncio.Barrier(2)
    quiet, slow = await asyncio.gather(
        *(run(tmp_path / str(n), 200, n, 1600, pace_s=0.05, period_s=10, begin=begin) for n in (0, 50))
    )
    each_bytes = (slow.memory_bytes - quiet.memory_bytes) / 50
    print(quiet, slow, sep="\n")
    print(f"p99 is {slow.p99_s / quiet.p99_s:.2f} of the quiet one's; {each_bytes / 1024:.0f} KiB for each slow one")
    assert all(quiet.settled)
    assert all(slow.settled)
    assert slow.p99_s < 2 * quiet.p99_s
    assert each_bytes < MIB
