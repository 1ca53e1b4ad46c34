"""A clock that leaps, and who takes note: what is old, what is shown, what is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from mailwicket.rules.calendar import has_leapt
from mailwicket.service import clockwatch
from mailwicket.service.clockwatch import ClockWatch
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


async def test_a_clock_that_is_set_is_told_once_and_what_is_shown_moves_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clockwatch, "PERIOD_S", 0.01)
    offset_s = 0.0
    unit = Unit("incoming/box", "s", since=NOON)
    unit.become(UnitState.STOPPED, next_try=NOON + HOUR)

    def clock() -> float:
        return clockwatch.time.monotonic() + offset_s  # type: ignore[attr-defined, no-any-return]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ClockWatch(unit.shift, clock).run)
        await anyio.sleep(0.05)
        assert unit.since == NOON
        offset_s = 86_400.0
        await anyio.sleep(0.1)
        tasks.cancel_scope.cancel()
    assert abs(unit.since - NOON - DAY) < timedelta(seconds=1)
    assert unit.next_try is not None
    assert abs(unit.next_try - unit.since - HOUR) < timedelta(seconds=1)
    assert unit.last_success is None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        "the clock was set by +86400 s; what waits is not moved by that",
    )
