"""Which way time went between two readings of a clock: what is deleted by age is not deleted by a clock that leaps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

SLACK: Final = timedelta(hours=1)
"""A clock that is set by so little needs no care."""

ABSENCE: Final = timedelta(days=7)
"""So long a stop is believed, where the keeping times are not shorter than twice that."""


def has_leapt(before: datetime, now: datetime, passed: timedelta | None, keep: timedelta) -> bool:
    """Tell whether the clock, which said *before* and says *now*, went otherwise than time does.

    *passed* is how much time passed, None where nobody ran to count it: then an absence is believed that is short
    beside *keep*, the shortest keeping time.
    """
    step = now - before
    if passed is not None:
        return abs(step - passed) > SLACK
    return not -SLACK <= step <= max(SLACK, min(ABSENCE, keep / 2))
