"""The client: connects, runs one command at a time with a deadline, reads answers of many lines, says goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Final, NoReturn

import anyio
import anyio.to_thread

from mailwicket.errors import BlockedError, MailwicketError, TransientError
from mailwicket.failpoint import failpoint
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.line import Line, tls_of
from mailwicket.net.pop3.answer import Answer, refused
from mailwicket.net.pop3.stuffing import Unstuffing
from mailwicket.net.pop3.wire import Wire
from mailwicket.net.proxy import Way

STATUS_BYTES: Final = 8 * 1024
"""RFC 2449 4 allows 512 octets; some servers tell more."""

LISTING_BYTES: Final = 64 * 1024 * 1024
"""An answer to UIDL: a million mails, with ids of 60 characters."""

CAPABILITY_BYTES: Final = 64 * 1024

SHORT_BYTES: Final = 64 * 1024
"""Longer listings are taken apart in a thread."""


class Pop3Client:
    """One connection. Any timeout or cancellation ends it: a late answer would be taken for the next command's."""

    def __init__(self, host: str, port: int, deadlines: Deadlines, way: Way | None = None) -> None:
        """Prepare a connection to *host*, by *way*; `open` makes it."""
        self.host = host
        self.port = port
        self.peer = f"{host}:{port}"
        self.deadlines = deadlines
        self.capabilities: dict[str, str] = {}
        """Each with its arguments, in upper case; empty before `learn_capabilities`, or where the server knows none."""
        self.secrets: frozenset[bytes] = frozenset()
        """What no error may repeat, whatever the server says."""
        self.wire = Wire(asyncio.get_running_loop(), self.peer)
        self._line = Line(host, port, way, deadlines.connect_s, self.abort)
        self.in_step = True
        """The last answer was read to its end."""

    # --- the connection ---------------------------------------------------------------------------------------------

    async def open(self, tls: ssl.SSLContext | None) -> None:
        """Connect and read the greeting: `attach`, then `greet`."""
        await self.attach(tls)
        await self.greet()

    async def attach(self, tls: ssl.SSLContext | None, sock: socket.socket | None = None) -> None:
        """Connect; with *tls* the first byte is TLS already. *sock* is connected.

        Raises:
            TransientError: unreachable.
            BlockedError: its certificate does not stand the test.
        """
        await self._line.attach(self.wire, tls, sock)

    async def greet(self) -> None:
        """Read the greeting.

        Raises:
            TransientError: there is none, or it refuses the connection.
        """
        self.wire.doing = "its greeting"
        answer = await self._status("greet", self.deadlines.greeting_s)
        if not answer.ok:
            self.abort()
            reason = "in_use" if answer.in_use else "server_said"
            raise TransientError(f'{self.peer} refused the connection ("{answer.words}")', reason=reason)

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        """Go over to TLS (RFC 2595 4), or raise: there is no way back to clear text.

        Raises:
            TransientError: the connection ended, or somebody spoke in between.
            BlockedError: it knows no STLS, or its certificate does not stand the test.
        """
        answer = await self.run("STLS")
        if not answer.ok:
            self.abort()
            raise BlockedError(f'{self.peer} refused STLS ("{answer.words}")', reason="starttls_missing")
        if self.wire.buffer:
            raise self._line.injected("STLS")
        self.wire.transport = await self._line.go_over_to_tls(self.wire.transport, self.wire, tls, "STLS")
        self.capabilities = {}

    def trouble(self, task: str) -> contextlib.AbstractContextManager[None]:
        """Say who must act when connecting fails; *task* is what the server has to do."""
        return self._line.trouble(task)

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session that what is sent now goes over; None in the clear."""
        return tls_of(self.wire.transport)

    @property
    def local(self) -> bool:
        """Whether the other end is this machine, by the address that answered and not by its name."""
        return self._line.is_local(self.wire.transport)

    def abort(self) -> None:
        """End the connection now, without a word: the server takes every DELE back (RFC 1939 6)."""
        self.wire.fail(f"{self.peer}: the connection was dropped", "connection_lost")

    async def say_goodbye(self) -> None:
        """QUIT where nothing can be deleted by it and the dialogue is in step, for at most `farewell_s`; then close."""
        if self.wire.failure is None and self.wire.transport is not None and self.in_step:
            with anyio.move_on_after(self.deadlines.farewell_s), contextlib.suppress(MailwicketError):
                await self.run("QUIT")
        self.abort()

    # --- commands ---------------------------------------------------------------------------------------------------

    async def run(self, command: str, *, verb: str | None = None) -> Answer:
        """Send one command of one line and return its answer, whatever that is.

        Args:
            command: the line without its end.
            verb: what it is called in errors, where the line holds a secret; else its first word.

        Raises:
            TransientError: the connection ended, the deadline passed, or the answer is no POP3.
        """
        self.send(command, verb)
        return await self._status(f"answer {self.wire.doing}", self.deadlines.command_s)

    def out_of_step(self) -> TransientError:
        """End the connection, whose last answer fits nothing that was said, and return the error for it."""
        self.wire.fail(f"{self.peer} gave an answer to {self.wire.doing} that fits nothing", "server_said")
        return self.wire.error()

    async def run_well(self, command: str) -> Answer:
        """As `run`, for a command that must not be refused.

        Raises:
            TransientError: also when the answer is -ERR.
            BlockedError: the server says that it will never be otherwise.
        """
        answer = await self.run(command)
        if not answer.ok:
            raise refused(self.peer, self.wire.doing, answer)
        return answer

    def send(self, command: str, verb: str | None = None) -> None:
        """Send a line.

        Raises:
            TransientError: the connection has ended, or the server spoke without being asked.
        """
        wire = self.wire
        if wire.failure is not None:
            raise wire.error()
        if wire.buffer:
            self._fail(f"{self.peer} said something that nobody asked for, after {wire.doing}")
        if any(one in command for one in "\r\n\0"):
            raise ValueError("a line end in a command")
        failpoint("pop3.send")
        wire.doing = verb or command.partition(" ")[0]
        self.in_step = False
        wire.transport.write(command.encode() + b"\r\n")

    async def answer(self, *, may_ask: bool) -> Answer:
        """Return the answer to what was sent; *may_ask*: `+` alone asks for more of the command.

        Raises:
            TransientError: as `run`.
        """
        return await self._status(f"answer {self.wire.doing}", self.deadlines.command_s, may_ask=may_ask)

    async def _status(self, task: str, within_s: float, *, may_ask: bool = False) -> Answer:
        with self.trouble(task), anyio.fail_after(within_s):
            line = await self._read_line()
        self.in_step = True
        if may_ask and line.startswith(b"+") and not line[:3].upper().startswith(b"+OK"):
            return Answer(ok=True, text=line[1:].strip(), secrets=self.secrets, asks=True)
        answer = Answer.read(line, self.secrets)
        if answer is None:
            said = Answer(ok=False, text=line[:200], secrets=self.secrets).words[:60]
            self._fail(f'{self.peer} sent a line that is no POP3 during {self.wire.doing} ("{said}")')
        return answer

    async def _read_line(self) -> bytes:
        buffer = self.wire.buffer
        while (end := buffer.find(b"\n", 0, STATUS_BYTES)) < 0:
            if len(buffer) >= STATUS_BYTES:
                self._fail(f"{self.peer} sent a line without end during {self.wire.doing}")
            await self.wire.more()
        line = bytes(buffer[:end]).removesuffix(b"\r")
        del buffer[: end + 1]
        return line

    def _fail(self, message: str) -> NoReturn:
        self.wire.fail(message, "server_said")
        raise self.wire.error()

    # --- answers of many lines --------------------------------------------------------------------------------------

    async def begin(self, command: str) -> tuple[Answer, Lines]:
        """Send a command whose answer has many lines; they are in `Lines` where the answer is +OK.

        Raises:
            TransientError: as `run`.
        """
        answer = await self.run(command)
        self.in_step = not answer.ok
        return answer, Lines(self)

    async def listing(self, command: str, limit_bytes: int | None = None) -> tuple[Answer, Sequence[bytes]]:
        """Return the answer to a command and its lines; none where the answer is -ERR.

        Raises:
            TransientError: as `run`; or the lines are longer than *limit_bytes* (LISTING_BYTES) together.
        """
        limit_bytes = limit_bytes or LISTING_BYTES
        answer, lines = await self.begin(command)
        if not answer.ok:
            return answer, ()
        content = bytearray()
        while piece := await lines.piece():
            content += piece
            if len(content) > limit_bytes:
                self._fail(f"{self.peer} sent more than {limit_bytes} bytes in answer to {self.wire.doing}")
        if len(content) <= SHORT_BYTES:
            return answer, bytes(content).splitlines()
        return answer, await anyio.to_thread.run_sync(lambda: bytes(content).splitlines(), abandon_on_cancel=True)

    async def learn_capabilities(self) -> None:
        """Ask for the capabilities (RFC 2449 5); a server without CAPA has none."""
        _, lines = await self.listing("CAPA", CAPABILITY_BYTES)
        told = [line.decode("ascii", "replace").upper().partition(" ") for line in lines]
        self.capabilities = {name: arguments.strip() for name, _, arguments in told}

    @property
    def login_delay_s(self) -> int | None:
        """Seconds that must lie between two logins (RFC 2449 6.5); None where the server names none."""
        number = self.capabilities.get("LOGIN-DELAY", "").partition(" ")[0]
        return int(number) if number.isascii() and number.isdigit() and len(number) <= 6 else None


class Lines:
    """The lines behind one +OK, as they come."""

    def __init__(self, client: Pop3Client) -> None:
        """Read from *client*, which runs nothing else meanwhile."""
        self._client = client
        self._decoder = Unstuffing()
        self._begun_at = asyncio.get_running_loop().time()
        self.received_bytes = 0

    async def piece(self) -> bytes:
        """Return what came next, dots undone; empty at the end.

        Raises:
            TransientError: the connection ended, the server is silent, or slower than any line.
        """
        client, limits = self._client, self._client.deadlines
        decoder = self._decoder
        while not decoder.finished:
            with client.trouble(f"go on with {client.wire.doing}"), anyio.fail_after(limits.silence_s):
                while not client.wire.buffer:
                    await client.wire.more()
            if piece := self._take():
                return piece
        return b""

    def _take(self) -> bytes:
        client, decoder = self._client, self._decoder
        piece = decoder.feed(client.wire.take())
        self.received_bytes += len(piece)
        if decoder.finished:
            client.wire.give_back(decoder.rest)
            client.in_step = True
        self._expect_pace()
        return piece

    def _expect_pace(self) -> None:
        """From one byte to the next there is a deadline; a server may give a mail byte by byte all the same."""
        client, limits = self._client, self._client.deadlines
        spent_s = asyncio.get_running_loop().time() - self._begun_at
        if spent_s > limits.batch_of_s(self.received_bytes):
            words = (
                f"{client.peer} took {spent_s:.0f} s for {self.received_bytes} bytes in answer to {client.wire.doing}"
            )
            client.wire.fail(words, "timeout")
            raise client.wire.error()
