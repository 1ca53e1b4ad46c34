"""The staged test of a mail server, as far as IMAP, POP3 and SMTP have it in common: from conf.d to a login."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from typing import Protocol as TypingProtocol

import anyio

from mailwicket.config.providers import by_server
from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.net.account import Account, Channel, Credentials
from mailwicket.net.approach import Approach
from mailwicket.net.certificate import Certificate
from mailwicket.net.door import Door, tell_tls
from mailwicket.net.knock import certificate_of, trusting_context
from mailwicket.net.preparation import Tested, first_stages, prepare, token_fix
from mailwicket.net.proxy import Way
from mailwicket.stages import Probe

TOLD_CHARS: Final = 300
"""Of what a server offers."""

CHANNEL_STAGES: Final[Mapping[str, Sequence[str]]] = {
    "ssl": ("tls", "greeting"),
    "tls": ("greeting", "starttls"),
    "none": ("greeting",),
}
"""By `security`."""


class Client(Channel, TypingProtocol):
    """What the clients of the protocols have in common."""

    async def attach(self, tls: ssl.SSLContext | None, sock: socket.socket | None = None) -> None: ...  # noqa: D102

    async def greet(self) -> object: ...  # noqa: D102

    async def open(self, tls: ssl.SSLContext | None) -> None:
        """Connect, as far as `start_tls` may follow."""
        ...

    async def start_tls(self, tls: ssl.SSLContext) -> None: ...  # noqa: D102

    async def say_goodbye(self) -> None: ...  # noqa: D102


class Limits(TypingProtocol):
    """Deadlines of a connection."""

    @property
    def connect_s(self) -> float: ...  # noqa: D102
    @property
    def greeting_s(self) -> float: ...  # noqa: D102


C = TypeVar("C", bound=Client)


@dataclass(frozen=True, slots=True)
class Dialect(Generic[C]):
    """What a protocol has for itself on the way to a login."""

    name: str
    """As `knock.GREETINGS` names it."""
    tls_port: int
    """The usual one for TLS from the first byte."""
    clear_port: int
    """The usual one for `security = "tls"`."""
    over_tls: str
    """What to set for TLS, in words."""
    client: Callable[[str, int, Any, Way | None], C]
    """Makes one for a host, a port, deadlines and a way."""
    introduce: Callable[[C, Account], Awaitable[None]]
    """Behind the greeting: learn what is offered."""
    offers: Callable[[C], str]
    """Tell what is offered."""
    secure: Callable[[C, Account], Awaitable[None]]
    """Go over to TLS."""
    log_in: Callable[[C, Account], Awaitable[str]]
    """Log in, if the channel is fit for that; tell how."""
    upgrade: str = "STARTTLS"
    """How its command to go over to TLS is called."""
    account_hint: str = ""
    """What else may be wrong with an account."""
    login_fix: Callable[[C, Account], str | None] = lambda _client, _account: None
    """Return what a person does about a login that is refused, where this protocol knows more of it."""

    @property
    def usual(self) -> str:
        """The usual ports with their security, in words."""
        return f'{self.tls_port} with security = "ssl", {self.clear_port} with "tls"'


def login_stages(config: Tested) -> Sequence[str]:
    """Return the stages that `logged_in` takes, in order."""
    login = ("auth",) if getattr(config, "authentication", True) else ()
    return (*first_stages(config), *CHANNEL_STAGES[config.security], *login)


@asynccontextmanager
async def logged_in(
    dialect: Dialect[C], config: Tested, credentials: Credentials, limits: Limits, probe: Probe
) -> AsyncIterator[C]:
    """Take every stage up to the login; what comes behind it is the caller's. At its end the client says goodbye.

    Raises:
        StageError: it leads nowhere.
        TransientError: not now.
    """
    account, way = await prepare(config, credentials, probe)
    sock = await Approach(config.server, config.port, limits.connect_s, dialect.usual, probe, way).run()
    client = dialect.client(config.server, config.port, limits, way)
    try:
        await _Entry(dialect, client, config, account, limits, probe, way).run(sock)
        yield client
    finally:
        with anyio.CancelScope(shield=True):  # bounded by the client's deadline for its farewell
            await client.say_goodbye()


class _Entry(Generic[C]):
    """From a connected socket to a login."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that was prepared
        self,
        dialect: Dialect[C],
        client: C,
        config: Tested,
        account: Account,
        limits: Limits,
        probe: Probe,
        way: Way | None,
    ) -> None:
        self._dialect = dialect
        self._client = client
        self._config = config
        self._account = account
        self._limits = limits
        self._probe = probe
        self._door = Door(
            config.server,
            config.port,
            dialect.name,
            dialect.tls_port,
            dialect.usual,
            dialect.upgrade,
            limits.greeting_s,
            way,
        )

    async def run(self, sock: socket.socket) -> None:
        """Take the stages of the channel, and `auth`."""
        account = self._account
        if account.security == "ssl":
            await self._tls(sock)
        await self._greeting(None if account.security == "ssl" else sock)
        if account.security == "tls":
            await self._upgrade()
        if account.password is not None:
            await self._auth()

    async def _tls(self, sock: socket.socket) -> None:
        with self._probe.stage("tls") as finding:
            try:
                await self._client.attach(self._account.tls, sock)
            except MailwicketError as error:
                raise await self._door.tls_failed(error) from error
            finding.detail = tell_tls(self._client.tls)

    async def _greeting(self, sock: socket.socket | None) -> None:
        with self._probe.stage("greeting") as finding:
            try:
                if sock is not None:
                    await self._client.attach(None, sock)
                await self._client.greet()
                await self._dialect.introduce(self._client, self._account)
            except TransientError as error:
                raise await self._door.greeting_failed(error, over_tls=sock is None) from error
            finding.detail = self._dialect.offers(self._client)[:TOLD_CHARS]

    async def _upgrade(self) -> None:
        with self._probe.stage("starttls") as finding:
            try:
                await self._dialect.secure(self._client, self._account)
            except MailwicketError as error:
                raise await self._door.upgrade_failed(error, self._certificate_behind) from error
            finding.detail = tell_tls(self._client.tls)

    async def _certificate_behind(self) -> Certificate | None:
        """Go there once more, to look at the certificate and leave."""
        config = self._config
        client = self._dialect.client(config.server, config.port, self._limits, self._door.way)
        try:
            await client.open(None)
            await client.start_tls(trusting_context())
            return certificate_of(client.tls)
        except MailwicketError:
            return None
        finally:
            client.abort()

    async def _auth(self) -> None:
        with self._probe.stage("auth") as finding:
            try:
                finding.detail = await self._dialect.log_in(self._client, self._account)
            except BlockedError as error:
                fix = login_fix(self._dialect, self._client, self._config, self._account, error)
                raise StageError(str(error), fix=fix) from error


def login_fix(dialect: Dialect[C], client: C, config: Tested, account: Account, error: BlockedError) -> str:
    """Return what a person does about a login of *account* that *error* tells of."""
    if error.fix is not None:
        return error.fix
    if account.is_token and (fix := token_fix(error, config.oauth)):
        return fix
    if error.reason == "plaintext_refused":
        return f"{dialect.over_tls}; allow_plaintext = true says it in the clear"
    if (fix := dialect.login_fix(client, account)) is not None:
        return fix
    provider = by_server(config.server)
    if provider is not None and provider.login:
        return f"{provider.name} {provider.login}"
    other = "the part before @ alone" if "@" in account.username else "the whole address"
    return (
        f"mend username ({account.username}; some servers want {other}) or password{dialect.account_hint}. "
        "Do not try it often: servers lock accounts"
    )
