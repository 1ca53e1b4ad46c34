"""What goes over one connection: commands and answers in turn, and nothing that nobody asked for.

The library's protocol (private parts of aiosmtplib 5.1, guarded by tests/dialogue) throws unasked bytes away, or takes
them for the next command's answer.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final, cast

import anyio
from aiosmtplib.errors import SMTPReadTimeoutError, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

UNASKED_BYTES: Final = 512
"""So much of what was said unasked is kept, to be told."""

CHUNK_BYTES: Final = 64 * 1024
"""A mail goes out in pieces, each with a deadline of its own (RFC 5321 4.5.3.2.5)."""

DOT: Final = re.compile(rb"(?m)^\.")
END: Final = b".\r\n"


class Wire(SMTPProtocol):
    """One connection's bytes."""

    def __init__(self) -> None:
        """Wait to be connected."""
        super().__init__(loop=asyncio.get_running_loop())
        self.unasked = b""
        """What the server said beyond its answers: "421" before it hangs up, or an answer too many."""
        self.heard_at = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Take an answer; keep what is none aside."""
        self.heard_at = self._loop.time()
        waiter = self._response_waiter
        if waiter is None or waiter.done() or not self._response_pending:
            self._note(data)
            return
        super().data_received(data)
        if waiter.done() and self._buffer:
            self._note(bytes(self._buffer))
            del self._buffer[:]

    def _note(self, data: bytes) -> None:
        self.unasked += data[: UNASKED_BYTES - len(self.unasked)]

    @property
    def answered(self) -> bool:
        """Whether an answer has come that nobody has read yet."""
        waiter = self._response_waiter
        return waiter is not None and waiter.done() and waiter.exception() is None

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over *transport*, which encrypts."""
        self.transport = transport
        self._over_ssl = True

    async def send_body(self, body: bytes, piece_s: float) -> bool:
        """Send *body*, dots doubled (RFC 5321 4.5.2), and its end; return False if an answer came before the end.

        A large one is with the system before its end is written, so that whoever loses the connection meanwhile knows
        that it was not sent whole.

        Raises:
            ConnectionError: it is lost; the end was not sent.
            TimeoutError: a piece was not taken within *piece_s* seconds; the end was not sent.
        """
        self._response_pending = True  # from here on: one who will not have it says so early
        if len(body) <= CHUNK_BYTES:
            self.write(DOT.sub(b"..", body) + END)
            return True
        stuffed = await anyio.to_thread.run_sync(DOT.sub, b"..", body)
        if self.transport is None:
            raise ConnectionResetError
        cast("asyncio.Transport", self.transport).set_write_buffer_limits(high=1, low=0)
        for start in range(0, len(stuffed), CHUNK_BYTES):
            self.write(stuffed[start : start + CHUNK_BYTES])
            with anyio.fail_after(piece_s):
                await self._drain_helper()
            if self.answered:
                return False
        self.write(END)
        return True

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:  # noqa: ASYNC109 - the library's name
        """Return the answer to what was sent; the library's own way costs a turn of the event loop more.

        Raises:
            SMTPServerDisconnected: the connection is lost.
            SMTPReadTimeoutError: none came within *timeout* seconds.
            SMTPResponseException: it cannot be read.
        """
        waiter = self._response_waiter
        if waiter is None:
            raise SMTPServerDisconnected("Connection lost")
        self._response_pending = True
        timer = None if timeout is None else self._loop.call_later(timeout, self._give_up, waiter)
        try:
            return await waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._response_pending = False
            self._response_waiter = None if self.transport is None else self._loop.create_future()

    def _give_up(self, waiter: asyncio.Future[SMTPResponse]) -> None:
        if not waiter.done():
            self._set_response_exception(waiter, SMTPReadTimeoutError("no answer in time"))
