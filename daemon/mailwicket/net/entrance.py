"""The door of each server: so many come in at a time, the others stand in line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.lowlevel

LOGINS_AT_ONCE: Final = 64
"""To one host. From experience: more gains nothing on one server, and some refuse a crowd."""


class Entrance:
    """Lets a bounded number connect and log in to one host at a time, first come, first served.

    Each host has a line of its own: one whose connects hang holds up nobody else. Whatever the host, one connection
    begins in each turn of the event loop: the handshakes of a thousand would hold it up for a second.
    """

    def __init__(self, at_once: int = LOGINS_AT_ONCE) -> None:
        """Let *at_once* in at a time."""
        self._at_once = at_once
        self._doors: dict[str, anyio.CapacityLimiter] = {}
        self._turn = anyio.Lock()

    @asynccontextmanager
    async def at(self, host: str) -> AsyncIterator[None]:
        """Wait in line for *host*, whatever its port; hold the place inside. Cancellation leaves the line."""
        name = host.casefold().rstrip(".")
        door = self._doors.setdefault(name, anyio.CapacityLimiter(self._at_once))
        visitor = object()  # not the task: it may make more than one connection
        try:
            await door.acquire_on_behalf_of(visitor)
            try:
                async with self._turn:
                    await anyio.lowlevel.checkpoint()
                yield
            finally:
                door.release_on_behalf_of(visitor)
        finally:
            told = door.statistics()
            if not told.borrowed_tokens and not told.tasks_waiting and self._doors.get(name) is door:
                del self._doors[name]
