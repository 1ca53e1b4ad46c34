"""What speaks at a port, for a test that failed there: nothing is sent to it but the beginning of TLS.

No password ever goes out over these connections, which trust anybody: they end as soon as they have looked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final

import anyio

from mailwicket.net.certificate import Certificate, read_certificate
from mailwicket.net.proxy import Way, dial_by

HEARD_BYTES: Final = 512

GREETINGS: Final = ((b"* ", "IMAP"), (b"+OK", "POP3"), (b"220", "SMTP"), (b"SSH-", "SSH"), (b"HTTP/", "HTTP"))
"""How servers begin that speak first (RFC 9051 7.1, 1939 4, 5321 3.1, 4253 4.2)."""


def trusting_context() -> ssl.SSLContext:
    """Return a TLS context that trusts anybody: to read a certificate, never to say anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Ear(asyncio.Protocol):
    """Listens to the first bytes."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.done = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """A greeting is a line."""
        self.heard += data[: HEARD_BYTES - len(self.heard)]
        if b"\n" in self.heard or len(self.heard) >= HEARD_BYTES:
            self.done.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature of a protocol
        """Nothing more comes."""
        self.done.set()


async def spoken_at(host: str, port: int, within_s: float, *, over_tls: bool = False, way: Way | None = None) -> str:
    """Return the protocol that a server's greeting is of; "" where it says nothing, or nothing known.

    Never raises for the server.
    """
    ear = _Ear()
    context = trusting_context() if over_tls else None
    with contextlib.suppress(OSError):
        transport = await _reach((host, port, way), within_s, context, ear)
        try:
            with anyio.move_on_after(within_s):
                await ear.done.wait()
        finally:
            transport.abort()
    return next((name for begin, name in GREETINGS if ear.heard.upper().startswith(begin)), "")


async def certificate_at(host: str, port: int, within_s: float, way: Way | None = None) -> Certificate | None:
    """Return the certificate that a server shows; None where it does not speak TLS from the first byte.

    Never raises for the server.
    """
    with contextlib.suppress(OSError):
        transport = await _reach((host, port, way), within_s, trusting_context(), asyncio.Protocol())
        shown = transport.get_extra_info("ssl_object")
        transport.abort()
        return certificate_of(shown)
    return None


def certificate_of(session: ssl.SSLObject | None) -> Certificate | None:
    """Return the other end's certificate; None where it has none that can be read."""
    der = None if session is None else session.getpeercert(binary_form=True)
    with contextlib.suppress(ValueError):
        return None if der is None else read_certificate(der)
    return None


async def _reach(
    place: tuple[str, int, Way | None],
    within_s: float,
    context: ssl.SSLContext | None,
    protocol: asyncio.Protocol,
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    host, port, way = place
    sock = await dial_by(way, host, port, within_s)
    with anyio.fail_after(within_s):
        name = host if context else None
        transport, _ = await loop.create_connection(lambda: protocol, sock=sock, ssl=context, server_hostname=name)
    return transport
