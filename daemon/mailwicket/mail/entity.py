"""MIME entities, written: texts, files, and what holds several of them (RFC 2045, RFC 2046, RFC 2183, RFC 2387).

Everything is sent in seven bits: what a relay has to convert on the way breaks signatures (RFC 6376 5.3).
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pybase64

from mailwicket.mail.attachment import bare
from mailwicket.mail.fields import LINE_CHARS, file_name, is_id, is_media_type
from mailwicket.outgoing import Enclosure

OCTETS: Final = "application/octet-stream"

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS: Final = re.compile(r"\r\n?|[\u2028\u2029]")
_FILE_BEGINS: Final = re.compile(r"^begin (?=[0-7]{3,4} )", re.MULTILINE)
_UNSAFE_LINE: Final = re.compile(rf"^From |^\.$|[ \t]$|^.{{{LINE_CHARS + 3},}}", re.MULTILINE)
_FROM: Final = re.compile(rb"^From ", re.MULTILINE)
_SOUND: Final = re.compile(rb"(?:[\x01-\x09\x0b\x0c\x0e-\x7f]{0,998}+\r\n)*+[\x01-\x09\x0b\x0c\x0e-\x7f]{0,998}")
"""Seven bits, lines of 998 at most (RFC 5322 2.1.1)."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Fields about the content, and the content in lines between which CR LF stands: none behind the last."""

    fields: Sequence[tuple[str, str]]
    content: bytes

    def whole(self) -> bytes:
        """Return the fields, an empty line and the content."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.fields)
        return head.encode("ascii") + b"\r\n" + self.content


def plain_words(text: str) -> str:
    """Return *text* as it can be sent and read back: LF, no control characters, nothing that reads as a file."""
    text = _CONTROL.sub("", _LINE_ENDS.sub("\n", text)).lstrip("\ufeff").rstrip("\n")
    return _FILE_BEGINS.sub(" begin ", text)


def markup(html: str) -> str:
    """Return *html* as it can be sent and read back."""
    return _CONTROL.sub("", _LINE_ENDS.sub("\n", html)).lstrip("\ufeff").rstrip("\n")


def text_part(kind: Literal["plain", "html"], words: str) -> Entity:
    """Return the entity of *words*, in whose lines nothing is changed."""
    charset = "us-ascii" if words.isascii() else "utf-8"
    told = [("Content-Type", f"text/{kind}; charset={charset}")]
    if charset == "us-ascii" and not _UNSAFE_LINE.search(words):
        content = words.encode("ascii").replace(b"\n", b"\r\n")
        return Entity([*told, ("Content-Transfer-Encoding", "7bit")], content)
    raw = words.encode("utf-8")
    beyond = len(raw) - len(raw.translate(None, bytes(range(0x80, 0x100)))) + raw.count(b"=")
    if beyond > len(raw) // 4:  # base64 is shorter by then, and nobody could read the other
        content, form = _six_bits(raw.replace(b"\n", b"\r\n")), "base64"
    else:
        content, form = _quoted(raw), "quoted-printable"
    return Entity([*told, ("Content-Transfer-Encoding", form)], content)


def file_part(file: Enclosure, *, inline: bool) -> Entity:
    """Return the entity of *file*; *inline*: it stands in the HTML by its `cid:`."""
    kind, name = file_type(file), name_of(file)
    form = "7bit" if kind == "message/rfc822" else "base64"
    content = file.content if form == "7bit" else _six_bits(file.content)
    named = "" if name is None else file_name("filename", name)
    charset = "; charset=utf-8" if kind.startswith("text/") and _is_utf8(file.content) else ""
    told = [
        ("Content-Type", kind + charset),
        ("Content-Transfer-Encoding", form),
        ("Content-Disposition", ("inline" if inline else "attachment") + named),
    ]
    if file.content_id is not None:
        if not is_id(file.content_id):
            raise ValueError("enclosures: a content_id that cannot be written")
        told.append(("Content-ID", f"<{file.content_id}>"))
    return Entity(told, content)


def name_of(file: Enclosure) -> str | None:
    """Return the name that *file* is sent under: bare, and with nothing in it that a reader would decode once more."""
    name = bare(file.filename)
    return bare(name.replace("=?", "_?")) if name and "=?" in name else name


def file_type(file: Enclosure) -> str:
    """Return the media type that *file* is sent as: a mail that cannot be one is bytes (RFC 2046 5.2.1)."""
    kind = file.content_type.strip().casefold()
    if not is_media_type(kind) or kind.startswith("multipart/"):
        return OCTETS
    if kind.startswith("message/") and not (kind == "message/rfc822" and _SOUND.fullmatch(file.content)):
        return OCTETS
    return kind


def multipart(kind: str, parts: Sequence[Entity], seed: str) -> Entity:
    """Return the entity that holds *parts*; its boundary is made from *seed* and stands in none of them."""
    wholes = [one.whole() for one in parts]
    number = 0
    while any(f"--{_boundary(kind, seed, number)}".encode() in one for one in wholes):
        number += 1
    boundary = _boundary(kind, seed, number)
    content = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), one) for one in wholes)
    what = f'multipart/{kind};\r\n boundary="{boundary}"'
    if kind == "related":
        what += ';\r\n type="text/html"'
    return Entity([("Content-Type", what)], content + b"--%s--" % boundary.encode())


def _boundary(kind: str, seed: str, number: int) -> str:
    # "=_" stands in nothing that is quoted-printable or base64 (RFC 2045 6.7)
    return f"=_{hashlib.sha256(f'{seed}|{kind}|{number}'.encode()).hexdigest()[:32]}"


def _quoted(raw: bytes) -> bytes:
    written = binascii.b2a_qp(raw, istext=True)
    return _FROM.sub(b"=46rom=\n ", written).replace(b"\n", b"\r\n")


def _six_bits(raw: bytes) -> bytes:
    return pybase64.encodebytes(raw).rstrip(b"\n").replace(b"\n", b"\r\n")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
