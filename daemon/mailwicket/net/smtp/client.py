"""The client: connects, runs one command at a time with a deadline, sends a mail, says goodbye."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import anyio
from aiosmtplib.errors import SMTPException, SMTPResponseException
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.response import SMTPResponse

from mailwicket.errors import BlockedError, TransientError, UncertainError
from mailwicket.net.line import Line, tls_of
from mailwicket.net.proxy import Way
from mailwicket.net.smtp.reply import Reply, read_reply, said
from mailwicket.net.smtp.wire import Wire


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the server may take. RFC 5321 4.5.3.2 gives it 5 minutes for most; people wait for what we send."""

    connect_s: float = 20
    """DNS, TCP and TLS together."""
    greeting_s: float = 60
    """Servers make strangers wait here, to tell programs from spammers'."""
    command_s: float = 60
    path_s: float = 120
    """MAIL and RCPT: some servers ask others about an address before they answer."""
    data_s: float = 120
    """RFC 5321 4.5.3.2.4."""
    piece_s: float = 180
    """RFC 5321 4.5.3.2.5."""
    taken_s: float = 600
    """RFC 5321 4.5.3.2.6: whoever gives up before sends the mail twice."""
    alive_s: float = 10
    """Whether a connection that rested still stands."""
    farewell_s: float = 0.5
    """A stop or a reload ends within a second, whatever the server does."""


