"""SQL lives in files: each statement named (`-- name: X`) and described by the comment under its name.

And rows go in by the hundred: the interpreter's lock is given away and fought for once a statement, so a
statement for each row of a batch would cost more than the rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Protocol

_VALUES: Final = re.compile(r"VALUES (\([^()]*\))")
ROWS_AT_ONCE: Final = (250, 125, 60, 30, 15, 7, 3, 1)
"""Few sizes, so that each statement is compiled once."""


class Executes(Protocol):
    """What runs a statement."""

    def execute(self, statement: str, parameters: Sequence[Any], /) -> Any: ...  # noqa: ANN401, D102


def statements(file: Path) -> SimpleNamespace:
    """Return the statements of *file* as attributes of their names."""
    found: dict[str, str] = {}
    for part in file.read_text(encoding="utf-8").split("-- name: ")[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = text.strip()
    return SimpleNamespace(**found)


def insert(tx: Executes, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run *statement*, an INSERT with `VALUES (?, ...)`, for all of *rows* in order."""
    first = 0
    for size in ROWS_AT_ONCE:
        while len(rows) - first >= size:
            values = [value for row in rows[first : first + size] for value in row]
            tx.execute(_for_rows(statement, size), values)
            first += size


@lru_cache(maxsize=200)
def _for_rows(statement: str, count: int) -> str:
    return _VALUES.sub(lambda found: "VALUES " + ", ".join([found[1]] * count), statement)
