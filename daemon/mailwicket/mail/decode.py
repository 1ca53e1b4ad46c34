"""Transfer encodings: bytes of a part to bytes. Never raises for what a mail contains."""

from __future__ import annotations

import binascii
import mmap
import re
from collections.abc import Iterator
from typing import Final

import pybase64

from mailwicket.mail.uuencode import undone

Raw = bytes | bytearray | mmap.mmap
"""A mail as it came: in memory, or mapped where it is large."""

SLICE_BYTES: Final = 1024 * 1024
"""Encoded bytes that are decoded at a time: what a large attachment costs in memory."""

SHORT_BYTES: Final = 16 * 1024
"""Below it the decoder skips line ends faster than we cut them out."""

RUNS_MAX: Final = 1000
"""Padding inside base64 that is taken for the end of a run, for each slice."""

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64: Final = bytes(set(range(256)) - set(_ALPHABET))
_LETTERS: Final = _ALPHABET.rstrip(b"=")
# A soft line break with blanks before the line's end, or with CR alone for one (RFC 2045 6.7).
_SOFT_ODD: Final = re.compile(rb"=(?:[ \t]{1,76}+\r?+(?:\n|\Z)|[ \t]{0,76}+\r(?!\n))")
_IN_TWO: Final = re.compile(rb"=([0-9A-Fa-f])=\r?\n([0-9A-Fa-f])")  # an escape, cut by a line break
_OVER: Final = re.compile(rb"=\r?\n--")  # base64 has come to its end, and a boundary follows that is none of ours


# What is written for an encoding, without its dashes and blanks.
_ENCODINGS: Final = {
    "base64": "base64",
    "b64": "base64",
    "quotedprintable": "quoted-printable",
    "quoted": "quoted-printable",
    "qp": "quoted-printable",
    "xuuencode": "x-uuencode",
    "uuencode": "x-uuencode",
    "xuue": "x-uuencode",
    "uue": "x-uuencode",
    "7bits": "7bit",
    "8bits": "8bit",
}
AS_THEY_ARE: Final = frozenset({"", "7bit", "8bit", "binary"})
"""Encodings that encode nothing: what stands in the mail is what the part holds."""

_USUAL: Final = AS_THEY_ARE | {"base64", "quoted-printable"}
_NOT_IN_A_WORD: Final = re.compile(r"\([^()]{0,200}\)|[^a-z0-9(]+|\(")


def transfer_encoding(value: str) -> str:
    """Return the Content-Transfer-Encoding that *value* means: a word that `decoded` knows, or its own."""
    word = value.strip().casefold()
    if word in _USUAL:
        return word
    plain = _NOT_IN_A_WORD.sub("", word[:200].partition(";")[0])
    return _ENCODINGS.get(plain, plain[:40])


def decoded(raw: Raw, begin: int, end: int, encoding: str) -> Iterator[bytes]:
    """Yield what `raw[begin:end]` holds once its *encoding* is undone, in slices.

    That is a Content-Transfer-Encoding (RFC 2045 6), or several that were applied one after the other, the last first:
    `x-uuencode/quoted-printable`. `cut:5:10/base64` is ten bytes of what the part holds, from the fifth on.
    The same bytes come out each time; reading them twice gives one hash. An encoding that is not known counts as none.
    """
    if encoding == "base64":
        return _base64(raw, begin, end)
    if encoding == "quoted-printable":
        return _quoted_printable(raw, begin, end)
    if encoding == "x-uuencode":
        return undone(raw, begin, end)
    if "/" in encoding:
        return _in_stages(raw, begin, end, encoding)
    return (bytes(raw[at : min(end, at + SLICE_BYTES)]) for at in range(begin, end, SLICE_BYTES))


def decode(body: bytes | bytearray, encoding: str) -> bytes:
    """Return what `decoded` yields of the whole *body*."""
    if encoding == "base64" and len(body) < SHORT_BYTES:
        content = _short_base64(body)
        if content is not None:
            return content
    return b"".join(decoded(body, 0, len(body), encoding))


