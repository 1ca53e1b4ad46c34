"""The staged test of an IMAP mailbox: from its configuration to one mail that is read, and nothing is changed."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import aioimaplib.aioimaplib as imap
import anyio
import anyio.to_thread

from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT, Incoming
from mailwicket.config.providers import by_server
from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.net.account import Account, Credentials, refuse_clear_text
from mailwicket.net.approach import Approach
from mailwicket.net.certificate import Certificate
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.imap.client import Deadlines, ImapClient
from mailwicket.net.imap.login import authenticate, secure
from mailwicket.net.knock import certificate_of, trusting_context
from mailwicket.net.preparation import first_stages, prepare, token_fix
from mailwicket.ports import Probe
from mailwicket.sources._imap_folder import FolderProof

USUAL: Final = f'{TLS_PORT} with security = "ssl", {CLEAR_PORT} with "tls"'


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    channel = {"ssl": ("tls", "greeting"), "tls": ("greeting", "starttls"), "none": ("greeting",)}[config.security]
    return (
        *first_stages(config),
        *channel,
        "auth",
        "folder",
        "after",
        "read",
    )


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

    def __init__(self, config: Incoming, credentials: Credentials, deadlines: Deadlines, probe: Probe) -> None:
        """Test what *config* says; *credentials* resolve secrets and trust."""
        self._config = config
        self._credentials = credentials
        self._deadlines = impatient(deadlines)
        self._probe = probe

    async def run(self) -> None:
        """Take every stage; see `ports.ProvesConnection`."""
        account, way = await prepare(self._config, self._credentials, self._probe)
        config, limits = self._config, self._deadlines
        sock = await Approach(config.server, config.port, limits.connect_s, USUAL, self._probe, way).run()
        self._client = ImapClient(config.server, config.port, limits, way)
        self._door = Door(config.server, config.port, "IMAP", TLS_PORT, USUAL, "STARTTLS", limits.greeting_s, way)
        try:
            await self._channel(account, sock)
            await self._auth(account)
            await FolderProof(self._client, self._config, self._probe).run()
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await self._client.say_goodbye()

    # --- before the first byte --------------------------------------------------------------------------------------

    # --- the channel ------------------------------------------------------------------------------------------------

    async def _channel(self, account: Account, sock: socket.socket) -> None:
        if account.security == "ssl":
            with self._probe.stage("tls") as finding:
                try:
                    await self._client.attach(account.tls, sock)
                except MailwicketError as error:
                    raise await self._door.tls_failed(error) from error
                finding.detail = tell_tls(self._client.tls)
        with self._probe.stage("greeting") as finding:
            try:
                if account.security != "ssl":
                    await self._client.attach(None, sock)
                await self._client.greet()
                await self._client.learn_capabilities()
            except TransientError as error:
                raise await self._door.greeting_failed(error, over_tls=account.security == "ssl") from error
            offered = sorted(self._client.protocol.capabilities)
            finding.detail = f"offers {' '.join(offered)}"[:300]
        if account.security == "tls":
            with self._probe.stage("starttls") as finding:
                try:
                    await secure(self._client, account)
                except MailwicketError as error:
                    raise await self._door.upgrade_failed(error, self._certificate_behind_starttls) from error
                finding.detail = tell_tls(self._client.tls)

    async def _certificate_behind_starttls(self) -> Certificate | None:
        """Go there once more, to look at the certificate and leave."""
        client = ImapClient(self._config.server, self._config.port, self._deadlines, self._door.way)
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
        if account.is_token and (fix := token_fix(error, self._config.oauth)):
            return fix
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
