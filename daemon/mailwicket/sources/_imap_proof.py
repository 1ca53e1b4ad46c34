"""The staged test of an IMAP mailbox: from its configuration to one mail that is read, and nothing is changed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import aioimaplib.aioimaplib as imap
import anyio
import anyio.to_thread
from aiohappyeyeballs import AddrInfoType

from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT, Incoming
from mailwicket.config.providers import by_server
from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.net import names
from mailwicket.net.certificate import Certificate
from mailwicket.net.diagnosis import certificate_refused, describe, name_not_found, not_connected
from mailwicket.net.dial import reach, shown
from mailwicket.net.imap.client import Deadlines, ImapClient
from mailwicket.net.imap.login import Account, authenticate, refuse_clear_text, secure
from mailwicket.net.knock import certificate_at, certificate_of, spoken_at, trusting_context
from mailwicket.ports import Finding, Probe
from mailwicket.sources._imap_folder import FolderProof

USUAL: Final = f'{TLS_PORT} with security = "ssl", {CLEAR_PORT} with "tls"'

KNOCK_S: Final = 5
"""How long a second look at a port may take, after the stage proper failed."""


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    channel = {"ssl": ("tls", "greeting"), "tls": ("greeting", "starttls"), "none": ("greeting",)}[config.security]
    return ("configuration", "dns", "tcp", *channel, "auth", "folder", "after", "read")


def impatient(deadlines: Deadlines) -> Deadlines:
    """Return the deadlines of a test: a person waits for it."""
    return replace(
        deadlines,
        connect_s=min(deadlines.connect_s, 15),
        greeting_s=min(deadlines.greeting_s, 8),
        command_s=min(deadlines.command_s, 20),
    )


class Proof:
    """One run through the stages."""

    def __init__(
        self, config: Incoming, account: Callable[[], Awaitable[Account]], deadlines: Deadlines, probe: Probe
    ) -> None:
        """Test what *config* says; *account* resolves secrets and trust."""
        self._config = config
        self._account = account
        self._deadlines = impatient(deadlines)
        self._probe = probe
        self._client = ImapClient(config.server, config.port, self._deadlines)

    async def run(self) -> None:
        """Take every stage; see `ports.ProvesConnection`."""
        account = await self._configuration()
        sock = await self._tcp(await self._dns())
        try:
            await self._channel(account, sock)
            await self._auth(account)
            await FolderProof(self._client, self._config, self._probe).run()
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await self._client.say_goodbye()

    # --- before the first byte --------------------------------------------------------------------------------------

    async def _configuration(self) -> Account:
        config = self._config
        with self._probe.stage("configuration") as finding:
            try:
                account = await self._account()
            except BlockedError as error:
                raise StageError(str(error), fix=_secret_fix(config, error)) from error
            place = "none" if config.password is None else config.password.place
            trust = f", trust from the system and {config.ca_file}" if config.ca_file else ""
            what = f"token of oauth.{config.oauth}" if account.is_token else f"password from {place}"
            finding.detail = f"{what}{trust}" + ("" if config.enabled else "; the unit is not enabled")
        return account

    async def _dns(self) -> Sequence[AddrInfoType]:
        with self._probe.stage("dns") as finding:
            with anyio.move_on_after(self._deadlines.connect_s):
                try:
                    found = await names.SYSTEM.addresses(self._config.server, self._config.port)
                except OSError as error:
                    raise name_not_found(self._config.server, error) from error
                finding.detail = shown(found)
                return found
            raise name_not_found(self._config.server, TimeoutError("no answer in time"))

    async def _tcp(self, addresses: Sequence[AddrInfoType]) -> socket.socket:
        with self._probe.stage("tcp") as finding:
            with anyio.move_on_after(self._deadlines.connect_s):
                try:
                    sock = await reach(addresses)
                except OSError as error:
                    raise not_connected(self._client.peer, error, USUAL) from error
                finding.detail = f"{sock.getpeername()[0]} port {self._config.port}"
                return sock
            raise not_connected(self._client.peer, TimeoutError(f"nobody answers at {shown(addresses)}"), USUAL)

    # --- the channel ------------------------------------------------------------------------------------------------

    async def _channel(self, account: Account, sock: socket.socket) -> None:
        if account.security == "ssl":
            with self._probe.stage("tls") as finding:
                try:
                    await self._client.attach(account.tls, sock)
                except MailwicketError as error:
                    raise await self._tls_failed(error) from error
                self._tell_tls(finding)
        with self._probe.stage("greeting") as finding:
            try:
                if account.security != "ssl":
                    await self._client.attach(None, sock)
                await self._client.greet()
                await self._client.learn_capabilities()
            except TransientError as error:
                raise await self._greeting_failed(error) from error
            offered = sorted(self._client.protocol.capabilities)
            finding.detail = f"offers {' '.join(offered)}"[:300]
        if account.security == "tls":
            with self._probe.stage("starttls") as finding:
                try:
                    await secure(self._client, account)
                except MailwicketError as error:
                    raise await self._starttls_failed(error) from error
                self._tell_tls(finding)

    def _tell_tls(self, finding: Finding) -> None:
        session = self._client.tls
        certificate = certificate_of(session)
        version = (session and session.version()) or "TLS"
        finding.detail = f"{version}, certificate {describe(certificate, _now())}" if certificate else version

    async def _tls_failed(self, error: MailwicketError) -> StageError:
        """Find out what is there instead: a certificate that is refused, or another protocol."""
        config, cause = self._config, error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            found = await certificate_at(config.server, config.port, KNOCK_S)
            return certificate_refused(config.server, cause, found, _now())
        match await spoken_at(config.server, config.port, min(KNOCK_S, self._deadlines.greeting_s)):
            case "IMAP":
                return StageError(
                    f"{self._client.peer} speaks IMAP in the clear, not TLS from the first byte",
                    fix=f'port {config.port} speaks in the clear: security = "tls", or port = {TLS_PORT} with "ssl"',
                )
            case "":
                pass
            case other:
                return self._other_protocol(other)
        if isinstance(cause, ssl.SSLError) and "PROTOCOL" in str(cause.reason):
            fix = "have the server updated: it speaks no TLS as new as 1.2"
        else:
            fix = f"ask who runs the server for its port and security ({USUAL})"
        return StageError(str(error), fix=fix)

    def _other_protocol(self, protocol: str) -> StageError:
        return StageError(
            f"{self._client.peer} speaks {protocol}, not IMAP", fix=f"mend port, or server: {USUAL} are usual"
        )

    async def _greeting_failed(self, error: TransientError) -> StageError | TransientError:
        """Find out whether it waits for TLS, or speaks another protocol."""
        config = self._config
        over_tls = config.security == "ssl"
        if not over_tls and await certificate_at(config.server, config.port, KNOCK_S) is not None:
            return StageError(
                f"{self._client.peer} says nothing in the clear: it speaks TLS from the first byte",
                fix=f'port {config.port} speaks TLS from the first byte: security = "ssl"',
            )
        limit_s = min(KNOCK_S, self._deadlines.greeting_s)
        spoken = await spoken_at(config.server, config.port, limit_s, over_tls=over_tls)
        return self._other_protocol(spoken) if spoken not in ("", "IMAP") else error

    async def _starttls_failed(self, error: MailwicketError) -> StageError | MailwicketError:
        config, cause = self._config, error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return certificate_refused(config.server, cause, await self._certificate_behind_starttls(), _now())
        if isinstance(error, BlockedError):
            return StageError(
                str(error),
                fix=f'security = "ssl" with port = {TLS_PORT}, or have STARTTLS switched on; no way leads '
                "back to clear text",
            )
        return error

    async def _certificate_behind_starttls(self) -> Certificate | None:
        """Go there once more, to look at the certificate and leave."""
        client = ImapClient(self._config.server, self._config.port, self._deadlines)
        try:
            await client.open(None)
            await client.start_tls(trusting_context())
            return certificate_of(client.tls)
        except MailwicketError:
            return None
        finally:
            client.abort()

    # --- who we are -------------------------------------------------------------------------------------------------

    async def _auth(self, account: Account) -> None:
        client = self._client
        with self._probe.stage("auth") as finding:
            if client.protocol.state == imap.AUTH:
                finding.detail = "the server knows us already (PREAUTH)"
                return
            try:
                refuse_clear_text(client, account)
                how = await authenticate(client, account)
            except BlockedError as error:
                raise StageError(str(error), fix=self._login_fix(error, account)) from error
            finding.detail = f"{how} as {account.username}"

    def _login_fix(self, error: BlockedError, account: Account) -> str:
        if error.reason == "token_unwanted":
            return 'set auth = "basic" with a password, or ask who runs the server how it takes tokens'
        if account.is_token and error.reason == "login_refused":
            return f'look at scope in [oauth.{self._config.oauth}], and at "mailwicket oauth status"'
        if error.reason == "plaintext_refused":
            return f'security = "tls", or "ssl" with port = {TLS_PORT}; allow_plaintext = true says it in the clear'
        if self._client.has_capability("LOGINDISABLED") and not self._client.encrypted:
            return f'it takes passwords over TLS alone: security = "tls", or "ssl" with port = {TLS_PORT}'
        provider = by_server(self._config.server)
        if provider is not None and provider.login:
            return f"{provider.name} {provider.login}"
        whole = "@" in account.username
        other = "the part before @ alone" if whole else "the whole address"
        return (
            f"mend username ({account.username}; some servers want {other}) or password. Do not try it often: "
            "servers lock accounts"
        )


def _secret_fix(config: Incoming, error: BlockedError) -> str:
    if error.reason == "certificate":
        return "mend ca_file: the path of certificates in PEM form"
    if config.auth == "oauth" and error.reason != "secret_missing":
        return f'"mailwicket oauth login {config.oauth}", or mend [oauth.{config.oauth}], as it says'
    if config.password is None and config.auth == "basic":
        return 'set password, for example to { file = "PATH" }'
    if config.password is not None and config.password.form == "credential":
        return "systemd hands it to the service alone: test with { file = ... }, or below systemd-run(1)"
    return "see that it is there, and that the user who runs this may read it"


def _now() -> datetime:
    return datetime.now(UTC)
