"""The header block of a mail that another mail quotes or passes on: From, Sent, To, Subject in 58 languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mailwicket.mail.header import words
from mailwicket.mail.label_words import WORDS
from mailwicket.mail.named import person
from mailwicket.model import Address

WITHIN_LINES: Final = 12
"""The evidence of a block must stand in that many lines; folded ones do not count."""

LABELS_LEAST: Final = 3
LABELS_WITHIN: Final = 6
"""What a quoted header needs at least, where nothing else says that there is one."""

LINE_MAX_CHARS: Final = 1000
LABEL_MAX_CHARS: Final = 40
FOLDED_MAX_LINES: Final = 100
LOOK_AHEAD_LINES: Final = 3
RUN_ON_MAX_COLONS: Final = 40

WHITE: Final = " \t\xa0\u2007\u202f\u3000\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_COLONS: Final = ":：\ufe30\ufe55"
_COLON: Final = re.compile(f"[{_COLONS}]")
LEAD: Final = re.compile(rf"[{WHITE}>]*")
_MARKS: Final = re.compile(r"[\xa0\u2007\u202f\u3000]")
INVISIBLE: Final = re.compile(r"[\xad\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BOLD: Final = re.compile(r"\*{1,3}|_{1,2}")
_LISTED: Final = re.compile(r"<[^\s<>@]{1,200}@[^\s<>@]{1,255}>\s*(?:[,;]|$)")
_FIELD: Final = re.compile(r"(?:X-)?[A-Z][A-Za-z]*-[A-Za-z-]+|Received")  # of a raw header, as MH and mutt pass it on


class Label(StrEnum):
    """What a line of a header block tells."""

    FROM = "from"
    DATE = "date"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    SUBJECT = "subject"
    REPLY = "reply"
    OTHER = "other"


EVIDENCE: Final = frozenset({Label.DATE, Label.TO, Label.SUBJECT})
_OFTEN: Final = frozenset({Label.DATE, Label.OTHER})  # "Sent" and "Received", "Attachments" and "Importance"


def key(word: str) -> str:
    """Spell *word* so that case, accents' encoding and blanks make no difference."""
    if not word.isascii():
        word = unicodedata.normalize("NFC", INVISIBLE.sub("", word))
    return "".join(word.casefold().replace("\u0307", "").split())  # of the Turkish capital I with a dot


def _table() -> Mapping[str, Mapping[Label, frozenset[str]]]:
    table: dict[str, dict[Label, frozenset[str]]] = {}
    for line in WORDS.strip().splitlines():
        head, _, listed = line.partition(": ")
        language, _, label = head.partition(" ")
        for word in listed.split(", "):
            meanings = table.setdefault(key(word), {})
            meanings[Label(label)] = meanings.get(Label(label), frozenset()) | {language}
    return table


_LABELS: Final = _table()
_UNKNOWN: Final[Mapping[Label, frozenset[str]]] = {Label.OTHER: frozenset()}
_LONGEST: Final = max(map(len, _LABELS)) + 6


@dataclass(frozen=True, slots=True)
class _Line:
    """One label and what stands behind it."""

    meanings: Mapping[Label, frozenset[str]]
    value: str
    quotes: int
    """How many `>` stand before it."""
    indent: int


