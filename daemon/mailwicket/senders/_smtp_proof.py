"""The staged test of an SMTP server: from its configuration to a sender that it accepts, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailwicket.config.outgoing import PORTS, Outgoing
from mailwicket.errors import BlockedError, PermanentError, StageError
from mailwicket.net.account import Account, Credentials, refuse_clear_text
from mailwicket.net.deadlines import impatient
from mailwicket.net.proving import Dialect, logged_in, login_stages
from mailwicket.net.smtp.client import Deadlines, SmtpClient
from mailwicket.net.smtp.login import authenticate, introduce, secure
from mailwicket.outgoing import Envelope
from mailwicket.senders._smtp_judgement import refused_recipient, refused_sender
from mailwicket.senders._smtp_parameters import parameters
from mailwicket.stages import Probe

GREETING_S: Final = 15
"""Servers make strangers wait there: a test has more patience than elsewhere."""


def stages(config: Outgoing) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*login_stages(config), "sender")


async def prove(config: Outgoing, credentials: Credentials, deadlines: Deadlines, probe: Probe) -> None:
    """Take every stage; see `stages.ProvesConnection`. *credentials* resolve secrets and trust."""
    limits = impatient(deadlines, greeting_s=GREETING_S)
    async with logged_in(SMTP, config, credentials, limits, probe) as client:
        await SenderProof(client, config, probe).run()


# --- the login ------------------------------------------------------------------------------------------------------


def _offers(client: SmtpClient) -> str:
    offers = sorted(client.offers.items())
    told = client.shown(" ".join(f"{name.upper()} {more}".strip() for name, more in offers))
    return f"offers {told}" if told else "offers no extensions"


async def _log_in(client: SmtpClient, account: Account) -> str:
    refuse_clear_text(client, account)
    return f"AUTH {await authenticate(client, account)} as {account.username}"


def _login_fix(client: SmtpClient, account: Account) -> str | None:
    if client.mechanisms:
        return None
    if account.security == "none":
        return f"many servers take passwords over TLS alone: {SMTP.over_tls}; a relay: authentication = false"
    return f"a relay knows its own network: authentication = false; else another port ({SMTP.usual})"


SMTP: Final = Dialect(
    name="SMTP",
    tls_port=PORTS["ssl"],
    clear_port=PORTS["tls"],
    over_tls=f'security = "tls" with port = {PORTS["tls"]}, or "ssl" with port = {PORTS["ssl"]}',
    client=SmtpClient,
    introduce=introduce,
    offers=_offers,
    secure=secure,
    log_in=_log_in,
    login_fix=_login_fix,
)

# --- the sender -----------------------------------------------------------------------------------------------------


class SenderProof:
    """The stage `sender`, on a client that may send."""

    def __init__(self, client: SmtpClient, config: Outgoing, probe: Probe) -> None:
        """Test the sender that *config* names."""
        self._client = client
        self._config = config
        self._probe = probe

    async def run(self) -> None:
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
                raise StageError(str(error), fix=self._fix(error)) from error
            if error is not None:
                raise error
            await client.run("RSET")
            taken = "accepted" if reply.is_good else f'accepted; as a recipient it is not ("{reply}")'
            finding.detail = f"{address} {taken}; nothing was sent"

    def _fix(self, error: BlockedError) -> str:
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
