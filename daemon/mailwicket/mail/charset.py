"""Charsets: bytes of a part to text. Never raises for what a mail contains."""

from __future__ import annotations

import codecs
from typing import Final

# As browsers read the labels (WHATWG encoding standard): what is written under them is the superset.
ALIASES: Final = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
}


def to_text(content: bytes, charset: str | None) -> str:
    """Return *content* as text: its label as browsers read it, else UTF-8, else windows-1252."""
    label = (charset or "").strip().casefold()
    if content.isascii() and label in _ASCII_ALIKE:
        return clean(content.decode("ascii"))
    if ALIASES.get(label) == "cp1252" or label == "windows-1252":
        # Senders mislabel UTF-8 as the old default far more often than text is valid UTF-8 by chance.
        names: tuple[str, ...] = ("utf-8", "cp1252")
    else:
        names = (ALIASES.get(label, label), "utf-8")
    for name in names:
        try:
            codec = codecs.lookup(name).name
            text = content.decode(codec, "strict" if name == "utf-8" else "replace")
        except (LookupError, UnicodeError, ValueError):
            continue
        return text if codec in _TAME and b"\0" not in content else clean(text)
    return clean(content.decode("cp1252", "replace"))


_TAME: Final = frozenset({"utf-8", "cp1252", "gb18030", "iso2022_jp", "koi8-r"})
"""Codecs that give NUL only for NUL, and never a lone surrogate: to look for one costs as much as to decode."""

_ASCII_ALIKE: Final = {"", "utf-8", "us-ascii", "iso-8859-1", "windows-1252"}


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
