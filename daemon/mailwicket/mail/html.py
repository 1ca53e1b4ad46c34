"""Readable text from HTML, for mails that bring no text. Crude and linear: tags out, blocks to lines."""

from __future__ import annotations

import html
import re
from typing import Final

HTML_MAX_CHARS: Final = 1024 * 1024

_UNSEEN: Final = ("script", "style", "head", "title")
_BREAK: Final = re.compile(r"^/?(?:p|div|br|tr|li|h[1-6]|table|ul|ol|blockquote|pre|hr)\b", re.IGNORECASE)


def to_plain(markup: str) -> str:
    """Return the words of *markup*, a line for each block."""
    pieces: list[str] = []
    position, markup = 0, markup[:HTML_MAX_CHARS]
    lowered = markup.lower()
    while (start := markup.find("<", position)) >= 0:
        pieces.append(markup[position:start])
        end = markup.find(">", start)
        if end < 0:
            position = len(markup)
            break
        tag = lowered[start + 1 : end]
        position = end + 1
        if _BREAK.match(tag):
            pieces.append("\n")
        for name in _UNSEEN:
            if tag.startswith(name) and not tag.endswith("/"):
                close = lowered.find(f"</{name}", position)
                position = len(markup) if close < 0 else close
                break
    pieces.append(markup[position:])
    lines = (" ".join(line.split()) for line in html.unescape("".join(pieces)).split("\n"))
    return "\n".join(line for line in lines if line)
