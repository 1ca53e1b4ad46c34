"""The header of a bomb."""

from __future__ import annotations


def heads(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])
