"""Mails that pass another on: who wrote that one, about what, and what was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain as joined
from textwrap import dedent
from typing import Final

from mailwicket.mail.byline import Byline, byline
from mailwicket.mail.html import to_plain
from mailwicket.mail.labels import (
    Block,
    announced_block,
    header_block,
    is_empty,
    quoted_header,
    run_on,
    unquoted,
    with_colons,
)
from mailwicket.mail.labels import person as read_person
from mailwicket.mail.quoted import reply_text
from mailwicket.mail.separator import Kind, Separator, Title, is_bare_phrase, separator, title
from mailwicket.model import Address, Enclosed, Mail

CHAIN_MAX: Final = 5
HEADER_MAX_LABELS: Final = 60
"""Below a separator: mutt and MH pass the whole header on."""

BELOW_LINES: Final = 8
"""So far below its separator a header may begin."""

SUSPECTS_MAX: Final = 5000
"""So many lines with a colon or of dashes are looked at: none of them comes free, and a forward begins long before."""

RUN_ON_LABELS: Final = 3
CLOSING_CHARS: Final = 40
BLANKS: Final = " \t\r\n\xa0\u200b\ufeff"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A mail inside another's text, and the words of the one who passed it on."""

    author: Address | None
    author_name: str | None
    """Alone where the header bears no address: Exchange does so."""
    subject: str | None
    """As it is written there, with all prefixes."""
    text: str
    own_words: str
    """What the forwarder wrote beside it, without signature; `""` for nothing."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Where in the lines the forwarded mail stands, and what its header says."""

    mark: int
    """The first line that is no more the forwarder's."""
    body: int
    """The first line of its text."""
    quotes: int
    mark_of: Separator | None = None
    author: Address | None = None
    author_name: str | None = None
    subject: str | None = None
    is_attributed: bool = False


