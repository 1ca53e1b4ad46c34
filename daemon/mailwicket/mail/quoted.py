"""What the writer of a reply wrote: a text without the mail it quotes and without signature.

Line by line, in linear time, and careful: the full text is always kept beside it, and where cutting would leave
nothing, nothing is cut. Answers that stand between the quoted lines keep the lines that they answer.
"""

# ruff: noqa: RUF001 - programs draw rules with all kinds of dashes

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.attribution import WHITE, Attribution, attribution, may_end, run_on
from mailwicket.mail.delimiter import delimiter
from mailwicket.mail.labels import announced_block, quoted_header
from mailwicket.mail.marked import own_part
from mailwicket.mail.phrases import phrases
from mailwicket.mail.signature import without_signature

EXAMINED_MAX_CHARS: Final = 1024 * 1024
EXAMINED_MAX_LINES: Final = 20_000
LINE_MAX_CHARS: Final = 400
ATTEMPTS_MAX: Final = 500
"""Looking closer at a line takes up to a millisecond; no person writes so many that end as an attribution does."""

GAP_LINES: Final = 6
"""Empty lines between an attribution and its quote."""

WRAPPED_MIN_CHARS: Final = 60
"""From what length on a quoted line may have been broken by a program, its rest without mark."""

_ORIGINAL: Final = frozenset(phrases("original"))
_BEGINS_ORIGINAL: Final = tuple(sorted(_ORIGINAL))
_MARKS: Final = "-_*=~‐‑–—─<>+#"
_RULE: Final = re.compile(r"[-_=*~‐–—─]{3,}$")
_TIME: Final = re.compile(r"\d[:.]\d\d")
_INITIALS: Final = re.compile(r"[A-ZА-Я]{2}>(?: |$)")
_GROUPWISE: Final = re.compile(r">>> ?[^<>]{0,80}(?:<[^<>]{1,200}>)?[^<>]{0,60}\d[^<>]{0,30}>>>$")


def reply_text(text: str, markup: str | None = None) -> str:
    """Return *text* without quoted text and signature; the whole where nothing else would remain.

    *markup* is the HTML that *text* was made from, if it was: what mail programs mark in it as quoted is left out, too.
    """
    own, is_between = _new(text)
    if markup is not None and not is_between:
        part = own_part(markup)
        own = (_new(part)[0] if part else "") or own
    return own or text.strip(WHITE + "\n")


def own_words(text: str) -> str:
    """Return what the writer of *text* wrote, without quoted text and signature; `""` if that is nothing."""
    return _new(text)[0]


def unquoted(text: str, markup: str | None = None) -> str:
    """Return *text* without quoted text, its signature included; the whole where nothing else would remain.

    *markup* as in `reply_text`.
    """
    own, is_between = _new(text, signed=True)
    if markup is not None and not is_between:
        part = own_part(markup)
        own = (_new(part, signed=True)[0] if part else "") or own
    return own or text.strip(WHITE + "\n")


def _new(text: str, *, signed: bool = False) -> tuple[str, bool]:
    """Return the new words of *text*, and whether they stand between quoted lines that are kept.

    At most EXAMINED_MAX_CHARS in EXAMINED_MAX_LINES are looked at; what comes behind is kept, unless a quote
    reaches there.
    """
    end = len(text) if len(text) <= EXAMINED_MAX_CHARS else text.rfind("\n", 0, EXAMINED_MAX_CHARS) + 1
    examined, rest = text[:end], text[end:]
    if "\r" in examined:
        examined = examined.replace("\r\n", "\n").replace("\r", "\n")
    lines = examined.split("\n", EXAMINED_MAX_LINES)
    if len(lines) > EXAMINED_MAX_LINES:
        rest = lines.pop() + rest
    mark = delimiter(lines)
    if mark is not None:
        above = _Reply(lines[: mark[0]], signed)
        own = above.words()
        if own:
            return own, above.is_between
        if not _is_quoted(lines[mark[0]]):
            lines = lines[mark[1] :]
    reply = _Reply(lines, signed)
    own = reply.words()
    if rest and not reply.cut_short:
        own = f"{own}\n{rest}".strip(WHITE + "\n")
    return own, reply.is_between


@dataclass(slots=True)
class _Piece:
    """Lines that were written by one side."""

    lines: list[str]
    quote: bool
    announced: bool = False
    """Whether an attribution stands above the quote; it is the first of its lines."""


