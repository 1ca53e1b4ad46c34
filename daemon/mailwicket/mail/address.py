"""The people in a header field (RFC 5322 3.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.utils import getaddresses
from typing import Final

from mailwicket.mail.charset import clean
from mailwicket.mail.header import words
from mailwicket.model import Address

PEOPLE_MAX: Final = 2000

_ADDR: Final = r"[^\s<>,;:\"()\[\]\\@]+@[^\s<>,;:\"()\[\]\\@]+"
_PLAIN: Final = re.compile(rf'\s*(?:"?([^"<>,;:@()\[\]\\]*)"?\s*<({_ADDR})>|({_ADDR}))\s*')
_ANYWHERE: Final = re.compile(_ADDR)


def people(value: str) -> Sequence[Address]:
    """Return the addresses of a field, groups flattened; the unusable are left out, the broken repaired if they can."""
    if not value:
        return ()
    if plain := _PLAIN.fullmatch(value):  # one person, nothing quoted in it: nearly all mail
        name, address = plain[1], plain[2] or plain[3]
        return [Address(words(name or "") or None, clean(address))]
    try:
        pairs = getaddresses([value])
    except (RecursionError, ValueError, IndexError):
        pairs = []
    found = [
        Address(words(name) or None, clean(address))
        for name, address in pairs[:PEOPLE_MAX]
        if "@" in address.strip("@") and not any(c.isspace() for c in address)
    ]
    if not found and (bare := _ANYWHERE.search(value)):
        found = [Address(None, clean(bare[0]))]
    return found
