"""How long the event loop was held up: nothing that a mail contains may stop the others for long."""

from __future__ import annotations

import asyncio
from typing import Final

import anyio

PERIOD_S: Final = 0.04
"""A block that lasts longer is seen for certain, less at most so much. Each look wakes an idle machine up: 0.3 %."""


class LoopLag:
    """Has itself called regularly and measures by how much that was late."""

    def __init__(self) -> None:
        """Nothing was late so far."""
        self.max_s = 0.0
        self.last_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        self._wait(loop, loop.time() + PERIOD_S)
        try:
            await anyio.sleep_forever()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _wait(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        # A timer, not a task that sleeps: that costs twice as much, forty times a second.
        self._timer = loop.call_at(due_at, self._called, loop, due_at)

    def _called(self, loop: asyncio.AbstractEventLoop, due_at: float) -> None:
        now = loop.time()
        self.last_s = max(0.0, now - due_at)
        self.max_s = max(self.max_s, self.last_s)
        self._wait(loop, now + PERIOD_S)
