"""SQL lives in files: each statement named (`-- name: X`) and described by the comment under its name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace


def statements(file: Path) -> SimpleNamespace:
    """Return the statements of *file* as attributes of their names."""
    found: dict[str, str] = {}
    for part in file.read_text(encoding="utf-8").split("-- name: ")[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = text.strip()
    return SimpleNamespace(**found)
