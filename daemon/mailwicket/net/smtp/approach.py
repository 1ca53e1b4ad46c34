"""The first stages of a connection's test, the same for every protocol: name, address, TLS, and who speaks there."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import anyio
from aiohappyeyeballs import AddrInfoType

from mailwicket.errors import MailwicketError, StageError, TransientError
from mailwicket.net import names
from mailwicket.net.certificate import Certificate
from mailwicket.net.diagnosis import certificate_refused, describe, name_not_found, not_connected
from mailwicket.net.dial import reach, shown
from mailwicket.net.knock import certificate_at, certificate_of, spoken_at
from mailwicket.ports import Finding, Probe

KNOCK_S: Final = 5
"""How long a second look at a port may take, after the stage proper failed."""


@dataclass(frozen=True, slots=True)
class Approach:
    """The way to one server, as far as it has not begun to speak the protocol."""

    probe: Probe
    host: str
    port: int
    protocol: str
    """What it is to speak there: `IMAP`, `SMTP`."""
    usual: str
    """In words, which ports are usual for which security."""
    tls_port: int
    """The usual one for TLS from the first byte."""
    connect_s: float
    greeting_s: float

    @property
    def peer(self) -> str:
        """`HOST:PORT`."""
        return f"{self.host}:{self.port}"

    async def dns(self) -> Sequence[AddrInfoType]:
        """Look the name up."""
        with self.probe.stage("dns") as finding:
            with anyio.move_on_after(self.connect_s):
                try:
                    found = await names.SYSTEM.addresses(self.host, self.port)
                except OSError as error:
                    raise name_not_found(self.host, error) from error
                finding.detail = shown(found)
                return found
            raise name_not_found(self.host, TimeoutError("no answer in time"))

    async def tcp(self, addresses: Sequence[AddrInfoType]) -> socket.socket:
        """Connect to one of *addresses*."""
        with self.probe.stage("tcp") as finding:
            with anyio.move_on_after(self.connect_s):
                try:
                    sock = await reach(addresses)
                except OSError as error:
                    raise not_connected(self.peer, error, self.usual) from error
                finding.detail = f"{sock.getpeername()[0]} port {self.port}"
                return sock
            raise not_connected(self.peer, TimeoutError(f"nobody answers at {shown(addresses)}"), self.usual)

    def tell_tls(self, finding: Finding, session: ssl.SSLObject | None) -> None:
        """Say which TLS it is, and for whom its certificate."""
        certificate = certificate_of(session)
        version = (session and session.version()) or "TLS"
        finding.detail = f"{version}, certificate {describe(certificate, now())}" if certificate else version

    def refused(self, cause: ssl.SSLCertVerificationError, certificate: Certificate | None) -> StageError:
        """Judge a *certificate* that is refused."""
        return certificate_refused(self.host, cause, certificate, now())

    async def tls_failed(self, error: MailwicketError) -> StageError:
        """Find out what is there instead of TLS: a certificate that is refused, or another protocol."""
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self.refused(cause, await certificate_at(self.host, self.port, KNOCK_S))
        match await spoken_at(self.host, self.port, min(KNOCK_S, self.greeting_s)):
            case self.protocol:
                return StageError(
                    f"{self.peer} speaks {self.protocol} in the clear, not TLS from the first byte",
                    fix=f'port {self.port} speaks in the clear: security = "tls", or port = {self.tls_port} with "ssl"',
                )
            case "":
                pass
            case other:
                return self._other_protocol(other)
        if isinstance(cause, ssl.SSLError) and "PROTOCOL" in str(cause.reason):
            fix = "have the server updated: it speaks no TLS as new as 1.2"
        else:
            fix = f"ask who runs the server for its port and security ({self.usual})"
        return StageError(str(error), fix=fix)

    def _other_protocol(self, protocol: str) -> StageError:
        return StageError(
            f"{self.peer} speaks {protocol}, not {self.protocol}",
            fix=f"mend port, or server: {self.usual} are usual",
        )

    async def greeting_failed(self, error: TransientError, *, over_tls: bool) -> StageError | TransientError:
        """Find out whether it waits for TLS, or speaks another protocol."""
        if not over_tls and await certificate_at(self.host, self.port, KNOCK_S) is not None:
            return StageError(
                f"{self.peer} says nothing in the clear: it speaks TLS from the first byte",
                fix=f'port {self.port} speaks TLS from the first byte: security = "ssl"',
            )
        limit_s = min(KNOCK_S, self.greeting_s)
        spoken = await spoken_at(self.host, self.port, limit_s, over_tls=over_tls)
        return self._other_protocol(spoken) if spoken not in ("", self.protocol) else error


def now() -> datetime:
    """Return the time by which certificates are judged."""
    return datetime.now(UTC)
