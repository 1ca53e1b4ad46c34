"""Tells when the machine's clock was set, so that what is shown as a time of day stays true."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import anyio

log = logging.getLogger(__name__)

PERIOD_S: Final = 1.0

TOLD_S: Final = 1.0
"""A clock that is set by less is shown to nobody in these digits."""


class ClockWatch:
    """Compares the clock with the monotonic one, by which everything waits here."""

    def __init__(self, on_leap: Callable[[timedelta], None], clock: Callable[[], float] = time.time) -> None:
        """Call *on_leap* with how far the *clock*, in seconds, went otherwise than time does."""
        self._on_leap = on_leap
        self._clock = clock

    async def run(self) -> None:
        """Watch until cancelled."""
        known = self._clock() - time.monotonic()
        while True:
            await anyio.sleep(PERIOD_S)
            now = self._clock() - time.monotonic()
            if abs(now - known) > TOLD_S:
                log.warning("the clock was set by %+.0f s; what waits is not moved by that", now - known)
                self._on_leap(timedelta(seconds=now - known))
                known = now
