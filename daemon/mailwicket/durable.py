"""Names that outlive a power cut: a file is there when its directory is synced, too (fsync(2))."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make new names in *directory* durable. Blocking.

    Raises:
        OSError: the disk.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
