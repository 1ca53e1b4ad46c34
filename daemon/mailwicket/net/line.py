"""What connections of all protocols have in common: whom they reach, and who must act where they fail."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import anyio

from mailwicket.errors import BlockedError, TransientError, is_shortage
from mailwicket.net import descriptors
from mailwicket.net.dial import why
from mailwicket.net.proxy import Way, dial_by


class Line:
    """The way of one client to its server: how it begins, with TLS or by a proxy, and who is at its other end."""

    def __init__(self, host: str, port: int, way: Way | None, connect_s: float, abort: Callable[[], None]) -> None:
        """Lead to *host* by *way*, within *connect_s* seconds each time; whatever fails, *abort* is called."""
        self.host = host
        self.port = port
        self.way = way
        self.peer = f"{host}:{port}"
        self._connect_s = connect_s
        self._abort = abort

    def trouble(self, task: str) -> AbstractContextManager[None]:
        """Say who must act when connecting fails; *task* is what the server has to do. See `trouble`."""
        return trouble(self.peer, task, self._abort)

    async def attach(
        self, protocol: asyncio.BaseProtocol, tls: ssl.SSLContext | None, sock: socket.socket | None = None
    ) -> None:
        """Connect *protocol*; with *tls* the first byte is TLS already. *sock* is connected, and closed in any case.

        Raises:
            TransientError: unreachable.
            BlockedError: its certificate does not stand the test.
        """
        loop = asyncio.get_running_loop()
        end_at = loop.time() + self._connect_s
        if sock is None:
            with self.trouble("accept a connection"):
                sock = await dial_by(self.way, self.host, self.port, self._connect_s)
        with self.trouble("begin TLS"), anyio.fail_after(max(0, end_at - loop.time())):
            name = self.host if tls else None
            await loop.create_connection(lambda: protocol, sock=sock, ssl=tls, server_hostname=name)

    async def go_over_to_tls(
        self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol, tls: ssl.SSLContext, verb: str
    ) -> asyncio.Transport:
        """Begin TLS where the server agreed to *verb*; return the transport that encrypts.

        Raises:
            TransientError: the connection ended.
            BlockedError: its certificate does not stand the test.
        """
        loop = asyncio.get_running_loop()
        with self.trouble(f"begin TLS after {verb}"), anyio.fail_after(self._connect_s):
            secured = await loop.start_tls(transport, protocol, tls, server_hostname=self.host)
            if secured is None:
                raise ConnectionResetError("closed during the TLS handshake")
            return secured

    def injected(self, verb: str) -> TransientError:
        """End the connection, and return the error for bytes that came before TLS and would count behind it."""
        self._abort()
        return TransientError(
            f"{self.peer}: something was sent in the clear behind the answer to {verb}; nothing was said to it",
            reason="server_said",
        )

    def is_local(self, transport: asyncio.BaseTransport) -> bool:
        """Tell whether the other end is this machine; behind a proxy it is not, wherever the proxy is."""
        return self.way is None and is_local(transport)


def check_room(peer: str) -> None:
    """Say whether this machine lets us open a connection to *peer*, before anything is spent on it.

    Raises:
        TransientError: too many files are open.
    """
    try:
        descriptors.check_room()
    except OSError as error:
        raise TransientError(f"{peer} is not reachable: {why(error)}", reason="too_many_files") from error


@contextmanager
def trouble(peer: str, task: str, abort: Callable[[], None]) -> Iterator[None]:
    """Say who must act when connecting to *peer* fails, after *abort*; *task* is what the server has to do.

    Raises:
        TransientError: not reachable, or not in time.
        BlockedError: its certificate does not stand the test.
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        abort()
        words = f"{peer}: the certificate is refused: {error.verify_message}"
        if not descriptors.has_room():  # OpenSSL cannot open what it trusts, and says that the server is wrong
            raise TransientError(f"{words}, perhaps for want of descriptors", reason="too_many_files") from error
        raise BlockedError(words, reason="certificate") from error
    except TimeoutError as error:
        abort()
        words = f"answer in time: {said}" if (said := why(error)) else f"{task} in time"
        raise TransientError(f"{peer} did not {words}", reason="timeout") from error
    except ssl.SSLError as error:
        abort()
        words = f"{peer}: TLS failed: {error.reason or error}; does this port speak TLS from the first byte?"
        raise TransientError(words, reason="unreachable") from error
    except ConnectionResetError as error:
        abort()
        words = f"{peer} closed the connection where it was to {task}"
        raise TransientError(words, reason="unreachable") from error
    except OSError as error:
        abort()
        words = f"{peer} is not reachable: {why(error)}"
        reason = "too_many_files" if is_shortage(error) else "unreachable"
        raise TransientError(words, reason=reason) from error
    except BaseException:
        abort()
        raise


def tls_of(transport: asyncio.BaseTransport | None) -> ssl.SSLObject | None:
    """Return the TLS session that what is sent now goes over; None in the clear."""
    return None if transport is None else transport.get_extra_info("ssl_object")


def is_local(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the other end is this machine, by the address that answered and not by its name."""
    peer = transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        return ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback
    return isinstance(peer, str)  # a socket file
