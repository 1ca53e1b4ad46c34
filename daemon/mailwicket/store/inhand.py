"""Which mail is being worked on right now, written where the death of the process cannot take it away.

A mail that kills the process must not be tried for ever, and an innocent one beside it must not be blamed.
So the number of the mail in hand stands in a small shared mapping: the page cache outlives a SIGKILL, an
out-of-memory kill or a crash of the interpreter, and costs a memory write a mail. It is not synced: a power
cut is no mail's fault.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailwicket.model import IntakeId

SLOTS = 8192  # two for each mailbox
_SLOT = struct.Struct("<Q")
FILE_BYTES = SLOTS * _SLOT.size


class InHand:
    """Slots of the mails in hand, one for each worker; `begin` before the first is lent."""

    def __init__(self, state_dir: Path) -> None:
        """Read what a dead daemon left in `state_dir/in-hand`: the numbers in `left_over`."""
        self.path = state_dir / "in-hand"
        found = self.path.read_bytes()[:FILE_BYTES] if self.path.exists() else b""
        numbers = (number for (number,) in _SLOT.iter_unpack(found[: len(found) // _SLOT.size * _SLOT.size]))
        self.left_over = sorted({IntakeId(number) for number in numbers if number})
        self._map: mmap.mmap | None = None
        self._free = list(range(SLOTS - 1, -1, -1))

    def begin(self) -> None:
        """Start afresh: what was left over is counted in the journal now.

        With a file of our own: a reader that outlived its daemon by a moment writes to the old one. With all its
        bytes written: a hole on a full disk is a SIGBUS for whoever writes to its mapping. On a full disk the old
        file serves again.

        Raises:
            OSError: the disk has no room for it, and there is no old one.
        """
        fresh = self.path.with_name(f".{self.path.name}")
        try:
            fresh.write_bytes(bytes(FILE_BYTES))
            fresh.chmod(0o600)
            fresh.replace(self.path)
        except OSError:
            fresh.unlink(missing_ok=True)
            if not self.path.exists() or self.path.stat().st_size < FILE_BYTES:
                raise
        self._map = _mapped(self.path)
        self.put_all_down()
        self.left_over = []

    @contextmanager
    def worker(self) -> Iterator[Slot]:
        """Lend a slot to one worker."""
        assert self._map is not None, "begin() comes first"  # noqa: S101 - a mistake of ours
        slot = Slot(self._map, self._free.pop() * _SLOT.size)
        try:
            yield slot
        finally:
            slot.put_down()
            self._free.append(slot.offset // _SLOT.size)

    def put_all_down(self) -> None:
        """Nothing is in hand, whoever still holds it: what comes now is no mail's fault."""
        if self._map is not None and any(self._map[:]):
            self._map[:] = bytes(FILE_BYTES)

    def close(self) -> None:
        """Unmap the file."""
        if self._map is not None:
            self._map.close()


class Slot:
    """The place where one worker writes down what it has in hand."""

    __slots__ = ("_map", "offset")

    def __init__(self, shared: mmap.mmap, offset: int) -> None:
        """Take the eight bytes at *offset* of *shared*."""
        self._map = shared
        self.offset = offset

    @classmethod
    def of_file(cls, path: Path, offset: int) -> Slot:
        """Return a slot that another process lent."""
        return cls(_mapped(path), offset)

    @property
    def held(self) -> IntakeId | None:
        """The mail in hand."""
        (number,) = _SLOT.unpack_from(self._map, self.offset)
        return IntakeId(number) if number else None

    def take(self, intake_id: IntakeId) -> None:
        """From now on a death of the worker is counted against *intake_id*."""
        _SLOT.pack_into(self._map, self.offset, intake_id)

    def put_down(self) -> None:
        """Nothing is in hand."""
        if self.held is None:
            return  # not written again: the first write to a page may wait for a disk that hangs
        _SLOT.pack_into(self._map, self.offset, 0)


def _mapped(path: Path) -> mmap.mmap:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return mmap.mmap(fd, FILE_BYTES)
    finally:
        os.close(fd)
