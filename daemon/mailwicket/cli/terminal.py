"""What goes to a terminal: mail text as it is, and harmless; and the last line of a command that cannot go on."""

from __future__ import annotations

import sys
import unicodedata
from io import TextIOWrapper
from typing import NoReturn

import typer


def be_lenient() -> None:
    """A terminal that cannot show a character gets a question mark instead of nothing at all."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def give_up(line: str, exit_code: int = 1) -> NoReturn:
    """End the command with *line* on standard error."""
    print(f"mailwicket: {line}", file=sys.stderr)
    raise typer.Exit(exit_code)


def one_line(text: str) -> str:
    """Return mail text for one line of a terminal: nothing in it moves the cursor or gives an order."""
    return "".join(map(_harmless, " ".join(text.split())))


def block(text: str) -> str:
    """Return mail text for a terminal: its own lines and tabs stay, nothing else gives an order."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(c if c == "\t" else _harmless(c) for c in line) for line in lines)


def minute(timestamp: str) -> str:
    """Return a *timestamp* of ours, as JSON shows it, to the minute."""
    return timestamp[:16].replace("T", " ")


def _harmless(character: str) -> str:
    """Return *character*, or what may stand for it: control characters, overrides of direction, odd line ends."""
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    number = ord(character)
    if number < 0x20:
        return chr(0x2400 + number)  # the pictures that Unicode has for them
    joins = character in {"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}", "\N{SOFT HYPHEN}"}
    return character if joins else "\N{REPLACEMENT CHARACTER}"
