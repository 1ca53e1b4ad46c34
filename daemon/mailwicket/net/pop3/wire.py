"""The bytes of one POP3 connection: buffered, with back pressure, and known to be at an end when they are."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from mailwicket.errors import TransientError

BUFFERED_BYTES: Final = 1024 * 1024
"""So much may lie unread before the server is made to wait."""


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str) -> None:
        """*peer* is `host:port`, for the words of errors."""
        self.peer = peer
        self.transport: Any = None  # asyncio.Transport once connected; uvloop's is none by type
        self.buffer = bytearray()
        self.heard_at = loop.time()
        self.failure: tuple[str, str] | None = None
        """Why the connection is of no more use: words, reason code."""
        self.doing = "connecting"
        """The command that was sent last, without its arguments."""
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False

    # --- asyncio's side ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Also after a TLS handshake, of either kind."""
        self.transport = transport
        if self.failure is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self.heard_at = self._loop.time()
        if self.failure is not None:
            return
        self.buffer += data
        if not self._paused and len(self.buffer) > BUFFERED_BYTES:
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns it now."""
        detail = f": {exc.strerror or exc}" if isinstance(exc, OSError) else f": {exc}" if exc else ""
        self.fail(f"{self.peer} closed the connection during {self.doing}{detail}", "connection_lost")

    # --- our side ---------------------------------------------------------------------------------------------------

    def fail(self, message: str, reason: str) -> None:
        """End the connection: the first cause counts. What lies in the buffer can still be read."""
        if self.failure is None:
            self.failure = message, reason
        if self.transport is not None:
            self.transport.abort()
        self._wake()

    def error(self) -> TransientError:
        """Return why the connection ended, as an error of its own each time."""
        message, reason = self.failure or (f"{self.peer}: not connected", "connection_lost")
        return TransientError(message, reason=reason)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def more(self) -> None:
        """Wait until more lies in the buffer.

        Raises:
            TransientError: the connection ended.
        """
        if self.failure is not None:
            raise self.error()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        before = len(self.buffer)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if len(self.buffer) == before and self.failure is not None:
            raise self.error()

    def take(self) -> bytes:
        """Return all that came, and have it no more."""
        content = bytes(self.buffer)
        self.buffer.clear()
        return content

    def give_back(self, content: bytes) -> None:
        """Put *content* in front of what comes."""
        self.buffer[:0] = content
