"""A connected TCP socket to a host and port: names are looked up aside, addresses tried side by side (RFC 8305)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import anyio
from aiohappyeyeballs import AddrInfoType, start_connection

from mailwicket.net import descriptors, names

ATTEMPT_DELAY_S: Final = 0.25
"""RFC 8305 5: Connection Attempt Delay."""

SHOWN_MAX: Final = 4
"""So many addresses are named in an error."""


async def dial(host: str, port: int, within_s: float, resolver: names.Names | None = None) -> socket.socket:
    """Return a non-blocking socket that is connected to *host*; whoever called closes it.

    Raises:
        TimeoutError: not within *within_s* seconds; the text says at what it was.
        OSError: there is no such name, or no address of it answers; in the system's words.
    """
    found: Sequence[AddrInfoType] = ()
    with anyio.move_on_after(within_s):
        found = await (resolver or names.SYSTEM).addresses(host, port)
        return await reach(found)
    raise TimeoutError(f"nobody answers at {shown(found)}" if found else "its name was not looked up in time")


async def reach(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """Return a socket that is connected to the first of *addresses* that answers; the caller sets the deadline.

    Raises:
        OSError: none does; each in the system's words.
    """
    race = _Race()
    try:
        return await start_connection(
            addresses,
            happy_eyeballs_delay=ATTEMPT_DELAY_S,
            loop=cast("asyncio.AbstractEventLoop", race),
            socket_factory=race.make_socket,
        )
    except (OSError, RuntimeError) as error:
        raise race.error(error) from error


def shown(addresses: Sequence[AddrInfoType]) -> str:
    """Name *addresses* for a line of text."""
    return _listed([str(one[4][0]) for one in addresses])


class _Race:
    """Stands before the event loop where the library connects, and remembers what each address said.

    The library's own error is one text of all, in asyncio's words.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._said: dict[str, OSError | RuntimeError] = {}

    def make_socket(self, address: AddrInfoType) -> socket.socket:
        """Return a socket of the address's family, which this machine may lack."""
        family, kind, protocol, _, place = address
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as error:
            self._said[place[0]] = error
            raise
        try:
            descriptors.check(made.fileno())
        except OSError as error:
            made.close()
            self._said[place[0]] = error
            raise
        return made

    async def sock_connect(self, sock: socket.socket, place: tuple[Any, ...]) -> None:
        """Connect, as the loop's own does."""
        try:
            await self._loop.sock_connect(sock, place)
        except (OSError, RuntimeError) as error:
            self._said[place[0]] = error
            raise

    def error(self, of_library: Exception) -> OSError:
        """Return one error for all: one reason where they agree, else each address with its own."""
        said = self._said
        reasons = {why(error) for error in said.values()}
        if len(reasons) > 1:
            return OSError(_listed([f"{place}: {why(error)}" for place, error in said.items()]))
        first = next(iter(said.values()), of_library)
        if isinstance(first, descriptors.TooManyFilesError):
            return first
        return OSError(getattr(first, "errno", None) or 0, reasons.pop() if reasons else why(first))


def why(error: Exception) -> str:
    """Return the system's words: asyncio's own are "Connect call failed" and the address once more."""
    number = getattr(error, "errno", None)
    if isinstance(error, descriptors.TooManyFilesError):
        return str(error.strerror)
    if number and number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error)  # of DNS, or of several addresses


def _listed(texts: Iterable[str]) -> str:
    every = list(dict.fromkeys(texts))
    more = len(every) - SHOWN_MAX
    return ", ".join(every[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
