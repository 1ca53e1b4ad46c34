"""The line above a quote that says who wrote it and when: "On Monday at 10:11 Ada <ada@example.org> wrote:".

Mail programs write it in the language of their owner, wrap it, and some forget the verb or the colon; so it is known by
the evidence in it: a word for "wrote", a date or a time, an address, a colon at its end, a quote below.
"""

# ruff: noqa: RUF001 - the dashes, colons and letters of all scripts are meant

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from mailwicket.mail.phrases import JOINED_WROTE, phrases

LINES_MAX: Final = 5
"""Over how many lines programs wrap it."""

LINE_MAX_CHARS: Final = 300
NAME_MAX_CHARS: Final = 60
BARE_MAX_WORDS: Final = 7

WHITE: Final = (
    " \t\r\xa0\u2007\u202f\u3000\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068"
    "\u2069\ufeff"
)
"""What shows nothing: blanks, and the marks that turn the direction of writing."""

_DRESS: Final = WHITE + "-_=*~|‐‑–—"
_COLONS: Final = (":", "：", ":>", "︰")
_WROTE: Final = frozenset(phrases("wrote"))
_OPENS: Final = tuple(sorted({f"{phrase} " for phrase in phrases("opens")}))
_WORDS: Final = re.compile(r"[^\s\d,.;:：()<>\[\]\"“”„'’`*/_|=~–—\u200b-\u200f\u202a-\u202e\u2066-\u2069-]+")
_DATE: Final = re.compile(
    r"(?<!\d)(?:(?:19|20|25)\d\d(?!\d)|\d{1,4}[./-] ?\d{1,2}[./-] ?\d{1,4}(?!\d)|\d{1,2}[./-]\w{3,9}[./-]{1,2}\d{2,4}|"
    r"\d{1,2} ?月|\d{1,2} ?월|1[34]\d\d/\d)"
)
_TIME: Final = re.compile(r"(?<!\d)\d{1,2} ?[:.h時时시：][ ]?\d{2}(?!\d)|\d ?(?:[ap]\.? ?m\b|Uhr)", re.IGNORECASE)
_DAY_FIRST: Final = re.compile(r"\W{0,3}(?:[^\s\d.,]{1,14}[.,]{0,2}[ ,]{1,3}){0,2}\d{1,4}\b")
_ADDRESS: Final = re.compile(r"[^\s<>()\[\]\"',;:]{1,64}@[^\s<>()\[\]\"',;:]{1,255}")
_ADDRESS_LAST: Final = re.compile(r"[<(\[][^<>()\[\]\s]{1,320}@[^<>()\[\]]{1,320}[>)\]]{1,3},?[ \xa0]?[:：]?$")
_RUN_ON: Final = re.compile(r"@[^<>()\s]{1,255}[>)][ \xa0]?,?[ \xa0]?([^\W\d_]{3,14})[ \xa0]?[:：]\s")
_ADDRESS_WITHIN: Final = re.compile(r"<[^<>\s]{1,320}@[^<>\s]{1,320}>")
_ABBREVIATED: Final = re.compile(r"\b\w{1,3}\.$")
_GOES_ON: Final = re.compile(r"\d{1,2}[:.]\d\d|(?:19|20)\d\d\b(?![./-])|[a-zà-ÿ]{1,5}\b")
_DIGIT: Final = re.compile(r"\d")
_PLAIN_LAST: Final = re.compile(r"\S@\S{1,255}[:：]$")
_INNER: Final = re.compile(
    r"(?<=[.!?)…:,])[ \xa0]{1,3}(?=(?:On|Am|Le|El|Il|Op|Den|Em|Dnia|W dniu|Dne|Dňa|Vào|Pada|În|Στις|Þann)[ \xa0])"
)
_RUN_INTO: Final = re.compile(
    r"(?<=[\w-])[ \xa0]{1,3}(?=(?:On|Am|Le|El|Il|Op|Den|Em)[ \xa0]"
    r"(?:[^\W\d_a-z][^\W\d_]{1,9}[.,]{0,2}[ \xa0]|\d{1,4}[./ -]))"
)
_MINE: Final = frozenset(phrases("I"))
_TOLD: Final = re.compile(
    r"\b(?:the|he|she|they|my|our|this) (?:\w{1,20} )?wrote\b|"
    r"\bschrieb(?:en)? (?:mir |uns )?(?:der|die|das|er|sie|mein|meine|unser|unsere|ein|eine|mir|uns)\b"
)
"""Who tells what somebody wrote names no name."""


