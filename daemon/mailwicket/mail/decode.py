"""Transfer encodings and charsets: bytes of a part to bytes and text. Never raises for what a mail contains."""

from __future__ import annotations

import binascii
import codecs
import quopri
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


def decode(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Transfer-Encoding (RFC 2045 6); broken base64 gives what can be read of it."""
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body)
        except binascii.Error:
            return _repair_base64(body)
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    return bytes(body)


def _repair_base64(body: bytes) -> bytes:
    """Decode the complete groups of four characters, whatever is strewn between them."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    clean = bytes(body).translate(None, delete=bytes(set(range(256)) - set(alphabet)))
    return binascii.a2b_base64(clean[: len(clean) // 4 * 4])


def to_text(content: bytes, charset: str | None) -> str:
    """Return *content* as text: its label as browsers read it, else UTF-8, else windows-1252."""
    label = (charset or "").strip().casefold()
    for name in (ALIASES.get(label, label), "utf-8"):
        try:
            text = content.decode(codecs.lookup(name).name, "strict" if name == "utf-8" else "replace")
        except (LookupError, UnicodeError, ValueError):
            continue
        return clean(text)
    return clean(content.decode("cp1252", "replace"))


def clean(text: str) -> str:
    """Take out what no JSON, database or terminal should be given: NUL and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