@dataclass
class _Reply:
    """A text, taken apart into what is quoted and what is not."""

    lines: list[str]
    signed: bool = False
    """Whether the signature is kept."""
    quoted: list[bool] = field(init=False)
    pieces: list[_Piece] = field(default_factory=list)
    begin: int = 0  # of the piece that is being read
    attempts: int = 0
    """How often an attribution was looked for."""
    is_between: bool = False
    """Whether answers stand between quoted lines, which are kept then."""
    cut_short: bool = False
    """Whether everything from some line on was quoted."""

    def words(self) -> str:
        """Return what is the writer's own."""
        self.quoted = _marks(self.lines)
        self._take_apart()
        return self._joined()

    def _take_apart(self) -> None:
        at = 0
        while at < len(self.lines):
            line = self.lines[at]
            if self.quoted[at]:
                at = self._quote(at)
            elif not line or line.isspace():
                at += 1
            elif (end := self._foreign(at)) is not None:
                at = end
            else:
                at += 1
        self._close(len(self.lines))

    def _close(self, end: int) -> None:
        if any(line.strip(WHITE) for line in self.lines[self.begin : end]):
            self.pieces.append(_Piece(self.lines[self.begin : end], quote=False))
        self.begin = end

    def _quote(self, at: int) -> int:
        """Take a marked quote that begins at line *at*, with what announces it, and return where it ends."""
        above = at - 1
        while above >= max(self.begin, at - GAP_LINES) and not self.lines[above].strip(WHITE):
            above -= 1
        found = self._attribution(above, quoted=True) if above >= self.begin else None
        if found is None:
            self._close(at)
            begin = at
        else:
            self._close_above(found)
            begin = found.begin
        end = self._quote_ends(at)
        self.pieces.append(_Piece(self.lines[begin:end], quote=True, announced=found is not None))
        self.begin = end
        return end

    def _close_above(self, found: Attribution) -> None:
        if found.own:
            self.pieces.append(_Piece([*self.lines[self.begin : found.begin], found.own], quote=False))
            self.begin = found.begin
        else:
            self._close(found.begin)

    def _quote_ends(self, at: int) -> int:
        end = number = at
        while number < len(self.lines):
            if self.quoted[number]:
                end = number + 1
            elif self.lines[number].strip(WHITE):
                break
            number += 1
        return end

    def _foreign(self, at: int) -> int | None:
        """Look for a quote without marks that begins or is announced in line *at*; return where to go on."""
        line = self.lines[at]
        head = _headed(self.lines, at)
        if head:
            return self._all_below(at, at + head, None)
        if not may_end(line):
            begin = run_on(line) if ": " in line else None
            return None if begin is None else self._all_below(at, at + 1, Attribution(at, at + 1, line[:begin]))
        below = self._next(at + 1)
        if below is not None and self.quoted[below]:
            return None  # _quote() will look up to it
        found = self._attribution(at, quoted=below is None)
        return None if found is None else self._all_below(found.begin, found.end, found)

    def _attribution(self, last: int, *, quoted: bool) -> Attribution | None:
        self.attempts += 1
        if self.attempts > ATTEMPTS_MAX:
            return None
        return attribution(self.lines, last, self.begin, quoted=quoted)

    def _all_below(self, begin: int, end: int, found: Attribution | None) -> int:
        """Cut everything from *begin* on, unless marks show where the quote ends or nothing would remain."""
        below = self._next(end)
        if below is not None and self.quoted[below]:
            self._close(begin)
            last = self._quote_ends(below)
            self.pieces.append(_Piece(self.lines[begin:last], quote=True, announced=True))
            self.begin = last
            return last
        own = found.own if found is not None else ""
        if not own and not any(line.strip(WHITE) for line in self.lines[self.begin : begin]) and not self._has_words():
            return end
        if found is not None:
            self._close_above(found)
        else:
            self._close(begin)
        self.begin = len(self.lines)
        self.cut_short = True
        return len(self.lines)

    def _has_words(self) -> bool:
        return any(not piece.quote for piece in self.pieces)

    def _next(self, at: int) -> int | None:
        """Return the next line with anything on it."""
        for number in range(at, min(len(self.lines), at + 50)):
            if self.lines[number].strip(WHITE):
                return number
        return None

    def _joined(self) -> str:
        pieces = [piece if piece.quote or self.signed else _unsigned(piece.lines) for piece in self.pieces]
        pieces = [piece for piece in pieces if piece.lines]
        trailing = self.cut_short
        while pieces and pieces[-1].quote:
            pieces.pop()
            trailing = self.cut_short = True
        quotes = [number for number, piece in enumerate(pieces) if piece.quote]
        if len(quotes) == 1 and (quotes[0] == 0 or pieces[quotes[0]].announced) and not (trailing and quotes[0]):
            del pieces[quotes[0]]
            return "\n\n".join("\n".join(_bare(piece.lines)) for piece in pieces).strip(WHITE + "\n")
        self.is_between = bool(quotes)
        return "\n".join("\n".join(piece.lines) for piece in pieces).strip(WHITE + "\n")


def _unsigned(lines: Sequence[str]) -> _Piece:
    """Return *lines* without signature, with as many empty ones behind them as there were."""
    own = without_signature(lines)
    empty = len(lines) - len(_bare(["|", *lines])) + 1 if own else 0
    return _Piece([*own, *[""] * empty], quote=False)


