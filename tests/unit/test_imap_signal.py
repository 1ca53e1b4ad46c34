"""The small event."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from mailwicket.net.imap.signal import Signal


async def test_all_who_wait_are_woken_and_who_comes_after_does_not_wait() -> None:
    signal, woken = Signal(), []

    async def wait(number: int) -> None:
        await signal.wait()
        woken.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(wait, number)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        assert woken == []
        signal.set()
        signal.set()
    assert sorted(woken) == [0, 1, 2]
    with anyio.fail_after(1):
        await signal.wait()
    assert signal.is_set()


async def test_a_cleared_one_is_waited_for_again_and_who_gives_up_leaves_nothing_behind() -> None:
    signal = Signal()
    signal.set()
    signal.clear()
    for _ in range(3):
        with anyio.move_on_after(0.01) as scope:
            await signal.wait()
        assert scope.cancelled_caught
    assert signal._waiters is None


async def test_who_gives_up_takes_nobody_else_along() -> None:
    signal, woken = Signal(), []

    async def wait(seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await signal.wait()
            woken.append(seconds)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait, 0.01)
        tasks.start_soon(wait, 5)
        await anyio.sleep(0.05)
        signal.set()
    assert woken == [5]