class Attribution(NamedTuple):
    """Where one stands: lines *begin* up to *end*, which is not part of it."""

    begin: int
    end: int
    own: str
    """What the writer of the mail wrote in its first line, before it."""


def may_end(line: str) -> bool:
    """Tell, cheaply, whether *line* could be the last one of an attribution above a text that bears no marks."""
    bare = line[-LINE_MAX_CHARS:].rstrip(_DRESS)
    if bare.endswith(_COLONS):
        return True
    last = bare[-24:].casefold().rpartition(" ")[2].strip(_DRESS + "()\"'.,")
    return last in _WROTE or (not last.isascii() and last.endswith(JOINED_WROTE))


def run_on(line: str) -> int | None:
    """Return where an attribution begins in *line* behind which the quoted text follows in the same line (Yahoo)."""
    if len(line) > 40 * LINE_MAX_CHARS or "@" not in line[: 2 * LINE_MAX_CHARS]:
        return None
    found = _RUN_ON.search(line[: 2 * LINE_MAX_CHARS])
    if found is None or found[1].casefold() not in _WROTE:
        return None
    text = line[: found.end()].rstrip(WHITE)
    begin = _inner(text) or 0
    text = text[begin:]
    return begin if _opens(text) and _is_dated(text) and _is_one(text.strip(_DRESS), quoted=False) else None


def attribution(lines: Sequence[str], last: int, least: int, *, quoted: bool) -> Attribution | None:
    """Return the attribution whose last line is *last*, not beginning before line *least*; None if there is none.

    *quoted* tells that a quote, known by its marks, stands below it: then less evidence will do.
    """
    window = ""
    for begin in range(last, max(least, last - LINES_MAX + 1) - 1, -1):
        line = lines[begin].strip(WHITE)
        if not line and _is_fragment(window):
            continue
        if not line or len(line) > 2 * LINE_MAX_CHARS:
            return None
        if begin < last and _is_sentence(line):
            return None
        window = f"{line} {window}" if window else line
        if _is_one(window.strip(_DRESS), quoted=quoted, wrapped=begin < last):
            return _whole(lines, begin, last, least, window)
    return None


def _is_one(text: str, *, quoted: bool, wrapped: bool = False) -> bool:
    if len(text) > LINE_MAX_CHARS:
        inner = _inner(text)
        if inner is None or len(text) - inner > LINE_MAX_CHARS:
            return False
        text = text[inner:]
    colon = text.endswith(_COLONS)
    address = _ADDRESS.search(text) is not None
    day, hour = _DATE.search(text) is not None, _TIME.search(text) is not None
    if not (colon or address or day or hour):
        return False
    words = _WORDS.findall(text.casefold())
    wrote = not _WROTE.isdisjoint(words) or (not text.isascii() and any(word in text for word in JOINED_WROTE))
    if wrote and not address and not (_MINE.isdisjoint(words) and _TOLD.search(text) is None):
        return False
    if quoted:
        return _is_above_marks(text, words, colon=colon, wrote=wrote, address=address, dated=day or hour)
    if not (colon or (wrote and not wrapped and may_end(text))):
        return False
    if wrote:
        return (address and (day or hour or _ADDRESS_LAST.search(text[:-1].rpartition(">")[0] + ">") is not None)) or (
            day and (hour or _opens(text))
        )
    if not (address and (day or hour)):
        return False
    return _ADDRESS_LAST.search(text) is not None or (
        not wrapped
        and (_opens(text) or _DAY_FIRST.match(text) is not None)
        and (_PLAIN_LAST.search(text) is not None or (day and hour))
    )


def _is_above_marks(  # noqa: PLR0913 - the evidence, by name
    text: str, words: Sequence[str], *, colon: bool, wrote: bool, address: bool, dated: bool
) -> bool:
    """Weigh the evidence in a line that stands directly above a marked quote."""
    if wrote:
        return dated or address or (colon and len(words) <= BARE_MAX_WORDS)
    if colon and dated and "said" in words:
        return True
    if address and dated:
        return (
            (colon and len(words) <= BARE_MAX_WORDS)
            or _ADDRESS_LAST.search(text) is not None
            or _DAY_FIRST.match(text) is not None
            or _opens(text)
        )
    if colon and address:
        return len(words) <= 2 * BARE_MAX_WORDS and (_ADDRESS_LAST.search(text) is not None or _opens(text))
    return colon and dated and _DAY_FIRST.match(text) is not None


