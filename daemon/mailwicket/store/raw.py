"""Raw mail on disk: small mails one after another in segments, large and parked ones in files of their own.

A segment is one day's mails, closed at `SEGMENT_BYTES`, and is deleted whole. Every mail in it is headed by a line
`mailwicket-mail LENGTH SHA256`, so that a segment can be read without the database. A row is written only
after the bytes it names are synced; what a crash leaves behind the last row is dead space, never a torn mail.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mailwicket.diskwait import DISK
from mailwicket.durable import sync_directory
from mailwicket.errors import StoreError
from mailwicket.failpoint import failpoint
from mailwicket.model import IntakeId, Sha256, SpooledMail

SEGMENT_BYTES = 64 * 1024 * 1024
HASH_SLICE_BYTES = 1024 * 1024
LONG_BYTES = 512 * 1024
CHUNKS_AT_ONCE = 1000  # of the 1024 that Linux takes (IOV_MAX)


@dataclass(frozen=True, slots=True)
class RawPlace:
    """Where a raw mail lies: a file below the raw directory, and the bytes in it."""

    file: str
    offset: int
    length: int
    sha256: Sha256


def disk_error(path: Path, error: OSError) -> StoreError:
    """Say in an admin's words why the disk does not take what is written to *path*."""
    reason = "disk_full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "disk_error"
    return StoreError(f"cannot write {path}: {error.strerror}", reason=reason)


def read_raw(directory: Path, place: RawPlace, limit_bytes: int | None = None) -> bytes:
    """Return the raw mail at *place* below *directory*, at most its first *limit_bytes*. Blocking.

    Raises:
        OSError: the disk fails, or the file is shorter than its row says.
    """
    path = directory / place.file
    length = place.length if limit_bytes is None else min(place.length, limit_bytes)
    with path.open("rb") as file:
        raw = os.pread(file.fileno(), length, place.offset)
    if len(raw) < length:
        raise OSError(errno.EIO, "the file is shorter than the journal says", str(path))
    return raw


