"""A program at a terminal of its own, as a person sits there."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Terminal:
    """Runs *command* at a pseudo-terminal; what it shows there is kept in `shown`."""

    def __init__(self, command: Sequence[str], environ: dict[str, str]) -> None:
        self.shown = ""
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        os.close(self._ours)

    def answer(self, question: str, words: str, limit_s: float = 20) -> None:
        """Wait until it asks, and type *words* and Return."""
        self._read_until(question, limit_s)
        self.shown = self.shown.partition(question)[2]
        os.write(self._ours, f"{words}\n".encode())

    def end(self, limit_s: float = 60) -> int:
        """Wait until it ends; return its exit status."""
        self._read_until(None, limit_s)
        return self._process.wait(limit_s)

    def _read_until(self, words: str | None, limit_s: float) -> None:
        end_at = time.monotonic() + limit_s
        while words is None or words not in self.shown:
            left_s = end_at - time.monotonic()
            if left_s < 0 or not select.select([self._ours], [], [], left_s)[0]:
                raise TimeoutError(f"{words!r} did not come; it shows {self.shown!r}")
            try:
                got = os.read(self._ours, 4096)
            except OSError:  # EIO: nobody has the other side any more
                got = b""
            if not got:
                if words is None:
                    return
                raise AssertionError(f"it ended before {words!r}: {self.shown!r}")
            self.shown += got.decode("utf-8", "replace")
