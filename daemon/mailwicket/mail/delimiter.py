"""The line that a desk prints into its mails: an answer shall stand above it."""

# ruff: noqa: RUF001 - the dashes, colons and letters of all scripts are meant

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mailwicket.mail.phrases import ADDRESSED

WITHIN_LINES: Final = 3000
LINE_MAX_CHARS: Final = 300
PHRASE_MAX_CHARS: Final = 160
"""A sentence that speaks of such a line is longer than one."""

_EVIDENCE: Final = ("##", "--", "===", "***", "___", "~~~", "——", "- - -")
_MARKED: Final = re.compile(r"##-[^#]{1,200}-##")
_MARKS: Final = frozenset("#-=*_~—–+<>[](){}|:.")


def delimiter(lines: Sequence[str]) -> tuple[int, int] | None:
    """Return the first line and the line behind the first delimiter, quoted and wrapped or not; None if there is none.

    What it says is known in some thirty languages; between `##-` and `-##` it may say anything.
    """
    for number, line in enumerate(lines[:WITHIN_LINES]):
        if len(line) > LINE_MAX_CHARS or not line.strip():
            continue
        if not (any(mark in line for mark in _EVIDENCE) or " this" in line or not line.isascii()):
            continue
        for count in (1, 2, 3):
            if _is_delimiter(" ".join(one.strip(" \t>\r\xa0") for one in lines[number : number + count])):
                return number, number + count
    return None


def _is_delimiter(text: str) -> bool:
    bare = text[: 2 * LINE_MAX_CHARS].strip()
    if _MARKED.match(bare):
        return bare.endswith("##")
    if len(bare) > PHRASE_MAX_CHARS:
        return False
    folded = " ".join(bare.casefold().split())
    found = next((phrase for phrase in ADDRESSED if phrase in folded), None)
    if found is None:
        return False
    return _is_framed(bare) or (folded.startswith(("please ", found)) and folded.rstrip(" .:!").endswith(found))


def _is_framed(bare: str) -> bool:
    """Tell whether it stands between marks: a person who speaks of the line writes none."""
    return len(bare) > 4 and bare[0] in _MARKS and bare[1] in _MARKS and (bare[-1] in _MARKS or bare[:3] == "---")
