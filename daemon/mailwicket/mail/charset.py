"""Charsets: bytes of a part or a field to text. Never raises for what a mail contains."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from mailwicket.mail import iso2022
from mailwicket.mail.charset_labels import LABEL_MAX_CHARS, codec_of

_TAME: Final = frozenset({"utf-8", "cp1252", "gb18030", "iso2022_jp", "koi8-r"})
"""Codecs that give NUL only for NUL, and never a lone surrogate: to look for one costs as much as to decode."""

_NOT_ASCII: Final = frozenset(
    {"utf-7", "hz", "iso2022_jp", "iso2022_kr", "cp037", "cp500", "cp1140"}
    | {f"utf-{bits}{order}" for bits in (16, 32) for order in ("", "-le", "-be")}
)
"""Codecs under which bytes below 128 are not, or not only, ASCII."""

_SURE: Final = frozenset({"cp932", "euc_jp", "cp949", "johab", "gb18030", "cp950", "big5hkscs", "cp874"}) | _NOT_ASCII
"""Codecs whose text may be valid UTF-8 by chance, or has a form of its own: their label goes first."""

_DIALECTS: Final[dict[str, tuple[str, ...]]] = {
    "cp932": ("shift_jis_2004",),
    "euc_jp": ("euc_jis_2004",),
    "cp950": ("big5hkscs",),
    "big5hkscs": ("cp950",),
}
"""What has still more letters and is written under the same label."""

_BY_ESCAPES: Final[dict[str, Callable[[bytes], str]]] = {"iso2022_jp": iso2022.japanese, "iso2022_kr": iso2022.korean}
_META: Final = re.compile(rb"<meta\s[^>]{0,200}?charset\s{0,8}=\s{0,8}[\"']?\s{0,8}([\w.:-]{1,40})", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x01-\x08\x0e-\x1f]")
_META_BYTES: Final = 1024
SLICE_BYTES: Final = 64 * 1024
_BOM: Final = "\ufeff"


def to_text(content: bytes, charset: str | None) -> str:
    """Return *content* as text: by its label as browsers read it, else as UTF-8, else in the charset it looks like.

    A label is not believed where the text is valid UTF-8 and hardly by chance (senders mislabel it far more often), nor
    where it says ASCII. What no charset knows becomes U+FFFD; a mark of the byte order goes.
    """
    codec = _codec(charset) if charset else None
    if codec not in _NOT_ASCII and content.isascii():
        if b"\x1b" in content and codec != "utf-8" and (b"\x1b$B" in content or b"\x1b$@" in content):
            return clean(iso2022.japanese(content))
        return clean(content.decode("ascii"))
    if codec == "utf-8" or codec not in _SURE:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            if content[: error.start].isascii():  # the first letter beyond ASCII is wrong: it never was UTF-8
                codec, text = _not_utf8(content, codec)
            else:
                codec, text = _hardly_utf8(content, codec, error)
        else:
            codec = "utf-8"
    else:
        codec, text = _as_labelled(content, codec)
    text = text.removeprefix(_BOM)
    return text if codec in _TAME and b"\0" not in content else clean(text)


def fits(content: bytes, charset: str | None) -> bool:
    """Tell whether *charset* is a superset of ASCII that reads *content* without a doubt."""
    codec = _codec(charset) if charset else None
    if codec is None or codec in _NOT_ASCII:
        return False
    try:
        content.decode(codec)
    except UnicodeError:
        return False
    return True


@lru_cache(512)
def _short_codec(label: str) -> str | None:
    return codec_of(label)


def _codec(label: str) -> str | None:
    return _short_codec(label[:LABEL_MAX_CHARS])


def _hardly_utf8(content: bytes, codec: str | None, error: UnicodeDecodeError) -> tuple[str, str]:
    """Read text that begins as UTF-8 and then fails: cut off, or damaged in places, or none after all."""
    if codec in {None, "ascii", "utf-8", "cp1252"}:
        text = content.decode("utf-8", "replace")
        beyond, lost = len(text) - len(text.encode("ascii", "ignore")), text.count("\ufffd")
        is_cut = lost == 1 and error.reason == "unexpected end of data"
        if is_cut or beyond > (2 if codec == "utf-8" else 4) * lost:
            return "utf-8", text
    return _not_utf8(content, codec)


def _not_utf8(content: bytes, codec: str | None) -> tuple[str, str]:
    """Read text that is not UTF-8, and whose label is missing, wrong or names one alphabet."""
    if codec in {None, "ascii", "utf-8"}:
        codec = looks_like(content)
    return codec, _replaced(content, codec)


def looks_like(content: bytes) -> str:
    """Return the codec that *content*, which is not UTF-8, says of itself or looks like."""
    if meta := _META.search(content[:_META_BYTES]):
        codec = _codec(meta[1].decode("ascii"))
        if codec is not None and codec not in _NOT_ASCII and codec not in {"ascii", "utf-8"}:
            return codec
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    from mailwicket.mail.guess import guessed  # noqa: PLC0415 - its tables are needed for one mail of thousands

    return guessed(content)


def _as_labelled(content: bytes, codec: str) -> tuple[str, str]:
    if codec.startswith(("utf-16", "utf-32")):
        return _wide(content, codec)
    if codec == "iso2022_kr" and b"\x1b$)C" not in content:  # the library takes pairs for ASCII without it
        return "", iso2022.korean(content)
    for name in (codec, *_DIALECTS.get(codec, ())):
        try:
            return name, content.decode(name)
        except UnicodeError:
            continue
    if codec in _BY_ESCAPES and content.isascii():
        return "", _BY_ESCAPES[codec](content)
    try:
        return "utf-8", content.decode("utf-8")
    except UnicodeError:
        pass
    text = _replaced(content, codec)
    beyond, lost = len(text) - len(text.encode("ascii", "ignore")), text.count("\ufffd")
    return (codec, text) if beyond > 4 * lost else _not_utf8(content, None)


def _replaced(content: bytes, codec: str) -> str:
    """Read *content*, what cannot be read as U+FFFD: each costs so much that a call must not meet a million of them."""
    if len(content) <= SLICE_BYTES:
        return content.decode(codec, "replace")
    decoder = codecs.getincrementaldecoder(codec)("replace")
    slices = (content[at : at + SLICE_BYTES] for at in range(0, len(content), SLICE_BYTES))
    return "".join([*map(decoder.decode, slices), decoder.decode(b"", final=True)])


def _wide(content: bytes, codec: str) -> tuple[str, str]:
    """Read two or four bytes a letter; without zeros and marks it is none of them, whatever the label says."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    if not marked and b"\0" not in content:
        try:
            text = content.decode("utf-8")
        except UnicodeError:
            text = "\1"
        if not _CONTROL.search(text):
            return "", text
    if codec in {"utf-16", "utf-32"} and not marked:  # WHATWG: little; RFC 2781: big; where the zeros stand tells
        big = content[:_META_BYTES:2].count(0) > content[1:_META_BYTES:2].count(0)
        codec += "-be" if big else "-le"
    return "", content.decode(codec, "replace")


def clean(text: str) -> str:
    """Take out what no JSON, database or terminal should be given: NUL and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
