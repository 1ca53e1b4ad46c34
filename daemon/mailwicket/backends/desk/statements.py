"""The desk's SQL lives in files: each statement named (`-- name: X`), described by the comment under its name."""

from __future__ import annotations

from pathlib import Path


def statements(file_name: str) -> dict[str, str]:
    """Return the statements of *file_name*, which stands beside this module, by their names."""
    text = Path(__file__).with_name(file_name).read_text(encoding="utf-8")
    named = (part.partition("\n") for part in text.split("-- name: ")[1:])
    return {name.strip(): statement.strip() for name, _, statement in named}
