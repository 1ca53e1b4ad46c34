"""A large mail on its way into a file: written in slices, synced, then named as complete."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mailwicket.diskwait import DISK
from mailwicket.errors import StoreError
from mailwicket.failpoint import failpoint
from mailwicket.model import SpooledMail

PARTIAL_SUFFIX = ".part"


class Spool:
    """One file of the spool directory. Blocking: call it in a thread. What is not finished leaves no file."""

    def __init__(self, directory: Path, name: str) -> None:
        """Write to a file of its own under *directory*; *name* begins its name, for a person who looks.

        Raises:
            StoreError: our disk takes no file.
        """
        self._directory = directory
        with _disk_trouble(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor, path = tempfile.mkstemp(PARTIAL_SUFFIX, f"{name}.", directory)
        self._path: Path | None = Path(path)
        self.size_bytes = 0

    @property
    def finished(self) -> bool:
        """Whether nothing is left to `discard`."""
        return self._path is None

    def write(self, content: bytes | bytearray) -> None:
        """Append *content*.

        Raises:
            StoreError: our disk is full or failing.
        """
        with _disk_trouble(self._directory):
            failpoint("spool.write")
            view = memoryview(content)
            while view:
                view = view[os.write(self._descriptor, view) :]
        self.size_bytes += len(content)

    def finish(self) -> SpooledMail:
        """Sync it and give it its name.

        Raises:
            StoreError: our disk is full or failing.
        """
        assert self._path is not None, "finished or discarded before"  # noqa: S101 - a mistake of ours
        with _disk_trouble(self._directory):
            failpoint("spool.sync")
            os.fsync(self._descriptor)
            failpoint("spool.rename")
            path = self._path.rename(self._path.with_suffix(".eml"))
        self._path = None
        os.close(self._descriptor)
        return SpooledMail(path, self.size_bytes)

    def discard(self) -> None:
        """Remove what was written; nothing after `finish`."""
        if self._path is None:
            return
        os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._path = None


def empty_spool(directory: Path, unit: str) -> None:
    """Remove what *unit* fetched and nobody took over: it is fetched again, and a full disk wants the room. Blocking.

    Its files are those whose names begin with the unit's NAME and a dot: no NAME holds a dot.
    """
    with contextlib.suppress(OSError):  # a disk that does not take it back does not give a new one either
        for path in directory.glob(f"{unit}.*"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_trouble(directory: Path) -> Iterator[None]:
    """An outage of our own: no mail is to blame, so it waits on its server."""
    try:
        with DISK.of(str(directory)):
            yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StoreError(f"{directory}: {error.strerror}", reason="disk_full" if full else "disk_error") from error
