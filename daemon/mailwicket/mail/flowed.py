"""Text whose lines were broken on the way and say so (RFC 3676)."""

from __future__ import annotations

from typing import Final

SIGNATURE: Final = "-- "
QUOTE: Final = ">"


def unbroken(text: str) -> str:
    """Return *text*, which was sent with `DelSp=yes`, with the lines joined that were broken where no blank stood.

    Without DelSp a broken line ends in a blank that the writer wrote, and reads well as it is. Quoted lines stay apart:
    who cuts replies looks for them.
    """
    told: list[str] = []
    lines = text.split("\n")
    lines.append(QUOTE)
    soft = False
    for number, line in enumerate(lines[:-1]):
        if soft and line.startswith(" "):  # stuffed (RFC 3676 4.4)
            line = line[1:]  # noqa: PLW2901 - the line as it is meant
        soft = line.endswith(" ") and line != SIGNATURE and not line.startswith(QUOTE)
        soft = soft and not lines[number + 1].startswith((QUOTE, SIGNATURE))
        told.append(line[:-1] if soft else line + "\n")
    return "".join(told)[:-1]
