"""The memory that asyncio's TLS takes for each connection, made one for all.

asyncio gives every TLS connection a buffer of 256 KiB for what comes in, filled and emptied in one go and idle in
between: a thousand mailboxes that wait would hold 256 MiB. All connections of a thread can use the same one. It is a
private part of asyncio (3.11 to 3.14 have it alike); where it is another one day, memory is lost and nothing else, and
`tests/unit/test_buffer.py` says so. uvloop has a shared buffer of its own.
"""

from __future__ import annotations

import threading
from asyncio import sslproto
from typing import Any, Final

RECORD_BYTES: Final = 16 * 1024
"""RFC 8446 5.1: a record holds no more. So much is taken until the connection is there, by whoever makes it."""

SHARED_BYTES: Final = 256 * 1024


class _Shared(threading.local):
    """Filled by the system and emptied into OpenSSL without anybody else running between."""

    def __init__(self) -> None:
        self.buffer = bytearray(SHARED_BYTES)
        self.view = memoryview(self.buffer)


_SHARED: Final = _Shared()
sslproto.SSLProtocol.max_size = RECORD_BYTES


def share_buffer(transport: Any) -> None:  # noqa: ANN401 - any kind of transport
    """Let *transport*, connected, read into the buffer of all; one that is no TLS of asyncio is left alone."""
    layer = getattr(transport, "_ssl_protocol", None)
    if isinstance(layer, sslproto.SSLProtocol) and hasattr(layer, "_ssl_buffer_view"):
        layer._ssl_buffer, layer._ssl_buffer_view = _SHARED.buffer, _SHARED.view
