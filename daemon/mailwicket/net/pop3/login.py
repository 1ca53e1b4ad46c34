"""From an address to an open maildrop: what may be said in the clear, and how the password or token is said."""

from __future__ import annotations

from dataclasses import replace

from mailwicket.errors import BlockedError
from mailwicket.net import sasl
from mailwicket.net.account import Account, refuse_clear_text
from mailwicket.net.pop3.answer import Answer, login_refused
from mailwicket.net.pop3.client import Pop3Client


async def log_in(client: Pop3Client, account: Account) -> None:
    """Connect, secure the channel, authenticate.

    Raises:
        TransientError: not reachable, or it says "later".
        BlockedError: the channel is not what it must be, or the login is refused.
    """
    await client.open(account.tls if account.security == "ssl" else None)
    await client.learn_capabilities()
    if account.security == "tls":
        await secure(client, account)
    refuse_clear_text(client, account)
    await authenticate(client, account)


async def secure(client: Pop3Client, account: Account) -> None:
    """STLS, which the server must offer: a stripped offer is no reason to go on in the clear.

    A server that knows no CAPA is simply asked.

    Raises:
        TransientError: the connection ended.
        BlockedError: no STLS, or a certificate that does not stand the test.
    """
    if client.capabilities and "STLS" not in client.capabilities:
        client.abort()
        raise BlockedError(f"{client.peer} does not offer STLS", reason="starttls_missing")
    await client.start_tls(account.tls)
    await client.learn_capabilities()


async def authenticate(client: Pop3Client, account: Account) -> str:
    """Log in by the account's token, or by its password; one attempt, because a second may lock the account.

    Returns:
        How: `XOAUTH2`, `OAUTHBEARER`, `AUTH PLAIN` or `USER`.

    Raises:
        TransientError: the connection ended, or it says "later".
        BlockedError: the login is refused.
    """
    client.secrets |= account.secrets
    offered = client.capabilities
    mechanisms = offered.get("SASL", "").split()
    if account.is_token:
        said = sasl.bearing(mechanisms or ("XOAUTH2",), account.username, account.said, client.host, client.port)
        if said is None:
            client.abort()
            told = f"{client.peer} takes no token: it offers neither XOAUTH2 nor OAUTHBEARER"
            raise BlockedError(told, reason="token_unwanted")
        client.secrets |= sasl.forms(account.said, said)
        how, answer = said.mechanism, await _sasl(client, said)
    elif offered and "USER" not in offered and "PLAIN" in mechanisms:
        how, answer = "AUTH PLAIN", await _sasl(client, sasl.plain(account.username, account.said))
    else:
        how, answer = "USER", await _user(client, account)
    if not answer.ok:
        client.abort()
        raise login_refused(client.peer, account.username, answer, client.login_delay_s)
    return how


async def _user(client: Pop3Client, account: Account) -> Answer:
    """USER and PASS (RFC 1939 7). Many servers say no to PASS alone, so that nobody learns who has an account."""
    if any(one in account.said for one in "\r\n\0"):
        client.abort()
        raise BlockedError(
            f"{client.peer}: the password holds a line end, which POP3 cannot say", reason="login_refused"
        )
    answer = await client.run(f"USER {account.username}")
    return await client.run(f"PASS {account.said}", verb="PASS") if answer.ok else answer


async def _sasl(client: Pop3Client, said: sasl.Response) -> Answer:
    """RFC 5034: the mechanism, the server's `+`, the response; a further `+` is a challenge: what was wrong.

    In two steps: Microsoft takes no other form, and a token is longer than a command may be.
    """
    verb = f"AUTH {said.mechanism}"
    client.send(verb)
    asked = await client.answer(may_ask=True)
    if not asked.asks:
        if asked.ok:
            raise client.out_of_step()
        return asked
    client.send(said.text.decode("ascii"), verb)
    answer = await client.answer(may_ask=True)
    if not answer.asks:
        return answer
    client.send(said.on_challenge.decode("ascii"), verb)  # only then the server says -ERR
    refusal = await client.answer(may_ask=False)
    return replace(refusal, text=refusal.text + sasl.told_by(sasl.read_challenge(answer.text)).encode())
