"""What is under way between the double and those who ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
from aiohttp import web

QUIET_TURNS = 5
"""Of the event loop: by then it has taken up every connection that the kernel holds for it."""


@dataclass
class Wire:
    """Connections that are open, and requests that are not answered yet."""

    servers: list[web.Server] = field(default_factory=list)
    under_way: int = 0
    held: int = 0
    """Of these wait until a test lets time pass."""

    @contextmanager
    def answering(self) -> Iterator[None]:
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    @contextmanager
    def holding(self) -> Iterator[None]:
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    async def quiet(self) -> None:
        """Wait until all that was sent has arrived and was done, but for what is held; who asks has closed."""
        turns = 0
        while turns < QUIET_TURNS:
            turns = turns + 1 if self._is_quiet() else 0
            await anyio.lowlevel.checkpoint() if turns else await anyio.sleep(0.001)

    def _is_quiet(self) -> bool:
        connections = sum(len(server.connections) for server in self.servers)
        return self.under_way == self.held and connections <= self.held
