"""What the writer of a reply wrote: a text without the mail it quotes and without signature.

Line by line, in linear time, and careful: the full text is always kept beside it, and where cutting would leave
nothing, nothing is cut. Answers that stand between the quoted lines keep the lines that they answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.attribution import WHITE, Attribution, attribution, may_end, run_on
from mailwicket.mail.delimiter import delimiter
from mailwicket.mail.heading import heading
from mailwicket.mail.marked import own_part
from mailwicket.mail.marks import is_quoted, quoted_lines
from mailwicket.mail.phrases import phrases
from mailwicket.mail.signature import without_armour, without_signature

EXAMINED_MAX_CHARS: Final = 1024 * 1024
EXAMINED_MAX_LINES: Final = 20_000
ATTEMPTS_MAX: Final = 500
"""Looking closer at a line takes up to a millisecond; no person writes so many that end as an attribution does."""

_BETWEEN: Final = tuple(phrases("between"))
_IS_BETWEEN: Final = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, _BETWEEN))})(?!\w)")
OWN_MAX_CHARS: Final = 2000
OWN_MAX_LINES: Final = 30

ANNOUNCED_LINES: Final = 4
GAP_LINES: Final = 6
"""Empty lines between an attribution and its quote."""


def reply_text(text: str, markup: str | None = None) -> str:
    """Return *text* without quoted text and signature; the whole where nothing else would remain.

    *markup* is the HTML that *text* was made from, if it was: what mail programs mark in it as quoted is left out, too.
    """
    own, is_between = _new(text)
    if markup is not None and not is_between:
        part = own_part(markup)
        own = (_new(part, cites=True)[0] if part else "") or own
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
        own = (_new(part, signed=True, cites=True)[0] if part else "") or own
    return own or text.strip(WHITE + "\n")


def _new(text: str, *, signed: bool = False, cites: bool = False) -> tuple[str, bool]:
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
    lines = list(without_armour(lines))
    mark = delimiter(lines)
    if mark is not None and not _goes_on_below(lines, mark):
        above = _Reply(lines[: mark[0]], is_above=True, signed=signed)
        own = above.words()
        if own:
            return own, above.is_between
        if not is_quoted(lines[mark[0]]):
            lines = lines[mark[1] :]
    reply = _Reply(lines, signed=signed, cites=cites)
    own = reply.words()
    if rest and not reply.cut_short:
        own = f"{own}\n{rest}".strip(WHITE + "\n")
    return own, reply.is_between


def _goes_on_below(lines: Sequence[str], mark: tuple[int, int]) -> bool:
    """Tell whether the delimiter is quoted, and words without mark stand somewhere below it: the answer may, too."""
    begin, end = mark
    return is_quoted(lines[begin]) and any(line.strip(WHITE) and not is_quoted(line) for line in lines[end:])


@dataclass(slots=True)
class _Piece:
    """Lines that were written by one side."""

    lines: list[str]
    quote: bool
    announced: bool = False
    """Whether an attribution with a date or an address stands above the quote; it is the first of its lines."""


@dataclass
class _Reply:
    """A text, taken apart into what is quoted and what is not."""

    lines: list[str]
    is_above: bool = False
    """Whether a desk's delimiter stood right below."""
    signed: bool = False
    """Whether the signature is kept."""
    cites: bool = False
    """Whether a quote at the end that nothing announces is kept: what programs quote was taken out, so he set it in."""
    quoted: list[bool] = field(init=False)
    pieces: list[_Piece] = field(default_factory=list)
    begin: int = 0  # of the piece that is being read
    attempts: int = 0
    """How often an attribution was looked for."""
    says_between: bool | None = None
    """Whether the writer says so; None until that matters."""
    is_between: bool = False
    """Whether answers stand between quoted lines, which are kept then."""
    cut_short: bool = False
    """Whether everything from some line on was quoted."""

    def words(self) -> str:
        """Return what is the writer's own."""
        self.quoted = quoted_lines(self.lines)
        self._take_apart()
        return self._joined()

    def _take_apart(self) -> None:
        at = 0
        while at < len(self.lines):
            line = self.lines[at]
            if self.quoted[at]:
                at = self._quote(at)
            elif not line.strip(WHITE):
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
        announced = self._announces(at) if found is None else _names_it(self.lines[found.begin : found.end])
        quote = self.lines[begin:end]
        if found is not None and found.own:
            quote[0] = quote[0].removeprefix(found.own).lstrip(WHITE)
        self.pieces.append(_Piece(quote, quote=True, announced=announced))
        self.begin = end
        return end

    def _close_above(self, found: Attribution) -> None:
        if found.own:
            self.pieces.append(_Piece([*self.lines[self.begin : found.begin], found.own], quote=False))
            self.begin = found.begin
        else:
            self._close(found.begin)

    def _announces(self, at: int) -> bool:
        """Tell whether an attribution stands, marked as quoted, in the first lines of the quote at line *at*."""
        inner = [line.lstrip(WHITE + ">") for line in self.lines[at : at + ANNOUNCED_LINES]]
        for number, line in enumerate(inner):
            if line and may_end(line):
                self.attempts += 1
                return self.attempts <= ATTEMPTS_MAX and attribution(inner, number, 0, quoted=True) is not None
        return False

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
        head = heading(self.lines, at)
        if head:
            return self._all_below(at, at + head, None)
        if not may_end(line):
            begin = run_on(line) if ": " in line else None
            return None if begin is None else self._all_below(at, at + 1, Attribution(at, at + 1, line[:begin]))
        below = self._next(at + 1)
        if below is not None and self.quoted[below]:
            return None  # _quote() will look up to it
        found = self._attribution(at, quoted=below is None and self.is_above)
        return None if found is None else self._all_below(found.begin, found.end, found)

    def _attribution(self, last: int, *, quoted: bool) -> Attribution | None:
        self.attempts += 1
        if self.attempts > ATTEMPTS_MAX:
            return None
        return attribution(self.lines, last, self.begin, quoted=quoted)

    def _all_below(self, begin: int, end: int, found: Attribution | None) -> int:
        """Cut everything from *begin* on, unless marks show where the quote ends, or words that one answers within it.

        Nothing is cut where nothing would remain.
        """
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
        if found is None and self._says_between(begin):
            return end
        if found is not None:
            self._close_above(found)
        else:
            self._close(begin)
        self.begin = len(self.lines)
        self.cut_short = True
        return len(self.lines)

    def _says_between(self, end: int) -> bool:
        """Tell whether the writer says, above the first quote without marks, that he answers within it."""
        if self.says_between is None:
            own = " ".join(self.lines[self.begin : end][:OWN_MAX_LINES])[:OWN_MAX_CHARS].casefold()
            self.says_between = any(phrase in own for phrase in _BETWEEN) and _IS_BETWEEN.search(own) is not None
        return self.says_between

    def _has_words(self) -> bool:
        return any(not piece.quote for piece in self.pieces)

    def _next(self, at: int) -> int | None:
        """Return the next line with anything on it."""
        for number in range(at, min(len(self.lines), at + 50)):
            if self.lines[number].strip(WHITE):
                return number
        return None

    def _joined(self) -> str:
        last = None if self.cut_short else self.pieces[-1:]
        pieces = [
            piece if piece.quote or self.signed else _unsigned(piece.lines, is_last=[piece] == last)
            for piece in self.pieces
        ]
        pieces = [piece for piece in pieces if piece.lines]
        is_inside = False
        while pieces and pieces[-1].quote and not (self.cites and is_quoted(pieces[-1].lines[0])):
            pieces.pop()
            is_inside = self.cut_short = True
        quotes = [number for number, piece in enumerate(pieces) if piece.quote]
        if len(quotes) == 1 and not is_inside and (quotes[0] == 0 or pieces[quotes[0]].announced):
            del pieces[quotes[0]]
            return "\n\n".join("\n".join(_bare(piece.lines)) for piece in pieces).strip(WHITE + "\n")
        self.is_between = bool(quotes) or self.says_between is True
        return "\n".join("\n".join(piece.lines) for piece in pieces).strip(WHITE + "\n")


def _names_it(lines: Sequence[str]) -> bool:
    """Tell whether an attribution has a date or an address: "He wrote:" may stand above what somebody pasted."""
    return any(sign.isdigit() or sign == "@" for line in lines for sign in line)


def _unsigned(lines: Sequence[str], *, is_last: bool) -> _Piece:
    """Return *lines* without signature, with as many empty ones behind them as there were."""
    own = without_signature(lines, is_last=is_last)
    empty = len(lines) - len(_bare(["|", *lines])) + 1 if own else 0
    return _Piece([*own, *[""] * empty], quote=False)


def _bare(lines: Sequence[str]) -> Sequence[str]:
    begin, end = 0, len(lines)
    while begin < end and not lines[begin].strip(WHITE):
        begin += 1
    while end > begin and not lines[end - 1].strip(WHITE):
        end -= 1
    return lines[begin:end]
