"""Who may ask what over TCP: known hosts alone, and the API with the admin token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import urlsplit

import anyio
from aiohttp import web

from mailwicket.config.model import is_address
from mailwicket.web.problem import Handler, problem

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})

ASK_ANYBODY: Final = frozenset({"/livez", "/readyz"})
"""A probe may come under any name: there is nothing in them that is not for everybody."""

WRONG_TOKEN_S: Final = 0.2
"""A wrong token is answered so late, and one after the other."""

WRONG_TOKENS_WAITING: Final = 16


class Guard:
    """Lets requests pass, or answers them itself. The unix socket needs none: its file's mode is the lock."""

    def __init__(self, token: Callable[[], str | None], names: Callable[[], Collection[str]]) -> None:
        """Ask for *token* at each request, as a reload may change it; None: nobody gets in over TCP.

        *names* are further hosts that are ours, besides this machine's own.
        """
        self._token = token
        self._names = names
        self._one_at_a_time = anyio.Lock()
        self._waiting = 0

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse a foreign Host or Origin (DNS rebinding, cross-site requests), and the API without the token."""
        if request.path in ASK_ANYBODY:
            return await handler(request)
        ours = LOCAL_NAMES | {name.casefold() for name in self._names()}
        host = host_of(f"//{request.host}")
        if host not in ours and not is_address(host):  # only names are rebound
            return problem(403, "forbidden", "this Host is not served; where it is ours, [http] public_url names it")
        origin = request.headers.get("Origin")
        if origin is not None and host_of(origin) not in ours:
            return problem(403, "forbidden", "this Origin is not served")
        if request.path.startswith("/api/") and not self._has_token(request):
            return await self._refuse(request)
        return await handler(request)

    def _has_token(self, request: web.Request) -> bool:
        token = self._token()
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), (token or "").encode())
        return token is not None and kind.casefold() == "bearer" and same

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        if "Authorization" in request.headers:
            if self._waiting >= WRONG_TOKENS_WAITING:
                return problem(429, "too many requests", "wrong tokens are answered one after the other")
            self._waiting += 1
            try:
                async with self._one_at_a_time:
                    await anyio.sleep(WRONG_TOKEN_S)
            finally:
                self._waiting -= 1
        refused = problem(401, "unauthorized", "the admin token is wanted, or the unix socket")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused


def host_of(url: str) -> str:
    """Return the host that *url* names, in lower case and without brackets; nothing where there is none."""
    try:
        return (urlsplit(url).hostname or "").casefold()
    except ValueError:
        return ""
