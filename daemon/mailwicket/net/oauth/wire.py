"""The one HTTP call of OAuth: a form goes out, a small answer comes back. TLS is verified, no redirect is followed."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiohttp
from yarl import URL

from mailwicket import __version__
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.resolver import Resolver

ANSWER_BYTES: Final = 256 * 1024
ANSWER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None
    """RFC 9110 10.2.3."""


class Posts(Protocol):
    """What the rest of OAuth needs of the network."""

    async def post(self, url: str, form: Mapping[str, str]) -> Reply:
        """Send *form* to *url*.

        Raises:
            TransientError: not reachable, too slow, cut off, too long.
            BlockedError: its certificate does not verify.
        """
        ...


class Wire:
    """The network. A connection for each call: there are few, and minutes to hours lie between them."""

    def __init__(
        self,
        trust: Callable[[], Awaitable[ssl.SSLContext]],
        connector: Callable[[ssl.SSLContext], aiohttp.BaseConnector] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Verify with *trust*; *connector* leads another way than straight ahead, through a proxy."""
        self._trust = trust
        self._connector = connector or _straight
        self._answer_s = answer_s

    async def post(self, url: str, form: Mapping[str, str]) -> Reply:
        """See `Posts`."""
        target = URL(url)
        peer = f"{target.host}:{target.port}"
        try:
            async with (
                aiohttp.ClientSession(
                    connector=self._connector(await self._trust()),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={
                        "User-Agent": f"mailwicket/{__version__}",
                        "Accept": "application/json",
                        "Accept-Encoding": "identity",
                    },
                    auto_decompress=False,
                    trust_env=False,
                    timeout=aiohttp.ClientTimeout(total=self._answer_s),
                ) as session,
                session.post(target, data=dict(form), allow_redirects=False) as response,
            ):
                body = await self._read(response, peer)
                return Reply(response.status, body, response.headers.get("Retry-After"))
        except aiohttp.ClientConnectorCertificateError as error:
            words = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            raise BlockedError(f"{peer}: its certificate does not verify: {words}", reason="certificate") from error
        except aiohttp.ClientConnectorError as error:
            words = error.os_error.strerror or str(error.os_error)
            raise TransientError(f"{peer} is not reachable: {words}", reason="unreachable") from error
        except TimeoutError as error:
            raise TransientError(f"{peer} did not answer within {self._answer_s:g} s", reason="timeout") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise TransientError(f"{peer} broke off: {type(error).__name__}", reason="connection_lost") from None

    async def _read(self, response: aiohttp.ClientResponse, peer: str) -> bytes:
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > ANSWER_BYTES:
                response.close()  # the rest is not wanted
                raise TransientError(f"{peer} answered more than {ANSWER_BYTES} bytes", reason="server_said")
        return bytes(content)


def _straight(tls: ssl.SSLContext) -> aiohttp.BaseConnector:
    return aiohttp.TCPConnector(ssl=tls, resolver=Resolver(), use_dns_cache=False, force_close=True)
