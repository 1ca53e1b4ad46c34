"""The mails that the demonstration begins with: the files of `mails/`, of our own making."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).with_name("mails")


def samples() -> Sequence[bytes]:
    """Return the raw mails in the order of their file names."""
    return [file.read_bytes() for file in sorted(DIRECTORY.glob("*.eml"))]
