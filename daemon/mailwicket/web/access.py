"""How the endpoint is reached over TCP: by which token, under which names, with which certificate."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path

import anyio
import anyio.to_thread

from mailwicket.config.secret import Secret
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
        self._slow = anyio.Event()
        self._source: Secret | None = None

    async def open(self, http: Http) -> None:
        """Read what *http* names.

        Raises:
            BlockedError: the certificate cannot be used.
        """
        await self.renew(http)
        if http.tls_certificate is not None:
            self.tls = await anyio.to_thread.run_sync(server_context, http.tls_certificate, http.tls_key)

    async def run(self) -> None:
        """Learn the token where a command tells it, at the start and at each `renew`, until cancelled."""
        while True:
            await self._slow.wait()
            self._slow = anyio.Event()
            source = self._source
            token = await anyio.to_thread.run_sync(_revealed, source, abandon_on_cancel=True)
            if source is self._source:
                self._token = token

    async def renew(self, http: Http) -> None:
        """Read it again; a certificate that cannot be used leaves the last in use."""
        self._source = http.admin_token
        if self._source is not None and self._source.form == "command":
            self._slow.set()  # may take seconds, and nobody waits for it: see `run`
        else:
            self._token = await anyio.to_thread.run_sync(_revealed, self._source, abandon_on_cancel=True)
        self._names = _names(http)
        if self.tls is not None and http.tls_certificate is not None:
            await anyio.to_thread.run_sync(_renew_certificate, self.tls, http.tls_certificate, http.tls_key)


def _revealed(token: Secret | None) -> str | None:
    """Return the admin token; where it cannot be had, nobody gets in by it, and the mail goes on. Blocking."""
    try:
        return None if token is None else token.reveal()
    except BlockedError as error:
        log.error("http.admin_token: %s; only the unix socket admits to the API until the next reload", error)  # noqa: TRY400
        return None


def _names(http: Http) -> frozenset[str]:
    """The names under which the endpoint may be asked, besides localhost and addresses."""
    listening = {host_of(f"//{address}") for address in http.listen if not address.startswith("unix:")}
    return frozenset(listening | {socket.gethostname()} | ({host_of(http.public_url)} if http.public_url else set()))


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
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            with open(path or certificate, "rb"):  # noqa: PTH123 - OpenSSL does not say which of the two
                pass
        except OSError as error:
            raise BlockedError(f"http.{name} {path}: {error.strerror}") from error
    try:
        context.load_cert_chain(certificate, key, _asked_for_pass_phrase)
    except _EncryptedError as error:
        raise BlockedError(f"http.tls_key {key or certificate}: is encrypted; a daemon asks nobody") from error
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or "unreadable"
        raise BlockedError(f"http.tls_certificate {certificate}: no PEM certificate with its key ({reason})") from error


class _EncryptedError(Exception):
    """OpenSSL would ask a person at the terminal."""


def _asked_for_pass_phrase() -> str:
    raise _EncryptedError


def _renew_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Show what stands in the files now; with files that cannot be used the last certificate stays. Blocking."""
    try:
        load_certificate(context, certificate, key)
    except BlockedError as error:
        log.error("%s; the one before stays in use", error)  # noqa: TRY400
