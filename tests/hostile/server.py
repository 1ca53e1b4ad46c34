"""An IMAP server that works: it has mails, keeps flags, moves, tells of new mail. Until it is told to misbehave.

What it does instead of an answer is a `Misdeed`: it gets the connection and the bytes that were the right answer, the
work already done (a mail is moved, the answer to that may be lost). All that a client says is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.lab.listener import listening

from mailwicket.net.imap.tokens import read_set

VERBS: Final = (
    "CONNECT",
    "TLS",
    "GREETING",
    *"CAPABILITY LOGIN SELECT SEARCH LOOK FETCH STORE MOVE IDLE DONE LOGOUT".split(),
)
"""Where it may misbehave. LOOK is the FETCH of sizes and dates, FETCH the one of mails."""

_COMMAND: Final = re.compile(r"(\S+) (?:UID )?(\w+) ?(.*)")
_BODY: Final = re.compile(r"BODY\.PEEK\[(\w*)\](?:<(\d+)\.(\d+)>)?")


class OverError(Exception):
    """The misdeed ended the connection."""


@dataclass
class Wire:
    """The server's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tag: str = ""
    told: int = 0
    """How many mails there are, as the client knows it."""

    async def send(self, content: bytes) -> None:
        """Send, as fast as the other end takes it."""
        self.writer.write(content)
        await self.writer.drain()

    async def hear_to_the_end(self) -> None:
        """Read until the client goes."""
        while await self.reader.read(65536):
            pass
        raise OverError

    def reset(self) -> None:
        """End the connection with a RST."""
        sock: Any = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()
        raise OverError

    def close(self) -> None:
        """End the connection with a FIN."""
        self.writer.close()
        raise OverError


Misdeed = Callable[[Wire, bytes], Awaitable[None]]


