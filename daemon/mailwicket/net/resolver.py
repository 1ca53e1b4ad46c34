"""`Names` as aiohttp asks for addresses: its own resolver waits in the loop's executor, which a stop waits for."""

from __future__ import annotations

import socket
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from mailwicket.net.names import SYSTEM, Names

NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Looks a name up at each call."""

    def __init__(self, names: Names = SYSTEM) -> None:
        """Ask *names*."""
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of *host*, best first.

        Raises:
            OSError: it has none, or nobody knows.
        """
        return [
            ResolveResult(hostname=host, host=_host(*where), port=port, family=kind, proto=protocol, flags=NUMERIC)
            for kind, _, protocol, _, where in await self._names.addresses(host, port)
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """There is nothing to close."""


def _host(address: str | int, _port: int | bytes, _flow: int = 0, scope: int = 0) -> str:
    return f"{address}%{scope}" if scope else str(address)
