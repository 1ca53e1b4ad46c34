"""How Graph holds back an application: too much at a time, too much in a while, too early again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.graph.clock import Clock
from tests.lab.graph.problem import GraphError

WORDS = "Application is over its MailboxConcurrency limit."


@dataclass
class Throttling:
    """Per application and mailbox."""

    clock: Clock
    at_a_time: int = 4
    requests: int = 10_000
    """In one window."""
    window_s: float = 600.0
    retry_after_s: int | None = None
    """Said with a refusal for too many at a time; None: no such header."""
    peak: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Most requests at a time that each was seen with, refused ones included."""
    refused: int = 0
    early: int = 0
    """Requests that came before the time that was told; each was refused, and the time begins anew."""
    _now: Counter[tuple[str, str]] = field(default_factory=Counter)
    _until_s: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    _seen: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def hold(self, who: tuple[str, str], retry_after_s: int) -> None:
        """Refuse all of them for so long, and count those who come nevertheless."""
        self._until_s[who] = (self.clock.epoch_s() + retry_after_s, retry_after_s)

    @contextmanager
    def turn(self, who: tuple[str, str]) -> Iterator[None]:
        """The time of one request."""
        self._now[who] += 1
        self.peak[who] = max(self.peak[who], self._now[who])
        try:
            self._check(who)
            yield
        finally:
            self._now[who] -= 1

    def _check(self, who: tuple[str, str]) -> None:
        until_s, told_s = self._until_s.get(who, (0.0, 0))
        now = self.clock.epoch_s()
        if now < until_s:
            self.early += 1
            self._refuse(who, told_s)
        if self._now[who] > self.at_a_time:
            self._refuse(who, self.retry_after_s)
        seen = self._seen.setdefault(who, deque())
        while seen and seen[0] <= now - self.window_s:
            seen.popleft()
        if len(seen) >= self.requests:
            self._refuse(who, max(1, round(seen[0] + self.window_s - now)))
        seen.append(now)

    def _refuse(self, who: tuple[str, str], retry_after_s: int | None) -> None:
        self.refused += 1
        if retry_after_s is None:
            raise GraphError(429, "ApplicationThrottled", WORDS)
        self.hold(who, retry_after_s)
        raise GraphError(429, "ApplicationThrottled", WORDS, {"Retry-After": str(retry_after_s)})
