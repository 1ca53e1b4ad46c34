"""A TCP proxy that can go silent: from a named point on nothing passes, and nobody is told, as behind a firewall.

It also keeps all that passed, to be searched for what should not have.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """Between any number of clients and the server on *target*."""

    target: int
    port: int = 0
    swallows: bytes = b""
    """From the piece on that holds this, whoever sent it, that connection is dead; so are new ones."""
    dead: bool = False
    died: asyncio.Event = field(default_factory=asyncio.Event)
    from_clients: bytearray = field(default_factory=bytearray)

    def revive(self) -> None:
        """Let new connections through; the dead ones stay dead, as behind a firewall that forgot them."""
        self.dead, self.swallows = False, b""
        self.died.clear()

    def die(self, at: bytes = b"") -> None:
        """Go silent now, or at the piece that holds *at*."""
        self.died.clear()
        self.swallows = at
        if not at:
            self._die()

    def _die(self) -> None:
        self.dead = True
        self.died.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, until the proxy dies."""
        ends = [writer]
        try:
            if self.dead:
                await asyncio.sleep(3600)
            ours, theirs = await asyncio.open_connection("127.0.0.1", self.target)
            ends.append(theirs)
            await asyncio.gather(self._pass(reader, theirs, self.from_clients), self._pass(ours, writer, bytearray()))
        finally:
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        while content := await reader.read(65_536):
            kept += content
            if self.swallows and self.swallows in content:
                self._die()
            if self.dead:
                await asyncio.sleep(3600)
            writer.write(content)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[Proxy]:
    """A running proxy to the server on *target*."""
    one = Proxy(target)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await one.serve(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    one.port = listener.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        listener.close()
        await asyncio.sleep(0.01)  # who was let in a moment ago has not begun
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # for what the transports have left to do
