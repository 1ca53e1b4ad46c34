"""Foreign words in a line of ours: printable, and no longer than a line should be. Pure."""

from __future__ import annotations


def printable(text: str, instead: str = " ") -> str:
    """Return *text* with *instead* for what orders a terminal about or hides: controls, line ends, bidi."""
    return text if text.isprintable() else "".join(one if one.isprintable() else instead for one in text)


def cut(text: str, limit: int) -> str:
    """Return *text*, its end left out where it is longer than *limit* characters, which shows."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