def _whole(lines: Sequence[str], begin: int, last: int, least: int, window: str) -> Attribution:
    """Take in the lines above *begin* that belong to it, leave out what stands before it in its first line."""
    least = max(least, last - LINES_MAX + 1)
    top = _top(lines, begin, least, window)
    above = lines[top - 1].strip(WHITE) if top > least else ""
    if above and _is_broken_off(lines[top].lstrip(_DRESS), above):
        top -= 1
    inner = _inner(lines[top])
    own = "" if inner is None else lines[top][:inner].rstrip(WHITE)
    own = own.rstrip("-" + WHITE) if own.endswith("--") else own
    return Attribution(top, last + 1, own)


def _top(lines: Sequence[str], begin: int, least: int, window: str) -> int:
    """Return the line that holds the beginning of the date, the name or the address that *window* lacks."""
    top, have = begin, _evidence(window)
    is_complete = have >= {"wrote", "address"} and _WORDS.search(window[:1]) is not None
    if _is_dated(lines[begin]) and len(have) > 1 and _opens(lines[begin], a_date="address" in have):
        return begin
    for above in range(begin - 1, least - 1, -1):
        line = lines[above].strip(WHITE)
        if not line and top == above + 1 and _is_fragment(lines[top].strip(WHITE)):
            continue
        if not line or len(line) > LINE_MAX_CHARS or _is_sentence(line):
            break
        told = _evidence(line)
        opens = "date" in told and (_opens(line) or _inner(line) is not None)
        if opens or (told - have and not is_complete):
            top, have = above, have | told
        if opens:
            break
    return top


def _is_broken_off(line: str, above: str) -> bool:
    """Tell whether *line* begins with an address whose name stands *above*, or goes on with a date from there."""
    if line.startswith(("<", "[", "(")):
        return len(above) <= NAME_MAX_CHARS and not _is_sentence(above) and above[0].isupper()
    if not _GOES_ON.match(line):
        return False
    return len(above) <= LINE_MAX_CHARS and _opens(above) and _DIGIT.search(above) is not None


def _is_fragment(text: str) -> bool:
    """Tell whether *text* is the end of an attribution that may be parted from its beginning by an empty line."""
    return text[:1] in {"<", "("} or text.partition(" ")[0].strip(_DRESS + ":").casefold() in _WROTE


def ends_in_verb(text: str) -> bool:
    """Tell whether *text* is short and ends in "wrote" (telephones put it between dashes above a quote)."""
    words = _WORDS.findall(text.casefold())
    return 1 < len(words) <= BARE_MAX_WORDS and words[-1] in _WROTE


def _evidence(text: str) -> set[str]:
    found = set()
    if _is_dated(text):
        found.add("date")
    if _ADDRESS.search(text):
        found.add("address")
    if not _WROTE.isdisjoint(_WORDS.findall(text.casefold())) or any(word in text for word in JOINED_WROTE):
        found.add("wrote")
    return found


def _inner(text: str) -> int | None:
    """Return where, behind a sentence of somebody's own, an attribution begins in *text*."""
    found = None
    for match in _INNER.finditer(text[: 4 * LINE_MAX_CHARS]):
        if _is_dated(text[match.end() : match.end() + LINE_MAX_CHARS]):
            found = match.end()
    return _run_into(text) if found is None else found


def _run_into(text: str) -> int | None:
    """Return where an attribution with date, time and address begins in *text*, whatever stands before it."""
    for match in _RUN_INTO.finditer(text[: 2 * LINE_MAX_CHARS]):
        rest = text[match.end() : match.end() + LINE_MAX_CHARS]
        if "@" in rest and _DATE.search(rest) and _TIME.search(rest) and may_end(rest):
            return match.end()
    return None


def _is_dated(text: str) -> bool:
    return _DATE.search(text) is not None or _TIME.search(text) is not None


def _opens(text: str, *, a_date: bool = True) -> bool:
    """Tell whether *text* begins as attributions do: with "On", "Am", "Le" or with *a_date*."""
    bare = text.lstrip(_DRESS + '"').replace("\xa0", " ")
    if bare[:1].islower():
        return a_date and _DAY_FIRST.match(bare) is not None and _is_dated(bare)
    return bare.casefold().startswith(_OPENS) or (a_date and _DAY_FIRST.match(bare) is not None)


def _is_sentence(line: str) -> bool:
    """Tell whether *line* ends as a sentence does."""
    if not line.endswith((".", "!", "?", "…", "。", "！", "？", ":", "：")) or _is_dated(line[-12:]):
        return False
    return not (
        line.endswith(".") and (_ADDRESS_WITHIN.search(line) or (_ABBREVIATED.search(line) and _is_dated(line)))
    )
