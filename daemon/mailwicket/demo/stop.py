"""Asked by a signal to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """The first signal asks; from then on they are ignored, so that nothing cuts the clean-up off.

    Plain handlers from before the event loop to the end of the process: those of a loop end with it, and a
    second Ctrl-C would hit the rest.
    """

    def __init__(self) -> None:
        """Take the signals over. For the main thread."""
        self._asked = False
        self._tell: Callable[[], object] | None = None
        for number in SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._asked = True
        if self._tell is not None:
            self._tell()

    async def wait(self) -> None:
        """Return when the process was asked to stop, perhaps before this call."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._tell = lambda: loop.call_soon_threadsafe(asked.set)  # wakes a loop that sleeps
        try:
            if not self._asked:
                await asked.wait()
        finally:
            self._tell = None
