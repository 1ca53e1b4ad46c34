"""The staged test of a POP3 maildrop: from its configuration to one mail whose header is read; nothing is changed."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio

from mailwicket.config.incoming import Incoming
from mailwicket.config.providers import by_server
from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.net.account import Account, Credentials, refuse_clear_text
from mailwicket.net.approach import Approach
from mailwicket.net.certificate import Certificate
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.knock import certificate_of, trusting_context
from mailwicket.net.pop3.client import Deadlines, Pop3Client
from mailwicket.net.pop3.login import authenticate, secure
from mailwicket.net.preparation import first_stages, prepare, token_fix
from mailwicket.net.proxy import Way
from mailwicket.ports import Probe
from mailwicket.sources._pop3_bodies import top_of
from mailwicket.sources._pop3_session import Session

TLS_PORT: Final = 995
"""RFC 8314 7.3: pop3s."""

CLEAR_PORT: Final = 110
"""RFC 1939 3: pop3."""

USUAL: Final = f'{TLS_PORT} with security = "ssl", {CLEAR_PORT} with "tls"'


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    channel = {"ssl": ("tls", "greeting"), "tls": ("greeting", "starttls"), "none": ("greeting",)}[config.security]
    return (
        *first_stages(config),
        *channel,
        "auth",
        "maildrop",
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
        silence_s=min(deadlines.silence_s, 20),
    )


class Proof:
    """One run through the stages."""

    def __init__(
        self,
        config: Incoming,
        credentials: Credentials,
        deadlines: Deadlines,
        probe: Probe,
    ) -> None:
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
        client = Pop3Client(config.server, config.port, limits, way)
        channel = _Channel(client, config, account, way, self._probe)
        try:
            await channel.run(sock)
            await self._maildrop(Session(client))
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await client.say_goodbye()

    # --- what lies there --------------------------------------------------------------------------------------------

    async def _maildrop(self, session: Session) -> None:
        config, client = self._config, session.client
        with self._probe.stage("maildrop") as finding:
            try:
                await session.list()
            except BlockedError as error:
                raise StageError(str(error), fix='use protocol = "imap", or have the server updated') from error
            mails = len(session.mails)
            finding.detail = f"{mails} mail{'s' * (mails != 1)}" if mails else "empty, and nothing wrong"
            if mails and config.start_from == "now":
                finding.detail += '; start_from = "now" leaves what lies there before the first run'
            shared = sum(mail.shared for mail in session.mails.values())
            if shared:
                finding.detail += f"; {shared} share an id with others: they are read and never deleted"
        with self._probe.stage("after") as finding:
            leaves = config.after == "leave"
            finding.detail = "mails are left as they are" if leaves else "mails are deleted, with the QUIT of a session"
            if not leaves and client.capabilities.get("EXPIRE", "").startswith("0"):
                finding.detail += "; the server deletes by itself what was read (EXPIRE 0)"
        with self._probe.stage("read") as finding:
            if not session.mails:
                finding.detail = "the maildrop is empty: nothing to read, and nothing wrong"
                return
            last = list(session.mails.values())[-1]
            header = await top_of(session, last)
            size = f"the last mail: {last.size_bytes} bytes"
            if header is None:  # RETR would be the only way: some servers delete or mark what was fetched
                finding.detail = f"{size}; the server knows no TOP, and the whole is not fetched for a test"
            else:
                finding.detail = f"{size}, the {len(header)} of its header read"


class _Channel:
    """From a connected socket to a login."""

    def __init__(self, client: Pop3Client, config: Incoming, account: Account, way: Way | None, probe: Probe) -> None:
        self._client = client
        self._config = config
        self._account = account
        self._probe = probe
        greeting_s = client.deadlines.greeting_s
        self._door = Door(config.server, config.port, "POP3", TLS_PORT, USUAL, "STLS", greeting_s, way)

    async def run(self, sock: socket.socket) -> None:
        """Take the stages of the channel, and `auth`."""
        account, client = self._account, self._client
        if account.security == "ssl":
            with self._probe.stage("tls") as finding:
                try:
                    await client.attach(account.tls, sock)
                except MailwicketError as error:
                    raise await self._door.tls_failed(error) from error
                finding.detail = tell_tls(client.tls)
        with self._probe.stage("greeting") as finding:
            try:
                if account.security != "ssl":
                    await client.attach(None, sock)
                await client.greet()
                await client.learn_capabilities()
            except TransientError as error:
                raise await self._door.greeting_failed(error, over_tls=account.security == "ssl") from error
            offered = [" ".join(filter(None, one)) for one in sorted(client.capabilities.items())]
            finding.detail = f"offers {', '.join(offered)}"[:300] if offered else "tells of no capabilities (no CAPA)"
        if account.security == "tls":
            with self._probe.stage("starttls") as finding:
                try:
                    await secure(client, account)
                except MailwicketError as error:
                    raise await self._door.upgrade_failed(error, self._certificate_behind_stls) from error
                finding.detail = tell_tls(client.tls)
        await self._auth()

    async def _certificate_behind_stls(self) -> Certificate | None:
        """Go there once more, to look at the certificate and leave."""
        client = self._client.another()
        try:
            await client.open(None)
            await client.start_tls(trusting_context())
            return certificate_of(client.tls)
        except MailwicketError:
            return None
        finally:
            client.abort()

    async def _auth(self) -> None:
        client, account = self._client, self._account
        with self._probe.stage("auth") as finding:
            try:
                refuse_clear_text(client, account)
                how = await authenticate(client, account)
            except BlockedError as error:
                raise StageError(str(error), fix=self._login_fix(error)) from error
            except TransientError as error:
                if error.reason != "in_use":
                    raise
                raise StageError(str(error), fix=IN_USE_FIX) from error
            finding.detail = f"{how} as {account.username}"

    def _login_fix(self, error: BlockedError) -> str:
        if self._account.is_token and (fix := token_fix(error, self._config.oauth)):
            return fix
        if error.reason == "plaintext_refused":
            return f'security = "tls", or "ssl" with port = {TLS_PORT}; allow_plaintext = true says it in the clear'
        provider = by_server(self._config.server)
        if provider is not None and provider.login:
            return f"{provider.name} {provider.login}"
        username = self._account.username
        other = "the part before @ alone" if "@" in username else "the whole address"
        return (
            f"mend username ({username}; some servers want {other}) or password; POP3 may have to be switched on for "
            "the account. Do not try it often: servers lock accounts"
        )


IN_USE_FIX: Final = (
    "another program has the maildrop open, perhaps mailwicket itself: a POP3 server lets one in at a time. End it, "
    "or wait some minutes where it hung up without QUIT"
)
