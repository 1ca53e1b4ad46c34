"""One connection: what comes in goes to the one command that waits; what is wrong ends it at once."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import Any, Final, cast

import aioimaplib.aioimaplib as imap  # its parts that are private by custom: pinned, guarded by tests/dialogue

from mailwicket.errors import TransientError
from mailwicket.failpoint import failpoint
from mailwicket.net.buffer import SHARED, share_buffer
from mailwicket.net.imap.reader import OversizeError, Response, ResponseReader, Room, UnreadableError
from mailwicket.net.imap.signal import Signal
from mailwicket.net.imap.tokens import UID_MAX, read_code, words_of
from mailwicket.net.sasl import read_challenge

_PUSH: Final = re.compile(
    rb"\* (?:(\d{1,10}) (EXISTS|EXPUNGE)\b|(BYE|CAPABILITY|OK)\b ?(.*))", re.IGNORECASE | re.DOTALL
)
_TAGGED: Final = re.compile(rb"([A-Z0-9]+) (OK|NO|BAD)(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_STATE_AFTER: Final = {
    "AUTHENTICATE": imap.AUTH,
    "LOGIN": imap.AUTH,
    "SELECT": imap.SELECTED,
    "EXAMINE": imap.SELECTED,
    "LOGOUT": imap.LOGOUT,
}


class Literal(bytes):
    """An argument that is sent as a literal (RFC 3501 4.3), because it may hold any octet but NUL."""

    __slots__ = ()


class Exchange(imap.Command):  # type: ignore[misc]  # the library has no types
    """One command and all that came in answer to it."""

    def __init__(
        self, name: str, tag: str, *arguments: str | Literal, prefix: str = "", room: Room | None = None
    ) -> None:
        """Prepare `tag prefix name arguments`; *room* limits its answer."""
        super().__init__(name, tag, *(one for one in arguments if not isinstance(one, Literal)), prefix=prefix or None)
        self.room = room or Room()
        self.responses: list[Response] = []
        self.result = ""
        """`OK`, `NO` or `BAD` once it is answered."""
        self.text = b""
        """The rest of the tagged line: `[CODE] words`."""
        self.challenge: dict[str, Any] = {}
        """What a SASL mechanism said about its refusal (RFC 7628 3.2.2)."""
        self.on_challenge = b""
        """What is answered to that, so that the server may say NO: empty, of OAUTHBEARER `AQ==` (RFC 7628 3.2.3)."""
        self._event = Signal()
        self.begun = Signal()
        """The server said `+`, so that an IDLE listens; or it never will."""
        self.failure: Exception | None = None
        """Why it will never be answered."""
        self.secrets: frozenset[bytes] = frozenset()
        """What no words may hold."""
        self.to_send = self._segments(tag, prefix, name, arguments)

    @staticmethod
    def _segments(tag: str, prefix: str, name: str, arguments: tuple[str | Literal, ...]) -> list[bytes]:
        """Cut the command line behind each literal's announcement, where the server must say `+` first."""
        segments = [" ".join(filter(None, (tag, prefix, name))).encode("ascii")]
        for argument in arguments:
            if isinstance(argument, Literal):
                segments[-1] += b" {%d}\r\n" % len(argument)
                segments.append(bytes(argument))
            else:
                segments[-1] += b" " + argument.encode("ascii")
        segments[-1] += b"\r\n"
        return segments

    def __repr__(self) -> str:
        """Name the command alone: its arguments may be a password."""
        return f"{self.tag} {self.name}"

    @property
    def code(self) -> bytes:
        """The response code of the tagged answer, in upper case (RFC 5530)."""
        return read_code(self.text)[0]

    @property
    def words(self) -> str:
        """The server's words, fit for a log line."""
        return words_of(self.text, secrets=self.secrets)

    def close(self, line: bytes, result: str) -> None:
        """Answered."""
        self.result, self.text = result, line
        self._event.set()
        self.begun.set()

    def fail(self, error: Exception) -> None:
        """Will never be answered."""
        if not self._event.is_set():
            self.failure = error
            self._event.set()
            self.begun.set()

    async def wait(self) -> None:
        """Wait for the tagged answer or the failure; look at `failure`."""
        await self._event.wait()