class SmtpClient:
    """One connection. Any timeout or cancellation ends it: a late answer would be taken for the next command's."""

    def __init__(self, host: str, port: int, deadlines: Deadlines, way: Way | None = None) -> None:
        """Prepare a connection to *host*, by *way*; `attach` makes it."""
        self.deadlines = deadlines
        self.host = host
        self.port = port
        self.peer = f"{host}:{port}"
        self.offers: Mapping[str, str] = {}
        """What the answer to EHLO offers since the last change of state: parameters by keyword in lower case."""
        self.mechanisms: Collection[str] = ()
        """Of SASL, in lower case."""
        self._secrets: frozenset[str] = frozenset()
        """Never to be told, in whatever form a server sends them back."""
        self._line = Line(host, port, way, deadlines.connect_s, self.abort)
        self._wire: Wire | None = None
        self._ended: tuple[str, str] | None = None
        """Why nothing more can be said, and its reason code."""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port

    def hide(self, secrets: Collection[bytes]) -> None:
        """Have no error and no status repeat *secrets*, whatever the server says."""
        self._secrets |= {one.decode() for one in secrets}

    # --- the connection ---------------------------------------------------------------------------------------------

    async def open(self, tls: ssl.SSLContext | None, *, plain: bool = False) -> None:
        """Connect, read the greeting and learn what is offered: `attach`, `greet`, then `introduce`."""
        await self.attach(tls)
        await self.greet()
        await self.introduce(plain=plain)

    async def attach(self, tls: ssl.SSLContext | None, sock: socket.socket | None = None) -> None:
        """Connect; with *tls* the first byte is TLS already. *sock* is connected, by `dial` or a proxy.

        Raises:
            TransientError: unreachable.
            BlockedError: its certificate does not stand the test.
        """
        self._wire = Wire()
        await self._line.attach(self._wire, tls, sock)

    async def greet(self) -> Reply:
        """Read the greeting.

        Raises:
            TransientError: there is none, or it says "later".
            BlockedError: it will have nobody.
        """
        reply = await self.answer("", self.deadlines.greeting_s)
        if reply.code == 220:
            return reply
        self.abort()
        words = f'{self.peer} refuses the connection ("{reply}")'
        if reply.passes:
            raise TransientError(words, reason="server_said")
        raise BlockedError(words)

    async def introduce(self, *, plain: bool = False) -> None:
        """Say EHLO and learn what is offered; HELO where that is not known and *plain* will do.

        Raises:
            TransientError: it says "later".
            BlockedError: it will not talk to us.
        """
        self.offers, self.mechanisms = {}, ()
        text = ""
        reply = await self._run(f"EHLO {self._name()}", self.deadlines.command_s)
        if reply.code in {500, 502, 504} and plain:
            reply = (await self._run(f"HELO {self._name()}", self.deadlines.command_s))._replace(message="")
        text = reply.message
        if not 200 <= reply.code < 300:
            self.abort()
            words = f'{self.peer} refuses EHLO ("{self._reply(reply)}")'
            if 400 <= reply.code < 500:
                raise TransientError(words, reason="server_said")
            raise BlockedError(words)
        offers, mechanisms = parse_esmtp_extensions(text)
        self.offers, self.mechanisms = offers, tuple(dict.fromkeys(mechanisms))

    def _name(self) -> str:
        """Return who we are (RFC 5321 4.1.3): a literal is true on machines without a name, and asks no DNS."""
        place = self.transport.get_extra_info("sockname")
        address = str(place[0]).partition("%")[0] if isinstance(place, tuple) else "127.0.0.1"
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    async def start_tls(self, tls: ssl.SSLContext) -> None:
        """Go over to TLS (RFC 3207), or raise: there is no way back to clear text.

        Raises:
            TransientError: it says "later", or somebody spoke in between.
            BlockedError: it knows no STARTTLS, or its certificate does not stand the test.
        """
        reply = await self.run("STARTTLS")
        if not reply.is_good:
            self.abort()
            words = f'{self.peer} refused STARTTLS ("{reply}")'
            if reply.passes:
                raise TransientError(words, reason="server_said")
            raise BlockedError(words, reason="starttls_missing")
        wire = self.wire
        if wire.unasked:
            raise self._line.injected("STARTTLS")
        wire.secured(await self._line.go_over_to_tls(self.transport, wire, tls, "STARTTLS"))

    @property
    def wire(self) -> Wire:
        """The connection that was made.

        Raises:
            TransientError: it has ended.
        """
        if self._ended is not None:
            raise TransientError(self._ended[0], reason=self._ended[1])
        if self._wire is None or not self._wire.is_connected:
            raise self._lost()
        return self._wire

    @property
    def transport(self) -> asyncio.Transport:
        """What the bytes go over now."""
        return cast("asyncio.Transport", self.wire.transport)  # uvloop's are of no class of asyncio's

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session that what is sent now goes over; None in the clear."""
        return None if self._wire is None else tls_of(self._wire.transport)

    @property
    def local(self) -> bool:
        """Whether the other end is this machine."""
        return self._line.is_local(self.transport)

    def silence_s(self) -> float:
        """Seconds since the server's last byte."""
        return asyncio.get_running_loop().time() - self.wire.heard_at

    def abort(self) -> None:
        """End the connection now, without a word."""
        self._ended = self._ended or (f"{self.peer}: the connection was dropped", "connection_lost")
        if self._wire is not None and self._wire.transport is not None:
            cast("asyncio.Transport", self._wire.transport).abort()

    async def say_goodbye(self) -> None:
        """QUIT if the dialogue is in step, for at most `farewell_s`; then close. Never raises for the server."""
        with anyio.move_on_after(self.deadlines.farewell_s), contextlib.suppress(TransientError):
            await self.run("QUIT")
        self.abort()

    # --- commands ---------------------------------------------------------------------------------------------------

    def has(self, keyword: str) -> bool:
        """Tell whether the server offers the extension *keyword*."""
        return keyword in self.offers

    async def run(self, command: str, within_s: float | None = None, *, verb: str | None = None) -> Reply:
        """Send one *command* and return its answer, whatever that is.

        *verb* is what it is called in errors, where the line holds a secret; else its first word.

        Raises:
            TransientError: the connection ended, the deadline passed, or the answer is no SMTP.
        """
        return self._reply(await self._run(command, within_s or self.deadlines.command_s, verb))

    async def _run(self, command: str, within_s: float, verb: str | None = None) -> SMTPResponse:
        verb = verb or command.partition(" ")[0]
        self.say([command], verb)
        return await self._answer(verb, within_s)

    def say(self, commands: Sequence[str], verb: str) -> None:
        """Send *commands* in one go: several only where PIPELINING is offered (RFC 2920). Each has its `answer`.

        Raises:
            TransientError: the connection has ended, or the server spoke without being asked.
        """
        wire = self.wire
        if wire.unasked:
            raise self._out_of_step()
        try:
            wire.ask(commands)
        except (SMTPException, OSError) as error:
            raise self._fault(verb, error) from error

    async def answer(self, verb: str, within_s: float) -> Reply:
        """Return the next answer, to *verb*, whatever it is.

        Raises:
            TransientError: as `run`.
        """
        return self._reply(await self._answer(verb, within_s))

    async def _answer(self, verb: str, within_s: float) -> SMTPResponse:
        wire = self._wire
        if wire is None or self._ended is not None:
            wire = self.wire  # raises; a connection that was lost may have answered all the same
        if (ready := wire.take()) is not None and 200 <= ready.code < 600:  # of a group, most are there at once
            return ready
        try:
            return _checked(ready or await wire.read_response(within_s))
        except (SMTPException, OSError) as error:
            raise self._fault(verb, error) from error
        except BaseException:
            self.abort()
            raise

    async def transmit(self, body: bytes) -> Reply:
        """Send *body* behind the answer to DATA, and return what the server says of it.

        Raises:
            TransientError: the connection ended before the mail's end was sent, so that it was not taken.
            UncertainError: it ended after that, or no answer came in time.
        """
        wire = self.wire
        try:
            whole = await wire.send_body(body, self.deadlines.piece_s)
        except (SMTPException, OSError) as error:  # a timeout is an OSError
            if not wire.answered:
                self.abort()
                late = isinstance(error, TimeoutError)
                words = "does not take the mail any further" if late else "closed the connection within the mail"
                reason = "timeout" if late else "connection_lost"
                raise TransientError(f"{self.peer} {words}{self._unasked()}", reason=reason) from error
            whole = False
        except BaseException:
            self.abort()
            raise
        return await self._verdict(wire, whole=whole)

    async def _verdict(self, wire: Wire, *, whole: bool) -> Reply:
        """Read the answer to a mail; one to half of a mail ends the connection, whatever it says."""
        try:
            response = _checked(await wire.read_response(self.deadlines.taken_s))
            reply = self._reply(_final(response))
        except SMTPException as error:
            self.abort()
            words = f"{self.peer} got the whole mail and gave no answer{self._unasked()}; it may have been taken"
            reason = "timeout" if isinstance(error, TimeoutError) else "connection_lost"
            raise UncertainError(words, reason=reason) from error
        except BaseException:
            self.abort()
            raise
        if not whole:
            self.abort()
            if reply.is_good:
                words = f'{self.peer} answered before the end of the mail ("{reply}")'
                raise TransientError(words, reason="server_said")
        return reply

    def _fault(self, verb: str, error: Exception) -> TransientError:
        """End the connection, and return what became of an answer to *verb* that does not come."""
        if isinstance(error, SMTPResponseException):
            self.abort()
            answered = f"answered {verb}" if verb else "greets"
            words = f'{self.peer} {answered} with what is no SMTP ("{self.shown(error.message)}")'
            return TransientError(words, reason="server_said")
        if isinstance(error, TimeoutError):
            self.abort()
            did_not = f"answer {verb}" if verb else "greet"
            return TransientError(f"{self.peer} did not {did_not} in time", reason="timeout")
        return self._lost(verb)

    def _lost(self, verb: str = "") -> TransientError:
        where = f" at {verb}" if verb else ""
        self._ended = f"{self.peer} closed the connection{where}{self._unasked()}", "connection_lost"
        self.abort()
        return TransientError(self._ended[0], reason=self._ended[1])

    def _out_of_step(self) -> TransientError:
        self.abort()
        return TransientError(f"{self.peer} said something unasked{self._unasked()}", reason="server_said")

    def _unasked(self) -> str:
        """Return what was said unasked, as the end of a sentence."""
        heard = b"" if self._wire is None else self._wire.unasked
        return f' ("{self.shown(heard.decode("utf-8", "replace"))}")' if heard else ""

    def _reply(self, response: SMTPResponse) -> Reply:
        return read_reply(response.code, response.message, self._secrets)

    def shown(self, text: str) -> str:
        """Return a server's *text* for people, without secrets."""
        return said(text, self._secrets)


def _checked(response: SMTPResponse) -> SMTPResponse:
    """Return an answer whose code is one (RFC 5321 4.2.1).

    Raises:
        SMTPResponseException: it is none.
    """
    if not 200 <= response.code < 600:
        raise SMTPResponseException(response.code, f"{response.code} {response.message}")
    return response


def _final(response: SMTPResponse) -> SMTPResponse:
    """Return an answer to a whole mail: "go on" is none.

    Raises:
        SMTPResponseException: it is none.
    """
    if 300 <= response.code < 400:
        raise SMTPResponseException(response.code, response.message)
    return response