@dataclass
class MailServer:
    """One mailbox. Deliver with `deliver`; `misbehave` and `behave` at any time."""

    port: int = 0
    capabilities: str = "IMAP4rev1 IDLE MOVE UIDPLUS"
    tls: ssl.SSLContext | None = None
    """TLS from the first byte."""
    exists: int | None = None
    """How many mails it says there are, if that is not how many there are."""
    mails: dict[int, bytes] = field(default_factory=dict)
    delivered: list[bytes] = field(default_factory=list)
    flags: dict[int, set[str]] = field(default_factory=dict)
    moved: list[bytes] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """All that clients said, of all connections."""
    connections: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """It did what it was told to do wrong."""
    times: int = 0
    """So often."""
    took_s: list[float] = field(default_factory=list)
    """How long each mail took from its delivery to the flag by which a client says that it has it."""
    _delivered_at: dict[int, float] = field(default_factory=dict)
    _place: str = ""
    _misdeed: Misdeed | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def misbehave(self, place: str, misdeed: Misdeed) -> None:
        """From now on do *misdeed* at *place*, one of VERBS."""
        self._place, self._misdeed = place, misdeed
        self.begun.clear()
        self.times = 0

    def behave(self) -> None:
        """From now on do no wrong; connections that were spoiled end."""
        self._misdeed = None

    def deliver(self, *mails: bytes) -> None:
        """Take *mails* in and tell who idles."""
        for raw in mails:
            self.delivered.append(raw)
            uid = len(self.delivered)
            self._delivered_at[uid] = time.perf_counter()
            self.mails[uid], self.flags[uid] = raw, set()
        self._arrived.set()
        self._arrived = asyncio.Event()

    def settled(self) -> bool:
        """Tell whether every mail was marked as seen or moved away."""
        return all("\\Seen" in self.flags[uid] for uid in self.mails)

    # --- a connection -----------------------------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client to its end."""
        self.connections += 1
        self._open.add(writer)
        wire = Wire(reader, writer)
        try:
            with contextlib.suppress(
                OverError, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError
            ):
                await self._talk(wire)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            writer.close()

    async def _talk(self, wire: Wire) -> None:
        await self._answer(wire, "CONNECT", b"")
        if self.tls is not None:
            await self._answer(wire, "TLS", b"")
            await wire.writer.start_tls(self.tls, ssl_handshake_timeout=5)
        await self._answer(wire, "GREETING", b"* OK ready\r\n")
        while line := await wire.reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(text)
            if (found := _COMMAND.fullmatch(text)) is None:
                await wire.send(b"* BAD what?\r\n")
                continue
            wire.tag = found[1]
            await self._obey(wire, found[2].upper(), found[3])

    async def _answer(self, wire: Wire, place: str, answer: bytes) -> None:
        """Answer, or misbehave if this is the place for it."""
        if self._misdeed is not None and place == self._place:
            self.times += 1
            self.begun.set()
            await self._misdeed(wire, answer)
        elif answer:
            await wire.send(answer)

    async def _obey(self, wire: Wire, verb: str, rest: str) -> None:
        if verb == "IDLE":
            await self._idle(wire)
            return
        body = "BODY" in rest
        place = {"FETCH": "FETCH" if body else "LOOK", "EXAMINE": "SELECT", "AUTHENTICATE": "LOGIN"}.get(verb, verb)
        untagged = b"".join(self._work(verb, rest))
        wire.told = len(self.mails) if place == "SELECT" else min(wire.told, len(self.mails))
        words = f"OK [CAPABILITY {self.capabilities}] in" if verb == "LOGIN" else "OK done"
        await self._answer(wire, place, untagged + f"{wire.tag} {words}\r\n".encode())
        if verb == "LOGOUT":
            wire.close()

    async def _idle(self, wire: Wire) -> None:
        arrived = self._arrived
        if len(self.mails) > wire.told:  # they came since it looked
            arrived = asyncio.Event()
            arrived.set()
        await self._answer(wire, "IDLE", b"+ idling\r\n")
        listening = asyncio.create_task(wire.reader.readline())
        telling = asyncio.create_task(arrived.wait())
        try:
            await asyncio.wait((listening, telling), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                wire.told = len(self.mails)
                await wire.send(b"* %d EXISTS\r\n" % wire.told)
            line = await listening
        finally:
            listening.cancel()
            telling.cancel()
        self.lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
        if line:
            await self._answer(wire, "DONE", f"{wire.tag} OK idled\r\n".encode())

    # --- the mailbox ------------------------------------------------------------------------------------------------

    def _work(self, verb: str, rest: str) -> Iterator[bytes]:
        """Do what is asked for and yield the untagged answers."""
        match verb:
            case "CAPABILITY":
                yield f"* CAPABILITY {self.capabilities}\r\n".encode()
            case "SELECT" | "EXAMINE":
                yield b"* %d EXISTS\r\n" % (len(self.mails) if self.exists is None else self.exists)
                yield b"* OK [UIDVALIDITY 7] valid\r\n* OK [UIDNEXT %d] next\r\n" % (len(self.delivered) + 1)
            case "SEARCH":
                yield b"* SEARCH %s\r\n" % b" ".join(b"%d" % uid for uid in self._found(rest.split()))
            case "FETCH":
                chosen, _, items = rest.partition(" ")
                yield from (self._describe(uid, items) for uid in self._chosen(chosen))
            case "STORE":
                chosen, _, change = rest.partition(" ")
                self._flag(self._chosen(chosen), change.partition("(")[2].rstrip(")").split())
            case "MOVE":
                for uid in self._chosen(rest.partition(" ")[0]):
                    self.moved.append(self.mails.pop(uid))
                    yield b"* 1 EXPUNGE\r\n"
            case "LOGOUT":
                yield b"* BYE bye\r\n"
            case _:
                pass

    def _found(self, keys: list[str]) -> list[int]:
        uids = self._chosen(keys[keys.index("UID") + 1])
        return [uid for uid in uids if "UNSEEN" not in keys or "\\Seen" not in self.flags[uid]]

    def _flag(self, uids: Iterable[int], flags: Iterable[str]) -> None:
        for uid in uids:
            if uid in self._delivered_at:
                self.took_s.append(time.perf_counter() - self._delivered_at.pop(uid))
            self.flags[uid].update(flags)

    def _chosen(self, uids: str) -> list[int]:
        first, _, last = uids.partition(":")
        if last == "*":
            high = max(self.mails, default=0)
            return sorted(uid for uid in self.mails if uid >= int(first) or uid == high)
        if last and "," not in uids:
            return sorted(uid for uid in self.mails if int(first) <= uid <= int(last))
        return sorted(set(read_set(uids.encode())) & self.mails.keys())

    def _describe(self, uid: int, items: str) -> bytes:
        raw = self.mails[uid]
        told = b"UID %d" % uid
        if "RFC822.SIZE" in items:
            told += b' RFC822.SIZE %d INTERNALDATE "02-Jan-2026 10:00:00 +0000"' % len(raw)
        if found := _BODY.search(items):
            section, start, size = found.groups()
            content = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if section else raw
            origin = "" if start is None else f"<{start}>"
            content = content if start is None else content[int(start) : int(start) + int(size)]
            told += b" BODY[%s]%s {%d}\r\n%s" % (section.encode(), origin.encode(), len(content), content)
        return b"* 1 FETCH (%s)\r\n" % told

    async def end(self) -> None:
        """Drop every client."""
        for writer in tuple(self._open):
            writer.transport.abort()


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None, **keys: Any) -> AsyncIterator[MailServer]:
    """A running server on a port of its own."""
    server = MailServer(tls=tls, **keys)
    try:
        async with listening(server.serve, port=server.port, limit=1 << 20, backlog=1000) as server.port:
            try:
                yield server
            finally:
                await server.end()
    finally:
        await asyncio.sleep(0.01)  # for what the transports have left to do
