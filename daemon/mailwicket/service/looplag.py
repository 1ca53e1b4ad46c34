"""How long the event loop was held up: nothing that a mail contains may stop the others for long."""

from __future__ import annotations

import time

import anyio

PERIOD_S = 0.025


class LoopLag:
    """Wakes up regularly and measures by how much it was late."""

    def __init__(self) -> None:
        """Nothing was late so far."""
        self.max_s = 0.0
        self.last_s = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + PERIOD_S
            await anyio.sleep(PERIOD_S)
            self.last_s = max(0.0, time.monotonic() - due)
            self.max_s = max(self.max_s, self.last_s)
