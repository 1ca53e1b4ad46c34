"""The marks that show, line by line, what is quoted: `>` and its kin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mailwicket.mail.attribution import WHITE

LINE_MAX_CHARS: Final = 400
WRAPPED_MIN_CHARS: Final = 60
"""From what length on a quoted line may have been broken by a program, its rest without mark."""

WRAPPED_AT_CHARS: Final = 70
_INITIALS: Final = re.compile(r"[A-Z\u0410-\u042f]{2}>(?: |$)")
_OPEN_LINK: Final = re.compile(r"[(<]https?://[^\s<>()]{1,400}$")
_GROUPWISE: Final = re.compile(r">>> ?[^<>]{0,80}(?:<[^<>]{1,200}>)?[^<>]{0,60}\d[^<>]{0,30}>>>$")


def quoted_lines(lines: Sequence[str]) -> list[bool]:
    """Tell of each line whether a mark shows it as quoted."""
    quoted = [">" in line[:8] and is_quoted(line) for line in lines]
    if True not in quoted:
        initials = [">" in line[:4] and _INITIALS.match(line) is not None for line in lines]
        return initials if sum(initials) > 1 else quoted
    rests = 0
    for number, line in enumerate(lines):
        if quoted[number]:
            if _is_no_quote(lines, quoted, number):
                quoted[number] = False
        elif number and quoted[number - 1] and line and _is_rest(lines[number - 1], line, is_usual=rests > 0):
            below = lines[number + 1].strip(WHITE) if number + 1 < len(lines) else ""
            if (below and quoted[number + 1]) or (not below and rests):
                quoted[number] = True
                rests += 1
    return quoted


def is_quoted(line: str) -> bool:
    """Tell whether *line* begins with a mark, or with a bold one, and is no ornament."""
    bare = line[:8].lstrip(WHITE)
    return bare.startswith((">", "*>", "_>")) and not line.rstrip(WHITE).endswith("<<<") and not is_groupwise(line)


def is_groupwise(line: str) -> bool:
    """Tell whether *line* is what GroupWise writes above a quote without marks: `>>> NAME DATE >>>`."""
    return (
        line.startswith(">>>")
        and line.rstrip(WHITE).endswith(">>>")
        and _GROUPWISE.match(line[:LINE_MAX_CHARS].rstrip(WHITE)) is not None
    )


def _is_no_quote(lines: Sequence[str], quoted: Sequence[bool], number: int) -> bool:
    """Tell whether the mark is the end of a link that was wrapped, or stands before a "From" that begins a line."""
    above = lines[number - 1] if number else ""
    if above.startswith("mailto:") and lines[number].rstrip(WHITE).endswith(":"):
        return True  # an address that was taken apart: "<", "mailto:...", "> wrote:"
    if quoted[number - 1] if number else True:
        return False
    if lines[number].lstrip().startswith("> <") or "<" in above[-LINE_MAX_CHARS:].rpartition(">")[2]:
        return "<" in above[-LINE_MAX_CHARS:].rpartition(">")[2]
    below = lines[number + 1] if number + 1 < len(lines) else ""
    return (
        lines[number].startswith(">From ")
        and bool(above.strip())
        and bool(below.strip())
        and not quoted[min(number + 1, len(lines) - 1)]
    )


def _is_rest(above: str, line: str, *, is_usual: bool) -> bool:
    """Tell whether *line* is what a program broke off the quoted line above it; *is_usual* if it broke others."""
    bare = line.strip(WHITE)
    if not bare or len(bare) > LINE_MAX_CHARS:
        return False
    if bare.startswith(("(http", "<http", "http")) and bare.rstrip(WHITE).endswith((">", ")")):
        return True
    if bare.endswith((">", ")")) and " " not in bare and _OPEN_LINK.search(above[-LINE_MAX_CHARS:]):
        return True
    return (
        (bare[0].islower() or is_usual)
        and len(above) >= WRAPPED_MIN_CHARS
        and len(above) + len(bare.split(maxsplit=1)[0]) > WRAPPED_AT_CHARS
        and not above.rstrip(WHITE).endswith((".", "!", "?", ":"))
        and len(bare) < len(above)
    )
