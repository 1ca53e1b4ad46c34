"""The ids of mails: Message-ID, In-Reply-To, References (RFC 5322 3.6.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mailwicket.mail.charset import clean
from mailwicket.mail.words import words
from mailwicket.model import MessageId

IDS_MAX: Final = 200
ID_MAX_CHARS: Final = 996

_PLAIN: Final = re.compile(r"<([^<>\s]{1,996})>")
_BRACKETED: Final = re.compile(r"<([^<>]{1,2000})>")
_BARE: Final = re.compile(r"[^\s<>,;]{1,996}")


def ids(value: str) -> Sequence[MessageId]:
    """Return the ids in a field, without brackets: of very many the first and the newest.

    Phrases and comments between are skipped, blanks inside brackets are of folding. Without any bracket each word is an
    id, as long as all look like one; a lone word is one whatever it looks like.
    """
    if not value:
        return []
    found = _PLAIN.findall(value)
    if len(found) != value.count("<") or not found:  # nearly all mail has nothing else
        found = _odd(value)
    if len(found) > IDS_MAX:
        found = [found[0], *found[1 - IDS_MAX :]]
    return [MessageId(clean(one)) for one in found]


def _odd(value: str) -> list[str]:
    if "=?" in value and "@" not in value:  # some programs encode what may not be encoded
        value = words(value)
    found = [one for text in _BRACKETED.findall(value) if (one := _id(text))]
    if not found:
        bare: list[str] = _BARE.findall(value)
        if len(bare) == 1 or all("@" in one for one in bare):
            found = [one.strip("\"'") for one in bare if len(one) > 1]
    return [one for one in found if one]


def _id(text: str) -> str:
    pieces = text.split()
    if len(pieces) > 1 and "@" not in text:  # words, not an id: "<your mail of Monday>"
        return ""
    joined = "".join(pieces)
    return joined if len(joined) <= ID_MAX_CHARS else ""
