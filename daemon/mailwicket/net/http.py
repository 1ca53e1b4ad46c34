"""HTTP to the endpoints of a provider: straight or by a server's own proxy, TLS verified, no redirect, no cookie.

Nothing is taken from the environment. A proxy is asked for a way by CONNECT or SOCKS alone, so that it never sees a
request; names are looked up where `[proxy.NAME] url` says.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from mailwicket import __version__
from mailwicket.errors import TransientError
from mailwicket.net.line import trouble
from mailwicket.net.proxy import Way, dial_by

CONNECT_S: Final = 20.0
"""How long a connection may take, the proxy's part included; TLS may take so long once more."""

AT_ONCE_BYTES: Final = 256 * 1024
"""A longer body is written piece by piece, so that the loop turns meanwhile."""

KEEP_OPEN_S: Final = 15.0
"""A connection rests so long for the next request."""


class CutOffError(TransientError):
    """A request was on its way and its answer did not come whole: nobody knows what the server did."""


Content = bytes | Mapping[str, str] | None
"""Of a request: bytes as they are, or a form (application/x-www-form-urlencoded)."""


class Http:
    """Requests to servers that are reached one way; close it at the end."""

    def __init__(  # noqa: PLR0913 - one for each thing that a request needs
        self,
        tls: ssl.SSLContext,
        way: Way | None = None,
        *,
        answer_s: float | None = None,
        silence_s: float | None = None,
        keep_open_s: float = KEEP_OPEN_S,
        connections: int = 1,
        accept: str = "application/json",
        connected: Callable[[], None] = lambda: None,
    ) -> None:
        """Verify with *tls*, go by *way* or straight. Connects to nothing yet.

        A whole exchange may take *answer_s*, with its body; a pause between two pieces of an answer *silence_s*.
        *keep_open_s* of 0 means a new connection for each request; beyond *connections* at a time a request waits.
        *connected* hears of each connection, before anything is sent over it.
        """
        self._limits = answer_s, silence_s
        rest: dict[str, Any] = {"keepalive_timeout": keep_open_s} if keep_open_s else {"force_close": True}
        self._session = aiohttp.ClientSession(
            connector=_Connector(
                way, connected, ssl=tls, resolver=_Unresolved(), use_dns_cache=False, limit=connections, **rest
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"mailwicket/{__version__}", "Accept": accept, "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: Content = None,
        silence_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request to *url*, byte for byte as it is written; the answer's body is read inside.

        *silence_s*: of this request, where others have less; our own machine takes a long body before it is away.

        A request that changes nothing (RFC 9110 9.2.2) is sent once more where the server had closed a resting
        connection; a POST or PATCH never is.

        Raises:
            TransientError: not reachable, so that the server did nothing.
            CutOffError: too slow (`timeout`), or cut off (`connection_lost`).
            BlockedError: its certificate does not stand the test.
        """
        target = URL(url, encoded=True)
        peer = peer_of(target)
        data: Any = dict(content) if isinstance(content, Mapping) else content
        if isinstance(content, bytes) and len(content) > AT_ONCE_BYTES:
            data = io.BytesIO(content)
        answer_s, silence_s = self._limits[0], silence_s or self._limits[1]
        timeout = aiohttp.ClientTimeout(total=answer_s, sock_read=silence_s)
        try:
            async with self._session.request(
                method, target, headers=headers, data=data, allow_redirects=False, timeout=timeout
            ) as response:
                yield response
        except TimeoutError as error:
            limit = f"within {answer_s:g} s" if answer_s is not None else f"for {silence_s or 0:g} s"
            raise CutOffError(f"{peer} did not answer {limit}", reason="timeout") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise CutOffError(f"{peer} broke off: {type(error).__name__}", reason="connection_lost") from None

    async def close(self) -> None:
        """End every connection."""
        await self._session.close()


async def read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """Return the body of *response*; inside `Http.ask`.

    Raises:
        TransientError: it is longer than *limit_bytes* (`server_said`); the rest is not read.
    """
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > limit_bytes:
            response.close()
            words = f"{peer_of(response.url)} answered more than {limit_bytes} bytes"
            raise TransientError(words, reason="server_said")
    return bytes(content)


def peer_of(url: URL) -> str:
    """Return how the server of *url* is called in errors."""
    return f"{url.host}:{url.port}"


class _Unresolved(AbstractResolver):
    """Leaves names as they are: who dials looks them up, or has the proxy do it."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """There is nothing to close."""


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool over sockets of ours: its own proxies know no SOCKS, and its CONNECT no deadline."""

    def __init__(self, way: Way | None, connected: Callable[[], None], **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(**options)
        self._way = way
        self._connected = connected

    async def _wrap_create_connection(  # type: ignore[override]
        self,
        factory: Any,  # noqa: ANN401 - aiohttp's own
        *,
        req: aiohttp.ClientRequest,
        ssl: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        **_: object,
    ) -> tuple[asyncio.Transport, Any]:
        """Return a connection; what goes wrong is told as on any other line, and not in aiohttp's words."""
        url = req.url
        host, port = url.raw_host or "", url.port or 0
        with trouble(peer_of(url), "shake hands", lambda: None):
            sock = await dial_by(self._way, host, port, CONNECT_S)
            handshake: dict[str, Any] = {"ssl_handshake_timeout": CONNECT_S} if ssl is not None else {}
            made = await asyncio.get_running_loop().create_connection(
                factory, sock=sock, ssl=ssl, server_hostname=server_hostname, **handshake
            )
        self._connected()
        return made
