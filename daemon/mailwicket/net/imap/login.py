"""From an address to an authenticated session: what may be said in the clear, how a password or a token is said."""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final
from typing import Literal as OneOf

import aioimaplib.aioimaplib as imap

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.imap.protocol import Exchange, Literal
from mailwicket.net.imap.utf7 import quoted

PASSING_CODES: Final = frozenset({b"UNAVAILABLE", b"INUSE", b"LIMIT", b"SERVERBUG", b"THROTTLED", b"OVERQUOTA"})
"""RFC 5530 3: response codes that time mends; THROTTLED is Microsoft's."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and what the channel must be like for that."""

    username: str
    password: str = field(repr=False)
    security: OneOf["none", "ssl", "tls"]
    tls: ssl.SSLContext
    allow_plaintext: bool = False
    is_token: bool = False
    """`password` is an OAuth token (RFC 6750)."""

    @property
    def sasl_plain(self) -> bytes:
        """The response of SASL PLAIN (RFC 4616), in base64."""
        return b64encode(f"\0{self.username}\0{self.password}".encode())

    @property
    def sasl_xoauth2(self) -> bytes:
        """The response of XOAUTH2, Google's and Microsoft's, in base64."""
        return b64encode(f"user={self.username}\x01auth=Bearer {self.password}\x01\x01".encode())

    def sasl_oauthbearer(self, host: str, port: int) -> bytes:
        """The response of OAUTHBEARER (RFC 7628 3.1), in base64."""
        name = self.username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 4
        told = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {self.password}\x01\x01"
        return b64encode(told.encode())

    @property
    def secrets(self) -> frozenset[bytes]:
        """The password or token in every form that goes out, or that a server may make of it.

        But what goes out as OAUTHBEARER, in which the server's own name stands.
        """
        raw = self.password.encode()
        if not raw:
            return frozenset()
        if self.is_token:
            return frozenset({raw, b64encode(raw).rstrip(b"="), self.sasl_xoauth2.rstrip(b"=")})
        encoded = {one.rstrip(b"=") for one in (b64encode(raw), self.sasl_plain)}
        return frozenset({raw, quoted(self.password)[1:-1].encode(), *encoded})


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


def refuse_clear_text(client: ImapClient, account: Account) -> None:
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
    client.protocol.secrets = account.secrets
    if account.is_token:
        how, answer = await _bearer(client, account)
    elif client.has_capability("AUTH=PLAIN"):
        how, answer = "AUTHENTICATE PLAIN", await _sasl(client, "PLAIN", account.sasl_plain)
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


async def _sasl(client: ImapClient, mechanism: str, response: bytes, on_challenge: bytes = b"") -> Exchange:
    """Say *response* in the command itself where the server takes it there (RFC 4959)."""
    if client.has_capability("SASL-IR"):
        return await client.run("AUTHENTICATE", mechanism, response.decode("ascii"), on_challenge=on_challenge)
    return await client.run("AUTHENTICATE", mechanism, follow_up=response, on_challenge=on_challenge)


async def _bearer(client: ImapClient, account: Account) -> tuple[str, Exchange]:
    """XOAUTH2 first: Exchange knows no other, and all of the large providers know it."""
    if client.has_capability("AUTH=XOAUTH2"):
        return "AUTHENTICATE XOAUTH2", await _sasl(client, "XOAUTH2", account.sasl_xoauth2)
    if client.has_capability("AUTH=OAUTHBEARER"):
        response = account.sasl_oauthbearer(client.host, client.port)
        client.protocol.secrets = account.secrets | {response.rstrip(b"=")}
        return "AUTHENTICATE OAUTHBEARER", await _sasl(client, "OAUTHBEARER", response, b"AQ==")
    client.abort()
    raise BlockedError(
        f"{client.peer} takes no token: it offers neither AUTH=XOAUTH2 nor AUTH=OAUTHBEARER", reason="token_unwanted"
    )


async def _login(client: ImapClient, account: Account) -> Exchange:
    if client.has_capability("LOGINDISABLED"):
        client.abort()
        raise BlockedError(
            f"{client.peer} takes no password: it offers neither AUTH=PLAIN nor LOGIN", reason="login_refused"
        )
    return await client.run("LOGIN", _argument(account.username), _argument(account.password))


def _argument(text: str) -> str | Literal:
    """Return *text* as an astring; a literal where quotes cannot hold it (RFC 3501 4.3)."""
    return quoted(text) if text.isascii() and text.isprintable() else Literal(text.encode())


def _refused(client: ImapClient, account: Account, answer: Exchange) -> BlockedError | TransientError:
    words = answer.words
    if isinstance(status := answer.challenge.get("status"), str):
        words = f"{words}; status {client.protocol.words_of(status.encode('utf-8', 'replace'), 60)}"
    message = f'{client.peer} refused login of {account.username} ("{words}")'
    if answer.code in PASSING_CODES or "too many simultaneous" in words.lower():  # Gmail: [ALERT] and no code
        return TransientError(message, reason="server_said")
    if account.is_token:
        message += (
            "; it does not take the token: look whether the scope is right, IMAP is switched on for the mailbox, "
            "and whether who signed in has a right to it"
        )
    return BlockedError(message, reason="login_refused")
