"""Where in a text the mail stands that it passes on, and what its header says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.mail.byline import LINES_MAX, Byline, byline
from mailwicket.mail.labels import (
    Block,
    announced_block,
    ends_in_subject,
    header_block,
    is_empty,
    quoted_header,
    run_on,
    with_colons,
)
from mailwicket.mail.named import person
from mailwicket.mail.separator import Kind, Separator, Title, is_bare_phrase, separator
from mailwicket.model import Address

HEADER_MAX_LABELS: Final = 60
"""Below a separator: mutt and MH pass the whole header on."""

BELOW_LINES: Final = 8
"""So far below its separator a header may begin."""

SUSPECTS_MAX: Final = 5000
"""So many lines with a colon or of dashes are looked at: none of them comes free, and a forward begins long before."""

LINE_MAX_CHARS: Final = 1000
RUN_ON_LABELS: Final = 3
RUN_ON_MAX_LABELS: Final = 8


@dataclass(frozen=True, slots=True)
class Passage:
    """A mail in the lines of another: where it begins, and what is known of it."""

    mark: int
    """The first line that is no more the forwarder's."""
    body: int
    """The first line of its text."""
    quotes: int
    mark_of: Separator | None = None
    author: Address | None = None
    author_name: str | None = None
    subject: str | None = None
    date: str | None = None
    is_attributed: bool = False


def find(said: Title, lines: list[str]) -> Passage | None:
    """Return the first passage of *lines* that is a mail passed on by what *said* and they tell; None if there is none.

    Only the first SUSPECTS_MAX lines that look like a header are looked at.
    """
    for number, mark in _suspects(lines):
        if mark is not None:
            if (found := _announced(said, lines, number, mark)) is not None:
                return found
            if mark.kind is Kind.ORIGINAL and not said.is_forward:
                return None
        elif said.is_forward:
            if (found := _unannounced(said, lines, number)) is not None:
                return found
        elif quoted_header(lines, number) or byline(lines, number) is not None:
            return None  # from here on it is what a reply quotes
    return None


def _suspects(lines: list[str]) -> Iterator[tuple[int, Separator | None]]:
    """Yield the numbers of the first lines that may announce or begin a header, with the separator if there is one."""
    left = SUSPECTS_MAX
    for number, line in enumerate(lines):
        if line and left:
            mark = separator(line)
            if mark is not None or ":" in line or "@" in line or "：" in line or "|" in line:
                yield number, mark
                left -= 1


def _announced(said: Title, lines: list[str], number: int, mark: Separator) -> Passage | None:
    """Read what stands below (or behind) a separator; None if it announces nothing."""
    if mark.kind is not Kind.FORWARD and not (mark.kind is Kind.ORIGINAL and said.is_forward):
        return None
    if mark.quotes and not said.is_forward and (said.is_reply or _is_inside_quote(lines, number)):
        return None
    is_sure = mark.kind is Kind.FORWARD or is_bare_phrase(lines[number].strip(" \r>-=_*"))  # or "Original price"
    needs_header = not said.is_forward or not is_sure or bool(said.languages)
    found = _header_below(lines, number, mark)
    if found is None and mark.rest:
        return None  # words, and no header
    if found is None:
        author, name = person(mark.by) if mark.by else (None, None)
        if needs_header and author is None:
            return None
        return Passage(number, number + 1, mark.quotes, mark, author, name)
    if not said.is_forward and found[0].author_name is None and found[0].author is None:
        return None
    if mark.kind is Kind.ORIGINAL and not _is_believed(said, found[1]):
        return None
    return found[0]


def _is_inside_quote(lines: list[str], number: int) -> bool:
    """Tell whether something is quoted above line *number*: Apple Mail quotes its own separator, and nothing before."""
    above = number - 1
    while above >= 0 and number - above < BELOW_LINES and is_empty(lines[above]):
        above -= 1
    return above >= 0 and lines[above].lstrip().startswith(">")


def _header_below(lines: list[str], number: int, mark: Separator) -> tuple[Passage, Block | None] | None:
    """Find the header in the lines below a separator, or on its own line."""
    begin = next_line(lines, number + 1)
    if (told := _run_on(lines, number, begin, mark)) is not None:
        return told
    block = announced_block(lines, begin, within=HEADER_MAX_LABELS)
    if block is None:
        if (told_by := byline(lines, begin)) is not None:
            return _by(told_by, lines, number, mark), None
        bare = announced_block(with_colons(lines, begin), 0)
        if bare is not None:
            return _of(bare, number, begin + bare.end, mark), bare
        return _author_above(lines, number, begin, mark)
    if not (block.is_sure or block.author or block.author_name or block.subject):
        return None
    if not mark.dashed and not block.is_sure:
        return None
    return _of(block, number, block.end, mark), block


