"""The body of a mail, put together from its text leaves: one choice of each alternative, the others in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple

from mailwicket.mail.attachment import TEXT_MAX_BYTES, Leaf, bare, base64_end
from mailwicket.mail.charset import clean, to_text
from mailwicket.mail.decode import AS_THEY_ARE, Raw, decode
from mailwicket.mail.flowed import unbroken
from mailwicket.mail.html import to_plain
from mailwicket.mail.markup import MARKUP_MAX_CHARS, declared_charset
from mailwicket.mail.parts import Part
from mailwicket.mail.uuencode import Block, blocks

PLAIN: Final = "text/plain"
HTML: Final = "text/html"

LAST_RESORT: Final = frozenset({"text/enriched", "text/richtext", "text/markdown", "text/x-markdown"})
"""A body where there is no other; elsewhere an attachment."""

FILES: Final = frozenset({
    "text/calendar", "text/css", "text/csv", "text/directory", "text/javascript", "text/rfc822-headers", "text/rtf",
    "text/vcard", "text/x-vcalendar", "text/x-vcard", "text/xml",
})  # fmt: skip
"""Text that is no prose: never a body, where any other that is a whole mail is one (RFC 2046 4.1.4)."""

TOLD_MAX: Final = 8
"""So many texts of an alternative are compared with each further one."""

WORDS_MAX_CHARS: Final = 64 * 1024
SAME: Final = 0.9
ALIKE: Final = 0.5

_CHOSEN: Final = frozenset({"", "multipart/alternative"})
_LED: Final = frozenset({"multipart/related", "multipart/signed", "multipart/report"})
"""Multiparts whose first part is what a person reads, whatever it is called."""

# A CR may be half a character in what these begin.
_WIDE: Final = ("utf-16", "utf16", "utf-32", "utf32", "ucs", "cs", "unicode", "iso-10646")
_WORD: Final = re.compile(r"\w{1,40}")
_COMMAND: Final = re.compile(r"<<|<param>[^<]{0,200}</param>|</?[A-Za-z0-9-]{1,60}>", re.IGNORECASE)
_FOLDED: Final = re.compile(r"\n(\n*+)")


class Cut(NamedTuple):
    """A file that was found in a text: where it stands in the mail, and how it is decoded."""

    name: str | None
    span: tuple[int, int]
    encoding: str


class _Piece(NamedTuple):
    kind: str
    text: str
    part: Part


@dataclass(slots=True)
class Body:
    """The text leaves of a mail, as far as they are its body."""

    pieces: list[_Piece] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    is_laid_out: bool = False
    """Whether the text that was read was made from the HTML."""

    def take(self, raw: Raw, one: Leaf) -> Sequence[Cut]:
        """Take *one*, which `is_body`, and return the files that stand in it: a text cut short is one as a whole."""
        part = one.part
        content, cut, whole = _content(raw, one)
        charset = part.parameters.get("charset")
        if charset is None and part.content_type == HTML:
            charset = declared_charset(content)
        if b"\r" in content and (charset is None or not charset.casefold().startswith(_WIDE)):
            content = _ends_as_lf(content)
        text = to_text(content, charset)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        kind = part.content_type
        if kind not in {PLAIN, HTML}:
            text, kind = _unmarked(text, kind), PLAIN
        elif "delsp" in part.parameters and part.parameters["delsp"].casefold() == "yes":
            text = unbroken(text)
        self.pieces.append(_Piece(kind, text, part))
        if not whole:
            self.damage.append("text_cut")
        return cut

    def read(self) -> tuple[str, str | None]:
        """Return the text and the HTML."""
        pieces = self.pieces
        if len(pieces) == 1 and pieces[0].kind == PLAIN:
            return pieces[0].text, None
        if len(pieces) == 1 or (len(pieces) == 2 and pieces[0].part.around.choice == pieces[1].part.around.choice != 0):
            return self._read_few()
        chosen = [one for choice, group in groupby(pieces, _choice) for one in _chosen(choice, list(group))]
        html = [one.text for one in chosen if one.kind == HTML]
        plain = [one.text for one in chosen if one.kind == PLAIN and one.text.strip()]
        if not html:
            return "\n".join(plain), None
        self.is_laid_out = not plain
        text = "\n".join(_in_order(chosen)) if plain else to_plain("\n".join(html))
        return text, "\n".join(html)

    def _read_few(self) -> tuple[str, str | None]:
        """Do as `read` for nearly all mail: one text, or one and its HTML."""
        plain = [one.text for one in self.pieces if one.kind == PLAIN]
        html = [one.text for one in self.pieces if one.kind == HTML]
        text = next((one for one in plain if not one.isspace() and one), None)
        if text is None:
            self.is_laid_out = bool(html)
            text = to_plain(html[-1]) if html else plain[0]
        return text, html[-1] if html else None


def is_body(one: Leaf) -> bool:
    """Tell whether *one* is the body or a piece of it: a text that is neither named nor set aside."""
    part, around = one.part, one.part.around
    if part.content_type not in {PLAIN, HTML} or one.disposition == "attachment":
        return False
    if around.kind == "multipart/related" and (around.place > 0 or around.start):
        own = part.header.get("content-id").strip("<> \t")
        if own and around.start:
            return own == around.start
        if around.place > 0:
            return not (one.name or own or "content-location" in part.header)
    return not one.name or around.kind in _CHOSEN or (around.place == 0 and around.kind in _LED)


def may_be_body(one: Leaf) -> bool:
    """Tell whether *one* is the body where there is no other."""
    kind = one.part.content_type
    if one.disposition == "attachment":
        return False
    if kind in {PLAIN, HTML}:
        return True
    whole = not one.part.around.kind and kind.startswith("text/") and kind not in FILES
    return not one.name and (whole or kind in LAST_RESORT)


def _content(raw: Raw, one: Leaf) -> tuple[bytes, list[Cut], bool]:
    """Return the bytes of a text without the files in it, these, and whether it is all of the text."""
    begin, end, encoding = one.part.begin, one.part.end, one.encoding
    size = end - begin
    may_hold_files = one.part.content_type == PLAIN and not one.part.around.choice
    if may_hold_files and encoding in AS_THEY_ARE and (found := blocks(raw, begin, end)):
        return _around(raw, (begin, end), found, "x-uuencode")
    stop = base64_end(raw, begin, end) if encoding == "base64" else end
    content = decode(raw[begin : min(stop, begin + TEXT_MAX_BYTES)], encoding)
    if stop < end:
        content += b"\n" + raw[stop:end]
    if size > TEXT_MAX_BYTES:
        return content, [Cut(bare(one.name), (begin, end), encoding)], False
    if may_hold_files and encoding not in AS_THEY_ARE and (found := blocks(content, 0, len(content))):
        text, cut, _ = _around(content, (0, len(content)), found, "")
        staged = [
            Cut(name, (begin, end), f"x-uuencode/cut:{first}:{stop - first}/{encoding}")
            for name, (first, stop), _ in cut
        ]
        return text, staged, True
    return content, [], True


def _around(raw: Raw, span: tuple[int, int], found: Sequence[Block], encoding: str) -> tuple[bytes, list[Cut], bool]:
    """Do as `_content` where the files are *found* in bytes that are the text."""
    ends = [span[0], *(one.end for one in found)]
    begins = [*(one.begin for one in found), span[1]]
    kept, left = [], TEXT_MAX_BYTES
    for first, stop in zip(ends, begins, strict=True):
        kept.append(bytes(raw[first : min(stop, first + left)]))
        left -= len(kept[-1])
    cut = [Cut(bare(to_text(one.name, None)), (one.begin, one.end), encoding) for one in found]
    whole = sum(stop - first for first, stop in zip(ends, begins, strict=True)) <= TEXT_MAX_BYTES
    if not whole:
        cut.append(Cut(None, span, "8bit"))
    return b"".join(kept), cut, whole


def _ends_as_lf(content: bytes) -> bytes:
    """Return *content* with LF for CR LF and CR: lines are cut and joined twice as fast as one is replaced."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # UTF-16 under another label
        return content
    first = content.find(b"\r")
    if content[first : first + 3] == b"\r\r\n":
        content = content.replace(b"\r\r\n", b"\r\n")
    joined = b"\n".join(content.splitlines())
    return joined + b"\n" if content.endswith((b"\n", b"\r")) else joined


