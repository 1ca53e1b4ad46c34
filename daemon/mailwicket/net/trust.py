"""Whom TLS trusts: one context for all connections with the same authorities, made anew when their files change."""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path
from typing import Final

from mailwicket.errors import BlockedError

OPENSSL: Final = ssl.get_default_verify_paths()

Stamp = tuple[int, ...] | None
"""By what a file is known again: device, inode, size, moments of change; None where there is none."""


class Trust:
    """The contexts in use. Each holds the system's store, some 150 certificates: 30 ms to read, 1 MiB to hold."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._lock = threading.Lock()
        self._kept: dict[Path | None, tuple[tuple[Stamp, ...], ssl.SSLContext]] = {}

    def context(self, ca_file: Path | None) -> ssl.SSLContext:
        """Return the context that trusts the system's store and *ca_file*, as both are on disk now. Blocking.

        Raises:
            BlockedError: *ca_file* cannot be read or holds no certificate.
        """
        with self._lock:  # who comes meanwhile waits, rather than read the same
            stamps = _stamps(ca_file)  # before it is read: what changes meanwhile is read again
            kept = self._kept.get(ca_file)
            if kept is None or kept[0] != stamps:
                kept = self._kept[ca_file] = stamps, _loaded(ca_file)
            return kept[1]

    def at_hand(self, ca_file: Path | None) -> ssl.SSLContext | None:
        """Return the context if it need not be read: asks for the files' dates alone, which takes microseconds."""
        kept = self._kept.get(ca_file)
        return kept[1] if kept is not None and kept[0] == _stamps(ca_file) else None


def _loaded(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError as error:
        raise BlockedError(f"ca_file {ca_file}: holds no certificate in PEM form", reason="certificate") from error
    except OSError as error:
        raise BlockedError(f"ca_file {ca_file}: {error.strerror}", reason="certificate") from error
    return context


def _system_places() -> tuple[str, str]:
    """Where OpenSSL looks, as `SSL_CERT_FILE` and `SSL_CERT_DIR` have it."""
    return (
        os.environ.get(OPENSSL.openssl_cafile_env, OPENSSL.openssl_cafile),
        os.environ.get(OPENSSL.openssl_capath_env, OPENSSL.openssl_capath),
    )


def _stamps(ca_file: Path | None) -> tuple[Stamp, ...]:
    return tuple(_stamp(place) for place in (ca_file, *_system_places()))


def _stamp(place: Path | str | None) -> Stamp:
    try:
        found = None if place is None else os.stat(place)  # noqa: PTH116 - of a path or of nothing
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return found and (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
