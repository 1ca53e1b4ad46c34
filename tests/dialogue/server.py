r"""A server that follows a script, to the byte.

    S: * OK ready          sent, with CRLF; lines that follow one another leave in one segment
    S| * 1 FETCH (\x00     sent as it stands, without CRLF; backslash escapes are undone
    C: LOGIN * *           awaited: a tag, then a text that matches the pattern (fnmatch)
    C| DONE                awaited: a line without tag
    S: $ OK done           `$` stands for the last tag
    X: close               also `hang`, `pause` (a new segment) and `tls`

When the script has ended, LOGOUT is answered and all else is read and ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from mailwicket.config.incoming import Incoming
from mailwicket.errors import MailwicketError
from mailwicket.model import MailRef
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.machine import Machine
from mailwicket.sources.imap import ImapSource

PASSWORD = "canary-4711"
CAPABILITIES = "IMAP4rev1 IDLE MOVE UIDPLUS"
PLAIN = b64encode(f"\0desk@example.org\0{PASSWORD}".encode()).decode()
SELECTED = """
    C: SELECT "INBOX"
    S: * OK [UIDVALIDITY 7] valid
    S: $ OK [READ-WRITE] open
"""
BRISK = Deadlines(connect_s=2, greeting_s=0.3, command_s=0.3, silence_s=0.3, batch_s=0.8, farewell_s=0.3)


def opened(capabilities: str = CAPABILITIES, *, exists: int = 0, uidvalidity: int = 7, uidnext: int | None = 1) -> str:
    """The script of a login and an opened INBOX."""
    told = "" if uidnext is None else f"S: * OK [UIDNEXT {uidnext}] next\n"
    return f"""
        S: * OK [CAPABILITY {capabilities}] ready
        C: LOGIN "desk@example.org" "{PASSWORD}"
        S: $ OK [CAPABILITY {capabilities}] in
        C: * "INBOX"
        S: * {exists} EXISTS
        S: * OK [UIDVALIDITY {uidvalidity}] valid
        {told}
        S: $ OK [READ-WRITE] open
    """


def meta(uid: int, *, size: int = 100, day: str = " 2-Jan-2026", sequence: int = 1) -> str:
    """One answer to a look."""
    return f'S: * {sequence} FETCH (UID {uid} RFC822.SIZE {size} INTERNALDATE "{day} 10:00:00 +0000")\n'


def ref(uid: int, size_bytes: int = 5, epoch: str = "7") -> MailRef:
    """A mail of that INBOX."""
    return MailRef("INBOX", epoch, str(uid), size_bytes, None)


def body(uid: int, content: str, item: str = "BODY[]") -> str:
    """One answer with a literal; each character of *content* is an octet."""
    return f"S| * 1 FETCH (UID {uid} {item} {{{len(content)}}}\\r\\n{escaped(content)})\\r\\n\n"


def escaped(content: str) -> str:
    """As `S|` wants it."""
    return content.encode("unicode_escape").decode()


@dataclass
class Scripted:
    """The running server, and what it saw."""

    port: int
    lines: list[str] = field(default_factory=list)
    problem: str = ""
    connections: int = 0

    def source(self, tmp_path: Path, /, deadlines: Deadlines = BRISK, **changes: Any) -> ImapSource:
        """A source that talks to it; *changes* are keys of its table in conf.d, or a limit below what that allows."""
        limits = {key: changes.pop(key) for key in ("max_mail_bytes",) if key in changes}
        table = {
            "email": "desk@example.org",
            "password": PASSWORD,
            "server": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "start_from": "all",
            **changes,
        }
        config = Incoming.model_validate(table).model_copy(update=limits)
        source = ImapSource("office", config, Machine(tmp_path))
        source.deadlines = deadlines  # type: ignore[misc]  # of this one alone
        source.chance = lambda: 0.0  # no sweep comes early
        return source


class _Session:
    def __init__(self, server: Scripted, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.tag = ""

    async def follow(self, script: list[str], tls: ssl.SSLContext | None, piece_bytes: int) -> None:
        pending = b""
        for step in script:
            kind, text = step[:2], step[2:].removeprefix(" ")
            if kind in ("S:", "S|"):
                pending += self._bytes(kind, text)
                continue
            await self._send(pending, piece_bytes)
            pending = b""
            if kind in ("C:", "C|"):
                await self._expect(kind, text)
            else:
                await self._act(text, tls)
        await self._send(pending, piece_bytes)
        await self._see_off()

    def _bytes(self, kind: str, text: str) -> bytes:
        if kind == "S|":
            return text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        return text.replace("$", self.tag, 1).encode() + b"\r\n" if text.startswith("$") else text.encode() + b"\r\n"

    async def _send(self, content: bytes, piece_bytes: int) -> None:
        for start in range(0, len(content), piece_bytes):
            self.writer.write(content[start : start + piece_bytes])
            await self.writer.drain()
            if len(content) > piece_bytes:
                await asyncio.sleep(0)

    async def _expect(self, kind: str, pattern: str) -> None:
        raw = await self.reader.readline()
        if not raw:
            raise ConnectionResetError("closed by the client")
        line = raw.decode("utf-8", "replace").removesuffix("\r\n")
        self.server.lines.append(line)
        if kind == "C:":
            self.tag, _, line = line.partition(" ")
        if not fnmatchcase(line, pattern.replace("[", "[[]")):
            self.server.problem = f"expected {pattern!r}, got {line!r}"
            raise ConnectionResetError(self.server.problem)

    async def _act(self, what: str, tls: ssl.SSLContext | None) -> None:
        match what:
            case "pause":
                await asyncio.sleep(0.02)
            case "hang":
                await asyncio.sleep(60)
            case "tls":
                assert tls is not None
                await self.writer.start_tls(tls)
            case "close":
                self.writer.close()
                raise ConnectionResetError("as the script says")
            case _:
                raise AssertionError(what)

    async def _see_off(self) -> None:
        while line := await self.reader.readline():
            self.server.lines.append(line.decode("utf-8", "replace").removesuffix("\r\n"))
            if line.rstrip().endswith(b" LOGOUT"):
                self.writer.write(b"* BYE\r\n" + line.split()[0] + b" OK bye\r\n")


@asynccontextmanager
async def scripted(
    *scripts: str, tls: ssl.SSLContext | None = None, implicit: bool = False, piece_bytes: int = 1 << 20
) -> AsyncIterator[Scripted]:
    """Serve one connection a script, the last one for all that follow; fails when a client leaves its script."""
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sessions.add(task)
        script = scripts[min(running.connections, len(scripts) - 1)]
        running.connections += 1
        steps = [line.strip() for line in script.splitlines() if line.strip()]
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await _Session(running, reader, writer).follow(steps, tls, piece_bytes)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait_for(writer.wait_closed(), 0.2)  # after a failed handshake it would wait for ever

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if implicit else None)
    running = Scripted(server.sockets[0].getsockname()[1])
    try:
        yield running
    finally:
        server.close()
        await asyncio.sleep(0.01)  # who was let in a moment ago has not begun
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        await server.wait_closed()
        assert not running.problem, running.problem


async def failure(running: Scripted, tmp_path: Path, /, **changes: Any) -> MailwicketError:
    """What connecting to it raises; never with the password in it."""
    with pytest.raises(MailwicketError) as caught:
        async with running.source(tmp_path, **changes).connect():
            pass
    assert PASSWORD not in str(caught.value)
    return caught.value


def said_password(server: Scripted) -> bool:
    """Whether the client said it, in any form."""
    return any(PASSWORD in line or PLAIN in line for line in server.lines)
