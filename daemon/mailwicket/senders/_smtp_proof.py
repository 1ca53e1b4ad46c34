"""The staged test of an SMTP server: from its configuration to a sender that it accepts, and nothing is sent."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import anyio

from mailwicket.config.outgoing import PORTS, Outgoing
from mailwicket.config.providers import by_server
from mailwicket.errors import BlockedError, MailwicketError, PermanentError, StageError, TransientError
from mailwicket.net.account import Account, Credentials, refuse_clear_text
from mailwicket.net.approach import Approach
from mailwicket.net.certificate import Certificate
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.knock import certificate_of, trusting_context
from mailwicket.net.preparation import first_stages, prepare, token_fix
from mailwicket.net.smtp.client import Deadlines, SmtpClient
from mailwicket.net.smtp.login import authenticate, introduce, secure
from mailwicket.outgoing import Envelope
from mailwicket.ports import Probe
from mailwicket.senders._smtp_judgement import refused_recipient, refused_sender
from mailwicket.senders._smtp_parameters import parameters

USUAL: Final = f'{PORTS["ssl"]} with security = "ssl", {PORTS["tls"]} with "tls"'


def stages(config: Outgoing) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    channel = {"ssl": ("tls", "greeting"), "tls": ("greeting", "starttls"), "none": ("greeting",)}[config.security]
    login = ("auth",) if config.authentication else ()
    return (*first_stages(config), *channel, *login, "sender")


def impatient(deadlines: Deadlines) -> Deadlines:
    """Return the deadlines of a test: a person waits for it."""
    return replace(
        deadlines,
        connect_s=min(deadlines.connect_s, 15),
        greeting_s=min(deadlines.greeting_s, 15),
        command_s=min(deadlines.command_s, 20),
    )


class Proof:
    """One run through the stages."""

    def __init__(self, config: Outgoing, credentials: Credentials, deadlines: Deadlines, probe: Probe) -> None:
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
        self._client = SmtpClient(config.server, config.port, limits, way)
        self._door = Door(config.server, config.port, "SMTP", PORTS["ssl"], USUAL, "STARTTLS", limits.greeting_s, way)
        try:
            await self._channel(account, sock)
            if account.password is not None:
                await self._auth(account)
            await self._sender()
        finally:
            with anyio.CancelScope(shield=True):  # bounded by Deadlines.farewell_s
                await self._client.say_goodbye()

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
                await introduce(self._client, account)
            except TransientError as error:
                raise await self._door.greeting_failed(error, over_tls=account.security == "ssl") from error
            finding.detail = self._offered()
        if account.security == "tls":
            with self._probe.stage("starttls") as finding:
                try:
                    await secure(self._client, account)
                except MailwicketError as error:
                    raise await self._door.upgrade_failed(error, self._certificate_behind_starttls) from error
                finding.detail = tell_tls(self._client.tls)

    def _offered(self) -> str:
        offers = sorted(self._client.offers.items())
        told = self._client.shown(" ".join(f"{name.upper()} {more}".strip() for name, more in offers))
        return f"offers {told}" if told else "offers no extensions"

    async def _certificate_behind_starttls(self) -> Certificate | None:
        """Go there once more, to look at the certificate and leave."""
        client = SmtpClient(self._config.server, self._config.port, self._deadlines, self._door.way)
        try:
            await client.attach(None)
            await client.greet()
            await client.introduce()
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
            mechanisms = client.mechanisms
            try:
                refuse_clear_text(client, account)
                how = await authenticate(client, account)
            except BlockedError as error:
                fix = self._login_fix(error, account, offered=bool(mechanisms))
                raise StageError(str(error), fix=fix) from error
            finding.detail = f"AUTH {how} as {account.username}"

    def _login_fix(self, error: BlockedError, account: Account, *, offered: bool) -> str:
        if error.fix is not None:
            return error.fix
        if account.is_token and (fix := token_fix(error, self._config.oauth)):
            return fix
        over_tls = f'security = "tls" with port = {PORTS["tls"]}, or "ssl" with port = {PORTS["ssl"]}'
        if error.reason == "plaintext_refused":
            return f"{over_tls}; allow_plaintext = true says it in the clear"
        if not offered:
            if account.security == "none":
                return f"many servers take passwords over TLS alone: {over_tls}; a relay: authentication = false"
            return f"a relay knows its own network: authentication = false; else another port ({USUAL})"
        if (provider := by_server(self._config.server)) is not None and provider.login:
            return f"{provider.name} {provider.login}"
        other = "the part before @ alone" if "@" in account.username else "the whole address"
        return (
            f"mend username ({account.username}; some servers want {other}) or password. Do not try it often: "
            "servers lock accounts"
        )

    async def _sender(self) -> None:
        """Begin an envelope to ourselves and take it back: many servers judge a sender only at the first recipient."""
        client, address = self._client, self._config.email
        with self._probe.stage("sender") as finding:
            try:
                said = parameters(client.peer, client.offers, Envelope(address, (address,)), b"")
            except PermanentError as unsayable:
                fix = "set email to an address that the server can send from"
                raise StageError(str(unsayable), fix=fix) from unsayable
            reply = await client.run(f"MAIL FROM:<{said.reverse_path}>{said.mail}")
            error = None if reply.is_good else refused_sender(client.peer, reply, address)
            if error is None:
                reply = await client.run(f"RCPT TO:<{said.reverse_path}>")
                error = None if reply.is_good else refused_recipient(client.peer, reply, address)
            if isinstance(error, BlockedError):
                raise StageError(str(error), fix=self._sender_fix(error)) from error
            if error is not None:
                raise error
            await client.run("RSET")
            taken = "accepted" if reply.is_good else f'accepted; as a recipient it is not ("{reply}")'
            finding.detail = f"{address} {taken}; nothing was sent"

    def _sender_fix(self, error: BlockedError) -> str:
        config = self._config
        if error.fix is not None:
            return error.fix
        match error.reason:
            case "login_refused" if not config.authentication:
                return "it wants a login: authentication = true, with username and password"
            case "login_refused" if config.security == "none":
                return f'it wants TLS: security = "tls" with port = {PORTS["tls"]}, or "ssl" with {PORTS["ssl"]}'
            case "relay_denied":
                return "it takes mail for others only from those whom it knows: log in, or have this machine allowed"
            case "sender_refused" if config.authentication:
                return f"let {config.username} send as {config.email} (Send As), or set email to its own address"
        return f"have {config.email} allowed as a sender by who runs the server"
