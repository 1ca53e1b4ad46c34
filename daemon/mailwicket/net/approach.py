"""The first stages of a connection's test: names, addresses, the proxy. For the tests of all adapters."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio
from aiohappyeyeballs import AddrInfoType

from mailwicket.errors import StageError
from mailwicket.net import names
from mailwicket.net.diagnosis import name_not_found, not_connected, proxy_refused
from mailwicket.net.dial import reach, shown
from mailwicket.net.proxy import ProxyRefusedError, Way, lead
from mailwicket.stages import Probe


def approach_stages(*, proxied: bool) -> tuple[str, ...]:
    """Return the stages that an `Approach` takes: with a proxy, the first two are about it."""
    return ("dns", "tcp", "proxy") if proxied else ("dns", "tcp")


class Approach:
    """The way to a server, stage by stage."""

    def __init__(  # noqa: PLR0913, PLR0917 - what leads there
        self, host: str, port: int, within_s: float, usual: str, probe: Probe, way: Way | None = None
    ) -> None:
        """*within_s* is the deadline of each stage; *usual* names the ports that are usual, for a person."""
        self._host = host
        self._port = port
        self._within_s = within_s
        self._usual = usual
        self._probe = probe
        self._way = way

    async def run(self) -> socket.socket:
        """Return a socket that is connected to the server.

        Raises:
            StageError: it leads nowhere.
        """
        way = self._way
        if way is None:
            return await self._tcp(self._host, self._port, await self._dns(self._host, self._port), self._usual)
        sock = await self._tcp(way.host, way.port, await self._dns(way.host, way.port), f"{way} names it")
        return await self._proxy(way, sock)

    async def _dns(self, host: str, port: int) -> Sequence[AddrInfoType]:
        with self._probe.stage("dns") as finding:
            with anyio.move_on_after(self._within_s):
                try:
                    found = await names.SYSTEM.addresses(host, port)
                except OSError as error:
                    raise self._named(name_not_found(host, error)) from error
                finding.detail = self._who + shown(found)
                return found
            raise self._named(name_not_found(host, TimeoutError("no answer in time")))

    async def _tcp(self, host: str, port: int, addresses: Sequence[AddrInfoType], usual: str) -> socket.socket:
        peer = f"{host}:{port}" if self._way is None else str(self._way)
        with self._probe.stage("tcp") as finding:
            with anyio.move_on_after(self._within_s):
                try:
                    sock = await reach(addresses)
                except OSError as error:
                    raise self._named(not_connected(peer, error, usual)) from error
                finding.detail = f"{self._who}{sock.getpeername()[0]} port {port}"
                return sock
            nobody = TimeoutError(f"nobody answers at {shown(addresses)}")
            raise self._named(not_connected(peer, nobody, usual))

    async def _proxy(self, way: Way, sock: socket.socket) -> socket.socket:
        with self._probe.stage("proxy") as finding:
            try:
                led = await lead(way, sock, self._host, self._port, self._within_s)
            except OSError as error:
                credentials = isinstance(error, ProxyRefusedError) and error.credentials
                raise proxy_refused(way, error, credentials=credentials) from error
            resolved = "here" if way.kind == "socks5" else "at the proxy"
            finding.detail = f"{way} leads to {self._host}:{self._port}, whose name is looked up {resolved}"
            return led

    @property
    def _who(self) -> str:
        return "" if self._way is None else f"the proxy {self._way.name}: "

    def _named(self, error: StageError) -> StageError:
        """Say that it is the proxy's name or port that is to be mended."""
        if self._way is None:
            return error
        table = f"[proxy.{self._way.name}]"
        return StageError(str(error), fix=f"this is the proxy: mend url in {table}, or have the proxy started")
