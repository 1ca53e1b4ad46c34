"""From an address to an open maildrop: what may be said in the clear, and how the password or token is said."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from mailwicket.errors import BlockedError
from mailwicket.net.pop3.answer import Answer, login_refused
from mailwicket.net.pop3.client import Pop3Client

Token = Callable[[], Awaitable[str]]
"""Gives an access token that is good now; it may ask a server for one, and raise what errors that brings."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and what the channel must be like for that."""

    username: str
    password: str = field(repr=False)
    security: Literal["none", "ssl", "tls"]
    tls: ssl.SSLContext
    allow_plaintext: bool = False
    token: Token | None = None
    """Where it is set, it stands in for the password."""

    @property
    def sasl_plain(self) -> bytes:
        """The response of SASL PLAIN (RFC 4616), in base64."""
        return b64encode(f"\0{self.username}\0{self.password}".encode())

    @property
    def secrets(self) -> frozenset[bytes]:
        """The password in every form that goes out, or that a server may make of it."""
        return _forms(self.password, self.sasl_plain)


def _forms(secret: str, response: bytes) -> frozenset[bytes]:
    raw = secret.encode()
    return frozenset({raw, *(one.rstrip(b"=") for one in (b64encode(raw), response))}) if raw else frozenset()


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


def refuse_clear_text(client: Pop3Client, account: Account) -> None:
    """Raise where a password would be readable on its way.

    Raises:
        BlockedError: the channel is in the clear, leads to another machine, and nobody allowed that.
    """
    if not (client.encrypted or client.local or account.allow_plaintext):
        client.abort()
        raise BlockedError(
            f"{client.peer}: no password is said over an unencrypted connection (security, allow_plaintext)",
            reason="plaintext_refused",
        )


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
        How: `XOAUTH2`, `AUTH PLAIN` or `USER`.

    Raises:
        TransientError: the connection ended, or it says "later".
        BlockedError: the login is refused.
    """
    offered = client.capabilities
    if account.token is not None:
        how, answer = "XOAUTH2", await _xoauth2(client, account.username, await account.token())
    elif offered and "USER" not in offered and "PLAIN" in offered.get("SASL", "").split():
        client.secrets |= account.secrets
        how, answer = "AUTH PLAIN", await _sasl(client, "PLAIN", account.sasl_plain)
    else:
        client.secrets |= account.secrets
        how, answer = "USER", await _user(client, account)
    if not answer.ok:
        client.abort()
        raise login_refused(client.peer, account.username, answer, client.login_delay_s)
    return how


async def _user(client: Pop3Client, account: Account) -> Answer:
    """USER and PASS (RFC 1939 7). Many servers say no to PASS alone, so that nobody learns who has an account."""
    if any(one in account.password for one in "\r\n\0"):
        client.abort()
        raise BlockedError(
            f"{client.peer}: the password holds a line end, which POP3 cannot say", reason="login_refused"
        )
    answer = await client.run(f"USER {account.username}")
    return await client.run(f"PASS {account.password}", verb="PASS") if answer.ok else answer


async def _xoauth2(client: Pop3Client, username: str, token: str) -> Answer:
    """SASL XOAUTH2, in two steps: Microsoft takes no other form, and a token is longer than a command may be."""
    response = b64encode(f"user={username}\x01auth=Bearer {token}\x01\x01".encode())
    client.secrets |= _forms(token, response)
    return await _sasl(client, "XOAUTH2", response)


async def _sasl(client: Pop3Client, mechanism: str, response: bytes) -> Answer:
    """RFC 5034: the mechanism, the server's `+`, the response; a further `+` is a challenge: what was wrong."""
    client.send(f"AUTH {mechanism}")
    asked = await client.answer(may_ask=True)
    if not asked.asks:
        if asked.ok:
            raise client.out_of_step()
        return asked
    client.send(response.decode("ascii"), f"AUTH {mechanism}")
    answer = await client.answer(may_ask=True)
    if answer.asks:
        client.send("", f"AUTH {mechanism}")  # an empty line lets the server say -ERR
        answer = await client.answer(may_ask=False)
    return answer
