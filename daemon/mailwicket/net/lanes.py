"""Turns at a server that counts requests: one at a time for a mailbox, few for an application, none in a pause."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

import anyio

from mailwicket.errors import TransientError

REQUESTS_AT_ONCE: Final = 4
"""Of one application. Microsoft's limit for mail: its page says "per application and mailbox", and did not always."""

PAUSE_S: Final = 1.0
"""A server that asks for a pause without saying how long has at least this one; the unit's own pauses grow."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class _Application:
    places: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(REQUESTS_AT_ONCE))
    rests_until: float = 0.0


@dataclass(slots=True, weakref_slot=True, eq=False)
class _Queue:
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    rests_until: float = 0.0


class Lanes:
    """All lanes of the process: what comes in and what goes out of one mailbox share theirs."""

    def __init__(self) -> None:
        """Know none yet; each lasts as long as somebody holds it."""
        self._applications: WeakValueDictionary[tuple[str, str], _Application] = WeakValueDictionary()
        self._queues: WeakValueDictionary[tuple[str, str, str], _Queue] = WeakValueDictionary()

    def lane(self, server: str, client_id: str, mailbox: str) -> Lane:
        """Return the lane of *mailbox* at *server* for the application *client_id*."""
        of = server.casefold(), client_id
        application = self._applications.setdefault(of, _Application())
        queue = self._queues.setdefault((*of, mailbox.casefold()), _Queue())
        return Lane(server, application, queue)


class Lane:
    """See `admission.Lane`."""

    def __init__(self, server: str, application: _Application, queue: _Queue) -> None:
        """Stand in *queue*, then wait for a place of *application*."""
        self._server = server
        self._application = application
        self._queue = queue

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `admission.Lane`."""
        visitor = object()  # not the task: it may ask two servers
        async with self._queue.turn:
            self._check()
            await self._application.places.acquire_on_behalf_of(visitor)
            try:
                self._check()
                yield
            finally:
                self._application.places.release_on_behalf_of(visitor)

    def _check(self) -> None:
        left_s = max(self._queue.rests_until, self._application.rests_until) - anyio.current_time()
        if left_s > 0:
            words = f"{self._server} asked for a pause: not asked before it is over"
            raise TransientError(words, reason="throttled", retry_after_s=left_s)

    def rest(self, for_s: float | None, *, application: bool) -> None:
        """See `admission.Lane`."""
        until = anyio.current_time() + max(PAUSE_S, for_s or 0.0)
        self._queue.rests_until = max(self._queue.rests_until, until)
        if application:
            self._application.rests_until = max(self._application.rests_until, until)
