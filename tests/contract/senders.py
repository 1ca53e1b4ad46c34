"""A harness for each kind of sender: a server in this process, a sender on it, and a look behind the contract."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.dialogue.graph import FakeBearer
from tests.lab.graph import Lab, serving

from mailwicket.model import Use
from mailwicket.net.machine import Machine
from mailwicket.ports import Sender
from mailwicket.senders.graph import GraphSender
from mailwicket.senders.smtp import SmtpSender

USER, PASSWORD = "desk@example.org", "canary-4711"
REFUSED = "refused@example.com"


@dataclass(frozen=True)
class Taken:
    reverse_path: str
    forward_paths: list[str]
    raw: bytes


class Bench(Protocol):
    """A running server that takes mail of USER; one that has envelopes refuses REFUSED."""

    has_envelopes: bool
    """RFC 5321 2.3.1; else whom a mail is for stands in itself, and a report tells later of whom it does not reach."""
    words_most: int
    """So many bytes of words a mail may have."""
    login_reason: str
    """Of a login that is refused."""

    @property
    def taken(self) -> list[Taken]:
        """What it took, in order."""
        ...

    def is_same(self, sent: bytes, got: bytes) -> bool:
        """Whether that is the same mail, as far as this kind of server keeps mails as they are."""
        ...

    def sender(self, **changes: Any) -> Sender:
        """A sender on it; *changes* are keys of its table in conf.d."""
        ...

    def connections(self) -> int:
        """How many are open."""
        ...


@dataclass
class AiosmtpdBench:
    port: int
    directory: Path
    ca_file: Path
    sessions: WeakSet[SMTP]
    taken: list[Taken] = field(default_factory=list)
    has_envelopes: bool = True
    words_most: int = 10_000_000
    login_reason: str = "login_refused"

    def is_same(self, sent: bytes, got: bytes) -> bool:
        return sent == got

    def sender(self, **changes: Any) -> SmtpSender:
        table = {
            "email": USER,
            "password": PASSWORD,
            "server": "localhost",
            "port": self.port,
            "security": "tls",
            "ca_file": str(self.ca_file),
            **changes,
        }
        return SmtpSender("main", SmtpSender.Config.model_validate(table), Machine(self.directory))

    def connections(self) -> int:
        return sum(one.transport is not None and not one.transport.is_closing() for one in self.sessions)


class _Delivery:
    def __init__(self, bench: AiosmtpdBench) -> None:
        self._bench = bench

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == REFUSED:
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        path = (envelope.mail_from or "").strip("<>")
        self._bench.taken.append(Taken(path, list(envelope.rcpt_tos), envelope.original_content or b""))
        return "250 2.0.0 queued"


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    assert isinstance(login, LoginPassword)
    good = login.login == USER.encode() and login.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def aiosmtpd(directory: Path) -> AsyncIterator[AiosmtpdBench]:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    bench = AiosmtpdBench(0, directory, ca_file, WeakSet())

    def answer() -> SMTP:
        session = SMTP(
            _Delivery(bench),
            hostname="aiosmtpd.example.org",
            enable_SMTPUTF8=True,
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=_login,
        )
        bench.sessions.add(session)
        return session

    server = await asyncio.get_running_loop().create_server(answer, "127.0.0.1", 0)
    bench.port = server.sockets[0].getsockname()[1]
    try:
        yield bench
    finally:
        server.close()
        for session in list(bench.sessions):
            if session.transport is not None:
                session.transport.close()
        await asyncio.sleep(0)
        await server.wait_closed()


class LabBearer(FakeBearer):
    """The same token again and again."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    async def token(self) -> str:
        return self._token


class LabTokens:
    """Who brings them (`net.machine.BringsTokens`)."""

    def __init__(self, token: str) -> None:
        self.one = LabBearer(token)

    def bearer(self, name: str, use: Use, mailbox: str, proxy: str | None = None) -> LabBearer:
        return self.one

    def client_id(self, name: str) -> str:
        return "app-1"


@dataclass
class GraphBench:
    lab: Lab
    directory: Path
    ca_file: Path
    has_envelopes: bool = False
    words_most: int = 2_000_000
    login_reason: str = "needs_sign_in"

    @property
    def port(self) -> int:
        return int(self.lab.origin.rpartition(":")[2])

    @property
    def taken(self) -> list[Taken]:
        return [Taken(one.mailbox, list(one.recipients), one.content) for one in self.lab.sending.sent]

    def is_same(self, sent: bytes, got: bytes) -> bool:
        one, other = (email.message_from_bytes(raw.replace(b"\r\n", b"\n")) for raw in (sent, got))
        del one["Message-ID"], other["Message-ID"]
        return sorted(one.items()) == sorted(other.items()) and _words(one) == _words(other)

    def sender(self, **changes: Any) -> GraphSender:
        token = self.lab.tokens.accept(audience=self.lab.origin)
        table = {"email": USER, "oauth": "office", "server": "127.0.0.1", "port": self.port, **changes}
        table.setdefault("ca_file", str(self.ca_file))
        machine = Machine(self.directory)
        machine.tokens = LabTokens(str(table.pop("password", token)))
        return GraphSender("main", GraphSender.Config.model_validate(table), machine)

    def connections(self) -> int:
        lines = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        return sum(line.split()[1].endswith(f":{self.port:04X}") and line.split()[3] == "01" for line in lines)


def _words(mail: Message) -> bytes:
    words = mail.get_payload(decode=True)
    assert isinstance(words, bytes)
    return words.rstrip(b"\n")


@asynccontextmanager
async def graph(directory: Path) -> AsyncIterator[GraphBench]:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    async with serving(tls=tls) as lab:
        lab.mailbox(USER)
        yield GraphBench(lab, directory, ca_file)


HARNESSES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "smtp": aiosmtpd,
    "graph": graph,
    "mapi": graph,
}