def forwarded(subject: str, text: str, enclosed: Sequence[Enclosed] = ()) -> Forwarded | None:
    """Return the mail that is passed on, or None: a reply that quotes passes none on.

    A separator with a header below it is enough; what programs write above a quote, too ("Original Message", a bare
    header, "On DATE, NAME <ADDRESS> wrote:"), needs a prefix in the subject. A single enclosed mail is one that is
    passed on, unless the text holds another, which then is the outer one. Linear in the length of *text*.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    found = _find(title(subject), lines)
    if found is not None:
        return _read(lines, found)
    if len(enclosed) != 1:
        return None
    inner = enclosed[0]
    name = inner.author.name if inner.author else None
    return Forwarded(inner.author, name, inner.subject, inner.text.strip(), _own(text))


def chain(subject: str, text: str, enclosed: Sequence[Enclosed] = ()) -> Sequence[Forwarded]:
    """Return the mail that is passed on, the one that this passes on, and so forth: at most CHAIN_MAX, outermost first.

    A mail that is enclosed beside a text that passes one on is the last: it came along with that one.
    """
    told: list[Forwarded] = []
    one = forwarded(subject, text)
    if one is None:
        one, enclosed = forwarded(subject, text, enclosed), ()
    while one is not None and len(told) < CHAIN_MAX:
        told.append(one)
        one = forwarded(one.subject or "", one.text)
        if one is None:
            one, enclosed = forwarded("", "", enclosed), ()
    return told


def passed_on(mail: Mail) -> Forwarded | None:
    """Return the mail that *mail* passes on, or None.

    A report encloses what it reports: it passes nothing on. Where the plain body has lost what the HTML body shows of a
    forward, that one is read.
    """
    found = forwarded(mail.subject, mail.text, mail.enclosed if mail.bounce is None else ())
    if found is None and mail.html is not None and title(mail.subject).is_forward:
        found = forwarded(mail.subject, to_plain(mail.html))
    return found


def _find(said: Title, lines: list[str]) -> _Found | None:
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


def _announced(said: Title, lines: list[str], number: int, mark: Separator) -> _Found | None:
    """Read what stands below (or behind) a separator; None if it announces nothing."""
    if mark.kind not in {Kind.FORWARD, Kind.ORIGINAL} or (mark.quotes and not said.is_forward):
        return None
    if mark.kind is Kind.ORIGINAL and not said.is_forward:
        return None
    needs_header = not said.is_forward or not mark.dashed or bool(said.languages)
    found = _header_below(lines, number, mark)
    if found is None and mark.rest:
        return None  # words, and no header
    if found is None:
        author, name = read_person(mark.by) if mark.by else (None, None)
        if needs_header and author is None:
            return None
        return _Found(number, number + 1, mark.quotes, mark, author, name)
    if mark.kind is Kind.ORIGINAL and not _is_believed(said, found[1]):
        return None
    return found[0]


def _header_below(lines: list[str], number: int, mark: Separator) -> tuple[_Found, Block | None] | None:
    """Find the header in the lines below a separator, or on its own line."""
    begin = _next_line(lines, number + 1)
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


def _run_on(lines: list[str], number: int, begin: int, mark: Separator) -> tuple[_Found, Block] | None:
    """Read a header whose labels stand behind one another, as Yahoo writes it."""
    pieces, behind = run_on(mark.rest) if mark.rest else (), number + 1
    if not pieces and begin < len(lines) and len(split := run_on(lines[begin])) >= RUN_ON_LABELS:
        pieces, behind = split, begin + 1
    block = announced_block(pieces, 0)
    if block is not None and block.subject is None:
        block = announced_block([*pieces, *lines[behind : behind + HEADER_MAX_LABELS]], 0, within=HEADER_MAX_LABELS)
    if block is None or block.end < len(pieces):
        return None
    return _of(block, number, behind + block.end - len(pieces), mark), block


def _author_above(lines: list[str], number: int, begin: int, mark: Separator) -> tuple[_Found, Block] | None:
    """Read a header that begins some lines below, or whose author stands above it without a label (Lotus Notes)."""
    for at in range(begin + 1, min(len(lines), begin + BELOW_LINES)):
        block = announced_block(lines, at, within=HEADER_MAX_LABELS)
        if block is None:
            continue
        if block.is_sure:
            return _of(block, number, block.end, mark), block
        if mark.dashed and block.subject is not None and block.to is not None:
            author, name = read_person(lines[begin])
            return _Found(number, block.end, block.quotes, mark, author, name, block.subject), block
        return None
    return None


def _of(block: Block, number: int, body: int, mark: Separator | None) -> _Found:
    author, name = block.author, block.author_name
    if author is None and name is None and mark is not None and mark.by:
        author, name = read_person(mark.by)
    return _Found(number, body, block.quotes, mark, author, name, block.subject)


def _unannounced(said: Title, lines: list[str], number: int) -> _Found | None:
    """Read a header, or a line that names author and date, that no separator announces."""
    block = header_block(lines, number)
    if block is None:
        return _attributed(said, lines, number)
    if not _is_believed(said, block) or (block.subject is None and block.author is None):
        return None
    return _of(block, number, block.end, None)


def _is_believed(said: Title, block: Block | None) -> bool:
    return not said.languages or (block is not None and not said.languages.isdisjoint(block.languages))


def _attributed(said: Title, lines: list[str], number: int) -> _Found | None:
    if said.languages or not any("@" in line for line in lines[number : number + 2]):
        return None
    if number > 0 and not is_empty(lines[number - 1]):
        return None
    told = byline(lines, number)
    return None if told is None else _by(told, lines, number, None)


def _by(told: Byline, lines: list[str], number: int, mark: Separator | None) -> _Found:
    """Take the author from an attribution, and the rest from a header below it if there is one (old Yahoo)."""
    block = header_block(lines, _next_line(lines, told.end))
    if block is not None:
        return _of(block, number, block.end, mark)
    return _Found(number, told.end, told.quotes, mark, told.author, told.author_name, is_attributed=True)


def _next_line(lines: list[str], at: int) -> int:
    """Return the number of the next line with anything on it."""
    for number in range(at, min(len(lines), at + BELOW_LINES)):
        if not is_empty(lines[number]):
            return number
    return min(len(lines), at + BELOW_LINES)


def _read(lines: list[str], found: _Found) -> Forwarded:
    """Cut the text of the forwarded mail and the forwarder's words out of the lines."""
    body, quotes = found.body, found.quotes
    if found.is_attributed and not quotes:
        body = _next_line(lines, body)
        quotes = int(body < len(lines) and lines[body].startswith(">"))
    body = _below_rule(lines, found, body)
    last, below = _end(lines, found, body)
    if quotes:
        last, below = _unquoted_tail(lines, body, last, below)
    inner = lines[body:last]
    if not quotes and all(line.startswith(">") or is_empty(line) for line in inner):
        quotes = 1
    if quotes:
        inner = [unquoted(line, quotes) for line in inner]
    text = "\n".join(inner).strip("\n")
    text = (dedent(text) if found.is_attributed and text.startswith((" ", "\t")) else text).strip(BLANKS)
    above = _above(lines, found.mark)
    own = "\n".join(joined(lines[:above], lines[below:]))
    return Forwarded(found.author, found.author_name, found.subject, text, _own(own))


