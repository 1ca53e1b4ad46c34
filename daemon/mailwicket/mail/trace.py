"""Header fields that stand several times, in their order: who wrote which above whom is the point of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

FIELDS_MAX: Final = 500

_FIELD: Final = re.compile(r"^([^\s:]{1,76})[ \t]{0,10}:(.*+(?:\n[ \t].*+)*+)", re.MULTILINE)


def fields(header: bytes, names: Collection[str]) -> Sequence[tuple[str, str]]:
    """Return the fields of *header* with one of *names* (lower case), the top one first, with unfolded values."""
    text = header.decode("latin-1")
    found: list[tuple[str, str]] = []
    for field in _FIELD.finditer(text):
        if (name := field[1].lower()) in names:
            found.append((name, " ".join(_letters(field[2]).split())))
            if len(found) >= FIELDS_MAX:
                break
    return found


def _letters(value: str) -> str:
    """Read letters beyond ASCII as UTF-8 (RFC 6532) where they are that."""
    if value.isascii():
        return value
    with suppress(UnicodeDecodeError):
        return value.encode("latin-1").decode()
    return value
