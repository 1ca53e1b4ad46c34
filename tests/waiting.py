"""Waiting, in a test, for what has no event."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio


async def becomes(holds: Callable[[], object], limit_s: float = 10, what: str = "it") -> float:
    """Return the seconds until *holds* answers yes.

    Raises:
        TimeoutError: *what* did not happen within *limit_s*.
    """
    begun = time.perf_counter()
    while not holds():
        if time.perf_counter() - begun > limit_s:
            raise TimeoutError(f"{what} did not happen within {limit_s:g} s")
        await anyio.sleep(0.005)
    return time.perf_counter() - begun
