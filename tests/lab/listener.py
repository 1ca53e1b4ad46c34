"""A server of a test on a port of loopback: whatever its sessions do, they end with it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    serve: Serve, *, port: int = 0, tls: ssl.SSLContext | None = None, limit: int = 1 << 16, backlog: int = 100
) -> AsyncIterator[int]:
    """Have *serve* talk to each client, with *tls* from the first byte; give the port. A client that goes is no error.

    Who still talks at the end is cancelled, and waited for.
    """
    sessions: set[asyncio.Task[None]] = set()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sessions.add(task)
        task.add_done_callback(sessions.discard)
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait_for(writer.wait_closed(), 0.2)  # after a failed handshake it would wait for ever

    server = await asyncio.start_server(session, "127.0.0.1", port, ssl=tls, limit=limit, backlog=backlog)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.01)  # who was let in a moment ago has not begun
        for one in tuple(sessions):
            one.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        await server.wait_closed()