def _choice(one: _Piece) -> int:
    return one.part.around.choice


def _chosen(choice: int, group: list[_Piece]) -> Iterator[_Piece]:
    """Yield what is taken of an alternative: the first text and what the other ones say beyond it, the last HTML."""
    if not choice:
        yield from group
        return
    plain = [one for one in group if one.kind == PLAIN and one.text.strip()]
    html = [one for one in group if one.kind == HTML]
    told: list[frozenset[str]] = []
    for one in plain:
        own = _words(one.text)
        if one.part.around.branch == plain[0].part.around.branch or not any(
            _share(own, said) >= ALIKE for said in told
        ):
            yield one
        if len(told) < TOLD_MAX:
            told.append(own)
    yield from (one for one in html if one.part.around.branch == html[-1].part.around.branch)


def _in_order(chosen: Sequence[_Piece]) -> Iterator[str]:
    """Yield the texts, and those made from HTML where it says more than they do."""
    spoken = {one.part.around.choice for one in chosen if one.kind == PLAIN and one.part.around.choice}
    said = frozenset().union(*(_words(one.text) for one in chosen if one.kind == PLAIN))
    before: _Piece | None = None
    left = MARKUP_MAX_CHARS
    for one in chosen:
        if one.kind == PLAIN:
            if one.text.strip():
                yield one.text
        elif one.part.around.choice not in spoken and left > 0:
            text = to_plain(one.text[:left])
            left -= len(one.text)
            own = _words(text)
            follows = before is not None and before.kind == PLAIN and _is_next(before.part, one.part)
            if _share(own, said) < SAME and not (follows and before and _share(own, _words(before.text)) >= ALIKE):
                yield text
        before = one


def _is_next(one: Part, other: Part) -> bool:
    """Tell whether *other* stands directly behind *one*: an alternative under a wrong label."""
    first, second = one.around, other.around
    return first.serial == second.serial and first.place + 1 == second.place


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:WORDS_MAX_CHARS].casefold()))


def _share(words: frozenset[str], said: frozenset[str]) -> float:
    """Return how many of the *words* were *said*, of 1.0; no words are all said."""
    return len(words & said) / len(words) if words else 1.0


def _unmarked(text: str, kind: str) -> str:
    """Take the commands out of text/enriched (RFC 1896) or text/richtext (RFC 1341); other text is left as it is."""
    if kind == "text/enriched":  # one line end is a blank, each further one a line
        text = _FOLDED.sub(lambda found: found[1] or " ", text)
    elif kind != "text/richtext":
        return text
    else:
        text = text.replace("\n", " ").replace("<nl>", "\n").replace("<lt>", "<<")
    return clean(_COMMAND.sub(lambda found: "<" if found[0] == "<<" else "", text))
