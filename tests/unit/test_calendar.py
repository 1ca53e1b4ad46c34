"""A clock that leaps, and who takes note: what is old, what is shown, what is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from mailwicket.rules.calendar import has_leapt
from mailwicket.service import clock
from mailwicket.service.clock import ClockWatch
from mailwicket.service.units import Unit, UnitState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUARTER = 90 * DAY


@pytest.mark.parametrize(
    ("step", "passed", "keep", "leapt"),
    [
        (HOUR, HOUR, QUARTER, False),
        (2 * HOUR, HOUR, QUARTER, False),  # summer time set by hand
        (DAY + HOUR, HOUR, QUARTER, True),
        (HOUR - DAY, HOUR, QUARTER, True),
        (3650 * DAY, HOUR, QUARTER, True),
        (7 * DAY, None, QUARTER, False),  # off for a week
        (8 * DAY, None, QUARTER, True),
        (12 * HOUR, None, DAY, False),
        (13 * HOUR, None, DAY, True),  # half of what is kept for a day would be gone
        (-HOUR, None, QUARTER, False),
        (-DAY, None, QUARTER, True),
    ],
)
def test_a_clock_leaps_when_it_goes_otherwise_than_time(
    step: timedelta, passed: timedelta | None, keep: timedelta, *, leapt: bool
) -> None:
    assert has_leapt(NOON, NOON + step, passed, keep) is leapt


def test_what_is_shown_as_a_time_of_day_moves_with_a_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = Unit("incoming/box", "s")
    assert abs(unit.since - datetime.now(UTC)) < timedelta(seconds=5)
    unit.become(UnitState.WAITING, next_try=NOON + HOUR)
    unit.since = NOON
    assert (unit.since, unit.next_try, unit.last_success) == (NOON, NOON + HOUR, None)
    before_s = clock.lead_s()
    monkeypatch.setattr(clock, "lead_s", lambda: before_s + 86_400)
    assert unit.next_try is not None
    assert abs(unit.since - NOON - DAY) < timedelta(seconds=1)
    assert abs(unit.next_try - NOON - HOUR - DAY) < timedelta(seconds=1)
    unit.become(UnitState.WAITING, next_try=NOON + DAY)  # by the new clock
    assert unit.next_try == NOON + DAY
    monkeypatch.setattr(clock, "lead_s", lambda: before_s + 1e12)
    assert unit.next_try == NOON + DAY  # there is no such year


async def test_a_clock_that_is_set_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clock, "PERIOD_S", 0.01)
    before_s = clock.lead_s()
    monkeypatch.setattr(clock, "lead_s", lambda: before_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ClockWatch().run)
        await anyio.sleep(0.05)
        monkeypatch.setattr(clock, "lead_s", lambda: before_s - 3600)
        await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    (record,) = caplog.records
    told = (record.levelno, record.getMessage())
    assert told == (logging.WARNING, "the clock was set by -3600 s; what waits is not moved by that")
