"""What adapters may use of the machine: its trust store, a line before each server, directories beside the store."""

from __future__ import annotations

import shutil
import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread

from mailwicket.admission import Bearer
from mailwicket.errors import BlockedError
from mailwicket.model import Use
from mailwicket.net.entrance import Entrance
from mailwicket.net.lanes import Lane, Lanes
from mailwicket.net.trust import Trust


class BringsTokens(Protocol):
    """Who has the tokens."""

    def bearer(self, name: str, use: Use, mailbox: str, proxy: str | None = None) -> Bearer: ...  # noqa: D102
    def client_id(self, name: str) -> str: ...  # noqa: D102


class Machine:
    """The machine as `ports.Net`."""

    def __init__(self, state_dir: Path) -> None:
        """Place everything under *state_dir*. Touches nothing yet."""
        self.spool_dir = state_dir / "spool"
        self.attachment_dir = state_dir / "attachments"
        self._entrance = Entrance()
        self._lanes = Lanes()
        self._trust = Trust()
        self._reading = anyio.Lock()
        self.tokens: BringsTokens | None = None
        """Whoever wires the parts sets it, once there is a place to keep tokens in."""

    def clear_spool(self) -> None:
        """Begin with an empty spool: what lies there was never named by a row, and is fetched again. Blocking."""
        shutil.rmtree(self.spool_dir, ignore_errors=True)
        self.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def bearer(self, oauth: str, use: Use, mailbox: str, proxy: str | None = None) -> Bearer:
        """See `ports.Net`."""
        if self.tokens is None:
            return NoBearer()
        return self.tokens.bearer(oauth, use, mailbox, proxy)

    def lane(self, server: str, oauth: str, mailbox: str) -> Lane:
        """Return the lane of *mailbox* at *server*; two tables of one client id are one application."""
        client_id = "" if self.tokens is None else self.tokens.client_id(oauth)
        return self._lanes.lane(server, client_id, mailbox)

    def entrance(self, host: str) -> AbstractAsyncContextManager[None]:
        """Wait in line for *host*; see `Entrance`."""
        return self._entrance.at(host)

    async def trust(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return a context that verifies chain and name, TLS 1.2 or later (RFC 8314 4.1).

        `SSL_CERT_FILE` and `SSL_CERT_DIR` stand in for the system's store, as OpenSSL has it; *ca_file* is
        trusted beside that. Of a thousand who ask at once one reads.

        Raises:
            BlockedError: *ca_file* cannot be read or holds no certificate.
        """
        if known := self._trust.at_hand(ca_file):
            return known
        async with self._reading:
            if known := self._trust.at_hand(ca_file):
                return known
            return await anyio.to_thread.run_sync(self._trust.context, ca_file)


class NoBearer:
    """Where nothing is kept there are no tokens."""

    is_fresh = False
    left_s = 0.0

    async def token(self) -> str:
        """See `admission.Bearer`."""
        raise BlockedError("there is no place where tokens are kept", reason="needs_sign_in")

    def invalidate(self) -> None:
        """There was none."""

    def challenged(self, claims: str) -> None:
        """There was none."""
