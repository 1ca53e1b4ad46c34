"""An SMTP server that answers each verb as a test says, and keeps what it heard.

A script maps verbs (`GREETING`, `EHLO`, `STARTTLS`, `AUTH`, `RESPONSE` = a line of SASL, `MAIL`, `RCPT`, `DATA`, `DOT`
= the end of a mail, `RSET`, `NOOP`, `QUIT`) to an answer, or to a list of answers of which the last one lasts. In an
answer line ends part lines; it may end with `!close`, `!hang`, `!reset` or `!tls`. `MIDDLE` is done once within a mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import MailwicketError
from mailwicket.net.machine import Machine
from mailwicket.net.smtp.client import Deadlines
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.senders.smtp import SmtpSender

PASSWORD = "canary-4711"
PLAIN = b64encode(f"\0desk@example.org\0{PASSWORD}".encode()).decode()
BRISK = Deadlines(
    connect_s=2,
    greeting_s=0.3,
    command_s=0.3,
    path_s=0.3,
    data_s=0.3,
    piece_s=0.3,
    taken_s=0.3,
    alive_s=0.2,
    farewell_s=0.2,
)
EHLO = "250-odd.example.org\n250-8BITMIME\n250-SIZE 100000000\n250-SMTPUTF8\n250 AUTH PLAIN LOGIN"
BARE = "250 odd.example.org"
PIPELINING = EHLO.replace("250-8BITMIME", "250-PIPELINING\n250-8BITMIME")
GOOD: Mapping[str, str] = {
    "GREETING": "220 odd.example.org ready",
    "EHLO": EHLO,
    "HELO": BARE,
    "STARTTLS": "220 go on!tls",
    "AUTH": "235 2.7.0 in",
    "MAIL": "250 2.1.0 sender ok",
    "RCPT": "250 2.1.5 recipient ok",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 queued as 1",
    "RSET": "250 2.0.0 reset",
    "NOOP": "250 2.0.0 here",
    "QUIT": "221 2.0.0 bye!close",
}
RAW = b"From: desk@example.org\r\nTo: ada@example.com\r\nSubject: hello\r\n\r\nHello.\r\n"
TO_ADA = Envelope("desk@example.org", ("ada@example.com",))

Script = Mapping[str, str | Sequence[str]]


class _EndError(Exception):
    """The script says so."""


@dataclass
class Odd:
    """The running server, and what it heard."""

    port: int
    script: Script
    tls: ssl.SSLContext | None = None
    lines: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    """What was answered to whole mails."""
    connections: int = 0
    ahead: list[str] = field(default_factory=list)
    """Commands behind which the next one had come before they were answered."""
    _taken: dict[str, int] = field(default_factory=dict)

    def sender(self, tmp_path: Path, /, deadlines: Deadlines = BRISK, **changes: Any) -> SmtpSender:
        """A sender that talks to it; *changes* are keys of its table in conf.d."""
        table = {
            "email": "desk@example.org",
            "password": PASSWORD,
            "server": "127.0.0.1",
            "port": self.port,
            "security": "none",
            **changes,
        }
        sender = SmtpSender("main", Outgoing.model_validate(table), Machine(tmp_path))
        sender.deadlines = deadlines  # type: ignore[misc]  # of this one alone
        return sender

    def verbs(self) -> list[str]:
        return [line.partition(" ")[0] for line in self.lines]

    def answer(self, verb: str) -> str:
        said = self.script.get(verb, GOOD.get(verb, "500 5.5.1 what?"))
        if isinstance(said, str):
            return said
        number = self._taken.get(verb, 0)
        self._taken[verb] = number + 1
        return said[min(number, len(said) - 1)]


class _Session:
    def __init__(self, server: Odd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        await self._say("GREETING")
        verb = ""
        while line := await self._reader.readline():
            text = line.decode("utf-8", "replace").removesuffix("\r\n")
            self._server.lines.append(text)
            sasl = verb in {"AUTH", "RESPONSE"} and self._code == "334"
            verb = "RESPONSE" if sasl else text.partition(" ")[0].upper()
            if b"\n" in getattr(self._reader, "_buffer", b""):
                self._server.ahead.append(verb)
            await self._say(verb)
            if verb == "DATA" and self._code == "354":
                await self._mail()

    async def _mail(self) -> None:
        mail = b""
        middle = self._server.script.get("MIDDLE")
        while not mail.endswith(b"\r\n.\r\n") and mail != b".\r\n":
            piece = await self._reader.read(65536)
            if not piece:
                raise _EndError
            mail += piece
            if middle is not None:
                await self._say("MIDDLE")
                middle = None
        self._server.mails.append(mail)
        await self._say("DOT")

    async def _say(self, verb: str) -> None:
        text, _, action = self._server.answer(verb).partition("!")
        if verb == "DOT":
            self._server.verdicts.append(text)
        self._code = text[:3]
        if text:
            self._writer.write(b"".join(line.encode() + b"\r\n" for line in text.split("\n")))
            await self._writer.drain()
        match action:
            case "close":
                raise _EndError
            case "reset":
                self._writer.transport.abort()
                raise _EndError
            case "hang":
                await asyncio.sleep(60)
            case "tls":
                assert self._server.tls is not None
                await self._writer.start_tls(self._server.tls)


@asynccontextmanager
async def odd(
    script: Script | None = None, /, tls: ssl.SSLContext | None = None, *, implicit: bool = False, **more: str
) -> AsyncIterator[Odd]:
    """Serve by *script* and *more* of it, else as a good server does."""
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sessions.add(task)
        running.connections += 1
        with contextlib.suppress(_EndError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await _Session(running, reader, writer).run()
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.wait_for(writer.wait_closed(), 0.2)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if implicit else None)
    running = Odd(server.sockets[0].getsockname()[1], {**(script or {}), **more}, tls)
    try:
        yield running
    finally:
        server.close()
        await asyncio.sleep(0.01)  # who was let in a moment ago has not begun
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        await server.wait_closed()


def certificate(directory: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for *name*, and the file of the authority that vouches for it."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    return tls, ca_file


async def send(
    server: Odd, tmp_path: Path, /, envelope: Envelope = TO_ADA, raw: bytes = RAW, **changes: Any
) -> Mapping[str, RecipientStatus]:
    """Connect and hand one mail over."""
    async with server.sender(tmp_path, **changes).connect() as submission:
        return await submission.submit(envelope, raw)


async def failure(server: Odd, tmp_path: Path, /, **options: Any) -> MailwicketError:
    """What that raises; never with the password in it."""
    with pytest.raises(MailwicketError) as caught:
        await send(server, tmp_path, **options)
    assert PASSWORD not in str(caught.value)
    return caught.value
