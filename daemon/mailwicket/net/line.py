"""What connections of all protocols have in common: whom they reach, and who must act where they fail."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailwicket.errors import BlockedError, TransientError, is_shortage
from mailwicket.net import descriptors
from mailwicket.net.dial import why


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
