"""HTTP CONNECT (RFC 9110 9.3.6): the answer is read to its last byte and not one further.

Mail servers speak first: what comes behind the empty line is theirs, and is left in the socket.
"""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from mailwicket.oneline import printable

HEADER_BYTES: Final = 16 * 1024
"""No proxy has more to say."""

SHOWN_CHARS: Final = 100

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: (.*))?")


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """What the proxy said."""

    status: int
    """0 where that was no HTTP."""
    words: str

    @property
    def ok(self) -> bool:
        """Whether the socket leads to the server from now on."""
        return 200 <= self.status < 300


async def connect(
    sock: socket.socket, host: str, port: int, username: str | None, password: str | None
) -> ConnectAnswer:
    """Ask the proxy behind *sock* for a way to *host*; the caller sets the deadline.

    Raises:
        OSError: the proxy hung up.
    """
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, request(host, port, username, password))
    while True:
        answer = _read(await _header(sock))
        if answer.status == 101 or not 100 <= answer.status < 200:  # RFC 9110 15.2: others are only interim
            return answer


def request(host: str, port: int, username: str | None, password: str | None) -> bytes:
    """Return the request, with Basic credentials (RFC 7617) where there is a *username*."""
    place = f"[{host}]:{port}".encode() if ":" in host else host.encode("idna") + b":%d" % port
    lines = [b"CONNECT " + place + b" HTTP/1.1", b"Host: " + place]
    if username is not None:
        lines.append(b"Proxy-Authorization: Basic " + b64encode(f"{username}:{password or ''}".encode()))
    return b"\r\n".join([*lines, b"", b""])


async def _header(sock: socket.socket) -> bytes:
    """Read byte by byte: some hundred calls, once for a connection."""
    loop = asyncio.get_running_loop()
    header = bytearray()
    while not header.endswith((b"\r\n\r\n", b"\n\n")):
        one = await loop.sock_recv(sock, 1)
        if not one:
            raise ConnectionResetError("closed before its answer was complete")
        header += one
        if len(header) > HEADER_BYTES:
            raise ConnectionAbortedError(f"its answer is longer than {HEADER_BYTES} bytes")
    return bytes(header)


def _read(header: bytes) -> ConnectAnswer:
    line = header.splitlines()[0] if header.strip() else b""
    found = _STATUS_LINE.fullmatch(line)
    text = (found[1] + b" " + (found[2] or b"") if found else line).decode("latin-1")
    words = printable(text[:SHOWN_CHARS]).strip()
    return ConnectAnswer(int(found[1]), words) if found else ConnectAnswer(0, f"no HTTP: {words}")
