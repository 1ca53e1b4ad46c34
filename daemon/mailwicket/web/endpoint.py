"""The HTTP endpoint: `/livez`, `/readyz`, `/metrics`, and `/api/v1/` for the command line."""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mailwicket.errors import BlockedError

Answer = Callable[[], Mapping[str, Any]]

FAREWELL_S = 3

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Endpoint:
    """Answers from the two questions it is given: `status` as the command line shows it, `ready` with reason codes."""

    def __init__(self, status: Answer, ready: Answer, registry: CollectorRegistry, token: str | None) -> None:
        """*token* admits to the API over TCP; the unix socket needs none: its file's mode is the lock."""
        self._status = status
        self._ready = ready
        self._registry = registry
        self._token = token

    @asynccontextmanager
    async def serve(self, listen: Sequence[str]) -> AsyncIterator[None]:
        """Listen on each of *listen* (`unix:PATH` or `HOST:PORT`).

        Raises:
            BlockedError: an address is taken, foreign, or not ours to open.
        """
        runners: list[web.AppRunner] = []
        try:
            for address in listen:
                local = address.startswith("unix:")
                runner = web.AppRunner(self._app(trusted=local), access_log=None, shutdown_timeout=1)
                await runner.setup()
                runners.append(runner)
                try:
                    await self._site(runner, address).start()
                except OSError as error:
                    raise BlockedError(f"http.listen: cannot listen on {address}: {error.strerror}") from error
                if local:
                    os.chmod(address.removeprefix("unix:"), 0o600)  # noqa: PTH101 - one system call
            yield
        finally:
            with anyio.move_on_after(FAREWELL_S, shield=True):
                for runner in runners:
                    await runner.cleanup()

    def _site(self, runner: web.AppRunner, address: str) -> web.BaseSite:
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            return web.UnixSite(runner, str(path))
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise BlockedError(f"http.listen: {address} is not loopback: this needs a token and TLS, not offered yet")
        return web.TCPSite(runner, host, int(port))

    def _app(self, *, trusted: bool) -> web.Application:
        app = web.Application(middlewares=[] if trusted else [self._guard])
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/api/v1/", self._routes)
        app.router.add_get("/api/v1/status", self._api_status)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Over TCP: no foreign Host (DNS rebinding), and the API only with the token."""
        if request.path in {"/livez", "/readyz"}:
            answer: web.StreamResponse = await handler(request)
            return answer
        host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
        if host.strip("[]").casefold() not in LOCAL_NAMES:
            return _problem(403, "forbidden", "this Host is not served")
        if request.path.startswith("/api/"):
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if self._token is None or not hmac.compare_digest(given.encode(), self._token.encode()):
                return _problem(401, "unauthorized", "the admin token is wanted, or the unix socket")
        answered: web.StreamResponse = await handler(request)
        return answered

    async def _livez(self, _request: web.Request) -> web.Response:
        """The loop turns."""
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Each unit, store and backend with its reason code; 503 when not ready."""
        answer = self._ready()
        return web.json_response(answer, status=200 if answer["ready"] else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format; no mail content."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _api_status(self, _request: web.Request) -> web.Response:
        """What `mailwicket status --json` prints."""
        return web.json_response(self._status(), dumps=lambda value: json.dumps(value, ensure_ascii=False))

    async def _routes(self, request: web.Request) -> web.Response:
        """Every route with its method and one line."""
        lines = [
            {"method": route.method, "path": route.resource.canonical, "does": (route.handler.__doc__ or "").strip()}
            for route in request.app.router.routes()
            if route.method != "HEAD" and route.resource is not None
        ]
        return web.json_response(lines)


def _problem(status: int, kind: str, detail: str) -> web.Response:
    """RFC 9457."""
    body = {"type": "about:blank", "title": kind, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
