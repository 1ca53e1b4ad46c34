"""Attachments in files of their own, named by the hash of what they hold.

While a raw mail is kept its attachments are spans of it. Before it is reclaimed they are cut out and put here,
each content once, whichever tickets it belongs to. A file under its final name is complete and synced, so the
directory itself says what is kept.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mailwicket.durable import sync_directory
from mailwicket.errors import PermanentError, StoreError
from mailwicket.model import Sha256


class AttachmentFiles:
    """The files `aa/SHA256` below one directory. Calls that write block: use a thread."""

    def __init__(self, directory: Path) -> None:
        """Take the *directory*; it is made when the first file is kept."""
        self._directory = directory
        self._lock = threading.Lock()

    def path(self, sha256: Sha256) -> Path:
        """Tell where the content with this hash lies, or would lie."""
        return self._directory / sha256[:2] / sha256

    def has(self, sha256: Sha256) -> bool:
        """Tell whether the content with this hash is kept."""
        return self.path(sha256).exists()

    def keep(self, sha256: Sha256, content: bytes) -> None:
        """Write *content* durably under its hash, unless it is there: then it counts as kept now.

        Raises:
            PermanentError: *content* is not what *sha256* names: the raw mail is damaged.
            StoreError: the disk refused; nothing stands under the final name.
        """
        if (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise PermanentError(f"attachment {sha256}: the raw mail gives other content, {found}")
        path = self.path(sha256)
        try:
            with self._lock:  # two mails with the same attachment must not write into one temporary file
                if path.exists():
                    os.utime(path)
                else:
                    _make_directory(path.parent)
                    _write(path, content)
        except OSError as error:
            reason = "disk_full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "disk_error"
            raise StoreError(f"cannot write {path}: {error.strerror}", reason=reason) from error

    def kept_before(self, moment: datetime) -> list[Sha256]:
        """Return what was kept before *moment*, and not since.

        Raises:
            StoreError: the disk does not tell.
        """
        try:
            return [Sha256(path.name) for path in self._directory.glob("??/[0-9a-f]*") if _is_older(path, moment)]
        except OSError as error:
            raise StoreError(f"cannot read {self._directory}: {error.strerror}", reason="disk_error") from error

    def discard(self, sha256: Sha256, moment: datetime) -> None:
        """Delete what is kept under this hash, unless it was kept since *moment*; what is gone already is no error.

        Raises:
            StoreError: the disk refused.
        """
        path = self.path(sha256)
        try:
            with self._lock:  # or it would go behind the back of somebody who keeps it just now
                if _is_older(path, moment):
                    path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"cannot delete {path}: {error.strerror}", reason="disk_error") from error


def _is_older(path: Path, moment: datetime) -> bool:
    return path.stat().st_mtime < moment.timestamp()


def _write(path: Path, content: bytes) -> None:
    """Write a file that is complete and synced before it gets its name; the name is durable too, or is taken back."""
    temporary = path.with_name(f".{path.name}")  # what a crash left of it is written over
    try:
        with open(temporary, "wb", opener=_for_owner_only) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_directory(path.parent)
    except OSError:
        for left_over in (temporary, path):
            with suppress(OSError):
                left_over.unlink()
        raise


def _for_owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_directory(directory: Path) -> None:
    """Make *directory* and those above it, each name durable."""
    missing = [place for place in (directory, *directory.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
        sync_directory(place.parent)
