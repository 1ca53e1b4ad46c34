"""What goes over one connection: commands and answers in turn, and nothing that nobody asked for.

The library's protocol (private parts of aiosmtplib 5.1, guarded by tests/dialogue) throws unasked bytes away, or takes
them for the next command's answer.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import anyio
from aiosmtplib.errors import SMTPException, SMTPReadTimeoutError, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

UNASKED_BYTES: Final = 512
"""So much of what was said unasked is kept, to be told."""

ANSWER_BYTES: Final = 64 * 1024
"""So much of an answer may lie unread: no line of one may be longer than 512 (RFC 5321 4.5.3.1.5)."""

WATCH_S: Final = 5.0
"""At the latest."""

CHUNK_BYTES: Final = 64 * 1024
"""A mail goes out in pieces, each with a deadline of its own (RFC 5321 4.5.3.2.5)."""

NEVER_SAID: Final = re.compile(r"[\r\0]")
DOT: Final = re.compile(rb"(?m)^\.")
END: Final = b".\r\n"


class Wire(SMTPProtocol):
    """One connection's bytes: the answers come in the order of what was asked, which may be several at a time."""

    def __init__(self) -> None:
        """Wait to be connected, and for the greeting."""
        super().__init__(loop=asyncio.get_running_loop())
        self.unasked = b""
        """What the server said beyond its answers: "421" before it hangs up, or an answer too many."""
        self.heard_at = self._loop.time()
        self._due = 1
        """So many answers are still to come."""
        self._answers: deque[SMTPResponse] = deque()
        """Those that nobody has read yet."""
        self._failure: SMTPException | None = None
        """Why no more will come."""
        self._reader: asyncio.Future[None] | None = None
        self._end_at = math.inf
        """Until when it waits."""
        self._timer: asyncio.TimerHandle | None = None
        """Looks for that now and then: a timer for every answer would cost as much as reading it."""

    # --- bytes in ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take answers; keep what is none aside."""
        self.heard_at = self._loop.time()
        if not self._due or self._failure is not None:
            self._note(data)
            return
        self._buffer += data
        try:
            while self._due and (answer := self._read_response_from_buffer()) is not None:
                self._due -= 1
                self._answers.append(answer)
        except SMTPResponseException as error:
            self._fail(error)
            return
        if len(self._buffer) > ANSWER_BYTES:
            self._fail(SMTPResponseException(-1, "an answer without end"))
        elif not self._due and self._buffer:
            self._note(bytes(self._buffer))
            self._buffer.clear()
        if self._answers:
            self._wake()

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        self._fail(SMTPServerDisconnected("Unexpected EOF received"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns it now."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()
        failure = SMTPServerDisconnected("Connection lost")
        failure.__cause__ = exc
        self._fail(failure)

    def _fail(self, failure: SMTPException) -> None:
        self._failure = self._failure or failure
        self._buffer.clear()
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _watch(self) -> None:
        """Look again at the end of the wait, or in WATCH_S where that is sooner: the timer that is set may do."""
        at = min(self._end_at, self._loop.time() + WATCH_S)
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._reader is None:
            return
        if self._loop.time() >= self._end_at:
            self._wake()
        else:
            self._watch()

    def _note(self, data: bytes) -> None:
        self.unasked += data[: UNASKED_BYTES - len(self.unasked)]

    @property
    def answered(self) -> bool:
        """Whether an answer has come that nobody has read yet."""
        return bool(self._answers)

    def take(self) -> SMTPResponse | None:
        """Return such an answer, and have it no more; None: one must be waited for."""
        return self._answers.popleft() if self._answers else None

    # --- bytes out --------------------------------------------------------------------------------------------------

    def ask(self, commands: Sequence[str]) -> None:
        """Send *commands* in one go; each is answered, in their order.

        Raises:
            SMTPServerDisconnected: the connection is lost.
            ValueError: a line end in a command.
        """
        text = "\n".join(commands)
        if NEVER_SAID.search(text) or text.count("\n") != len(commands) - 1:
            raise ValueError("a line end in a command")
        self._due += len(commands)
        self.write(text.replace("\n", "\r\n").encode() + b"\r\n")

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
        self._due += 1  # from here on: one who will not have it says so early
        if len(body) <= CHUNK_BYTES:
            self.write(_stuffed(body) + END)
            return True
        stuffed = await anyio.to_thread.run_sync(_stuffed, body)
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
        """Return the next answer; the library's own way costs a turn of the event loop more.

        Raises:
            SMTPServerDisconnected: the connection is lost.
            SMTPReadTimeoutError: none came within *timeout* seconds.
            SMTPResponseException: it cannot be read.
        """
        if not self._answers and self._failure is None:
            self._reader = reader = self._loop.create_future()
            self._end_at = math.inf if timeout is None else self._loop.time() + timeout
            self._watch()
            try:
                await reader
            finally:
                self._reader = None
        if self._answers:
            return self._answers.popleft()
        if self._failure is None:
            self._failure = SMTPReadTimeoutError("no answer in time")
        raise self._failure


def _stuffed(body: bytes) -> bytes:
    """Return *body* with the dots doubled that lines begin with (RFC 5321 4.5.2)."""
    return DOT.sub(b"..", body) if body.startswith(b".") or b"\n." in body else body
