"""A harness for each kind of sender: a server in this process, a sender on it, and a look behind the contract."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from mailwicket.net.machine import Machine
from mailwicket.ports import Sender
from mailwicket.senders.smtp import SmtpSender

USER, PASSWORD = "desk@example.org", "canary-4711"
REFUSED = "refused@example.com"


@dataclass(frozen=True)
class Taken:
    reverse_path: str
    forward_paths: list[str]
    raw: bytes


class Bench(Protocol):
    """A running server that takes mail of USER, but for REFUSED."""

    taken: list[Taken]

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


HARNESSES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {"smtp": aiosmtpd}
