"""The one HTTP call of OAuth: a form goes out, a small answer comes back. TLS is verified, no redirect is followed."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from mailwicket.config.proxy import Proxy
from mailwicket.net.http import Http, read
from mailwicket.net.proxy import way_by

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

    async def post(
        self, url: str, form: Mapping[str, str], proxy: str | None = None, sending: Callable[[], None] = lambda: None
    ) -> Reply:
        """Send *form* to *url*, by `[proxy.NAME]` or straight; *sending* hears when the first byte may go out.

        Raises:
            TransientError: not reachable, too slow, cut off, too long.
            BlockedError: its certificate does not verify, or the proxy's password cannot be had.
        """
        ...


class Wire:
    """The network. A connection for each call: there are few, and minutes to hours lie between them."""

    def __init__(
        self,
        trust: Callable[[], Awaitable[ssl.SSLContext]],
        proxies: Callable[[], Mapping[str, Proxy]] = dict,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Verify with *trust*; *proxies* are those known now; an answer takes *answer_s* at most."""
        self._trust = trust
        self._proxies = proxies
        self._answer_s = answer_s

    async def post(
        self, url: str, form: Mapping[str, str], proxy: str | None = None, sending: Callable[[], None] = lambda: None
    ) -> Reply:
        """See `Posts`."""
        way = None if proxy is None else await way_by(proxy, self._proxies().get(proxy))
        http = Http(await self._trust(), way, answer_s=self._answer_s, keep_open_s=0, connected=sending)
        try:
            async with http.ask("POST", url, content=form) as response:
                return Reply(response.status, await read(response, ANSWER_BYTES), response.headers.get("Retry-After"))
        finally:
            await http.close()
