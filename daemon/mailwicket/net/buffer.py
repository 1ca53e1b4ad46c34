"""One buffer for what comes in, whatever the connection: it is emptied before anybody else reads.

asyncio gives each TLS connection one of its own, 256 KiB that are idle between two lines: a thousand mailboxes that
wait would hold 256 MiB. They are private parts of asyncio, alike in 3.11 to 3.14; should they change, memory is lost
and nothing else, and `tests/unit/test_buffer.py` tells. uvloop shares a buffer by itself.
"""

from __future__ import annotations

import threading
from asyncio import sslproto
from typing import Any, Final

RECORD_BYTES: Final = 16 * 1024
"""RFC 8446 5.1: no TLS record holds more. So much a connection has until its handshake is done."""

sslproto.SSLProtocol.max_size = RECORD_BYTES


class Shared(threading.local):
    """The buffer of this thread."""

    def __init__(self) -> None:
        """Make it."""
        self.buffer = bytearray(256 * 1024)
        self.view = memoryview(self.buffer)


SHARED: Final = Shared()


def share_buffer(transport: Any) -> None:  # noqa: ANN401 - any kind of transport
    """Let *transport*, which is connected, read into the buffer of all, and forget what nobody asks it for.

    One that is no TLS of asyncio is left alone.
    """
    layer = getattr(transport, "_ssl_protocol", None)
    if isinstance(layer, sslproto.SSLProtocol) and hasattr(layer, "_ssl_buffer_view"):
        parts: Any = layer
        parts._ssl_buffer, parts._ssl_buffer_view = SHARED.buffer, SHARED.view  # noqa: SLF001 - see above
        parts._extra.pop("peercert", None)  # noqa: SLF001 - the certificate in words: 2 KiB
