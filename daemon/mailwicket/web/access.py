"""How the endpoint is reached over TCP: by which token, under which names, with which certificate."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import anyio.to_thread

from mailwicket.config.settings import Http
from mailwicket.errors import BlockedError
from mailwicket.web.guard import Guard, host_of

log = logging.getLogger(__name__)


class Access:
    """What `[http]` says of it. A reload reads token and certificate again while we serve."""

    def __init__(self) -> None:
        """Nobody gets in before `open`."""
        self.guard = Guard(lambda: self._token, lambda: self._names)
        self.tls: ssl.SSLContext | None = None
        """To serve with; None: without TLS."""
        self._token: str | None = None
        self._names: frozenset[str] = frozenset()

    async def open(self, http: Http) -> None:
        """Read what *http* names.

        Raises:
            BlockedError: the certificate cannot be used.
        """
        await self.renew(http)
        if http.tls_certificate is not None:
            self.tls = await anyio.to_thread.run_sync(server_context, http.tls_certificate, http.tls_key)

    async def renew(self, http: Http) -> None:
        """Read it again; a certificate that cannot be used leaves the last in use."""
        self._token = await anyio.to_thread.run_sync(_revealed_token, http)
        self._names = _names(http)
        if self.tls is not None and http.tls_certificate is not None:
            await anyio.to_thread.run_sync(_renew_certificate, self.tls, http.tls_certificate, http.tls_key)


def _revealed_token(http: Http) -> str | None:
    """Return the admin token; where it cannot be had, nobody gets in by it, and the mail goes on. Blocking."""
    try:
        return None if http.admin_token is None else http.admin_token.reveal()
    except BlockedError as error:
        log.error("http.admin_token: %s; only the unix socket admits to the API until the next reload", error)  # noqa: TRY400
        return None


def _names(http: Http) -> frozenset[str]:
    """The names under which the endpoint may be asked, besides this machine's own."""
    listening = {host_of(f"//{address}") for address in http.listen if not address.startswith("unix:")}
    return frozenset(listening | ({host_of(http.public_url)} if http.public_url else set()))


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return the context to serve TLS with, 1.2 or later. Blocking.

    Raises:
        BlockedError: the files cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, certificate, key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Have *context* show the certificate in *certificate* from now on: a renewed one is taken up while we serve.

    Raises:
        BlockedError: the files cannot be read, or do not belong together.
    """
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        words = f"http.tls_certificate {certificate}: no PEM certificate with its key ({error.reason or 'unreadable'})"
        raise BlockedError(words) from error
    except OSError as error:
        raise BlockedError(f"http.tls_certificate {certificate}: {error.strerror}") from error


def _renew_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Show what stands in the files now; with files that cannot be used the last certificate stays. Blocking."""
    try:
        load_certificate(context, certificate, key)
    except BlockedError as error:
        log.error("%s; the one before stays in use", error)  # noqa: TRY400
