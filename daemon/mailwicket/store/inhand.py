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

SLOTS = 512
_SLOT = struct.Struct("<Q")


class InHand:
    """Slots of the mails in hand, one for each worker thread."""

    def __init__(self, state_dir: Path) -> None:
        """Open `state_dir/in-hand`; what a dead daemon left there is in `left_over`.

        Raises:
            OSError: the disk has no room for it.
        """
        fd = os.open(state_dir / "in-hand", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, SLOTS * _SLOT.size)  # a hole on a full disk is a SIGBUS when it is written to
            self._map = mmap.mmap(fd, SLOTS * _SLOT.size)
        finally:
            os.close(fd)
        found = (_SLOT.unpack_from(self._map, n * _SLOT.size)[0] for n in range(SLOTS))
        self.left_over = sorted({IntakeId(number) for number in found if number})
        self._free = list(range(SLOTS - 1, -1, -1))

    def forget_left_over(self) -> None:
        """Clear the slots: what they named is counted in the journal now."""
        self._map[:] = bytes(len(self._map))
        self.left_over = []

    @contextmanager
    def worker(self) -> Iterator[Slot]:
        """Lend a slot to one worker."""
        slot = Slot(self._map, self._free.pop() * _SLOT.size)
        try:
            yield slot
        finally:
            slot.put_down()
            self._free.append(slot.offset // _SLOT.size)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()


class Slot:
    """The place where one worker writes down what it has in hand."""

    __slots__ = ("_map", "offset")

    def __init__(self, shared: mmap.mmap, offset: int) -> None:
        self._map = shared
        self.offset = offset

    def take(self, intake_id: IntakeId) -> None:
        """From now on a death of the process is counted against *intake_id*."""
        _SLOT.pack_into(self._map, self.offset, intake_id)

    def put_down(self) -> None:
        """Nothing is in hand."""
        _SLOT.pack_into(self._map, self.offset, 0)