def _bare(lines: Sequence[str]) -> Sequence[str]:
    begin, end = 0, len(lines)
    while begin < end and not lines[begin].strip(WHITE):
        begin += 1
    while end > begin and not lines[end - 1].strip(WHITE):
        end -= 1
    return lines[begin:end]


def _headed(lines: list[str], at: int) -> int:
    """Return how many lines at *at* say that a whole mail follows without marks; 0 for none."""
    bare = lines[at][:LINE_MAX_CHARS].strip(WHITE)
    if bare and bare[0] in _MARKS:
        if _is_groupwise(bare):
            return 1
        inner = bare.strip(_MARKS + WHITE).casefold()
        if not inner:
            return _ruled(lines, at, 0) if _RULE.match(bare) else 0
        if inner in _ORIGINAL or (bare[-1] in _MARKS and inner.startswith(_BEGINS_ORIGINAL) and len(inner) < 60):
            return _ruled(lines, at, 1)
    head = _header(lines, at)
    if not head and at + 1 < len(lines) and bare.startswith("Message ") and (head := _header(lines, at + 1)):
        head += 1  # "Message du 02/11/26 10:11" (Orange)
    return head


def _header(lines: Sequence[str], at: int) -> int:
    """Return how many lines the header of a quoted mail takes at *at*; 0 if there is none.

    Two labels are enough where a time and an address stand behind them and nothing right above.
    """
    found = quoted_header(lines, at)
    if found or (at and lines[at - 1].strip(WHITE + _MARKS)) or ":" not in lines[at][:LINE_MAX_CHARS]:
        return found
    block = announced_block(lines, at)
    if block is None or not _TIME.search(block.date or "") or not (block.author or "@" in (block.to or "")):
        return 0
    return block.end - at


def _ruled(lines: Sequence[str], at: int, least: int) -> int:
    """Return how many lines a rule and the header below it are; *least* if there is no header."""
    below = at + 1
    while below < min(len(lines), at + 4) and not lines[below].strip(WHITE):
        below += 1
    head = _header(lines, below) if below < len(lines) else 0
    return below + head - at if head else least


def _marks(lines: Sequence[str]) -> list[bool]:
    """Tell of each line whether a mark shows it as quoted."""
    quoted = [">" in line[:8] and _is_quoted(line) for line in lines]
    if True not in quoted:
        initials = [">" in line[:4] and _INITIALS.match(line) is not None for line in lines]
        return initials if sum(initials) > 1 else quoted
    for number, line in enumerate(lines):
        if quoted[number]:
            if _is_no_quote(lines, quoted, number):
                quoted[number] = False
        elif (
            0 < number < len(lines) - 1
            and quoted[number - 1]
            and quoted[number + 1]
            and _is_rest(lines[number - 1], line)
        ):
            quoted[number] = True
    return quoted


def _is_quoted(line: str) -> bool:
    bare = line[:8].lstrip(WHITE)
    return bare.startswith((">", "*>", "_>")) and not line.rstrip(WHITE).endswith("<<<") and not _is_groupwise(line)


def _is_groupwise(line: str) -> bool:
    return (
        line.startswith(">>>")
        and line.rstrip(WHITE).endswith(">>>")
        and _GROUPWISE.match(line[:LINE_MAX_CHARS].rstrip(WHITE)) is not None
    )


def _is_no_quote(lines: Sequence[str], quoted: Sequence[bool], number: int) -> bool:
    """Tell whether the mark is the end of a link that was wrapped, or stands before a "From" that begins a line."""
    above = lines[number - 1] if number else ""
    if quoted[number - 1] if number else True:
        return False
    if lines[number].lstrip().startswith("> <") or "<" in above[-LINE_MAX_CHARS:].rpartition(">")[2]:
        return "<" in above[-LINE_MAX_CHARS:].rpartition(">")[2]
    below = lines[number + 1] if number + 1 < len(lines) else ""
    return (
        lines[number].startswith(">From ")
        and bool(above.strip())
        and bool(below.strip())
        and not quoted[min(number + 1, len(lines) - 1)]
    )


def _is_rest(above: str, line: str) -> bool:
    """Tell whether *line* is what a program broke off the quoted line above it."""
    bare = line.strip(WHITE)
    if not bare or len(bare) > LINE_MAX_CHARS:
        return False
    if bare.startswith(("(http", "<http", "http")) and bare.rstrip(WHITE).endswith((">", ")")):
        return True
    return (
        bare[0].islower()
        and len(above) >= WRAPPED_MIN_CHARS
        and len(above) + len(bare.split(maxsplit=1)[0]) > 70
        and not above.rstrip(WHITE).endswith((".", "!", "?", ":"))
        and len(bare) < len(above)
    )
