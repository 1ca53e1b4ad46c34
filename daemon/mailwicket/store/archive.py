"""A tar that is written once from front to back, with the SHA-256 of everything in it at its end."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

SUMS: Final = "SHA256SUMS"
"""The last member, as sha256sum writes and checks it: an archive without it is not complete."""

SLICE_BYTES: Final = 1024 * 1024
SYNC_BYTES: Final = 32 * 1024 * 1024
"""So much waits to be written at most: a disk that must take gigabytes at once holds up whoever syncs beside us."""

BLOCK_BYTES: Final = 512
SUMS_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024


class Archive:
    """Writes members to an open file. What it raises is OSError: the disk."""

    def __init__(self, fd: int, directory: Path, like: os.stat_result, told: Callable[[int], None]) -> None:
        """Write to *fd*; every member belongs to the owner of *like*. A long list of sums waits in *directory*.

        *told* hears often how many bytes are written; what it raises goes through.
        """
        self._fd = fd
        self._told = told
        self._owner = like
        self._sums = tempfile.SpooledTemporaryFile(SUMS_IN_MEMORY_BYTES, dir=str(directory))  # noqa: SIM115 - see close
        self._unsynced = 0
        self.size_bytes = 0

    def add_directory(self, name: str) -> None:
        """Add a directory that only its owner may enter."""
        self._write(self._heading(name, 0, 0o700, tarfile.DIRTYPE))

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a file that holds *content*."""
        self._write(self._heading(name, len(content), 0o600))
        self._write(content)
        self._pad(len(content))
        self._note(name, hashlib.sha256(content).hexdigest())

    def add_file(self, name: str, source: Path, size_bytes: int) -> str:
        """Add the first *size_bytes* of *source*; return their SHA-256. What stands behind them is not looked at.

        Raises:
            FileNotFoundError: there is no *source*; nothing was written.
            EOFError: it is shorter; the archive is of no use any more.
        """
        digest = hashlib.sha256()
        with source.open("rb", buffering=0) as file:
            self._write(self._heading(name, size_bytes, 0o600, mtime=os.fstat(file.fileno()).st_mtime))
            left = size_bytes
            while left:
                piece = file.read(min(left, SLICE_BYTES))
                if not piece:
                    raise EOFError(f"{source} is {left} bytes shorter than the journal says")
                digest.update(piece)
                self._write(piece)
                left -= len(piece)
        self._pad(size_bytes)
        self._note(name, digest.hexdigest())
        return digest.hexdigest()

    def finish(self) -> None:
        """Write the sums and the end, and sync it all."""
        size = self._sums.tell()
        self._sums.seek(0)
        self._write(self._heading(SUMS, size, 0o600))
        while piece := self._sums.read(SLICE_BYTES):
            self._write(piece)
        self._pad(size)
        self._write(bytes(2 * BLOCK_BYTES))
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the sums."""
        self._sums.close()

    def _heading(
        self, name: str, size_bytes: int, mode: int, kind: bytes = tarfile.REGTYPE, mtime: float | None = None
    ) -> bytes:
        heading = tarfile.TarInfo(name)
        heading.type, heading.size, heading.mode = kind, size_bytes, mode
        heading.mtime = int(self._owner.st_mtime if mtime is None else mtime)
        heading.uid, heading.gid = self._owner.st_uid, self._owner.st_gid
        with suppress(KeyError):  # an owner without a name
            heading.uname = pwd.getpwuid(heading.uid).pw_name
            heading.gname = grp.getgrgid(heading.gid).gr_name
        return heading.tobuf(tarfile.PAX_FORMAT)

    def _pad(self, size_bytes: int) -> None:
        self._write(bytes(-size_bytes % BLOCK_BYTES))

    def _note(self, name: str, digest: str) -> None:
        self._sums.write(f"{digest}  {name}\n".encode())

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._fd, view) :]
        self.size_bytes += len(content)
        self._unsynced += len(content)
        if self._unsynced >= SYNC_BYTES:
            os.fdatasync(self._fd)
            with suppress(OSError):  # what others read is to stay in memory, not what passes through once
                os.posix_fadvise(self._fd, 0, self.size_bytes, os.POSIX_FADV_DONTNEED)
            self._unsynced = 0
        self._told(self.size_bytes)
