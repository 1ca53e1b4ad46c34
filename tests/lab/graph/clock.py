"""The double's own time, which a test may push forward, and what is to happen later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time plus what a test added; nothing happens by itself, all that is due happens at the next look."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._later: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.epoch_s(), UTC)

    def epoch_s(self) -> float:
        return time.time() + self._ahead_s

    def later(self, delay_s: float, what: Callable[[], None]) -> None:
        """Do *what* then; at once where there is no delay."""
        if delay_s <= 0:
            what()
        else:
            self._later.append((self.epoch_s() + delay_s, what))

    async def passes(self, delay_s: float) -> None:
        """Wait until a test has let so much time pass."""
        passed = asyncio.Event()
        self.later(delay_s, passed.set)
        await passed.wait()

    def run_due(self) -> None:
        due = [item for item in self._later if item[0] <= self.epoch_s()]
        self._later = [item for item in self._later if item not in due]
        for _, what in sorted(due, key=lambda item: item[0]):
            what()

    def advance(self, by_s: float) -> None:
        """Let so much time pass."""
        self._ahead_s += by_s
        self.run_due()


def stamp(moment: datetime) -> str:
    """As Graph writes a time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Read what a query option says; raise ValueError where it is no time."""
    told = datetime.fromisoformat(text)
    if told.tzinfo is None:
        raise ValueError(text)
    return told


LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
