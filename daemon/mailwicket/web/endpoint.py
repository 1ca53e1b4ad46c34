"""The HTTP endpoint: `/livez`, `/readyz` and `/metrics` for everybody, `/api/v1/` for the admin."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mailwicket.errors import BlockedError, TransientError
from mailwicket.web.accepting import BACKLOG, ShortageHandler
from mailwicket.web.guard import Guard
from mailwicket.web.problem import answer, as_problems

FAREWELL_S: Final = 1
TAKEN: Final = "address_taken"
SOCKET_MODE: Final = 0o660
"""Who may open the unix socket is an admin: the daemon's user, its group, root."""


class Endpoint:
    """Listens, and answers by the routes that it is given."""

    def __init__(
        self,
        ready: Callable[[], Mapping[str, Any]],
        metrics: Callable[[], Awaitable[bytes]],
        routes: Sequence[web.RouteDef],
        guard: Guard,
    ) -> None:
        """Tell health from *ready* and *metrics*; *guard* stands before everything that comes over TCP."""
        self._ready = ready
        self._figures = metrics
        self._routes = routes
        self._guard = guard

    @asynccontextmanager
    async def serve(self, listen: Sequence[str], tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Listen on each of *listen* (`unix:PATH` or `HOST:PORT`, there with *tls*).

        Raises:
            TransientError: an address is taken, not there (yet), or not ours to open.
            BlockedError: it is foreign, and there is no TLS.
        """
        asyncio.get_running_loop().set_exception_handler(ShortageHandler())
        runners: list[web.AppRunner] = []
        try:
            for address in listen:
                local = address.startswith("unix:")
                runner = web.AppRunner(self._app(trusted=local), access_log=None, shutdown_timeout=0.2)
                await runner.setup()
                runners.append(runner)
                try:
                    await self._site(runner, address, tls).start()
                except OSError as error:
                    words = os.strerror(error.errno) if error.errno else str(error)
                    raise TransientError(f"http.listen: cannot listen on {address}: {words}", reason=TAKEN) from error
                if local:
                    os.chmod(address.removeprefix("unix:"), SOCKET_MODE)  # noqa: PTH101 - one system call
            yield
        finally:
            with anyio.move_on_after(FAREWELL_S, shield=True):
                for runner in runners:
                    await runner.cleanup()

    def _site(self, runner: web.AppRunner, address: str, tls: ssl.SSLContext | None) -> web.BaseSite:
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            if not path.parent.exists():
                path.parent.mkdir(parents=True)
                path.parent.chmod(0o755)  # whom the socket's own mode lets in
            if _answers(path):
                raise OSError(errno.EADDRINUSE, "")  # it would be taken from another daemon without a word
            return web.UnixSite(runner, str(path), backlog=BACKLOG)
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        if tls is None and host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise BlockedError(f"http.listen: {address} is not loopback: this needs admin_token, and TLS")
        return web.TCPSite(runner, host, int(port), ssl_context=tls, backlog=BACKLOG)

    def _app(self, *, trusted: bool) -> web.Application:
        app = web.Application(middlewares=[as_problems, *([] if trusted else [self._guard.middleware])])
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                *self._routes,
            ]
        )
        return app

    async def _livez(self, _request: web.Request) -> web.Response:
        """The loop turns."""
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Each unit, store and backend with its reason code; 503 when not ready."""
        told = self._ready()
        return answer(told, 200 if told["ready"] else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format; no mail content."""
        return web.Response(body=await self._figures(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answers(path: Path) -> bool:
    """Tell whether somebody listens at the socket *path*, rather than having left it behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.errno == errno.EAGAIN  # its queue is full
        return True