def _run_on(lines: list[str], number: int, begin: int, mark: Separator) -> tuple[Passage, Block] | None:
    """Read a header whose labels stand behind one another, as Yahoo writes it."""
    if mark.rest:
        pieces, behind = _wrapped_run(mark.rest, lines, number + 1)
    else:
        pieces, behind = run_on(lines[begin]) if begin < len(lines) else (), begin + 1
        if len(pieces) < RUN_ON_LABELS:
            return None
    block = announced_block(pieces, 0)
    if block is not None and block.subject is None:
        block = announced_block([*pieces, *lines[behind : behind + HEADER_MAX_LABELS]], 0, within=HEADER_MAX_LABELS)
    if block is None or block.end < len(pieces):
        return None
    return _of(block, number, behind + block.end - len(pieces), mark), block


def _wrapped_run(text: str, lines: list[str], at: int) -> tuple[Sequence[str], int]:
    """Split labels that run on from *text* into the lines at *at*, up to the subject; return where they end."""
    alone = run_on(text)
    if len(alone) > RUN_ON_MAX_LABELS:
        return alone, at
    for end in range(at, min(len(lines), at + BELOW_LINES)):
        pieces = run_on(text)
        if ends_in_subject(pieces):
            return pieces, end
        if not pieces or is_empty(lines[end]):
            break
        text = f"{text} {lines[end][:LINE_MAX_CHARS].strip()}"
    return alone, at


def _author_above(lines: list[str], number: int, begin: int, mark: Separator) -> tuple[Passage, Block] | None:
    """Read a header that begins some lines below, or whose author stands above it without a label (Lotus Notes)."""
    for at in range(begin + 1, min(len(lines), begin + BELOW_LINES)):
        block = announced_block(lines, at, within=HEADER_MAX_LABELS)
        if block is None:
            continue
        if block.is_sure:
            return _of(block, number, block.end, mark), block
        if mark.dashed and block.subject is not None and block.to is not None:
            author, name = person(_without_label(lines[begin]))
            return Passage(number, block.end, block.quotes, mark, author, name, block.subject, block.date), block
        return None
    return None


def _without_label(line: str) -> str:
    """Take a label off that is in none of our languages."""
    label, colon, value = line[:LINE_MAX_CHARS].partition(":")
    return value if colon and "@" in value and "@" not in label else line[:LINE_MAX_CHARS]


def _of(block: Block, number: int, body: int, mark: Separator | None) -> Passage:
    author, name = block.author, block.author_name
    if author is None and name is None and mark is not None and mark.by:
        author, name = person(mark.by)
    return Passage(number, body, block.quotes, mark, author, name, block.subject, block.date)


def _unannounced(said: Title, lines: list[str], number: int) -> Passage | None:
    """Read a header, or a line that names author and date, that no separator announces."""
    block = header_block(lines, number)
    if block is None:
        return _attributed(said, lines, number)
    if not _is_believed(said, block) or (block.subject is None and block.author is None):
        return None
    return _of(block, number, block.end, None)


def _is_believed(said: Title, block: Block | None) -> bool:
    """Tell whether a header confirms a prefix that says too little: by its language, or by the same subject."""
    if not said.languages:
        return True
    if block is None:
        return False
    is_same = block.subject is not None and block.subject.casefold() == said.rest.casefold()
    return not said.languages.isdisjoint(block.languages) or (is_same and said.denied_by.isdisjoint(block.languages))


def _attributed(said: Title, lines: list[str], number: int) -> Passage | None:
    if said.languages or not any("@" in line or ">>>" in line for line in lines[number : number + LINES_MAX]):
        return None
    if number > 0 and not is_empty(lines[number - 1]):
        return None
    told = byline(lines, number)
    return None if told is None else _by(told, lines, number, None)


def _by(told: Byline, lines: list[str], number: int, mark: Separator | None) -> Passage:
    """Take the author from an attribution, and the rest from a header below it if there is one (old Yahoo)."""
    block = header_block(lines, next_line(lines, told.end))
    if block is not None:
        return _of(block, number, block.end, mark)
    return Passage(number, told.end, told.quotes, mark, told.author, told.author_name, is_attributed=True)


def next_line(lines: list[str], at: int) -> int:
    """Return the number of the next line with anything on it."""
    for number in range(at, min(len(lines), at + BELOW_LINES)):
        if not is_empty(lines[number]):
            return number
    return min(len(lines), at + BELOW_LINES)