@dataclass(slots=True)
class _Fields:
    """What has been read of a block."""

    values: dict[Label, list[str]] = field(default_factory=dict)
    languages: dict[Label, frozenset[str]] = field(default_factory=dict)
    labels: int = 0
    soon: int = 0
    """Labels within LABELS_WITHIN lines."""
    last: Label | None = None

    def take(self, line: _Line) -> bool:
        """Note *line*; False if it cannot belong to the block because the block told that before."""
        for label, languages in line.meanings.items():
            if label not in self.values or label in _OFTEN:
                self.values.setdefault(label, []).append(line.value)
                self.languages[label] = self.languages.get(label, frozenset()) | languages
                self.last = label
                self.labels += 1
                return True
        return False

    def text(self, label: Label) -> str | None:
        """Return the value of *label*, unfolded; None if there is none."""
        if label not in self.values:
            return None
        values = self.values[label][:1] if label is Label.DATE else self.values[label]
        told = " ".join(value for value in values if value).strip()
        return words(told) if "=?" in told else told  # a header as it came (RFC 2047)

    def is_open(self) -> bool:
        """Tell whether the last value ends within an address."""
        return "<" in self.values[self.last or Label.OTHER][-1].rpartition(">")[2]

    def spoken(self) -> frozenset[str]:
        """Return the languages in which From is written and at least one label beside it, where there is one."""
        author = self.languages.get(Label.FROM, frozenset())
        return frozenset(
            language for language in author if any(language in self.languages.get(label, ()) for label in EVIDENCE)
        )

    def are_a_header(self) -> bool:
        """A From label and one of date, to and subject in its language, or two of them in any."""
        if Label.FROM not in self.values:
            return False
        others = [label for label in EVIDENCE if label in self.values]
        return len(others) >= 2 or any(self.languages[label] & self.languages[Label.FROM] for label in others)


@dataclass(frozen=True, slots=True)
class Block:
    """The header of a mail as a mail program prints it into another."""

    author: Address | None
    author_name: str | None
    """The name in the From line, with or without an address."""
    subject: str | None
    """As written; None if there is no such line."""
    date: str | None
    to: str | None
    end: int
    """The line after it."""
    quotes: int
    """How many `>` stand before its lines."""
    languages: frozenset[str]
    """Whose words its labels may be, each as a code of language."""
    is_sure: bool
    """Whether it has a From line and enough beside it to be a header even where nothing announces one."""


def header_block(lines: Sequence[str], at: int, *, within: int = WITHIN_LINES) -> Block | None:
    """Return the header block that begins with line *at*, or None: a From label and date, to or subject beside it.

    One other label of the same language is enough, or two of any, in *within* lines. `lines` bear no line ends (a CR is
    forgiven). Linear in the lines of the block, of which at most FOLDED_MAX_LINES are read.
    """
    first = _labelled(lines[at]) if at < len(lines) else None
    if first is None or Label.OTHER in first.meanings:
        return None
    found = announced_block(lines, at, within=within)
    return found if found is not None and found.is_sure else None


def announced_block(lines: Sequence[str], at: int, *, within: int = WITHIN_LINES) -> Block | None:
    """Return what labels say at line *at*, where a separator has announced them: a single one is enough."""
    first = _labelled(lines[at]) if at < len(lines) else None
    if first is None:
        return None
    fields, end = _read(lines, at, within, first)
    author, name = person(fields.text(Label.FROM) or "")
    return Block(
        author=author,
        author_name=name,
        subject=fields.text(Label.SUBJECT),
        date=fields.text(Label.DATE),
        to=fields.text(Label.TO),
        end=end,
        quotes=first.quotes,
        languages=fields.spoken(),
        is_sure=fields.are_a_header(),
    )


def quoted_header(lines: Sequence[str], at: int) -> int:
    """Return how many lines at *at* are the header of a quoted mail as mail programs print it; 0 for none.

    It takes 3 labels in 6 lines, one of them a subject or an author's address: a journey has From, To and
    Date, too. Cheap for lines without a label.
    """
    first = _labelled(lines[at])
    if first is None or Label.OTHER in first.meanings:
        return 0
    fields, end = _read(lines, at, WITHIN_LINES, first)
    if fields.soon < LABELS_LEAST or not (Label.SUBJECT in fields.values or "@" in (fields.text(Label.FROM) or "")):
        return 0
    return end - at


