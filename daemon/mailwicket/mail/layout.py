"""Words laid out in lines: quotes, rows of tables, items of lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

QUOTES_MAX: Final = 15
INDENT_MAX: Final = 10
ROW_MAX_CHARS: Final = 300
"""A row that is longer is no row of figures: its cells stay apart."""

EMPTY_LINES_MAX: Final = 3
"""How many empty lines in a row are kept where white space counts; elsewhere it is one."""

NUMBER_CHARS: Final = 9
ROMAN_MAX: Final = 3999
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


@dataclass(slots=True)
class _Table:
    first: int
    """Its first line."""
    row: int = -1
    """The first line of the row that is open, -1 for none."""
    cell: int = 0
    cells: int = 0
    simple: bool = True
    """No cell of the row has two lines."""
    figures: bool = False
    """A row of it stands on one line."""


class Lines:
    """Lines with how deep they are quoted and how many empty ones stand above; words come one after another."""

    def __init__(self) -> None:
        self.quotes = 0
        self.mark = ""  # of the list item whose first line comes next
        self._lines: list[tuple[int, str, int]] = []
        self._parts: list[str] = []
        self._blank = False  # a blank is due before the next word
        self._gap = 0
        self._tables: list[_Table] = []

    @property
    def count(self) -> int:
        """How many lines there are, the open one not counted."""
        return len(self._lines)

    def text(self) -> str:
        """Return all of them, quoted ones behind `> `."""
        self.end_line()
        told: list[str] = []
        before = 0
        for quotes, line, gap in self._lines:
            if gap and told:
                told.extend([("> " * min(quotes, before)).rstrip()] * gap)
            told.append("> " * quotes + line if quotes else line)
            before = quotes
        return "\n".join(told)

    def add(self, text: str) -> None:
        """Put *text* on the line, where runs of white space are single blanks already."""
        if text[:1] == " ":
            self._blank = True
            text = text[1:]
        if not text:
            return
        if self._blank and self._parts:
            self._parts.append(" ")
        self._blank = text[-1] == " "
        self._parts.append(text[:-1] if self._blank else text)

    def add_as_it_is(self, text: str) -> None:
        """Put *text* on the line, every blank of it."""
        if not text:
            return
        if self._blank and self._parts:
            self._parts.append(" ")
        self._blank = False
        self._parts.append(text)

    def append_address(self, text: str, since: int) -> None:
        """Put a link's address behind its words, though their line may have ended since."""
        if self._parts:
            self._parts.append(text)
        elif len(self._lines) > since:
            quotes, line, gap = self._lines[-1]
            self._lines[-1] = (quotes, line + text, gap)
        else:
            self._parts.append(text.lstrip())

    def end_line(self) -> None:
        """What comes next begins a line."""
        blank, self._blank = self._blank, False
        if not self._parts:
            return
        typed = "".join(self._parts).replace("\xa0", " ")
        text = typed.rstrip()
        self._parts.clear()
        if not text:
            self._gap = max(self._gap, 1)
            return
        if text == "--" and (blank or len(typed) > len(text)):
            text = "-- "  # RFC 3676 4.3: how a signature begins
        if self.mark:
            text = self.mark + text.lstrip()
            self.mark = ""
        self._lines.append((min(self.quotes, QUOTES_MAX), text, self._gap))
        self._gap = 0

    def new_line(self, *, as_it_is: bool = False) -> None:
        """End the line; an empty one stays empty."""
        if self._parts:
            self.end_line()
        elif as_it_is:
            self._gap = min(self._gap + 1, EMPTY_LINES_MAX)
        else:
            self._gap = max(self._gap, 1)

    def space(self) -> None:
        """An empty line stands above what comes next."""
        self._gap = max(self._gap, 1)

    def take_back(self, begins: tuple[str, ...]) -> None:
        """Take the last line out if it begins with one of *begins*: a rule above what is left out."""
        self.end_line()
        if self._lines and self._lines[-1][1].startswith(begins):
            self._lines.pop()

    def last(self) -> str:
        """Return the last line, or `""`."""
        self.end_line()
        return self._lines[-1][1] if self._lines else ""

    # Tables

    def begin_table(self) -> None:
        """A table's rows come next."""
        self.end_line()
        self._tables.append(_Table(len(self._lines)))

    def begin_row(self) -> None:
        """A row's cells come next."""
        self.end_line()
        if self._tables:
            table = self._tables[-1]
            table.row, table.cells, table.simple = len(self._lines), 0, True

    def begin_cell(self) -> None:
        """A cell's words come next; outside of a table it only keeps them apart."""
        if not self._tables:
            self._blank = True
            return
        self.end_line()
        table = self._tables[-1]
        if table.row < 0:
            self.begin_row()
        if table.cells:
            self._gap = 0
        table.cells += 1
        table.cell = len(self._lines)

    def end_cell(self) -> None:
        """The words of the cell are over."""
        if self._tables:
            self.end_line()
            table = self._tables[-1]
            table.simple = table.simple and len(self._lines) - table.cell <= 1

    def end_row(self) -> None:
        """Put the cells of the row on one line, where each has one at most."""
        self.end_line()
        if not self._tables:
            return
        table = self._tables[-1]
        count = len(self._lines) - table.row
        if table.row >= 0 and table.simple and 2 <= count <= table.cells:
            row = self._lines[table.row :]
            text = " ".join(line for _, line, _ in row)
            if len(text) <= ROW_MAX_CHARS and len({quotes for quotes, _, _ in row}) == 1:
                self._lines[table.row :] = [(row[0][0], text, row[0][2])]
                table.figures = True
                self._gap = 0
        table.row = -1

    def end_table(self) -> None:
        """Set a table of figures apart from what is above and below it, as layout is not."""
        self.end_row()
        if self._tables:
            table = self._tables.pop()
            if table.figures:
                quotes, line, gap = self._lines[table.first]
                self._lines[table.first] = (quotes, line, max(gap, 1))
                self.space()


