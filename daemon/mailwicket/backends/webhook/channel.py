"""The line to a receiver: one client session, and what can go wrong on it."""

from __future__ import annotations

import io
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from mailwicket import __version__
from mailwicket.backends.webhook.addresses import CheckedResolver, Guard, RefusedAddressError
from mailwicket.backends.webhook.answer import DOWN, Answer
from mailwicket.errors import BlockedError, TransientError

ANSWER_BYTES: Final = 64 * 1024
"""An answer is a number and a few words."""

SLICED_BYTES: Final = 1024 * 1024
"""From so much on a request is handed to the socket in slices, so that the loop turns in between."""

KEEP_OPEN_S: Final = 4.0
"""Shorter than receivers commonly keep an idle connection (5 s and more): a request on one that just ended fails."""


class Channel:
    """An open session; `close` it."""

    def __init__(  # noqa: PLR0913 - one for each thing that a line needs
        self,
        url: URL,
        peer: str,
        *,
        guard: Guard,
        lookup: AbstractResolver,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        connections: int,
    ) -> None:
        """Send to *url*, called *peer* in errors, by addresses that *guard* lets pass. Connects to nothing yet."""
        self._url = url
        self._peer = peer
        self._guard = guard
        self._timeout_s = timeout_s
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(lookup, guard),
            socket_factory=guard.socket,
            use_dns_cache=False,  # resolved for this connection, checked, connected to: nothing comes in between
            ssl=tls if tls is not None else True,
            limit=connections,
            keepalive_timeout=KEEP_OPEN_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"mailwicket/{__version__}", "Accept": "application/json"},
            skip_auto_headers=["Accept-Encoding"],
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        )

    async def post(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request and return the whole answer.

        Raises:
            TransientError: not reachable, too slow, cut off, too long.
            BlockedError: its certificate does not verify.
        """
        data = content if len(content) < SLICED_BYTES else io.BytesIO(content)
        try:
            async with self._session.post(self._url, data=data, headers=headers, allow_redirects=False) as response:
                return Answer(response.status, response.headers, await self._read(response))
        except aiohttp.ClientConnectorCertificateError as error:
            words = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
            raise BlockedError(
                f"{self._peer}: its certificate does not verify: {words}", reason="certificate"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error.os_error) from error
        except TimeoutError as error:
            raise TransientError(f"{self._peer} did not answer within {self._timeout_s:g} s", reason=DOWN) from error
        except aiohttp.ClientError as error:
            raise TransientError(f"{self._peer} broke off: {type(error).__name__}", reason=DOWN) from error

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > ANSWER_BYTES:
                response.close()  # the rest is not wanted
                raise TransientError(f"{self._peer} answered more than {ANSWER_BYTES} bytes", reason=DOWN)
        return bytes(content)

    def _unreachable(self, error: OSError) -> TransientError:
        words = error.strerror or str(error)
        if isinstance(error, RefusedAddressError):
            return TransientError(f"{self._peer} is not asked: {words}", reason="address_refused")
        return TransientError(f"{self._peer} is not reachable: {words}", reason=DOWN)

    async def close(self) -> None:
        """End every connection."""
        await self._session.close()
