"""The leaves of a mail that are not its body: what they are called, how large they are, where they stand."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from mailwicket.mail.charset import clean
from mailwicket.mail.decode import Raw, decode, decoded, transfer_encoding
from mailwicket.mail.header import ids, words
from mailwicket.mail.media import disposition
from mailwicket.mail.parts import Part
from mailwicket.model import Attachment, Sha256

PACKED: Final = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
PACKED_NAME: Final = "winmail.dat"

NAME_MAX_CHARS: Final = 255
ENDING_MAX_CHARS: Final = 20

TEXT_MAX_BYTES: Final = 1024 * 1024
"""Of a longer text part the beginning is the text, and the whole an attachment."""

TAIL_BYTES: Final = 100
"""By so much of its end is told whether a text is base64 to its end."""

SAMPLE_BYTES: Final = 1020
"""By so much of a text is told whether it is base64 at all; letters of base64 come by four."""

# Blanks of other scripts, and what joins or parts letters: not printable for Python, yet part of a name.
_KEPT: Final = frozenset("\u00a0\u1680\u2002\u2003\u2009\u200c\u200d\u202f\u205f\u3000")
_PATH: Final = re.compile(r"[/\\]")
_FILE_NAME: Final = re.compile(r"[^/\\:?#<>]{1,200}\.[A-Za-z0-9]{1,5}")
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n\t "
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/=\s]")
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class Leaf(NamedTuple):
    """A part with what its header says about how to take it."""

    part: Part
    encoding: str
    """A word that `decode` knows."""
    disposition: str
    name: str | None
    """As the header gives it, encoded words and all."""


def leaf(raw: Raw, part: Part) -> Leaf:
    """Return *part* of *raw* with its encoding as it is, which is not always the one that it announces."""
    word, options = disposition(part.header)
    name = options.get("filename") or part.parameters.get("name")
    encoding = transfer_encoding(part.header.get("content-transfer-encoding"))
    if encoding == "base64" and part.content_type.startswith(("text/", "message/")) and not _is_base64(raw, part):
        encoding = "8bit"
    return Leaf(part, encoding, word, name or part.parameters.get("filename"))


def is_packed(one: Leaf) -> bool:
    """Tell whether *one* is a winmail.dat, whatever it is labelled."""
    return one.part.content_type in PACKED or (one.name is not None and one.name.strip().casefold() == PACKED_NAME)


def listed(raw: Raw, one: Leaf) -> Attachment:
    """Return *one* as an attachment."""
    part = one.part
    found = part.header.get("content-id")
    told = next(iter(ids(found)), None) or clean(found.strip("<> \t")) or None
    return cut_out(
        raw,
        (part.begin, part.end),
        one.encoding,
        filename=bare(one.name) or _by_location(part),
        content_type=clean(part.content_type),
        inline=one.disposition == "inline" or (part.around.related and told is not None),
        content_id=told,
    )


def cut_out(  # noqa: PLR0913 - what an attachment has
    raw: Raw,
    span: tuple[int, int],
    encoding: str,
    *,
    filename: str | None,
    content_type: str = "application/octet-stream",
    inline: bool = False,
    content_id: str | None = None,
) -> Attachment:
    """Return what *span* of *raw* holds as an attachment; its bytes are read once, and none of them kept."""
    digest, size = hashlib.sha256(), 0
    for piece in decoded(raw, *span, encoding):
        digest.update(piece)
        size += len(piece)
    return Attachment(
        filename=filename,
        content_type=content_type,
        size=size,
        sha256=Sha256(digest.hexdigest()),
        inline=inline,
        content_id=content_id,
        span=span,
        encoding=encoding,
    )


def bare(name: str | None) -> str | None:
    """A file name without path and control characters (never a way out of a directory)."""
    if not name:
        return None
    last = _PATH.split(words(name))[-1]
    kept = "".join(c for c in clean(last) if c.isprintable() or c in _KEPT).strip()
    if len(kept) > NAME_MAX_CHARS:
        ending = kept[kept.rfind(".") :][:ENDING_MAX_CHARS] if "." in kept[-ENDING_MAX_CHARS:] else ""
        kept = kept[: NAME_MAX_CHARS - len(ending)] + ending
    return kept if kept not in {"", ".", ".."} else None


def base64_end(raw: Raw, begin: int, end: int) -> int:
    """Return where plain lines follow the base64 of a text, else *end*: lists and gateways append to what they get."""
    if end - begin > TEXT_MAX_BYTES or not raw[max(begin, end - TAIL_BYTES) : end].translate(None, _BASE64):
        return end
    foreign = _NOT_BASE64.search(raw, begin, end)
    at = raw.rfind(b"\n", begin, foreign.start()) + 1 if foreign else 0
    padding = raw.find(b"=", begin, at)
    if padding >= 0:
        at = raw.find(b"\n", padding, at) + 1
    letters = len(raw[begin:at].translate(None, b"\r\n\t "))
    return at if letters and letters % 4 == 0 else end


def _by_location(part: Part) -> str | None:
    """Return the name of a file that has none where Content-Location (RFC 2557 4.2) is no more than a name."""
    if "content-location" not in part.header:
        return None
    name = part.header.get("content-location").strip("\"' ")
    return bare(name) if _FILE_NAME.fullmatch(name) else None


def _is_base64(raw: Raw, part: Part) -> bool:
    """Tell whether a text is what it is labelled; plain text under that label would come out as noise.

    Base64 with other letters strewn in is still base64 if text comes out of it.
    """
    sample = raw[part.begin : min(base64_end(raw, part.begin, part.end), part.begin + SAMPLE_BYTES)]
    if b" " not in sample and not sample.translate(None, _BASE64):
        return True
    content = decode(sample, "base64")
    if _CONTROLS.search(content):
        return False
    label = part.parameters.get("charset", "utf-8").casefold()
    return label not in {"utf-8", "us-ascii"} or "\ufffd" not in content[:-3].decode("utf-8", "replace")
