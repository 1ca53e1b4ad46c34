"""One daemon a state directory: a lock that the kernel drops when the process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mailwicket.errors import AlreadyRunningError


class StateLock:
    """Holds `state_dir/lock` for the life of the process."""

    def __init__(self, state_dir: Path) -> None:
        """Take the lock.

        Raises:
            AlreadyRunningError: another daemon holds it; the text names its process number.
        """
        path = state_dir / "lock"
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise AlreadyRunningError(
                f"{state_dir} is in use by another mailwicket (process {holder}); one daemon a state directory"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._fd)
