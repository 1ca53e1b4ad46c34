"""A disk that is soon full: a file system in memory of a few megabytes. Only root can mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


class LoopDisk:
    """An ext4 on a file of its own, whose faults are the kernel's own: it turns read-only, or hangs."""

    def __init__(self, directory: Path, size_bytes: int) -> None:
        """Make one in *directory* and mount it at `path`.

        Raises:
            subprocess.CalledProcessError: this machine does not let us.
        """
        self.path = directory / "disk"
        self.path.mkdir(parents=True)
        self._image = directory / "image"
        with self._image.open("wb") as image:
            image.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image], check=True)
        self.mount()

    def mount(self) -> None:
        """Mount it, as an admin who mended it does."""
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", self._image, self.path], check=True)

    def turn_read_only(self) -> None:
        """As after an error of the device: open files stay open and take no byte more, until it is mounted anew."""
        subprocess.run(["mount", "-o", "remount,abort", self.path], check=True)

    @contextmanager
    def hangs(self) -> Iterator[None]:
        """Have every write wait, as on a device that does not answer."""
        subprocess.run(["fsfreeze", "--freeze", self.path], check=True)
        try:
            yield
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", self.path], check=True)

    def unmount(self) -> None:
        """Take it away; whoever used it has ended."""
        subprocess.run(["umount", self.path], check=True)
