"""When to try again. Time and chance come in as arguments."""

from __future__ import annotations

PAUSES_S = (1, 2, 5, 15, 30, 60, 120)
"""A server that restarts is back within seconds; one that is down is not helped by haste."""


def pause_s(failures: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Return how long to wait after *failures* failures in a row (1 or more); *jitter* is in [0, 1).

    What the server asked for (*retry_after_s*) is obeyed where it is longer.
    """
    pause = PAUSES_S[min(failures, len(PAUSES_S)) - 1] * (1 + jitter / 2)
    return pause if retry_after_s is None else max(pause, retry_after_s)