def _below_rule(lines: list[str], found: _Found, body: int) -> int:
    """Leave out the line with which Zoho and SquirrelMail close the header."""
    begin = _next_line(lines, body)
    mark = separator(lines[begin]) if found.mark_of is not None and begin < len(lines) else None
    if mark is None or found.mark_of is None or not found.mark_of.dashed:
        return body
    is_rule = mark.kind is Kind.RULE and len(lines[begin].strip()) >= CLOSING_CHARS
    is_same = lines[begin].strip() == lines[found.mark].strip()
    is_closing = is_rule or (is_same and announced_block(lines, _next_line(lines, begin + 1)) is None)
    return begin + 1 if is_closing else body


def _above(lines: list[str], mark: int) -> int:
    """Return where the forwarder's words end: a rule above the header is none of them."""
    number = mark
    while number > 0 and mark - number < BELOW_LINES:
        line = lines[number - 1]
        if not is_empty(line) and not is_bare_phrase(line) and not _is_rule(line):
            break
        number -= 1
    return number


def _is_rule(line: str) -> bool:
    mark = separator(line)
    return mark is not None and mark.kind is Kind.RULE


def _end(lines: list[str], found: _Found, body: int) -> tuple[int, int]:
    """Return the line after the forwarded text, and the line where the forwarder goes on."""
    if found.mark_of is None or not found.mark_of.dashed:
        return len(lines), len(lines)
    depth = 1
    for number in range(body, len(lines)):
        mark = separator(lines[number]) if lines[number] else None
        if mark is None or mark.quotes != found.mark_of.quotes:
            continue
        depth += (mark.kind is Kind.FORWARD) - (mark.kind is Kind.END)
        if not depth:
            return number, number + 1
    last = len(lines)
    while last > body and is_empty(lines[last - 1]):
        last -= 1
    if last > body and _is_rule(lines[last - 1]):
        last -= len(lines[last - 1].strip()) >= CLOSING_CHARS  # KMail closes with one
    return last, len(lines)


def _unquoted_tail(lines: list[str], body: int, last: int, below: int) -> tuple[int, int]:
    """Leave the forwarder what stands below a quoted mail, unquoted and behind an empty line."""
    end = last
    while end > body and not lines[end - 1].startswith((">", " >")):
        end -= 1
    if end <= body or end >= last or lines[end].strip():
        return last, below
    return end, end


def _own(text: str) -> str:
    """Return the forwarder's words without signature; nothing where there is nothing else."""
    if not text.strip():
        return ""
    # A reply cutter leaves a text whole of which nothing would remain; a word before it remains.
    words = reply_text(f"{_WORD}\n\n{text.strip()}")
    return words.removeprefix(_WORD).strip() if words.startswith(_WORD) else words


_WORD: Final = "Hello,"
