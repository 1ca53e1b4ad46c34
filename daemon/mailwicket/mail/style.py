"""What a tag's attributes say of how its words look: hidden, laid out as typed, without space around."""

from __future__ import annotations

import re
from typing import Final

from mailwicket.mail.markup import ATTRIBUTES_MAX_CHARS, attributes


class Look:
    """Bits that `look_of` returns."""

    PLAIN: Final = 0
    HIDDEN: Final = 1
    WHITE: Final = 2
    """Line ends and blanks count, as in `<pre>`."""
    FLAT: Final = 4
    """No empty line above and below."""
    ZERO: Final = 8
    """Of size 0; what is inside may have another."""
    SIZED: Final = 16
    RULED: Final = 32
    """A line is drawn above: how Outlook sets the header of a mail that it quotes apart."""
    INDENTED: Final = 64
    """Of a blockquote: only set in, as Gmail and Apple Mail do at the push of a button; the words are the writer's."""
    INLINE: Final = 128
    BLOCK: Final = 256


FLAT_PARAGRAPHS: Final = re.compile(
    r"(?:^|[\s,}])p\s*+\{\s*+(?:margin-top\s*+:\s*+0[a-z]{0,3}\s*+;\s*+)?margin(?:-bottom)?\s*+:\s*+0[a-z]{0,3}\s*+[;}]",
    re.IGNORECASE,
)
"""How the style sheets of Outlook on the web and others say that a paragraph is a line."""

_END: Final = r"(?:px|pt|em|rem|%|cm|mm|in)?\s*+(?=[;!\"']|$)"
_UNSEEN: Final = re.compile(
    rf"display\s*+:\s*+none|visibility\s*+:\s*+(?:hidden|collapse)|mso-hide\s*+:\s*+all|opacity\s*+:\s*+0(?:\.0+)?{_END}"
)
_LOW: Final = re.compile(rf"(?:max-)?height\s*+:\s*+0{_END}")
_SIZE: Final = re.compile(r"font-size\s*+:\s*+([0-9.]{1,10})|font\s*+:\s*+(0)/")
_WHITE: Final = re.compile(r"white-space\s*+:\s*+(?:pre|break-spaces)")
_NOTHING: Final = r"0(?:px|pt|em|rem|ex|%|cm|mm|in)?"
_FLAT: Final = re.compile(  # of one to four sides, no space below counts: it is what keeps paragraphs apart
    rf"margin\s*+:\s*+{_NOTHING}(?:\s++[^\s;!\"']{{1,20}}(?:\s++{_NOTHING}(?:\s++[^\s;!\"']{{1,20}})?)?)?\s*+(?=[;!\"']|$)"
    rf"|margin-bottom\s*+:\s*+{_NOTHING}\s*+(?=[;!\"']|$)"
)
_RULED: Final = re.compile(
    r"border-top\s*+:\s*+(?!0|none)|border-(?:style\s*+:\s*+solid none none|top-style\s*+:\s*+solid)"
)
_NO_BORDER: Final = re.compile(r"border(?:-style|-width)?\s*+:\s*+(?:none|0|medium none)")
_INLINE: Final = re.compile(r"display\s*+:\s*+inline(?![a-z-])")
_BLOCK: Final = re.compile(r"display\s*+:\s*+block")
_SIGNS: Final = (
    ("margin", _FLAT, Look.FLAT),
    ("border", _RULED, Look.RULED),
    ("border", _NO_BORDER, Look.INDENTED),
    ("white-space", _WHITE, Look.WHITE),
    ("display", _INLINE, Look.INLINE),
    ("display", _BLOCK, Look.BLOCK),
)
_EVIDENCE: Final = ("none", "hid", "opacity", "collapse")


def look_of(rest: str) -> int:
    """Return the bits of `Look` that a tag's attributes *rest* ask for."""
    low = rest[:ATTRIBUTES_MAX_CHARS].lower()
    if "quoted-content" in low:  # GMX and web.de: below the header of a mail that they quote
        return Look.RULED
    if "style" not in low:
        return Look.HIDDEN if "hidden" in low and "hidden" in attributes(rest) else Look.PLAIN
    if _hides(low, rest):
        return Look.HIDDEN
    look = Look.PLAIN
    for word, pattern, bit in _SIGNS:
        if word in low and pattern.search(low):
            look |= bit
    if look & Look.RULED or "border-left" in low:
        look &= ~Look.INDENTED
    if "font" in low and (size := _SIZE.search(low)):
        look |= Look.SIZED if (size[1] or "0").strip("0.") else Look.ZERO
    return look


def _hides(low: str, rest: str) -> bool:
    if not any(word in low for word in _EVIDENCE):
        return False
    return (
        _UNSEEN.search(low) is not None
        or ("height" in low and "overflow" in low and _LOW.search(low) is not None)
        or ("hidden" in low and "hidden" in attributes(rest))
    )