class ImapProtocol(imap.IMAP4ClientProtocol, asyncio.BufferedProtocol):  # type: ignore[misc]  # the library has no types
    """aioimaplib's protocol with a reader of our own. One command at a time: `ImapClient` holds the lock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: str) -> None:
        """*peer* is `host:port`, for the words of errors."""
        super().__init__(loop)
        # Of the library's own reader, which is not used; a thousand connections would hold 4 MiB of queues.
        self.state_condition = self.idle_queue = self._idle_event = None
        self.pending_sync_command: Exchange | None = None
        """The one command that is not answered yet."""
        self.transport: Any = None  # asyncio.Transport once connected; uvloop's is none by type
        self.peer = peer
        self.capabilities: frozenset[str] = frozenset()
        self.told_with_answer = False
        """The capabilities came with the last tagged OK."""
        self.heard_at = loop.time()
        self.greeted = Signal()
        self.stirred = Signal()
        """There may be new mail, or the connection ended: look at `failure` and `arrived`."""
        self.arrived = False
        """The number of mails changed otherwise than by EXPUNGE since this was last set to False."""
        self.exists = 0
        self.uidvalidity: int | None = None
        """Of the folder that is open, as the server said it last (RFC 9051 2.3.1.1); None until it does."""
        self.uidnext: int | None = None
        self.failure: tuple[str, str] | None = None
        """Why the connection is of no more use: words, reason code."""
        self.overwhelmed = False
        """It is of no more use because of the size of a mail: the next one would end the same way."""
        self.secrets: frozenset[bytes] = frozenset()
        """What no error may repeat, whatever the server says."""
        self._reader = ResponseReader(self._take)
        self._farewell = False
        self._latest = "its greeting"
        """The command that was sent last."""

    # --- bytes in ---------------------------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the signature of BufferedProtocol
        """Plain asyncio and its TLS layer read straight into the shared buffer."""
        return SHARED.view

    def buffer_updated(self, nbytes: int) -> None:
        """Asyncio put *nbytes* into the shared buffer."""
        self._feed(SHARED.buffer, nbytes)

    def data_received(self, data: bytes) -> None:
        """The way of uvloop, which takes any `Protocol` for an unbuffered one."""
        self._feed(data, len(data))

    def _feed(self, data: bytes | bytearray, end: int) -> None:
        self.heard_at = self.loop.time()
        if self.failure is not None:
            return
        try:
            self._reader.feed(data, end)
        except UnreadableError as error:
            self.overwhelmed = isinstance(error, OversizeError)
            self.fail(f"{self.peer} sent {error}{self._moment}", "server_said")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Also after a TLS handshake, of either kind."""
        super().connection_made(transport)
        share_buffer(transport)

    def eof_received(self) -> bool:
        """The server closed its side: so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Everybody who waits learns it now."""
        detail = f": {exc.strerror or exc}" if isinstance(exc, OSError) else f": {exc}" if exc else ""
        self.fail(f"{self.peer} closed the connection{self._moment}{detail}", "connection_lost")

    def fail(self, message: str, reason: str) -> None:
        """End the connection: the first cause counts, the waiting command and the idler hear of it."""
        if self.failure is None:
            self.failure = message, reason
        if self.pending_sync_command is not None:
            self.pending_sync_command.fail(self.error())
            self.pending_sync_command = None
        self.greeted.set()
        self.stirred.set()
        if self.transport is not None:
            self.transport.abort()

    @property
    def _moment(self) -> str:
        """What was being done, for the words of a failure."""
        if not self.greeted.is_set():
            return " before its greeting"
        return f" {'after' if self.pending_sync_command is None else 'during'} {self._latest}"

    def words_of(self, text: bytes, limit: int = 200) -> str:
        """Return the server's words, fit for a log line: some repeat what they were sent."""
        return words_of(text, limit, self.secrets)

    def error(self) -> TransientError:
        """Return why the connection ended, as an error of its own each time."""
        message, reason = self.failure or (f"{self.peer}: not connected", "connection_lost")
        return TransientError(message, reason=reason)

    # --- responses --------------------------------------------------------------------------------------------------

    def _take(self, response: Response) -> None:
        line = cast("bytes", response[0])
        if self.failure is not None:
            return
        if line.startswith(b"* "):
            self._push(line)
            command = self.pending_sync_command
            if command is not None and command.name != "IDLE":
                command.responses.append(response)
        elif line.startswith(b"+"):
            self._continuation(line)
        elif found := _TAGGED.match(line):
            self._answered(found[1].decode("ascii"), found[2].decode("ascii").upper(), found[3] or b"")
        elif line:  # an empty line is nobody's harm: some servers end a literal with one
            self.fail(
                f'{self.peer} sent a line that is no IMAP{self._moment} ("{self.words_of(line, 60)}")', "server_said"
            )

    def _push(self, line: bytes) -> None:
        """See every untagged response, whichever command it came with: mail that arrives must not be missed."""
        if not self.greeted.is_set():
            self._greet(line)
            return
        found = _PUSH.match(line)
        if found is None:
            return
        number, event, kind, rest = found.groups()
        if number is not None:
            self._count(int(number), event.upper())
        elif kind.upper() == b"BYE" and not self._farewell:
            self.fail(f'{self.peer} ended the session{self._moment} ("{self.words_of(rest)}")', "server_said")
        elif kind.upper() == b"CAPABILITY":
            self._learn(rest)
        else:
            self._learn_code(rest)

    def _count(self, number: int, event: bytes) -> None:
        if event == b"EXPUNGE":
            self.exists = max(0, self.exists - 1)
        elif number != self.exists:  # some servers repeat EXISTS with every answer: that is no news
            self.exists = number
            self.stir()

    def stir(self) -> None:
        """There may be new mail."""
        self.arrived = True
        self.stirred.set()

    def _greet(self, line: bytes) -> None:
        word, _, text = line[2:].partition(b" ")
        match word.upper():
            case b"OK":
                self.state = imap.NONAUTH
            case b"PREAUTH":
                self.state = imap.AUTH
            case _:
                self.fail(f'{self.peer} refused the connection ("{self.words_of(line[2:])}")', "server_said")
                return
        self._learn_code(text)
        self.greeted.set()

    def _learn(self, names: bytes) -> None:
        self.capabilities = _capabilities(names)

    def _learn_code(self, text: bytes) -> None:
        code, argument = read_code(text)
        if code == b"CAPABILITY":
            self._learn(argument)
        elif code in (b"UIDVALIDITY", b"UIDNEXT") and argument.isdigit() and len(argument) <= 10:
            number = int(argument)
            setattr(self, code.decode("ascii").lower(), number if 0 < number <= UID_MAX else None)

    def _answered(self, tag: str, result: str, text: bytes) -> None:
        command = self.pending_sync_command
        if command is None or command.tag != tag:
            self.fail(f"{self.peer} answered a command that nobody sent{self._moment}", "server_said")
            return
        if result == "OK":
            self.state = _STATE_AFTER.get(command.name, self.state)
            self.told_with_answer = read_code(text)[0] == b"CAPABILITY"
            if command.name == "STARTTLS":
                self._reader.stop()
                self.transport.pause_reading()
            else:
                self._learn_code(text)
        self.pending_sync_command = None
        command.close(text, result)

    def _continuation(self, line: bytes) -> None:
        command = self.pending_sync_command
        if command is None:
            self.fail(f"{self.peer} asked for more of a command that nobody sent", "server_said")
        elif command.to_send:
            self.transport.write(command.to_send.pop(0))
        elif command.name == "IDLE":
            command.begun.set()
        elif command.name == "AUTHENTICATE" and not command.challenge:
            command.challenge = read_challenge(line[1:]) | {"": ""}  # it came, whatever it says
            self.transport.write(command.on_challenge + b"\r\n")
        else:
            self.fail(f"{self.peer} asked {command.name} for more than there is", "server_said")

    # --- commands out -----------------------------------------------------------------------------------------------

    def begin(self, exchange: Exchange) -> None:
        """Send *exchange*; the caller waits for it and holds the lock.

        Raises:
            TransientError: the connection has ended.
        """
        if self.failure is not None:
            raise self.error()
        if self.pending_sync_command is not None:
            raise imap.Abort(f"{exchange} begun while {self.pending_sync_command} waits")
        if self.state not in imap.Commands[exchange.name].valid_states:
            raise imap.Abort(f"{exchange} is illegal in state {self.state}")
        failpoint("imap.send")
        self._farewell = exchange.name == "LOGOUT"
        if exchange.name in ("SELECT", "EXAMINE"):
            self.uidvalidity = self.uidnext = None
            self.exists = 0
        exchange.secrets = self.secrets
        self.pending_sync_command = exchange
        self._latest = exchange.name
        self._reader.give_room(exchange.room)
        self.transport.write(exchange.to_send.pop(0))

    def done(self) -> None:
        """End an IDLE (RFC 2177)."""
        self.transport.write(b"DONE\r\n")

    @property
    def injected(self) -> bool:
        """Bytes came in the clear behind the answer to STARTTLS."""
        return self._reader.injected

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over TLS: what was said in the clear counts for nothing (RFC 3501 6.2.1)."""
        self.transport = transport
        share_buffer(transport)
        self.capabilities = frozenset()
        self._reader.resume()


@lru_cache(maxsize=16)
def _capabilities(names: bytes) -> frozenset[str]:
    """One set for all connections that are told the same: a thousand of them would hold 4 MiB."""
    return frozenset(names.decode("ascii", "replace").upper().split())
