"""A small honest POP3 server (RFC 1939, 2449, 2595, 5034): one maildrop in memory, one session at a time.

What is honest about it: the listing stays as it is until QUIT, DELE counts with QUIT alone, and who is cut off has
deleted nothing. `Odd` in `tests/dialogue` is where servers lie.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

ENOUGH_TIME_S = 30


@dataclass
class Maildrop:
    """A running server, and what it keeps."""

    user: str
    password: str
    port: int = 0
    mails: dict[str, bytes] = field(default_factory=dict)
    """By unique id, oldest first."""
    fetched: set[str] = field(default_factory=set)
    """Ids of mails that were given out by RETR."""
    busy: bool = False
    sessions: int = 0
    lines: list[str] = field(default_factory=list)
    """What clients said, one session after the other."""
    _made: int = 0

    def put(self, *raws: bytes) -> list[str]:
        """Lay mails in, and return their ids."""
        names = []
        for raw in raws:
            self._made += 1
            names.append(f"id-{self._made:05}")
            self.mails[names[-1]] = raw
        return names


class _Session:
    def __init__(
        self, drop: Maildrop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None
    ) -> None:
        self.drop = drop
        self.reader = reader
        self.writer = writer
        self.tls = tls
        self.user = ""
        self.listed: list[str] = []
        self.content: list[bytes] = []
        self.deleted: set[int] = set()
        self.inside = False

    def ok(self, words: str = "done") -> None:
        self.writer.write(f"+OK {words}\r\n".encode())

    def err(self, words: str) -> None:
        self.writer.write(f"-ERR {words}\r\n".encode())

    def many(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.writer.write((b"." if line.startswith(b".") else b"") + line + b"\r\n")
        self.writer.write(b".\r\n")

    async def serve(self) -> None:
        self.ok("ready")
        try:
            while line := await self.reader.readline():
                text = line.decode("utf-8", "replace").removesuffix("\r\n")
                self.drop.lines.append(text)
                verb, _, argument = text.partition(" ")
                if not await self.answer(verb.upper(), argument):
                    return
                await self.writer.drain()
        finally:
            if self.inside:
                self.drop.busy = False

    async def answer(self, verb: str, argument: str) -> bool:
        match verb:
            case "CAPA":
                self.ok()
                encrypted = self.writer.get_extra_info("ssl_object") is not None
                stls = [b"STLS"] if self.tls and not encrypted else []
                self.many([b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"SASL PLAIN XOAUTH2", *stls])
            case "QUIT":
                if self.inside:
                    for number in self.deleted:
                        self.drop.mails.pop(self.listed[number - 1], None)
                self.ok("bye")
                return False
            case "STLS" if self.tls:
                self.ok("begin")
                await self.writer.drain()
                await self.writer.start_tls(self.tls)
            case "USER" if not self.inside:
                self.user = argument
                self.ok()
            case "PASS" if not self.inside:
                self.enter(self.user == self.drop.user and argument == self.drop.password)
            case "AUTH" if not self.inside:
                await self.sasl(argument)
            case _ if self.inside:
                self.transact(verb, argument)
            case _:
                self.err("not now")
        return True

    async def sasl(self, mechanism: str) -> None:
        self.writer.write(b"+ \r\n")
        said = b64decode((await self.reader.readline()).strip()).decode()
        user, password = self.drop.user, self.drop.password
        if mechanism == "PLAIN":
            self.enter(said == f"\0{user}\0{password}")
        elif said == f"user={user}\x01auth=Bearer {password}\x01\x01":
            self.enter(good=True)
        else:
            self.writer.write(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")  # {"status":"400"}
            await self.reader.readline()
            self.enter(good=False)

    def enter(self, good: bool) -> None:  # noqa: FBT001 - a verdict
        if not good:
            self.err("[AUTH] no such user or password")
        elif self.drop.busy:
            self.err("[IN-USE] maildrop is locked")
        else:
            self.drop.busy = self.inside = True
            self.drop.sessions += 1
            self.listed, self.content = list(self.drop.mails), list(self.drop.mails.values())
            self.ok("in")

    def transact(self, verb: str, argument: str) -> None:  # noqa: C901 - a verb a case
        there = {n: raw for n, raw in enumerate(self.content, 1) if n not in self.deleted}
        first = argument.partition(" ")[0]
        number = int(first) if first.isdigit() else 0
        if first and number not in there:
            self.err("no such mail")
            return
        match verb:
            case "STAT":
                self.ok(f"{len(there)} {sum(map(len, there.values()))}")
            case "UIDL" if first:
                self.ok(f"{number} {self.listed[number - 1]}")
            case "UIDL":
                self.ok()
                self.many(f"{n} {self.listed[n - 1]}".encode() for n in there)
            case "LIST":
                self.ok()
                self.many(f"{n} {len(raw)}".encode() for n, raw in there.items())
            case "RETR":
                self.drop.fetched.add(self.listed[number - 1])
                self.ok()
                self.many(_lines(there[number]))
            case "TOP":
                self.ok()
                header = there[number].partition(b"\r\n\r\n")[0]
                self.many([*header.split(b"\r\n"), b""])
            case "DELE":
                self.deleted.add(number)
                self.ok()
            case "RSET":
                self.deleted.clear()
                self.ok()
            case "NOOP":
                self.ok()
            case _:
                self.err("unknown")


def _lines(raw: bytes) -> list[bytes]:
    return raw.removesuffix(b"\r\n").split(b"\r\n")


@asynccontextmanager
async def maildrop(
    user: str, password: str, *, tls: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncIterator[Maildrop]:
    """Run one: with *tls* it offers STLS, or speaks TLS from the first byte where that is *implicit*."""
    drop = Maildrop(user, password)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await _Session(drop, reader, writer, None if implicit else tls).serve()
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait_for(writer.wait_closed(), 0.2)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if implicit else None, limit=1 << 20)
    drop.port = server.sockets[0].getsockname()[1]
    try:
        yield drop
    finally:
        server.close()
        await asyncio.sleep(0.01)  # who was let in a moment ago has not begun
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
