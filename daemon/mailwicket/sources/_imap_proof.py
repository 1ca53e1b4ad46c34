"""The staged test of an IMAP mailbox: from its configuration to one mail that is read, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aioimaplib.aioimaplib as imap

from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT, Incoming
from mailwicket.net.account import Account, Credentials, refuse_clear_text
from mailwicket.net.deadlines import Deadlines, impatient
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.login import authenticate, secure
from mailwicket.net.proving import Dialect, logged_in, login_stages
from mailwicket.sources._imap_folder import FolderProof
from mailwicket.stages import Probe


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*login_stages(config), "folder", "after", "read")


async def prove(config: Incoming, credentials: Credentials, deadlines: Deadlines, probe: Probe) -> None:
    """Take every stage; see `stages.ProvesConnection`. *credentials* resolve secrets and trust."""
    async with logged_in(IMAP, config, credentials, impatient(deadlines), probe) as client:
        await FolderProof(client, config, probe).run()


async def _introduce(client: ImapClient, _: Account) -> None:
    await client.learn_capabilities()


def _offers(client: ImapClient) -> str:
    return f"offers {' '.join(sorted(client.protocol.capabilities))}"


async def _log_in(client: ImapClient, account: Account) -> str:
    if client.protocol.state == imap.AUTH:
        return "the server knows us already (PREAUTH)"
    refuse_clear_text(client, account)
    return f"{await authenticate(client, account)} as {account.username}"


def _login_fix(client: ImapClient, _: Account) -> str | None:
    if client.has_capability("LOGINDISABLED") and client.tls is None:
        return f"it takes passwords over TLS alone: {IMAP.over_tls}"
    return None


IMAP: Final = Dialect(
    name="IMAP",
    tls_port=TLS_PORT,
    clear_port=CLEAR_PORT,
    over_tls=f'security = "tls", or "ssl" with port = {TLS_PORT}',
    client=ImapClient,
    introduce=_introduce,
    offers=_offers,
    secure=secure,
    log_in=_log_in,
    login_fix=_login_fix,
)
