"""Units: who must act decides what happens next, and people are told once."""

from __future__ import annotations

import logging
import re
from copy import copy
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.fakes import report

from mailwicket.errors import BlockedError, ConflictError, SessionEndedError, StoreError, TransientError
from mailwicket.model import Reason
from mailwicket.service import supervisor
from mailwicket.service.looplag import LoopLag
from mailwicket.service.supervisor import Keeper, Supervisor, first_failure
from mailwicket.service.units import Unit, UnitState


@pytest.fixture
def unit() -> Unit:
    return Unit("incoming/box", "imap.example.org:993")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    failures: list[int] = []

    def pause_s(count: int, _chance: float, _retry_after_s: float | None) -> float:
        failures.append(count)
        return 0.0

    monkeypatch.setattr(supervisor, "pause_s", pause_s)
    return failures


class Script:
    """Runs as a unit: raises or succeeds as listed, then waits for ever."""

    def __init__(self, unit: Unit, *outcomes: Exception | None) -> None:
        self.unit = unit
        self.outcomes = list(outcomes)
        self.ended = anyio.Event()
        self.woken = 0

    def wake(self) -> bool:
        self.woken += 1
        return self.unit.state is UnitState.RUNNING

    async def run(self) -> None:
        if not self.outcomes:
            self.ended.set()
            await anyio.sleep_forever()
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        self.unit.connected(lambda: 1.5)


async def play(unit: Unit, *outcomes: Exception | None, script: type[Script] = Script) -> Unit:
    """Return the unit as it was before everything was cancelled."""
    running = script(unit, *outcomes)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Keeper(unit, running).keep)
        with anyio.fail_after(5):
            # A unit has no event to wait for.
            while not running.ended.is_set() and unit.state is not UnitState.BLOCKED:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        then = copy(unit)
        tasks.cancel_scope.cancel()
    return then


async def test_a_refused_login_blocks_the_unit_and_says_server_words_and_what_next(
    unit: Unit, caplog: pytest.LogCaptureFixture
) -> None:
    said = 'imap.example.org:993 refused login of desk@example.org ("[AUTHENTICATIONFAILED] no")'
    then = await play(unit, BlockedError(said, reason="login_refused"), None)
    assert (then.state, then.reason, then.said) == (UnitState.BLOCKED, "login_refused", said)
    then_what = 'blocked until conf.d changes, "mailwicket reload" (a secret) or "mailwicket unblock incoming/box"'
    assert caplog.messages == [f"incoming/box: {said}; {then_what}"]