class Numbering:
    """The lists that are open, and what stands before their items."""

    def __init__(self) -> None:
        self._lists: list[tuple[str, int, int]] = []  # kind, number of the item that comes next, step

    @property
    def depth(self) -> int:
        """How many lists are open, one in another."""
        return len(self._lists)

    def begin(self, name: str, told: dict[str, str]) -> None:
        """Open a list: the name of its tag, and its attributes."""
        kind = (told.get("type", "") or "1") if name == "ol" else "-"
        if name != "ol" and "list-style" in (style := told.get("style", "").lower()) and "none" in style:
            kind = ""
        self._lists.append((kind, _number(told.get("start", ""), 1), -1 if "reversed" in told else 1))

    def end(self) -> None:
        """The innermost list is over."""
        if self._lists:
            self._lists.pop()

    def next(self, value: str) -> str:
        """Return the mark of the next item: "- ", "2. ", "b. "."""
        if not self._lists:
            return "- "
        kind, number, step = self._lists[-1]
        number = _number(value, number)
        self._lists[-1] = (kind, number + step, step)
        indent = "  " * min(INDENT_MAX, len(self._lists) - 1)
        return indent + (kind and ("- " if kind == "-" else f"{_counted(kind, number)}. "))


def _number(text: str, default: int) -> int:
    text = text.strip()
    return int(text) if len(text) < NUMBER_CHARS and text.isascii() and text.removeprefix("-").isdigit() else default


def _counted(kind: str, number: int) -> str:
    told = str(number)
    if kind in {"a", "A"} and number > 0:
        told = ""
        while number:
            number, rest = divmod(number - 1, 26)
            told = chr(ord("a") + rest) + told
    elif kind in {"i", "I"} and 0 < number <= ROMAN_MAX:
        told = ""
        for worth, letters in _ROMAN:
            told += letters * (number // worth)
            number %= worth
    return told.upper() if kind.isupper() else told