def _in_stages(raw: Raw, begin: int, end: int, encoding: str) -> Iterator[bytes]:
    """Undo the last encoding of several, and of what comes out the others."""
    outer, _, inner = encoding.rpartition("/")
    content = b"".join(decoded(raw, begin, end, inner))
    while outer:
        outer, _, stage = outer.rpartition("/")
        if stage.startswith("cut:"):
            first, _, length = stage[4:].partition(":")
            content = content[int(first) : int(first) + int(length)]
        else:
            content = b"".join(decoded(content, 0, len(content), stage))
    yield content


def _short_base64(body: bytes | bytearray) -> bytes | None:
    """Decode *body*, where one call can; it stops at padding, where `_base64` does not."""
    if b"=" in body.rstrip(b"=\r\n"):
        return None
    try:
        return pybase64.b64decode(body)
    except binascii.Error:
        return None


def _quoted_printable(raw: Raw, begin: int, end: int) -> Iterator[bytes]:
    while begin < end:
        stop = min(end, begin + SLICE_BYTES)
        if stop < end:
            stop = _between_characters(raw, begin, stop)
        piece = raw[begin:stop]
        content = binascii.a2b_qp(piece)
        if b"=" in content or b"\n" not in piece:  # the library leaves the blanks, and skips a line behind CR alone
            content = binascii.a2b_qp(_IN_TWO.sub(rb"=\1\2", _SOFT_ODD.sub(b"=\n", piece)))
        yield content
        begin = stop


def _base64(raw: Raw, begin: int, end: int) -> Iterator[bytes]:
    """Skip what is no base64; padding ends a run, and what stands behind it begins the next."""
    rest = b""
    for at in range(begin, end, SLICE_BYTES):
        piece = raw[at : min(end, at + SLICE_BYTES)]
        if lines := _base64_lines(rest, piece):
            content, rest = lines
            yield content
            continue
        over = _OVER.search(piece)
        piece = piece[: over.start() + 1 if over else None].translate(None, _NOT_BASE64)
        if piece.count(b"=") > RUNS_MAX:  # no encoder writes that: it is made to keep us busy
            piece = piece.translate(None, b"=")
        *runs, last = (rest + piece).split(b"=")
        yield from map(_base64_run, filter(None, runs))
        whole = len(last) // 4 * 4
        rest = last[whole:]
        yield pybase64.b64decode(last[:whole], validate=True)
        if over:
            break
    if rest:
        yield _base64_run(rest)


def _base64_lines(rest: bytes, piece: bytes | bytearray) -> tuple[bytes, bytes] | None:
    """Decode *rest* and *piece*, lines of one length as encoders write them, and return what is left over.

    None for anything else. Line ends at even distances are cut out four times as fast as where they are looked for
    one by one; of what stays the decoder refuses all that is no base64.
    """
    text = bytearray(rest)
    text += piece.strip(b"\r\n")
    first = text.find(b"\n")
    if first > 0:
        second = text.find(b"\n", first + 1)
        step = second - first if second > 0 else len(text)
        crlf = text[first - 1 : first] == b"\r"
        if not _cut_out(b"\n", text, first, step) or (crlf and not _cut_out(b"\r", text, first - 1, step - 1)):
            return None
    left = bytes(text[len(text) // 4 * 4 :])
    if left.translate(None, _LETTERS):
        return None
    del text[len(text) - len(left) :]
    try:
        return pybase64.b64decode(text, validate=True), left
    except binascii.Error:
        return None


def _cut_out(letter: bytes, text: bytearray, first: int, step: int) -> bool:
    """Take *letter* out of *text* at *first* and each *step* on, or tell that something else stands at one of them."""
    if text[first::step].strip(letter):
        return False
    del text[first::step]
    return True


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
