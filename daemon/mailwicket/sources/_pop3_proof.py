"""The staged test of a POP3 maildrop: from its configuration to one mail whose header is read; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailwicket.config.incoming import Incoming
from mailwicket.errors import BlockedError, StageError, TransientError
from mailwicket.net.account import Account, Credentials, refuse_clear_text
from mailwicket.net.deadlines import Deadlines, impatient
from mailwicket.net.pop3.client import Pop3Client
from mailwicket.net.pop3.login import authenticate, secure
from mailwicket.net.proving import Dialect, logged_in, login_stages
from mailwicket.sources._pop3_bodies import top_of
from mailwicket.sources._pop3_session import Session
from mailwicket.stages import Probe

TLS_PORT: Final = 995
"""RFC 8314 7.3: pop3s."""

CLEAR_PORT: Final = 110
"""RFC 1939 3: pop3."""

IN_USE_FIX: Final = (
    "another program has the maildrop open, perhaps mailwicket itself: a POP3 server lets one in at a time. End it, "
    "or wait some minutes where it hung up without QUIT"
)


def stages(config: Incoming) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*login_stages(config), "maildrop", "after", "read")


async def prove(config: Incoming, credentials: Credentials, deadlines: Deadlines, probe: Probe) -> None:
    """Take every stage; see `stages.ProvesConnection`. *credentials* resolve secrets and trust."""
    async with logged_in(POP3, config, credentials, impatient(deadlines), probe) as client:
        proof = MaildropProof(Session(client), config, probe)
        await proof.run()


# --- the login ------------------------------------------------------------------------------------------------------


async def _introduce(client: Pop3Client, _: Account) -> None:
    await client.learn_capabilities()


def _offers(client: Pop3Client) -> str:
    offered = [" ".join(filter(None, one)) for one in sorted(client.capabilities.items())]
    return f"offers {', '.join(offered)}" if offered else "tells of no capabilities (no CAPA)"


async def _log_in(client: Pop3Client, account: Account) -> str:
    refuse_clear_text(client, account)
    try:
        return f"{await authenticate(client, account)} as {account.username}"
    except TransientError as error:
        if error.reason != "in_use":
            raise
        raise StageError(str(error), fix=IN_USE_FIX) from error


POP3: Final = Dialect(
    name="POP3",
    tls_port=TLS_PORT,
    clear_port=CLEAR_PORT,
    over_tls=f'security = "tls", or "ssl" with port = {TLS_PORT}',
    client=Pop3Client,
    introduce=_introduce,
    offers=_offers,
    secure=secure,
    log_in=_log_in,
    upgrade="STLS",
    account_hint="; POP3 may have to be switched on for the account",
)

# --- what lies there ------------------------------------------------------------------------------------------------


class MaildropProof:
    """The stages `maildrop`, `after` and `read`, on a session that is logged in. Nothing is deleted."""

    def __init__(self, session: Session, config: Incoming, probe: Probe) -> None:
        """Test the maildrop of *session*."""
        self._session = session
        self._config = config
        self._probe = probe

    async def run(self) -> None:
        """Take the three stages."""
        await self._maildrop()
        self._after()
        await self._read()

    async def _maildrop(self) -> None:
        config, session = self._config, self._session
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

    def _after(self) -> None:
        with self._probe.stage("after") as finding:
            leaves = self._config.after == "leave"
            finding.detail = "mails are left as they are" if leaves else "mails are deleted, with the QUIT of a session"
            if not leaves and self._session.client.capabilities.get("EXPIRE", "").startswith("0"):
                finding.detail += "; the server deletes by itself what was read (EXPIRE 0)"

    async def _read(self) -> None:
        session = self._session
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
