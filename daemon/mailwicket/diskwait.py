"""Which writes to our disk have not returned yet: a disk that hangs raises no error, so somebody must look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class DiskWait:
    """Notes what is being written, from any thread, and tells what has been for the longest time."""

    def __init__(self) -> None:
        """Nothing is being written."""
        self._begun: dict[object, tuple[float, str]] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Write *what* inside."""
        token = object()
        self._begun[token] = time.monotonic(), what
        try:
            yield
        finally:
            self._begun.pop(token, None)

    def longest(self) -> tuple[float, str]:
        """Return for how many seconds the oldest write has been waited for, and what is written; 0 where none is."""
        begun = min(tuple(self._begun.values()), default=None)
        return (0.0, "") if begun is None else (time.monotonic() - begun[0], begun[1])


DISK = DiskWait()
"""The one of this process: everything of ours lies in one state directory."""
