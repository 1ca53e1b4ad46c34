"""The line before each server."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel

from mailwicket.net.entrance import Entrance


class Visits:
    """Who is inside, who was, and how many at most at a time."""

    def __init__(self, at_once: int) -> None:
        self.entrance = Entrance(at_once)
        self.inside = 0
        self.peak = 0
        self.order: list[int] = []
        self.leave = anyio.Event()

    async def visit(self, number: int, host: str = "imap.example.org") -> None:
        async with self.entrance.at(host):
            self.order.append(number)
            self.inside += 1
            self.peak = max(self.peak, self.inside)
            await self.leave.wait()
            await anyio.lowlevel.checkpoint()
            self.inside -= 1


async def in_line(turns: int = 50) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()


async def test_no_more_than_the_limit_are_inside_and_they_enter_in_the_order_of_their_coming() -> None:
    visits = Visits(4)
    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(visits.visit, number)
        await in_line()
        assert visits.order == [0, 1, 2, 3]
        visits.leave.set()
    assert visits.order == list(range(30))
    assert visits.peak == 4


async def test_a_host_whose_connects_hang_holds_up_nobody_else() -> None:
    visits = Visits(2)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(visits.visit, number, "hangs.example.org")
        tasks.start_soon(visits.visit, 99, "imap.example.net")
        await in_line()
        assert visits.order == [0, 1, 99]
        tasks.cancel_scope.cancel()


async def test_one_host_has_one_line_however_its_name_is_written() -> None:
    visits = Visits(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(visits.visit, 0, "imap.example.org")
        tasks.start_soon(visits.visit, 1, "IMAP.Example.org.")
        await in_line()
        assert visits.order == [0]
        tasks.cancel_scope.cancel()


async def test_who_is_cancelled_in_line_or_inside_leaves_the_place_to_the_next() -> None:
    visits = Visits(1)
    scopes = [anyio.CancelScope() for _ in range(3)]

    async def cancellable(number: int) -> None:
        with scopes[number]:
            await visits.visit(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(cancellable, number)
        await in_line()
        scopes[1].cancel()
        scopes[0].cancel()
        await in_line()
        assert visits.order == [0, 2]
        visits.leave.set()
    async with visits.entrance.at("imap.example.org"):
        pass


async def test_a_host_that_nobody_visits_is_forgotten() -> None:
    entrance = Entrance(1)
    for number in range(100):
        async with entrance.at(f"imap{number}.example.org"):
            assert len(entrance._doors) == 1
    assert entrance._doors == {}


async def test_one_connection_begins_in_a_turn_of_the_loop_whatever_their_hosts() -> None:
    visits = Visits(64)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(visits.visit, number, f"imap{number}.example.org")
        turn()
        while len(visits.order) < 100:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert turns >= 100
