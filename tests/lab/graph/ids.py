"""Opaque names of things: long, with `=`, `-` and `_`; each has a twin that differs from it in letter case only."""

from __future__ import annotations

import base64
import hashlib
from itertools import count

REST = "AAMkAGI2"
IMMUTABLE = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"


class Ids:
    """What is given out, one kind beside the other."""

    def __init__(self) -> None:
        self._numbers: dict[str, count[int]] = {}

    def new(self, prefix: str) -> str:
        number = next(self._numbers.setdefault(prefix, count()))
        digest = hashlib.sha256(f"{prefix}{number // 2}".encode()).digest()
        middle = base64.urlsafe_b64encode(digest[:30]).decode()
        return f"{prefix}-{middle}_{'q' if number % 2 == 0 else 'Q'}AA="