def run_on(text: str) -> Sequence[str]:
    """Split a line in which labels and values follow one another without a break (Yahoo does so), one label a line.

    Nothing is split behind a subject. Returns no line if *text* does not begin with a label.
    """
    text = text[: 2 * LINE_MAX_CHARS]
    starts: list[int] = []
    for found in list(_COLON.finditer(text))[:RUN_ON_MAX_COLONS]:
        begin = _label_begins(text, found.start(), starts[-1] if starts else 0)
        if begin is None:
            if not starts:
                return ()
            continue
        if not starts and text[:begin].strip(WHITE + ">*_"):
            return ()
        starts.append(begin)
        if Label.SUBJECT in _LABELS[key(text[begin : found.start()].strip("*_"))]:
            break
    ends = [*starts[1:], len(text)] if starts else []
    return [text[begin:end].strip() for begin, end in zip(starts, ends, strict=True)]


def ends_in_subject(pieces: Sequence[str]) -> bool:
    """Tell whether the last of *pieces*, as `run_on` returns them, is a subject."""
    last = _labelled(pieces[-1]) if pieces else None
    return last is not None and Label.SUBJECT in last.meanings


def with_colons(lines: Sequence[str], at: int) -> Sequence[str]:
    """Return the lines at *at* that begin with a label but bear no colon (eM Client), as if they did; in a header only.

    At least LABELS_LEAST of them must follow one another.
    """
    told: list[str] = []
    for line in lines[at : at + WITHIN_LINES]:
        word, _, value = line[:LINE_MAX_CHARS].replace("\t", " ").strip(WHITE).partition(" ")
        if not value or key(word) not in _LABELS:
            break
        told.append(f"{word}: {value}")
    return told if len(told) >= LABELS_LEAST else ()


def is_empty(line: str) -> bool:
    """Tell whether there is nothing on *line*, quoted or not."""
    return not line[:LINE_MAX_CHARS].strip(WHITE + ">\r")


def unquoted(line: str, levels: int) -> str:
    """Take *levels* marks of quotation from the begin of *line*, as far as there are any."""
    for _ in range(levels):
        bare = line.lstrip(" ")
        if not bare.startswith(">"):
            return line
        line = bare[1:].removeprefix(" ")
    return line


def _read(lines: Sequence[str], at: int, within: int, first: _Line) -> tuple[_Fields, int]:
    """Read labels and their values from line *at* on, as long as they belong together."""
    fields = _Fields()
    fields.take(first)
    fields.soon = 1
    number, end, counted, spaced, below = at + 1, at + 1, 1, None, not first.value
    limit = min(len(lines), at + FOLDED_MAX_LINES)
    while number < limit and counted < within:
        text = lines[number][:LINE_MAX_CHARS]
        bare = text.strip(WHITE + ">\r")
        if not bare and not first.quotes and ">" in text and fields.is_open():
            number = end = number + 1  # the bracket alone did not fit on the line of its address
            continue
        if not bare:
            if spaced is False or not _goes_on(lines, number, first.quotes, fields):
                break
            spaced, number = True, number + 1
            continue
        line = _labelled(text)
        if line is not None and line.quotes == first.quotes and fields.take(line):
            if spaced is None:
                spaced = False
            counted += 1
            fields.soon += number < at + LABELS_WITHIN
        elif spaced is not True and _folds(lines, number, first, fields, below=below):
            fields.values[fields.last or Label.OTHER].append(bare)
        else:
            break
        number = end = number + 1
    return fields, end


def _goes_on(lines: Sequence[str], number: int, quotes: int, fields: _Fields) -> bool:
    """Tell whether another label stands behind the empty line *number*, or two."""
    below = number + 1 + (number + 1 < len(lines) and is_empty(lines[number + 1]))
    line = _labelled(lines[below]) if below < len(lines) else None
    return line is not None and line.quotes == quotes and any(label not in fields.values for label in line.meanings)


