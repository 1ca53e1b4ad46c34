"""Turns at a server that counts requests."""

from __future__ import annotations

import anyio
import pytest

from mailwicket.errors import TransientError
from mailwicket.net.lanes import REQUESTS_AT_ONCE, Lane, Lanes


class Counter:
    """How many are in a turn at a time."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def visit(self, lane: Lane) -> None:
        async with lane.turn():
            self.now += 1
            self.most = max(self.most, self.now)
            await anyio.sleep(0.002)
            self.now -= 1


async def visit_all(lanes: list[Lane]) -> int:
    counter = Counter()
    async with anyio.create_task_group() as tasks:
        for lane in lanes:
            tasks.start_soon(counter.visit, lane)
    return counter.most


async def test_one_mailbox_asks_one_thing_at_a_time_whoever_holds_its_lane() -> None:
    lanes = Lanes()
    assert (
        await visit_all(
            [lanes.lane("graph", "app", "Desk@example.org"), lanes.lane("GRAPH", "app", "desk@example.org")]
        )
        == 1
    )


async def test_an_application_asks_four_things_at_a_time() -> None:
    lanes = Lanes()
    held = [lanes.lane("graph", "app", f"{number}@example.org") for number in range(12)]
    assert await visit_all(held) == REQUESTS_AT_ONCE == 4


async def test_two_applications_do_not_wait_for_each_other() -> None:
    lanes = Lanes()
    held = [lanes.lane("graph", f"app-{number}", "desk@example.org") for number in range(6)]
    assert await visit_all(held) == 6


async def test_a_pause_is_kept_by_all_who_hold_the_lane() -> None:
    lanes = Lanes()
    inward, outward = (lanes.lane("graph", "app", "desk@example.org") for _ in range(2))
    other = lanes.lane("graph", "app", "sales@example.org")
    inward.rest(30, application=False)
    with pytest.raises(TransientError) as caught:
        async with outward.turn():
            pass
    assert caught.value.reason == "throttled"
    assert caught.value.retry_after_s == pytest.approx(30, abs=1)
    async with other.turn():
        pass
    inward.rest(None, application=True)
    with pytest.raises(TransientError, match="pause"):
        async with other.turn():
            pass


async def test_who_leaves_the_line_holds_nobody_up() -> None:
    lanes = Lanes()
    one, other = (lanes.lane("graph", "app", "desk@example.org") for _ in range(2))

    async def leave() -> None:
        with anyio.move_on_after(0.01):
            await Counter().visit(other)
            pytest.fail("the turn was another's")

    async with anyio.create_task_group() as tasks, one.turn():
        tasks.start_soon(leave)
        await anyio.sleep(0.05)
    with anyio.fail_after(1):
        await Counter().visit(other)
