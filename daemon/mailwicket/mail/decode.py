"""Transfer encodings and charsets: bytes of a part to bytes and text. Never raises for what a mail contains."""

from __future__ import annotations

import binascii
import codecs
import mmap
from collections.abc import Iterator
from typing import Final

import pybase64

Raw = bytes | bytearray | mmap.mmap
"""A mail as it came: in memory, or mapped where it is large."""

SLICE_BYTES: Final = 1024 * 1024
"""Encoded bytes that are decoded at a time: what a large attachment costs in memory."""

RUNS_MAX: Final = 1000
"""Padding inside base64 that is taken for the end of a run, for each slice."""

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

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64: Final = bytes(set(range(256)) - set(_ALPHABET))


def decoded(raw: Raw, begin: int, end: int, encoding: str) -> Iterator[bytes]:
    """Yield what `raw[begin:end]` holds once its Content-Transfer-Encoding (RFC 2045 6) is undone, in slices.

    The same bytes come out each time; reading them twice gives one hash. An encoding that is not known counts as none.
    """
    if encoding == "base64":
        yield from _base64(raw, begin, end)
        return
    quoted = encoding == "quoted-printable"
    while begin < end:
        stop = min(end, begin + SLICE_BYTES)
        if quoted and stop < end:
            stop = _between_characters(raw, begin, stop)
        piece = raw[begin:stop]
        yield binascii.a2b_qp(piece) if quoted else bytes(piece)
        begin = stop


def decode(body: bytes | bytearray, encoding: str) -> bytes:
    """Return what `decoded` yields of the whole *body*."""
    return b"".join(decoded(body, 0, len(body), encoding))


def _base64(raw: Raw, begin: int, end: int) -> Iterator[bytes]:
    """Skip what is no base64; padding ends a run, and what stands behind it begins the next."""
    rest = b""
    for at in range(begin, end, SLICE_BYTES):
        piece = bytes(raw[at : min(end, at + SLICE_BYTES)].translate(None, _NOT_BASE64))
        if piece.count(b"=") > RUNS_MAX:  # no encoder writes that: it is made to keep us busy
            piece = piece.replace(b"=", b"")
        *runs, last = (rest + piece if rest else piece).split(b"=")
        yield from map(_base64_run, filter(None, runs))
        whole = len(last) // 4 * 4
        rest = last[whole:]
        yield pybase64.b64decode(last[:whole], validate=True)
    yield _base64_run(rest)


def _base64_run(run: bytes) -> bytes:
    if len(run) % 4 == 1:  # six bits: no byte
        run = run[:-1]
    return pybase64.b64decode(run + b"=" * (-len(run) % 4), validate=True)


def _between_characters(raw: Raw, begin: int, stop: int) -> int:
    """Move *stop* back to behind a line, or at least not into `=XX`."""
    line = raw.rfind(b"\n", begin, stop) + 1
    if line > begin:
        return line
    escape = raw.rfind(b"=", max(begin + 1, stop - 2), stop)
    return escape if escape > begin else stop


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
            text = content.decode(codecs.lookup(name).name, "strict" if name == "utf-8" else "replace")
        except (LookupError, UnicodeError, ValueError):
            continue
        return clean(text)
    return clean(content.decode("cp1252", "replace"))


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
