"""Times of day that stay true when the machine's clock is set, and a line in the log when it is."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

log = logging.getLogger(__name__)

PERIOD_S: Final = 1.0

SET_S: Final = 1.0
"""A clock that is set by less is shown to nobody in these digits; a slewed one goes by less in an hour."""


def lead_s() -> float:
    """How far the clock is before the monotonic one, by which everything waits here."""
    return time.time() - time.monotonic()


class TimeOfDay:
    """An attribute of a class: a moment, told by the clock of whenever it is asked for, or None."""

    def __set_name__(self, owner: type, name: str) -> None:
        """Keep it beside its name."""
        self._name = f"_{name}"

    def __get__(self, owned: object | None, owner: type) -> datetime | None:
        """Return the moment; where the clock was set since, by the new one."""
        told: tuple[datetime, float] | None = None if owned is None else vars(owned).get(self._name)
        if told is None:
            return None
        moment, lead_then_s = told
        set_by_s = lead_s() - lead_then_s
        try:
            return moment if abs(set_by_s) < SET_S else moment + timedelta(seconds=set_by_s)
        except OverflowError:  # beyond the year 9999
            return moment

    def __set__(self, owned: object, moment: datetime | None) -> None:
        """Take a moment by the clock of now."""
        vars(owned)[self._name] = None if moment is None else (moment, lead_s())


class Since(TimeOfDay):
    """A moment that there always is: at first, now."""

    def __get__(self, owned: object | None, owner: type) -> datetime:
        """As `TimeOfDay`."""
        return super().__get__(owned, owner) or datetime.now(UTC)


class ClockWatch:
    """Tells an admin that the clock was set."""

    async def run(self) -> None:
        """Watch until cancelled."""
        known_s = lead_s()
        while True:
            await anyio.sleep(PERIOD_S)
            now_s = lead_s()
            if abs(now_s - known_s) >= SET_S:
                log.warning("the clock was set by %+.0f s; what waits is not moved by that", now_s - known_s)
            known_s = now_s
