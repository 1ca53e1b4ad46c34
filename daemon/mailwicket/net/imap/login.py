"""From an address to an authenticated session: what may be said in the clear, how a password or a token is said."""

from __future__ import annotations

from typing import Final

import aioimaplib.aioimaplib as imap

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net import sasl
from mailwicket.net.account import Account, refuse_clear_text
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.protocol import Exchange, Literal
from mailwicket.net.imap.utf7 import quoted

PASSING_CODES: Final = frozenset({b"UNAVAILABLE", b"INUSE", b"LIMIT", b"SERVERBUG", b"THROTTLED", b"OVERQUOTA"})
"""RFC 5530 3: response codes that time mends; THROTTLED is Microsoft's."""


async def log_in(client: ImapClient, account: Account) -> None:
    """Connect, secure the channel, authenticate and learn the capabilities.

    Raises:
        TransientError: not reachable, or it says "later".
        BlockedError: the channel is not what it must be, or the login is refused.
    """
    await client.open(account.tls if account.security == "ssl" else None)
    if account.security == "tls":
        await secure(client, account)
    if client.protocol.state == imap.AUTH:  # PREAUTH: the channel itself says who we are
        await client.learn_capabilities()
        return
    refuse_clear_text(client, account)
    await client.learn_capabilities()
    await authenticate(client, account)


async def secure(client: ImapClient, account: Account) -> None:
    """STARTTLS, which the server must offer: a stripped offer is no reason to go on in the clear.

    Raises:
        TransientError: the connection ended.
        BlockedError: no STARTTLS, or a certificate that does not stand the test.
    """
    if client.protocol.state == imap.AUTH:
        client.abort()
        raise BlockedError(
            f"{client.peer} greets as logged in already (PREAUTH), which rules STARTTLS out", reason="starttls_missing"
        )
    await client.learn_capabilities()
    if not client.has_capability("STARTTLS"):
        client.abort()
        raise BlockedError(f"{client.peer} does not offer STARTTLS", reason="starttls_missing")
    await client.start_tls(account.tls)
    await client.learn_capabilities()


async def authenticate(client: ImapClient, account: Account) -> str:
    """AUTHENTICATE PLAIN where it is offered, else LOGIN; one attempt, because a second may lock the account.

    A token goes by XOAUTH2 where that is offered, else by OAUTHBEARER.

    Returns:
        How: `AUTHENTICATE` with a mechanism, or `LOGIN`.

    Raises:
        TransientError: the connection ended, or it says "later".
        BlockedError: the login is refused.
    """
    client.protocol.secrets = account.secrets | ({quoted(account.said)[1:-1].encode()} if account.said else set())
    if account.is_token:
        how, answer = await _sasl(client, _bearing(client, account))
    elif client.has_capability("AUTH=PLAIN"):
        how, answer = await _sasl(client, sasl.plain(account.username, account.said))
    else:
        how, answer = "LOGIN", await _login(client, account)
    if answer.result != "OK":
        client.abort()
        raise _refused(client, account, answer)
    protocol = client.protocol
    if not protocol.told_with_answer:
        protocol.capabilities = frozenset()  # what was offered before a login may differ from what is offered after it
    await client.learn_capabilities()
    return how


async def _sasl(client: ImapClient, said: sasl.Response) -> tuple[str, Exchange]:
    """Say the response in the command itself where the server takes it there (RFC 4959)."""
    how = f"AUTHENTICATE {said.mechanism}"
    at_once = client.has_capability("SASL-IR")
    words = (said.mechanism, said.text.decode("ascii")) if at_once else (said.mechanism,)
    follow_up = None if at_once else said.text
    return how, await client.run("AUTHENTICATE", *words, follow_up=follow_up, on_challenge=said.on_challenge)


def _bearing(client: ImapClient, account: Account) -> sasl.Response:
    offered = {one.removeprefix("AUTH=") for one in client.protocol.capabilities if one.startswith("AUTH=")}
    said = sasl.bearing(offered, account.username, account.said, client.host, client.port)
    if said is None:
        client.abort()
        raise BlockedError(
            f"{client.peer} takes no token: it offers neither AUTH=XOAUTH2 nor AUTH=OAUTHBEARER",
            reason="token_unwanted",
        )
    client.protocol.secrets |= sasl.forms(account.said, said)
    return said


async def _login(client: ImapClient, account: Account) -> Exchange:
    if client.has_capability("LOGINDISABLED"):
        client.abort()
        raise BlockedError(
            f"{client.peer} takes no password: it offers neither AUTH=PLAIN nor LOGIN", reason="login_refused"
        )
    return await client.run("LOGIN", _argument(account.username), _argument(account.said))


def _argument(text: str) -> str | Literal:
    """Return *text* as an astring; a literal where quotes cannot hold it (RFC 3501 4.3)."""
    return quoted(text) if text.isascii() and text.isprintable() else Literal(text.encode())


def _refused(client: ImapClient, account: Account, answer: Exchange) -> BlockedError | TransientError:
    words = answer.words + client.protocol.words_of(sasl.told_by(answer.challenge).encode(), 70)
    message = f'{client.peer} refused login of {account.username} ("{words}")'
    if answer.code in PASSING_CODES or "too many simultaneous" in words.lower():  # Gmail: [ALERT] and no code
        return TransientError(message, reason="server_said")
    if account.is_token:
        message += (
            "; it does not take the token: look whether the scope is right, IMAP is switched on for the mailbox, "
            "and whether who signed in has a right to it"
        )
    return BlockedError(message, reason="login_refused")
