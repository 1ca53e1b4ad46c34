"""A table of many things of one kind, as a person sees it on a terminal or through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # it takes longer to import than most commands take
    from rich.console import Console

Shown = Mapping[str, Any]
"""A thing as JSON shows it."""

PIPE_WIDTH: Final = 160
"""Columns, where no terminal says how many it has."""


@dataclass(frozen=True, slots=True)
class Table:
    """How things of one kind are listed."""

    cells: Mapping[str, Callable[[Shown], str]]
    """What stands in a column, by its heading."""
    numbers: Collection[str]
    """Columns that stand to the right."""
    shrinks: Collection[str]
    """Columns that are cut on a narrow terminal; half a number or half a time tells nothing."""

    def show(self, things: Sequence[Shown], *, without: Collection[str] = ()) -> None:
        """Print *things*, a row each; columns that are named in *without*, or empty, are left out."""
        from rich import box
        from rich.table import Table as Rows
        from rich.text import Text

        rows = Rows(box=box.SIMPLE_HEAD)
        columns: list[list[str]] = []
        for heading, cell in self.cells.items():
            column = [cell(thing) for thing in things]
            if heading not in without and any(column):
                justify: Any = "right" if heading in self.numbers else "left"
                rows.add_column(heading, justify=justify, no_wrap=heading not in self.shrinks)
                columns.append(column)
        for row in zip(*columns, strict=True):
            rows.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))  # Text: mail is no markup
        console().print(rows)


def console() -> Console:
    """Return where tables are printed: as wide as the terminal, or PIPE_WIDTH."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