async def test_an_outage_is_told_once_and_its_end_once(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gone = TransientError("imap.example.org:993: connection refused")
    await play(unit, gone, gone, gone, None)
    assert no_pause[:3] == [1, 2, 3]
    assert sum("connection refused" in line for line in caplog.messages) == 1
    assert sum("is back" in line for line in caplog.messages) == 1


async def test_a_full_disk_says_that_mail_waits_on_its_server(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    await play(unit, ExceptionGroup("tasks", [StoreError("cannot write raw/x: No space left", reason="disk_full")]))
    assert any("mail waits on its server" in line and "No space left" in line for line in caplog.messages)


async def test_a_full_disk_is_told_once_and_is_not_over_because_the_server_answers(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    full = StoreError("cannot write raw/x: No space left", reason="disk_full")

    class Connected(Script):
        async def run(self) -> None:
            self.unit.connected(lambda: 1.5)
            await super().run()

    then = await play(unit, *[full] * 8, script=Connected)
    assert (then.state, then.reason, then.said) == (UnitState.RUNNING, "disk_full", str(full))
    assert not report(then).status()["store"]["ok"]
    assert sum("No space left" in line for line in caplog.messages) == 1
    assert not any("is back" in line for line in caplog.messages)
    assert max(no_pause) == 5, "room on the disk is used within a minute"
    then.done(Reason.CREATED)
    assert report(then).status()["store"]["ok"]
    assert caplog.messages[-1] == "incoming/box: the store is back"


async def test_a_bug_in_a_unit_leaves_a_traceback_and_the_unit_goes_on(
    unit: Unit, no_pause: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    await play(unit, ZeroDivisionError("a bug"))
    assert any(record.exc_info for record in caplog.records)


def test_the_first_failure_of_a_group_is_the_one_that_says_who_must_act() -> None:
    blocked = BlockedError("folder unknown")
    assert first_failure(ExceptionGroup("a", [ValueError(), ExceptionGroup("b", [blocked])])) is blocked


async def test_the_loop_lag_shows_a_blocked_loop() -> None:
    lag = LoopLag()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lag.run)
        await anyio.sleep(0.06)
        before = lag.max_s
        import time  # the standard clock's sleep is the fault under test

        time.sleep(0.12)  # noqa: ASYNC251
        await anyio.sleep(0.06)
        tasks.cancel_scope.cancel()
    assert before < 0.08 < lag.max_s


async def test_a_paused_unit_ends_its_work_and_stays_so_until_it_is_resumed(unit: Unit) -> None:
    script = Script(unit, None)
    async with anyio.create_task_group() as tasks:
        keeper = Keeper(unit, script)
        tasks.start_soon(keeper.keep)
        await state(unit, UnitState.WAITING)  # the script's connection ended
        keeper.pause()
        await state(unit, UnitState.PAUSED)
        assert unit.reason == "by_admin"
        with pytest.raises(ConflictError, match=r"mailwicket resume incoming/box"):
            keeper.poll()
        assert keeper.pause() == "is paused already"
        keeper.resume()
        await script.ended.wait()
        assert unit.state is UnitState.STARTING
        keeper.pause()
        await state(unit, UnitState.PAUSED)
        await keeper.stop()
        assert unit.state is UnitState.STOPPED


async def test_a_poll_ends_a_pause_between_tries_and_wakes_a_connected_unit(unit: Unit) -> None:
    class Connected(Script):
        async def run(self) -> None:
            if self.outcomes:
                raise self.outcomes.pop(0)  # type: ignore[misc]
            self.unit.connected(lambda: 0.0)
            await anyio.sleep_forever()

    script = Connected(unit, TransientError("later", retry_after_s=3600))
    async with anyio.create_task_group() as tasks:
        keeper = Keeper(unit, script)
        tasks.start_soon(keeper.keep)
        await state(unit, UnitState.WAITING)
        assert keeper.poll() == "is tried again now"
        await state(unit, UnitState.RUNNING)
        assert keeper.poll() == "looks for new mail now"
        assert script.woken == 1
        tasks.cancel_scope.cancel()


async def test_a_blocked_unit_is_not_tried_again_before_unblock(unit: Unit) -> None:
    refused = BlockedError("no", reason="login_refused")
    script = Script(unit, refused, refused)
    async with anyio.create_task_group() as tasks:
        keeper = Keeper(unit, script)
        tasks.start_soon(keeper.keep)
        await state(unit, UnitState.BLOCKED)
        await anyio.sleep(0.05)
        assert len(script.outcomes) == 1
        with pytest.raises(ConflictError, match="unblock"):
            keeper.poll()
        keeper.unblock()
        await anyio.sleep(0.05)
        assert unit.state is UnitState.BLOCKED
        assert script.outcomes == []
        keeper.unblock()
        await script.ended.wait()
        with pytest.raises(ConflictError, match="not blocked"):
            keeper.unblock()
        tasks.cancel_scope.cancel()


async def test_stopping_a_unit_waits_until_its_work_is_cleared_away(unit: Unit) -> None:
    cleared: list[str] = []

    class Slow(Script):
        async def run(self) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.05)
                cleared.append("connection")

    async with anyio.create_task_group() as tasks:
        units = Supervisor(tasks)
        units.start(unit, Slow(unit))
        await anyio.sleep(0.01)
        await units.stop(unit.name)
        assert cleared == ["connection"]
        units.start(unit, Script(unit))
        await state(unit, UnitState.STARTING)
        tasks.cancel_scope.cancel()


async def state(unit: Unit, wanted: UnitState) -> None:
    """Wait until *unit* is so; a unit has no event for it."""
    with anyio.fail_after(5):
        while unit.state is not wanted:  # noqa: ASYNC110
            await anyio.sleep(0.001)


def table_of_transitions() -> set[tuple[str, str]]:
    page = (Path(__file__).parents[2] / "docs" / "states.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", page.split("## Unit\n")[1].split("## ")[0], re.MULTILINE)
    return {(state, later) for state, leaves in rows for later in re.findall(r"`(\w+)`", leaves)}


async def test_the_transitions_of_a_unit_are_those_of_the_table_and_all_of_them(
    monkeypatch: pytest.MonkeyPatch, no_pause: list[int]
) -> None:
    seen: set[tuple[str, str]] = set()
    become = Unit.become

    def noted(self: Unit, state: UnitState, *rest: Any) -> None:
        if state is not self.state:
            seen.add((self.state, state))
        become(self, state, *rest)

    monkeypatch.setattr(Unit, "become", noted)
    monkeypatch.setattr(supervisor, "pause_s", lambda *_: 3600)

    class Told(Script):
        """Connects if told so; then fails as told, or stays."""

        async def run(self) -> None:
            outcome = self.outcomes.pop(0) if self.outcomes else None
            if self.connects:
                self.unit.connected(lambda: 0.0)
            if isinstance(outcome, StoreError):
                await self.unit.outlast(outcome)
                await anyio.sleep_forever()
            if outcome is not None:
                raise outcome
            await anyio.sleep_forever()

        connects = False

    async def play_through(
        last: UnitState, act: str, outcome: Exception | None = None, *, held: bool = False, connects: bool = False
    ) -> None:
        one = Unit("incoming/box", "s", held=held)
        script = Told(one, outcome)
        script.connects = connects
        async with anyio.create_task_group() as tasks:
            keeper = Keeper(one, script)
            tasks.start_soon(keeper.keep)
            await state(one, last)
            if act == "stop":
                await keeper.stop()
            else:
                getattr(keeper, act)()
                await anyio.sleep(0.002)
            tasks.cancel_scope.cancel()

    later, no = TransientError("later"), BlockedError("no")
    for act in ("pause", "stop"):
        await play_through(UnitState.STARTING, act)
        await play_through(UnitState.RUNNING, act, connects=True)
        await play_through(UnitState.WAITING, act, later)
        await play_through(UnitState.BLOCKED, act, no)
    await play_through(UnitState.WAITING, "poll", later, connects=True)
    await play_through(UnitState.WAITING, "poll", StoreError("full", reason="disk_full"), connects=True)
    await play_through(UnitState.BLOCKED, "unblock", no, connects=True)
    await play_through(UnitState.PAUSED, "resume", held=True)
    await play_through(UnitState.PAUSED, "stop", held=True)
    await play_through(UnitState.RUNNING, "stop", SessionEndedError("its token ends"), connects=True)
    assert seen == table_of_transitions()