def _folds(lines: Sequence[str], number: int, first: _Line, fields: _Fields, *, below: bool) -> bool:
    """Tell whether line *number* goes on with the value of the line before it."""
    text = lines[number][:LINE_MAX_CHARS]
    lead = LEAD.match(text)
    white = lead[0] if lead else ""
    if white.count(">") != first.quotes:
        return False
    so_far = fields.values[fields.last or Label.OTHER]
    if len(white.rpartition(">")[2]) > first.indent + (first.quotes > 0 and first.indent == 0):
        return True
    if not so_far[-1]:
        return (below and fields.labels > 1) or _label_soon(lines, number, fields)
    if so_far[-1].endswith("<"):  # an address that was too long for the line
        return True
    if fields.last in {Label.TO, Label.CC, Label.BCC} and (
        so_far[-1].endswith((",", ";")) or _LISTED.search(text) is not None
    ):
        return True
    return _label_soon(lines, number, fields)


def _label_soon(lines: Sequence[str], number: int, fields: _Fields) -> bool:
    """Tell whether another label of the block follows before an empty line."""
    for text in lines[number + 1 : number + 1 + LOOK_AHEAD_LINES]:
        if not text[:LINE_MAX_CHARS].strip(WHITE + ">\r"):
            return False
        line = _labelled(text)
        if line is not None:
            return any(label not in fields.values for label in line.meanings)
    return False


def _labelled(text: str) -> _Line | None:
    """Read *text* as label, colon, value; None if it does not begin with a known label."""
    if ":" not in text and "：" not in text and (text.isascii() or _COLON.search(text[:LINE_MAX_CHARS]) is None):
        return None if "|" not in text else _in_table(text)
    text = text[:LINE_MAX_CHARS]
    lead = LEAD.match(text)
    begin = lead.end() if lead else 0
    if text[begin : begin + 1] == "|":
        return _in_table(text)
    colon = _COLON.search(text, begin, begin + LABEL_MAX_CHARS)
    if colon is None:
        return None
    word = text[begin : colon.start()]
    bold = _BOLD.match(word)
    if bold:
        word = word[bold.end() :]
    closed = word.rstrip(WHITE).endswith(("*", "_"))
    meanings = _LABELS.get(key(word.rstrip(WHITE + "*_.")))
    if meanings is None and _FIELD.fullmatch(word):
        meanings = _UNKNOWN
    if meanings is None:
        return None
    value = text[colon.end() :]
    if bold and not closed:
        value = value.strip(WHITE)
        value = value.removeprefix(bold[0]) if value.startswith(bold[0]) else value.removesuffix(bold[0])
        if value.startswith(bold[0]) and value.endswith(bold[0]):
            value = value.strip(bold[0])
    return _line(meanings, value, text[:begin])


def _in_table(text: str) -> _Line | None:
    """`| From | Ada Example<ada@example.org> |`, as the programs of NetEase write it."""
    lead, _, rest = text[:LINE_MAX_CHARS].partition("|")
    word, _, value = rest.partition("|")
    if lead.strip(WHITE + ">") or len(word) > LABEL_MAX_CHARS:
        return None
    meanings = _LABELS.get(key(word.strip(WHITE + "*_" + _COLONS)))
    return None if meanings is None else _line(meanings, value.rstrip(WHITE + "|\r"), lead)


def _line(meanings: Mapping[Label, frozenset[str]], value: str, lead: str) -> _Line:
    if not value.isascii():
        value = INVISIBLE.sub("", _MARKS.sub(" ", value))
    return _Line(meanings, value.strip(), lead.count(">"), len(lead.rpartition(">")[2]))


def _label_begins(text: str, colon: int, least: int) -> int | None:
    """Return where the longest known label that ends before *colon* begins; None for none."""
    for begin in range(max(least, colon - _LONGEST), colon):
        word = text[begin:colon].strip("*_")
        if not word[:1].strip() or key(word) not in _LABELS:
            continue
        before = text[begin - 1] if begin else " "
        if not before.isalnum() or word[0].isupper() or not word.isascii():
            return begin
    return None
