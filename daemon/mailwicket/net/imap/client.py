"""The client: connects, runs one command at a time with a deadline, idles, says goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final

import aioimaplib.aioimaplib as imap
import anyio
import anyio.to_thread

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.imap.protocol import Exchange, ImapProtocol, Literal
from mailwicket.net.imap.reader import Response, Room
from mailwicket.net.imap.signal import Signal
from mailwicket.net.imap.tokens import read_search
from mailwicket.net.line import Line, tls_of
from mailwicket.net.proxy import Way

SHORT_BYTES: Final = 1024
SHORT_RESPONSES: Final = 8

SEARCH_ROOM: Final = Room(line_bytes=8 * 1024 * 1024)
"""One line tells all UIDs: room for a million of seven digits. Twice that is in memory for a moment."""


class ImapClient(imap.IMAP4):  # type: ignore[misc]  # the library has no types
    """One connection. Any timeout or cancellation ends it: a late answer would be taken for the next command's."""

    protocol: ImapProtocol

    def __init__(self, host: str, port: int, deadlines: Deadlines, way: Way | None = None) -> None:
        """Prepare a connection to *host*, by *way*; `open` makes it."""
        self._line = Line(host, port, way, deadlines.connect_s, self.abort)
        self.deadlines = deadlines
        self.peer = f"{host}:{port}"
        self._lock = (
            asyncio.Lock()
        )  # whoever holds it waits for the server: anyio's needs no turn of the loop beside that
        super().__init__(host, port)

    def create_client(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        """Build the protocol alone: `open` connects."""
        self.protocol = ImapProtocol(asyncio.get_running_loop(), self.peer)

    # --- the connection ---------------------------------------------------------------------------------------------

    async def open(self, tls: ssl.SSLContext | None, sock: socket.socket | None = None) -> None:
        """Connect and read the greeting: `attach`, then `greet`."""
        await self.attach(tls, sock)
        await self.greet()

    async def attach(self, tls: ssl.SSLContext | None, sock: socket.socket | None = None) -> None:
        """Connect; with *tls* the first byte is TLS already. *sock* is connected, by `dial` or a proxy.

        Raises:
            TransientError: unreachable.
            BlockedError: its certificate does not stand the test.
        """
        await self._line.attach(self.protocol, tls, sock)

    async def greet(self) -> None:
        """Read the greeting.

        Raises:
            TransientError: there is none, or it refuses the connection.
        """
        with self._line.trouble("greet"), anyio.fail_after(self.deadlines.greeting_s):
            await self.protocol.greeted.wait()
        if self.protocol.failure is not None:
            raise self.protocol.error()

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        """Go over to TLS (RFC 3501 6.2.1), or raise: there is no way back to clear text.

        Raises:
            TransientError: it says "later", or somebody spoke in between.
            BlockedError: it knows no STARTTLS, or its certificate does not stand the test.
        """
        answer = await self.run("STARTTLS")
        if answer.result != "OK":
            self.abort()
            raise BlockedError(f'{self.peer} refused STARTTLS ("{answer.words}")', reason="starttls_missing")
        protocol = self.protocol
        if protocol.injected:
            raise self._line.injected("STARTTLS")
        protocol.secured(await self._line.go_over_to_tls(protocol.transport, protocol, tls, "STARTTLS"))

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session that what is sent now goes over; None in the clear."""
        return tls_of(self.protocol.transport)

    @property
    def local(self) -> bool:
        """Whether the other end is this machine, by the address that answered and not by its name."""
        return self._line.is_local(self.protocol.transport)

    def abort(self) -> None:
        """End the connection now, without a word."""
        self.protocol.fail(f"{self.peer}: the connection was dropped", "connection_lost")

    async def say_goodbye(self) -> None:
        """LOGOUT if the dialogue is in step, for at most `farewell_s`; then close. Never raises for the server."""
        protocol = self.protocol
        pending = protocol.pending_sync_command
        if protocol.transport is None:  # cancelled in the line before the server
            self.abort()
        if pending is not None and not (pending.name == "IDLE" and pending.begun.is_set()):
            self.abort()
        with anyio.move_on_after(self.deadlines.farewell_s), contextlib.suppress(TransientError):
            if pending is not None and protocol.failure is None:
                protocol.done()
                await pending.wait()
            if protocol.failure is None:
                await self.run("LOGOUT")
        self.abort()

    # --- commands ---------------------------------------------------------------------------------------------------

    def has_capability(self, capability: str) -> bool:
        """Tell whether the server offered *capability* since the last change of state."""
        return capability in self.protocol.capabilities

    async def run(  # noqa: PLR0913 - what a command can be
        self,
        name: str,
        *arguments: str | Literal,
        by_uid: bool = False,
        room: Room | None = None,
        follow_up: bytes | None = None,
        on_challenge: bytes = b"",
        bulk_bytes: int | None = None,
    ) -> Exchange:
        """Send one command and wait for its tagged answer, whatever that is.

        Args:
            name: a command of aioimaplib's table.
            arguments: as they stand on the wire, or `Literal`.
            by_uid: put `UID` before it.
            room: how much may be answered.
            follow_up: what is sent, with CRLF, when the server says `+` (a SASL response).
            on_challenge: what is sent, with CRLF, when it says `+` once more (a refusal of SASL).
            bulk_bytes: it moves mails of about this size: judge the server by its silence, and by a longer deadline.

        Raises:
            TransientError: the connection ended, the deadline passed, or the answer is no IMAP.
        """
        async with self._lock:
            protocol = self.protocol
            exchange = Exchange(name, protocol.new_tag(), *arguments, prefix="UID" if by_uid else "", room=room)
            exchange.on_challenge = on_challenge
            if follow_up is not None:
                exchange.to_send.append(follow_up + b"\r\n")
            protocol.begin(exchange)
            await self._answer(exchange, exchange, bulk_bytes)
            return exchange

    async def _answer(self, exchange: Exchange, awaited: Exchange | Signal, bulk_bytes: int | None = None) -> None:
        """Wait for *awaited* under the deadlines of *exchange*; nothing is waited for after a cancellation."""
        limits = self.deadlines
        total_s = silence_s = limits.command_s
        if bulk_bytes is not None:
            total_s, silence_s = limits.batch_of_s(bulk_bytes), limits.silence_s
        watch = _Watch(self.protocol, exchange, total_s, silence_s)
        try:
            await awaited.wait()
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            watch.cancel()
        if exchange.failure is not None:
            raise exchange.failure

    async def run_well(self, name: str, *arguments: str | Literal, **options: Any) -> Exchange:  # noqa: ANN401 - as `run`
        """As `run`, for a command whose refusal only time can mend.

        Raises:
            TransientError: also when the answer is NO or BAD.
        """
        exchange = await self.run(name, *arguments, **options)
        if exchange.result != "OK":
            raise self.refusal(exchange)
        return exchange

    async def search(self, criteria: str) -> Sequence[int]:
        """Return the UIDs that match *criteria* and whatever else the server names, ascending.

        Raises:
            TransientError: also when the answer cannot be read.
        """
        exchange = await self.run_well("SEARCH", criteria, by_uid=True, room=SEARCH_ROOM)
        try:
            if _is_short(exchange.responses):  # as nearly all are; a thread costs more than the reading
                return read_search(exchange.responses)
            return await anyio.to_thread.run_sync(read_search, exchange.responses, abandon_on_cancel=True)
        except ValueError as error:
            words = f"{self.peer} sent an answer to SEARCH with {error}"
            raise TransientError(words, reason="server_said") from error

    def refusal(self, exchange: Exchange) -> TransientError:
        """Return the error for an answer of NO or BAD."""
        words = f'{self.peer} answered {exchange.name} with {exchange.result} ("{exchange.words}")'
        return TransientError(words, reason="server_said")

    async def learn_capabilities(self) -> None:
        """Ask for the capabilities unless the server has told them since they were forgotten."""
        if not self.protocol.capabilities:
            await self.run_well("CAPABILITY")

    # --- waiting for mail -------------------------------------------------------------------------------------------

    async def idle(self, longest_s: float) -> bool:
        """Listen (RFC 2177) until mail may have come or *longest_s* passed; False if the server refuses to IDLE.

        Raises:
            TransientError: the connection ended.
        """
        async with self._lock:
            protocol = self.protocol
            if protocol.arrived:
                return True
            exchange = Exchange("IDLE", protocol.new_tag())
            protocol.begin(exchange)
            await self._answer(exchange, exchange.begun)
            if exchange.result:
                return False
            await self._stirred(longest_s)
            if not exchange.result:  # some servers end it by themselves; "DONE" would be a command to them then
                protocol.done()
                await self._answer(exchange, exchange)
            return True

    async def _stirred(self, longest_s: float) -> None:
        """Sleep until mail may have come or the connection ended."""
        protocol = self.protocol
        over = False

        def end() -> None:
            nonlocal over
            over = True
            protocol.stirred.set()

        timer = protocol.loop.call_later(longest_s, end)  # a scope that is cancelled costs some turns of the loop
        try:
            while not (protocol.arrived or protocol.failure or over):
                protocol.stirred.clear()
                await protocol.stirred.wait()
        finally:
            timer.cancel()
        if protocol.failure is not None:
            raise protocol.error()

    async def rest(self, longest_s: float) -> None:
        """Wait without IDLE; a lost connection is seen at once, and NOOP asks the server at the end.

        Raises:
            TransientError: the connection ended.
        """
        await self._stirred(longest_s)
        if not self.protocol.arrived:
            await self.run_well("NOOP")


class _Watch:
    """Ends the connection when a command is not answered in time. One timer, not one a chunk."""

    def __init__(self, protocol: ImapProtocol, exchange: Exchange, total_s: float, silence_s: float) -> None:
        self._protocol = protocol
        self._exchange = exchange
        self._silence_s = silence_s
        self._begun_at = protocol.loop.time()
        self._end_at = self._begun_at + total_s
        self._timer = protocol.loop.call_at(min(self._end_at, self._begun_at + silence_s), self._check)

    def cancel(self) -> None:
        """Answered."""
        self._timer.cancel()

    def _check(self) -> None:
        protocol = self._protocol
        due_at = min(self._end_at, max(self._begun_at, protocol.heard_at) + self._silence_s)
        if protocol.loop.time() < due_at:
            self._timer = protocol.loop.call_at(due_at, self._check)
            return
        protocol.fail(f"{protocol.peer} did not answer {self._exchange.name} in time", "timeout")


def _is_short(responses: Sequence[Response]) -> bool:
    """Tell whether *responses* name few numbers: no set is among them, which says a million in ten bytes."""
    return len(responses) <= SHORT_RESPONSES and all(
        len(part) <= SHORT_BYTES and b":" not in part
        for parts in responses
        for part in parts
        if isinstance(part, bytes)
    )