class RawStore:
    """The directory `raw/` of the state directory. All calls block: use a thread."""

    def __init__(self, state_dir: Path) -> None:
        """Open the directory; creates it if need be."""
        self.directory = state_dir / "raw"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.Lock()
        self._fd = -1
        self._name = ""
        self._end = 0

    def append(self, mails: Sequence[bytes | bytearray], today: date) -> list[RawPlace]:
        """Keep *mails* with one write and one sync; they are durable when this returns.

        Raises:
            StoreError: the disk refused; nothing was kept.
        """
        chunks: list[bytes | bytearray] = []
        places: list[RawPlace] = []
        if not mails:
            return places
        with DISK.of(str(self.directory)), self._lock:
            try:
                self._choose_segment(today)
                position = self._end
                for raw in mails:
                    digest = Sha256(hashlib.sha256(raw).hexdigest())
                    heading = f"mailwicket-mail {len(raw)} {digest}\n".encode()
                    places.append(RawPlace(self._name, position + len(heading), len(raw), digest))
                    chunks += (heading, raw, b"\n")
                    position += len(heading) + len(raw) + 1
                failpoint("segment.write")
                _write_all(self._fd, chunks, self._end)
                failpoint("segment.sync")
                os.fdatasync(self._fd)
            except OSError as error:
                self._cut_off_rest()
                raise disk_error(self.directory / self._name, error) from error
            self._end = position
            failpoint("segment.synced")
        return places

    def adopt(self, spooled: SpooledMail, today: date, intake_id: IntakeId) -> RawPlace:
        """Take a complete and synced *spooled* file over under its final name.

        Raises:
            StoreError: the disk refused.
        """
        name = f"{today:%Y%m%d}-mail-{intake_id}.eml"
        try:
            digest = hashlib.sha256()
            with spooled.path.open("rb") as file:
                while piece := file.read(HASH_SLICE_BYTES):
                    digest.update(piece)
            with DISK.of(str(self.directory)):
                failpoint("raw.rename")
                spooled.path.replace(self.directory / name)
                sync_directory(self.directory)
        except OSError as error:
            raise disk_error(self.directory / name, error) from error
        return RawPlace(name, 0, spooled.size_bytes, Sha256(digest.hexdigest()))

    def set_apart(self, place: RawPlace, intake_id: IntakeId) -> RawPlace:
        """Copy the mail at *place* into a file of its own, for the quarantine: its segment may go before it.

        Raises:
            StoreError: the disk refused.
        """
        name = f"parked-{intake_id}.eml"
        if not place.file.endswith(".seg"):
            return place
        try:
            temporary = self.directory / f".{name}"
            with temporary.open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(self.read(place))
                file.flush()
                os.fsync(file.fileno())
            failpoint("raw.rename")
            temporary.replace(self.directory / name)
            sync_directory(self.directory)
        except OSError as error:
            raise disk_error(self.directory / name, error) from error
        return RawPlace(name, 0, place.length, place.sha256)

    def read(self, place: RawPlace) -> bytes:
        """Return the raw mail at *place*.

        Raises:
            OSError: the disk fails, or the file is shorter than its row says.
        """
        return read_raw(self.directory, place)

    def map(self, place: RawPlace) -> mmap.mmap:
        """Map a mail that has a file of its own; the caller closes the mapping."""
        with (self.directory / place.file).open("rb") as file:
            return _Mapping(file.fileno(), 0, access=mmap.ACCESS_READ)

    def outside(self, first: date, last: date) -> list[str]:
        """Tell the files whose mails were all kept before *first* or after *last*; never the segment in use.

        Raises:
            StoreError: the disk does not tell.
        """
        try:
            names = [entry.name for entry in os.scandir(self.directory) if entry.name[:8].isdigit()]
        except OSError as error:
            raise disk_error(self.directory, error) from error
        days = f"{first:%Y%m%d}", f"{last:%Y%m%d}"
        return sorted(name for name in names if not days[0] <= name[:8] <= days[1] and name != self._name)

    def unlink(self, name: str) -> None:
        """Delete a whole file; one that is gone already is no error.

        Raises:
            StoreError: the disk refused.
        """
        try:
            failpoint("segment.unlink")
            (self.directory / name).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(self.directory / name, error) from error

    def close(self) -> None:
        """Close the segment in use."""
        with self._lock:
            self._give_up_segment()

    def _choose_segment(self, today: date) -> None:
        """Have a segment of *today* with room open, positioned behind whatever a crash left in it."""
        if self._fd >= 0 and self._end < SEGMENT_BYTES and self._name.startswith(f"{today:%Y%m%d}"):
            return
        self._give_up_segment()
        number = 1 + max(
            (int(path.stem.rpartition("-")[2]) for path in self.directory.glob(f"{today:%Y%m%d}-*.seg")), default=0
        )
        if number > 1:
            last = self.directory / f"{today:%Y%m%d}-{number - 1:06}.seg"
            if last.stat().st_size < SEGMENT_BYTES:
                number -= 1
        self._name = f"{today:%Y%m%d}-{number:06}.seg"
        self._fd = os.open(self.directory / self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end = os.fstat(self._fd).st_size
        sync_directory(self.directory)

    def _cut_off_rest(self) -> None:
        """Free what a failed write left: on a full disk those bytes are wanted."""
        if self._fd >= 0:
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)
        self._give_up_segment()

    def _give_up_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Mapping(mmap.mmap):
    """Lets go of the memory under each long stretch that was read: of a mail of 50 MB, a few are held at a time."""

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - an index or a slice, as of mmap
        found = super().__getitem__(place)
        if isinstance(place, slice) and len(found) >= LONG_BYTES:
            self._let_go(place.start, place.start + len(found))
        return found

    def find(self, sub: Any, start: int = 0, end: int = sys.maxsize) -> int:  # noqa: ANN401 - as of mmap
        """Find *sub* between *start* and *end*; -1 where it is not."""
        found = super().find(sub, start, min(end, len(self)))
        if end - start >= LONG_BYTES:
            self._let_go(start, end if found < 0 else found)
        return found

    def _let_go(self, start: int, end: int) -> None:
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        if end > first:
            self.madvise(mmap.MADV_DONTNEED, first, min(end, len(self)) - first)


def _write_all(fd: int, chunks: Sequence[bytes | bytearray], offset: int) -> None:
    """Write *chunks* at *offset* completely, many a call and without joining them: that would copy a batch."""
    for first in range(0, len(chunks), CHUNKS_AT_ONCE):
        some = chunks[first : first + CHUNKS_AT_ONCE]
        end = offset + sum(map(len, some))
        offset += os.pwritev(fd, some, offset)
        if offset < end:  # the disk took a part: the rest, or the error that stopped it
            rest = memoryview(b"".join(some))[offset - end :]
            while rest:
                written = os.pwrite(fd, rest, offset)
                rest, offset = rest[written:], offset + written
