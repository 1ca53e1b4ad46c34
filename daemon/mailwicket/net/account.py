"""Who logs in to a mail server: a password or a token, read when it is wanted, and what the channel must be for it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from typing import Protocol as TypingProtocol

import anyio.to_thread

from mailwicket.admission import Bearer
from mailwicket.config.secret import Secret
from mailwicket.errors import BlockedError
from mailwicket.model import Use
from mailwicket.net import sasl
from mailwicket.net.oauth.session import Session, token_refused
from mailwicket.ports import Net


@dataclass(frozen=True, slots=True)
class Account:
    """Who logs in, and what the channel must be like for that."""

    username: str
    password: str | None = field(repr=False)
    """None: the server is not logged in to."""
    security: Literal["none", "ssl", "tls"]
    tls: ssl.SSLContext
    allow_plaintext: bool = False
    is_token: bool = False
    """`password` is an OAuth token (RFC 6750)."""

    @property
    def said(self) -> str:
        """The password or the token."""
        return self.password or ""

    @property
    def secrets(self) -> frozenset[bytes]:
        """It in every form that goes out, or that a server may make of it: what no words may repeat.

        But what goes out as OAUTHBEARER, in which the server's own name stands.
        """
        form = sasl.xoauth2 if self.is_token else sasl.plain
        return sasl.forms(self.said, form(self.username, self.said))


class Channel(TypingProtocol):
    """A connection over which somebody logs in."""

    peer: str

    @property
    def tls(self) -> ssl.SSLObject | None: ...  # noqa: D102

    @property
    def local(self) -> bool: ...  # noqa: D102

    def abort(self) -> None: ...  # noqa: D102


def refuse_clear_text(channel: Channel, account: Account) -> None:
    """Raise where a password or token would be readable on its way.

    Raises:
        BlockedError: the channel is in the clear, leads to another machine, and nobody allowed that.
    """
    if channel.tls is None and not (channel.local or account.allow_plaintext):
        channel.abort()
        what = "token" if account.is_token else "password"
        raise BlockedError(
            f"{channel.peer}: no {what} is said over an unencrypted connection (security, allow_plaintext)",
            reason="plaintext_refused",
        )


class LoginTable(TypingProtocol):
    """A table of conf.d that says how a server is logged in to."""

    @property
    def server(self) -> str: ...  # noqa: D102
    @property
    def port(self) -> int: ...  # noqa: D102
    @property
    def security(self) -> Literal["none", "ssl", "tls"]: ...  # noqa: D102
    @property
    def allow_plaintext(self) -> bool: ...  # noqa: D102
    @property
    def ca_file(self) -> Path | None: ...  # noqa: D102
    @property
    def auth(self) -> Literal["basic", "oauth"]: ...  # noqa: D102
    @property
    def oauth(self) -> str | None: ...  # noqa: D102
    @property
    def proxy(self) -> str | None: ...  # noqa: D102
    @property
    def username(self) -> str: ...  # noqa: D102
    @property
    def password(self) -> Secret | None: ...  # noqa: D102


class Credentials:
    """What one server is logged in to with; asked anew for every connection."""

    def __init__(self, config: LoginTable, net: Net, use: Use) -> None:
        """Serve *config*; a token is asked for *use*. Reads nothing yet."""
        self._config = config
        self._net = net
        self._use: Use = use
        self._bearer: Bearer | None = None

    async def account(self, *, with_token: bool = True) -> Account:
        """Resolve secrets and trust: mostly both are at hand, and a thread for each of a thousand would be a crowd.

        Without *with_token* no token is asked for, and an empty text stands for it.

        Raises:
            TransientError: no token can be had now.
            BlockedError: a human must act: a secret, a sign-in, a certificate.
        """
        config, is_token = self._config, self._config.auth == "oauth"
        said: str | None = None
        if getattr(config, "authentication", True):
            said = await self._password() if not is_token else await self.token() if with_token else ""
        tls = await self._net.trust(config.ca_file)
        return Account(config.username, said, config.security, tls, config.allow_plaintext, is_token)

    async def token(self) -> str:
        """Return a token that is good now; see `admission.Bearer.token` for errors."""
        config = self._config
        if config.oauth is None:
            raise BlockedError(f"{config.server}:{config.port}: no oauth is configured", reason="secret_missing")
        self._bearer = self._bearer or self._net.bearer(config.oauth, self._use, config.username, config.proxy)
        return await self._bearer.token()

    @property
    def left_s(self) -> float:
        """Seconds until the last token ends."""
        return 0.0 if self._bearer is None else self._bearer.left_s

    async def _password(self) -> str:
        config, secret = self._config, self._config.password
        if secret is None:
            raise BlockedError(f"{config.server}:{config.port}: no password is configured", reason="secret_missing")
        if secret.at_hand:
            return secret.reveal()
        return await anyio.to_thread.run_sync(secret.reveal, abandon_on_cancel=True)

    def renew(self, error: BlockedError) -> None:
        """Have the next connection log in with a new token where *error* says that this one was refused.

        Raises:
            TransientError: the one that was refused was not fresh: it is tried again, once.
        """
        if self._bearer is not None and error.reason == "login_refused":
            judged = token_refused(self._bearer, error)
            if judged is not error:
                raise judged from error

    def session(self, peer: str, now: float, chance: Callable[[], float]) -> Session:
        """Begin a session at *now* with what `account` returned last; a token's ends with it."""
        return Session(peer, self._bearer, now, chance)
