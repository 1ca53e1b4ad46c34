"""What is wrong with a server's door, found by a second look at it. For the tests of all adapters."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.net.certificate import Certificate
from mailwicket.net.diagnosis import certificate_refused, describe
from mailwicket.net.knock import certificate_at, certificate_of, spoken_at
from mailwicket.net.proxy import Way

KNOCK_S: Final = 5
"""How long a second look at a port may take, after the stage proper failed."""


@dataclass(frozen=True, slots=True)
class Door:
    """A port of a server, and what should be behind it."""

    host: str
    port: int
    protocol: str
    """As `knock.GREETINGS` names it."""
    tls_port: int
    """The usual one for TLS from the first byte."""
    usual: str
    """The usual ports with their security, in words."""
    upgrade: str
    """How its command to go over to TLS is called."""
    greeting_s: float
    way: Way | None = None

    @property
    def peer(self) -> str:
        """For errors."""
        return f"{self.host}:{self.port}"

    async def tls_failed(self, error: MailwicketError) -> StageError:
        """Judge TLS from the first byte that failed: a certificate that is refused, or another protocol."""
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            found = await certificate_at(self.host, self.port, KNOCK_S, self.way)
            return certificate_refused(self.host, cause, found, _now())
        spoken = await spoken_at(self.host, self.port, min(KNOCK_S, self.greeting_s), way=self.way)
        if spoken == self.protocol:
            return StageError(
                f"{self.peer} speaks {self.protocol} in the clear, not TLS from the first byte",
                fix=f'port {self.port} speaks in the clear: security = "tls", or port = {self.tls_port} with "ssl"',
            )
        if spoken:
            return self._other(spoken)
        if isinstance(cause, ssl.SSLError) and "PROTOCOL" in str(cause.reason):
            fix = "have the server updated: it speaks no TLS as new as 1.2"
        else:
            fix = f"ask who runs the server for its port and security ({self.usual})"
        return StageError(str(error), fix=fix)

    async def greeting_failed(self, error: TransientError, *, over_tls: bool) -> StageError | TransientError:
        """Judge a greeting that did not come: it waits for TLS, or speaks another protocol."""
        if not over_tls and await certificate_at(self.host, self.port, KNOCK_S, self.way) is not None:
            return StageError(
                f"{self.peer} says nothing in the clear: it speaks TLS from the first byte",
                fix=f'port {self.port} speaks TLS from the first byte: security = "ssl"',
            )
        limit_s = min(KNOCK_S, self.greeting_s)
        spoken = await spoken_at(self.host, self.port, limit_s, over_tls=over_tls, way=self.way)
        return self._other(spoken) if spoken not in ("", self.protocol) else error

    async def upgrade_failed(
        self, error: MailwicketError, certificate: Callable[[], Awaitable[Certificate | None]]
    ) -> StageError | MailwicketError:
        """Judge going over to TLS; *certificate* goes there once more, to look at it."""
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return certificate_refused(self.host, cause, await certificate(), _now())
        if isinstance(error, BlockedError):
            return StageError(
                str(error),
                fix=f'security = "ssl" with port = {self.tls_port}, or have {self.upgrade} switched on; no way leads '
                "back to clear text",
            )
        return error

    def _other(self, protocol: str) -> StageError:
        return StageError(
            f"{self.peer} speaks {protocol}, not {self.protocol}", fix=f"mend port, or server: {self.usual} are usual"
        )


def tell_tls(session: ssl.SSLObject | None) -> str:
    """Say what was agreed on, and with whom."""
    certificate = certificate_of(session)
    version = (session and session.version()) or "TLS"
    return f"{version}, certificate {describe(certificate, _now())}" if certificate else version


def _now() -> datetime:
    return datetime.now(UTC)
