"""Encoded words (RFC 2047): text beyond ASCII in a header field, as written by the book and otherwise."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from mailwicket.mail.charset import clean, to_text
from mailwicket.mail.charset_labels import codec_of
from mailwicket.mail.decode import decode

# The language (RFC 2231 5) is told to nobody. The end is searched for, not matched: words may be long.
_OPENING: Final = re.compile(r"=\?\s?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\s?\?\s?([bBqQ])\s?\?")
_HEX: Final = re.compile(r"[0-9A-F]{2}")
_OPEN_END: Final = {"b": re.compile(r"[A-Za-z0-9+/=]++(?=\?{0,2}(?:\s|$))"), "q": re.compile(r"[^\s?]+")}
_BREAK: Final = re.compile(r"(?:(?<![ \t])[ \t]+)?[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+[ \t]*")
_CUT: Final = re.compile(r"=[0-9A-Fa-f]?$")
_SOFT_BREAK: Final = re.compile(r"=\s+|(?<==[0-9A-Fa-f])\s+(?=[0-9A-Fa-f])")
"""A word that was broken at a length, and the blank that unfolding left: within an escape it means nothing."""


class _Word(NamedTuple):
    charset: str
    encoding: str
    text: str
    begin: int
    end: int


def words(value: str) -> str:
    """Decode encoded words, wherever they stand; what cannot be decoded stays as it is. One line, trimmed.

    Neighbours in one charset are joined as bytes: mail programs cut characters in two. Other blanks stay.
    """
    if "=?" in value:
        value = _decoded(value)
    elif value.isascii() and value.isprintable():
        return value.strip()
    return clean(_BREAK.sub(" ", value)).strip()


def word_end(value: str, at: int) -> int:
    """Return where the encoded word ends that begins at *at*; -1 where none does."""
    opening = _OPENING.match(value, at)
    word = _word(value, opening) if opening else None
    return word.end if word else -1


def _decoded(value: str) -> str:
    told: list[str] = []
    run: list[_Word] = []  # of one charset, with only blanks between: they may share a character
    end = 0
    for word in _scan(value):
        between = value[end : word.begin]
        if run and (word.charset != run[0].charset or (between and not between.isspace())):
            told.append(_joined(run))
            told.append("" if between.isspace() else between)
            run = []
        elif not run:
            told.append(between)
        run.append(word)
        end = word.end
    if run:
        told.append(_joined(run))
    told.append(value[end:])
    return "".join(told)


def _scan(value: str) -> Iterator[_Word]:
    opening = _OPENING.search(value)
    while opening:
        word = _word(value, opening)
        if word:
            yield word
        opening = _OPENING.search(value, word.end if word else opening.end())


def _word(value: str, opening: re.Match[str]) -> _Word | None:
    charset, encoding = opening[1].casefold(), opening[2].casefold()
    begin, at = opening.start(), opening.end()
    end = value.find("?=", at)
    another = _OPENING.search(value, at, end) if end >= 0 else None
    if end < 0 or another:  # its end was lost, as where a long field was cut
        rest = _OPEN_END[encoding].match(value, at, another.start() if another else len(value))
        return _Word(charset, encoding, rest[0], begin, rest.end()) if rest else None
    while encoding == "q" and _HEX.match(value, end + 2):  # a bare question mark before an escape
        later = value.find("?=", end + 2)
        if later < 0 or "=?" in value[end + 2 : later]:
            break
        end = later
    return _Word(charset, encoding, value[at:end], begin, end + 2)


def _joined(run: list[_Word]) -> str:
    content: list[bytes] = []
    held: list[str] = []  # base64 that a mail program cut without regard to its groups of four
    cut = ""  # the same of escapes
    for word in run:
        if word.encoding == "b":
            content.append(cut.encode("ascii"))
            cut = ""
            held.append(word.text)
            if _is_whole(word.text) or word is run[-1]:
                content.append(decode("".join(held).encode("ascii", "replace"), "base64"))
                held = []
            continue
        if held:
            content.append(decode("".join(held).encode("ascii", "replace"), "base64"))
            held = []
        text, cut = cut + word.text, ""
        if word is not run[-1] and (open_end := _CUT.search(text)):
            text, cut = text[: open_end.start()], open_end[0]
        content.append(_quoted(text, word.charset))
    return to_text(b"".join(content), run[0].charset)


def _is_whole(text: str) -> bool:
    """Tell whether base64 ends here: at a group of four, with padding, or where only the padding was left out."""
    text = text.rstrip()
    over = len(text) % 4
    if over == 0 or text.endswith("="):
        return True
    return over != 1 and text[-1] in ("AQgw" if over == 2 else "AEIMQUYcgkosw048")


def _quoted(text: str, charset: str) -> bytes:
    if "=" in text:
        text = _SOFT_BREAK.sub("", text)
    if text.isascii():
        return binascii.a2b_qp(text.encode("ascii"), header=True)
    try:  # RFC 6532, or a field of raw bytes, read before
        raw = text.encode(codec_of(charset) or "utf-8")
    except UnicodeError:
        raw = text.encode("utf-8", "replace")
    return binascii.a2b_qp(raw, header=True)
