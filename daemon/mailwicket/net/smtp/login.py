"""From an address to a session that may send: what may be said in the clear, how a password or a token is said."""

from __future__ import annotations

from typing import Final

from aiosmtplib.auth import auth_crammd5_verify, auth_login_encode
from aiosmtplib.errors import SMTPAuthenticationError

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net import sasl
from mailwicket.net.account import Account, refuse_clear_text
from mailwicket.net.smtp import advice
from mailwicket.net.smtp.client import SmtpClient
from mailwicket.net.smtp.reply import Reply

MECHANISMS: Final = ("plain", "login", "cram-md5")
"""In our order: over TLS a password is as safe as its digest, and servers that keep no clear text have no other."""

GO_ON: Final = 334
"""RFC 4954 4: the server wants (more of) a response."""

COMMAND_BYTES: Final = 510
"""RFC 5321 4.5.3.1.4, which RFC 4954 4 leaves in force: a longer response waits until the server asks for it."""


async def open_session(client: SmtpClient, account: Account) -> None:
    """Connect, secure the channel, and log in where the account says so.

    Raises:
        TransientError: not reachable, or it says "later".
        BlockedError: the channel is not what it must be, or the login is refused.
    """
    await client.open(account.tls if account.security == "ssl" else None, plain=_has_nothing_to_lose(account))
    if account.security == "tls":
        await secure(client, account)
    if account.password is not None:
        refuse_clear_text(client, account)
        await authenticate(client, account)


async def introduce(client: SmtpClient, account: Account) -> None:
    """Say EHLO; HELO will do where neither TLS nor a login hangs on what is offered."""
    await client.introduce(plain=_has_nothing_to_lose(account))


def _has_nothing_to_lose(account: Account) -> bool:
    return account.security == "none" and account.password is None


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


async def authenticate(client: SmtpClient, account: Account) -> str:
    """AUTH (RFC 4954) by the first mechanism of ours that is offered; one attempt: a second may lock the account.

    Returns:
        The mechanism.

    Raises:
        TransientError: the connection ended, or it says "later".
        BlockedError: the login is refused, or none of ours is offered.
    """
    client.hide(account.secrets)
    if account.is_token:
        said = sasl.bearing({one.upper() for one in client.mechanisms}, account.username, account.said, *client.place)
        chosen = None if said is None else said.mechanism
    else:
        chosen = next((one.upper() for one in MECHANISMS if one in client.mechanisms), None)
        said = sasl.plain(account.username, account.said) if chosen == "PLAIN" else None
    if chosen is None:
        raise _unwanted(client, account)
    if said is not None:
        client.hide(sasl.forms(account.said, said))
        reply = await _say(client, said)
    else:
        answer = _login if chosen == "LOGIN" else _cram_md5
        reply = await answer(client, account.username, account.said)
    if not reply.is_good:
        client.abort()
        raise _refused(client, account, reply)
    return chosen


def _unwanted(client: SmtpClient, account: Account) -> BlockedError:
    client.abort()
    offered = client.shown(", ".join(client.mechanisms).upper() or "nothing")
    what, reason = ("token", "token_unwanted") if account.is_token else ("password", "login_refused")
    return BlockedError(f"{client.peer} takes no {what}: of AUTH it offers {offered}", reason=reason)


async def _say(client: SmtpClient, said: sasl.Response) -> Reply:
    """Say a response in the command itself where it has room there, else when the server asks for it.

    A further question is a challenge, which tells why a token is refused.
    """
    verb = f"AUTH {said.mechanism}"
    text = said.text.decode("ascii")
    at_once = f"{verb} {text}"
    reply = await client.run(at_once if len(at_once) <= COMMAND_BYTES else verb, verb=verb)
    if reply.code == GO_ON and (len(at_once) > COMMAND_BYTES or not reply.words):  # some hear no response at once
        reply = await client.run(text, verb=verb)
    if reply.code != GO_ON:
        return reply
    challenge = sasl.read_challenge(reply.words.encode())
    refusal = await client.run(said.on_challenge.decode("ascii"), verb=verb)
    return Reply(refusal.code, refusal.enhanced, refusal.words + client.shown(sasl.told_by(challenge)))


async def _login(client: SmtpClient, username: str, password: str) -> Reply:
    verb = "AUTH LOGIN"
    reply = await client.run(verb)
    for word in auth_login_encode(username, password):
        if reply.code != GO_ON:
            break
        reply = await client.run(word.decode(), verb=verb)
    return reply


async def _cram_md5(client: SmtpClient, username: str, password: str) -> Reply:
    """RFC 2195."""
    verb = "AUTH CRAM-MD5"
    reply = await client.run(verb)
    if reply.code != GO_ON:
        return reply
    try:
        answer = auth_crammd5_verify(username, password, reply.words)
    except SMTPAuthenticationError:
        return reply
    return await client.run(answer.decode(), verb=verb)


def _refused(client: SmtpClient, account: Account, reply: Reply) -> BlockedError | TransientError:
    message = f'{client.peer} refused login of {account.username} ("{reply}")'
    known = advice.of_login(reply, by_token=account.is_token)
    if known is not None:
        message += f"; {known}"
    elif account.is_token:
        message += "; it does not take the token: look whether the scope is right, and what who signed in may do"
    if reply.passes:  # RFC 4954 6: 454, 432
        return TransientError(message, reason="server_said")
    return BlockedError(message, reason="login_refused", fix=known.fix if known else None)
