"""From an address to a session that may send: what may be said in the clear, and how the password is said."""

from __future__ import annotations

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final
from typing import Literal as OneOf

from aiosmtplib.auth import auth_crammd5_verify, auth_login_encode, auth_plain_encode
from aiosmtplib.errors import SMTPAuthenticationError

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.smtp.client import SmtpClient
from mailwicket.net.smtp.reply import Reply

MECHANISMS: Final = ("plain", "login", "cram-md5")
"""In our order: over TLS a password is as safe as its digest, and servers that keep no clear text have no other."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, if anybody does, and what the channel must be like for that."""

    username: str
    password: str | None = field(repr=False)
    """None: the server is not logged in to."""
    security: OneOf["none", "ssl", "tls"]
    tls: ssl.SSLContext
    allow_plaintext: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        """The password in every form that goes out, or that a server may make of it."""
        if not self.password:
            return frozenset()
        raw = self.password.encode()
        plain = auth_plain_encode(self.username, self.password)
        return frozenset({self.password, *(one.decode().rstrip("=") for one in (b64encode(raw), plain))})


async def open_session(client: SmtpClient, account: Account) -> None:
    """Connect, secure the channel, and log in where the account says so.

    Raises:
        TransientError: not reachable, or it says "later".
        BlockedError: the channel is not what it must be, or the login is refused.
    """
    await client.attach(account.tls if account.security == "ssl" else None)
    await client.greet()
    await introduce(client, account)
    if account.security == "tls":
        await secure(client, account)
    if account.password is not None:
        refuse_clear_text(client, account)
        await authenticate(client, account)


async def introduce(client: SmtpClient, account: Account) -> None:
    """Say EHLO; HELO will do where neither TLS nor a login hangs on what is offered."""
    await client.introduce(plain=account.security == "none" and account.password is None)


async def secure(client: SmtpClient, account: Account) -> None:
    """STARTTLS, which the server must offer: a stripped offer is no reason to go on in the clear.

    Raises:
        TransientError: the connection ended.
        BlockedError: no STARTTLS, or a certificate that does not stand the test.
    """
    if not client.has("starttls"):
        client.abort()
        raise BlockedError(f"{client.peer} does not offer STARTTLS", reason="starttls_missing")
    await client.start_tls(account.tls)
    await client.introduce()


def refuse_clear_text(client: SmtpClient, account: Account) -> None:
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


async def authenticate(client: SmtpClient, account: Account) -> str:
    """AUTH (RFC 4954) by the first mechanism of ours that is offered; one attempt: a second may lock the account.

    Returns:
        The mechanism.

    Raises:
        TransientError: the connection ended, or it says "later".
        BlockedError: the login is refused.
    """
    client.secrets = account.secrets
    password = account.password or ""
    chosen = next((one for one in MECHANISMS if one in client.mechanisms), None)
    match chosen:
        case "plain":
            reply = await client.run(f"AUTH PLAIN {auth_plain_encode(account.username, password).decode()}")
        case "login":
            reply = await _login(client, account.username, password)
        case "cram-md5":
            reply = await _cram_md5(client, account.username, password)
        case _:
            client.abort()
            offered = ", ".join(client.mechanisms).upper() or "nothing"
            raise BlockedError(
                f"{client.peer} takes no password: of AUTH it offers {client.shown(offered)}", reason="login_refused"
            )
    if not reply.is_good:
        client.abort()
        raise _refused(client, account, reply)
    return str(chosen).upper()


async def _login(client: SmtpClient, username: str, password: str) -> Reply:
    reply = await client.run("AUTH LOGIN")
    for word in auth_login_encode(username, password):
        if reply.code != 334:
            break
        reply = await client.run(word.decode())
    return reply


async def _cram_md5(client: SmtpClient, username: str, password: str) -> Reply:
    """RFC 2195."""
    reply = await client.run("AUTH CRAM-MD5")
    if reply.code != 334:
        return reply
    try:
        answer = auth_crammd5_verify(username, password, reply.words)
    except SMTPAuthenticationError:
        return reply
    return await client.run(answer.decode())


def _refused(client: SmtpClient, account: Account, reply: Reply) -> BlockedError | TransientError:
    message = f'{client.peer} refused login of {account.username} ("{reply}")'
    if reply.passes:  # RFC 4954 6: 454, 432
        return TransientError(message, reason="server_said")
    return BlockedError(message, reason="login_refused")
