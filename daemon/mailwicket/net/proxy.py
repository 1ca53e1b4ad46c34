"""The way to a server through a proxy: SOCKS5 (RFC 1928, 1929) and HTTP CONNECT (RFC 9110 9.3.6).

Per server and by configuration alone: the environment's proxies are nobody's business here.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import anyio
import anyio.to_thread
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as SocksProxy

from mailwicket.config.proxy import Proxy, Via
from mailwicket.errors import BlockedError
from mailwicket.net import names
from mailwicket.net.connect import connect
from mailwicket.net.descriptors import TooManyFilesError
from mailwicket.net.dial import dial, why

SOCKS_BYTES: Final = 255
"""RFC 1929 2: no user name or password is longer. RFC 7617 2: no user name holds a colon."""

ADDRESSES_MAX: Final = 4
"""So many addresses of a name are tried through a proxy that is given addresses."""

NEXT_S: Final = 20
"""How long connecting to the proxy once more may take."""

NEVER_S: Final = 86_400
"""The library wants a deadline; ours stands around it."""

HTTP_WANTS_CREDENTIALS: Final = frozenset({401, 407})  # RFC 9110 15.5.8; tinyproxy says 401 to wrong ones


class Proxied(Protocol):
    """A table of conf.d whose server may be reached by a proxy."""

    @property
    def proxy(self) -> str | None:
        """The proxy's name."""
        ...

    @property
    def via(self) -> Via | None:
        """The proxy itself."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """Which proxy leads to a server, with its password at hand."""

    name: str
    """Of its table, `[proxy.NAME]`."""
    kind: Literal["socks5", "socks5h", "http"]
    """`socks5` is given addresses that were looked up here; the others look names up where they are."""
    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """How it is called in errors."""
        return f"proxy.{self.name} ({self.host}:{self.port})"


async def way_of(config: Proxied) -> Way | None:
    """Return the way that *config* names, its password read now; None where it names none.

    Raises:
        BlockedError: the password cannot be had or said, or the proxy is not known.
    """
    if config.proxy is None:
        return None
    return await way_by(config.proxy, None if config.via is None else config.via.proxy)


async def way_by(name: str, proxy: Proxy | None) -> Way:
    """Return the way by *proxy*, whose table is `[proxy.NAME]`, its password read now.

    Raises:
        BlockedError: as `way_of`; None is no proxy that is known.
    """
    if proxy is None:  # nothing goes straight that was to go by a proxy
        raise BlockedError(f"proxy.{name}: there is no such table", reason="refused")
    password = None
    if proxy.password is not None:
        secret = proxy.password
        reveal = secret.reveal
        password = reveal() if secret.at_hand else await anyio.to_thread.run_sync(reveal, abandon_on_cancel=True)
    for text in (proxy.username, password):
        if text is not None and (len(text.encode()) > SOCKS_BYTES or not text or ":" in (proxy.username or "")):
            what = f"username and password must have 1 to {SOCKS_BYTES} bytes, and the first no colon"
            raise BlockedError(f"proxy.{name}: {what}", reason="refused")
    return Way(name, proxy.kind, proxy.host, proxy.port, proxy.username, password)


class ProxyRefusedError(OSError):
    """A proxy was reached and leads nowhere; the text names it, and where it was to lead."""

    def __init__(self, message: str, *, credentials: bool = False) -> None:
        """*credentials*: it wants another user name or password."""
        super().__init__(message)
        self.credentials = credentials


class ProxyUnreachableError(OSError):
    """A proxy does not answer; the text names it."""


async def dial_by(way: Way | None, host: str, port: int, within_s: float) -> socket.socket:
    """Return a non-blocking socket that is connected to *host* by *way*, or straight; whoever called closes it.

    Raises:
        TimeoutError: not within *within_s* seconds; the text says at what it was.
        OSError: there is no such name, nobody answers, or the proxy refuses; the text names the proxy.
    """
    if way is None:
        return await dial(host, port, within_s)
    end_at = anyio.current_time() + within_s
    sock = await reach_proxy(way, within_s)
    return await lead(way, sock, host, port, end_at - anyio.current_time())


async def reach_proxy(way: Way, within_s: float) -> socket.socket:
    """Return a socket that is connected to the proxy itself.

    Raises:
        TimeoutError: as `dial_by`.
        OSError: as `dial_by`.
    """
    try:
        return await dial(way.host, way.port, within_s)
    except TimeoutError as error:
        raise TimeoutError(f"{way} does not answer ({error})") from error
    except TooManyFilesError:
        raise
    except OSError as error:
        raise ProxyUnreachableError(f"{way} is not reachable: {why(error)}") from error


async def lead(way: Way, sock: socket.socket, host: str, port: int, within_s: float) -> socket.socket:
    """Have the proxy behind *sock* connect to *host*; return the socket that leads there, mostly the same one.

    Whatever fails, no socket stays open.

    Raises:
        TimeoutError: as `dial_by`.
        OSError: as `dial_by`.
    """
    trip = _Trip(way, sock, host, port)
    try:
        with anyio.fail_after(within_s):
            await (trip.by_http() if way.kind == "http" else trip.by_socks())
    except BaseException as error:
        trip.sock.close()
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"{way} did not lead to {host}:{port} in time") from error
        raise
    return trip.sock


class _Trip:
    """From a proxy to a server."""

    def __init__(self, way: Way, sock: socket.socket, host: str, port: int) -> None:
        self.sock = sock
        self._way = way
        self._host = host
        self._port = port

    async def by_http(self) -> None:
        """CONNECT; the proxy looks the name up."""
        way = self._way
        try:
            answer = await connect(self.sock, self._host, self._port, way.username, way.password)
        except UnicodeError as error:
            raise self._refused("no name that DNS can hold") from error
        except OSError as error:
            raise self._refused(why(error)) from error
        if not answer.ok:
            raise self._refused(answer.words, credentials=answer.status in HTTP_WANTS_CREDENTIALS)

    async def by_socks(self) -> None:
        """Try the addresses in turn, each over a connection of its own: after a refusal one is of no more use."""
        way = self._way
        places = [self._host] if way.kind == "socks5h" else await self._addresses()
        for number, place in enumerate(places, 1):
            try:
                await self._to(place)
            except ProxyRefusedError as error:
                if error.credentials or number == len(places):
                    raise
                self.sock.close()
                self.sock = await reach_proxy(way, NEXT_S)
            else:
                return

    async def _addresses(self) -> Sequence[str]:
        found = await names.SYSTEM.addresses(self._host, self._port)
        return [str(one[4][0]) for one in found[:ADDRESSES_MAX]]

    async def _to(self, place: str) -> None:
        way = self._way
        given: Any = _Given(self.sock)  # the library would look the proxy's name up in a thread that cannot be left
        proxy = SocksProxy(ProxyType.SOCKS5, way.host, way.port, way.username, way.password, rdns=True, forward=given)
        try:
            await proxy.connect(place, self._port, timeout=NEVER_S)
        except ProxyError as error:
            words = str(error)
            credentials = error.error_code is None and "authentication" in words
            raise self._refused(words, credentials=credentials) from error
        except UnicodeError as error:
            raise self._refused("no name that DNS can hold") from error
        except OSError as error:
            raise self._refused(why(error)) from error

    def _refused(self, words: str, *, credentials: bool = False) -> ProxyRefusedError:
        return ProxyRefusedError(
            f'{self._way} does not lead to {self._host}:{self._port} ("{words}")', credentials=credentials
        )


class _Given:
    """A proxy before the proxy, to the library: it hands out a socket that is connected already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_: object) -> socket.socket:
        """Return it."""
        return self._sock
