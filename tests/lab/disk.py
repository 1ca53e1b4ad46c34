"""A disk that is soon full: a file system in memory of a few megabytes. Only root can mount one."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path


class SmallDisk:
    """A mounted file system; `unmount` it."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        """Mount one of *size_bytes* at *path*.

        Raises:
            subprocess.CalledProcessError: this machine does not let us.
        """
        self.path = path
        path.mkdir(parents=True)
        self._mount("mailwicket-lab", f"size={size_bytes},mode=700")

    def resize(self, size_bytes: int) -> None:
        """Make room while it is in use."""
        self._mount("mailwicket-lab", f"remount,size={size_bytes}")

    def fill(self) -> Path:
        """Take all the room that is left with a file, and return it."""
        ballast = self.path / "ballast"
        with ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        return ballast

    def unmount(self) -> None:
        """Take it away, with whatever still uses it."""
        subprocess.run(["umount", "--lazy", self.path], check=True)

    def _mount(self, source: str, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, source, self.path], check=True)
