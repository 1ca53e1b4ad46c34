"""What Outlook packs into a winmail.dat (MS-OXTNEF): the body, and the files with their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, NamedTuple

from mailwicket.mail.charset import to_text

PACKED_MAX_BYTES: Final = 16 * 1024 * 1024
"""A larger one stays packed: it has to be in memory as a whole."""

FILES_MAX: Final = 100
ATTRIBUTES_MAX: Final = 20_000
PROPERTIES_MAX: Final = 5_000
BODY_MAX_BYTES: Final = 1024 * 1024

SIGNATURE: Final = b"\x78\x9f\x3e\x22"

# Attributes (MS-OXTNEF 2.1.3.1), type and number.
_BODY: Final = 0x0002800C
_PROPERTIES: Final = 0x00069003
_CODEPAGE: Final = 0x00069007
_NEW_FILE: Final = 0x00069002
_FILE_TITLE: Final = 0x00018010
_FILE_CONTENT: Final = 0x0006800F
_FILE_PROPERTIES: Final = 0x00069005

# Properties (MS-OXPROPS).
_PLAIN: Final = 0x1000
_RTF: Final = 0x1009
_HTML: Final = 0x1013
_DISPLAY_NAME: Final = 0x3001
_CONTENT: Final = 0x3701
_SHORT_NAME: Final = 0x3704
_LONG_NAME: Final = 0x3707
_MIME_TYPE: Final = 0x370E
_CONTENT_ID: Final = 0x3712
_INTERNET_CODEPAGE: Final = 0x3FDE
_NAMES: Final = (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME)

_STRING8: Final = 0x001E
_UNICODE: Final = 0x001F
_OBJECT: Final = 0x000D
_BINARY: Final = 0x0102
_MANY: Final = 0x1000
_FIXED: Final = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_OBJECT_ID_BYTES: Final = 16
_MESSAGE_ID: Final = bytes.fromhex("0703020000000000c000000000000046")  # IID_IMessage: a mail, packed in its turn

# Codepages of Windows that have no codec under their number.
_CHARSETS: Final = {
    20127: "us-ascii", 20866: "koi8-r", 20932: "euc-jp", 28591: "iso-8859-1", 28592: "iso-8859-2", 28605: "iso-8859-15",
    50220: "iso-2022-jp", 50221: "iso-2022-jp", 51932: "euc-jp", 51949: "euc-kr", 54936: "gb18030", 65001: "utf-8",
}  # fmt: skip

_HEAD: Final = Struct("<BII")
_LONG: Final = Struct("<I")
_PAIR: Final = Struct("<HH")


@dataclass(slots=True)
class File:
    """A file in it: where its bytes stand among the decoded ones."""

    name: str | None = None
    begin: int = 0
    length: int = 0
    content_type: str | None = None
    content_id: str | None = None
    names: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Packed:
    """What a winmail.dat holds."""

    files: list[File] = field(default_factory=list)
    text: str = ""
    html: str = ""
    rtf: bytes = b""
    """Compressed."""
    whole: bool = True
    """All of it was understood."""
    codepage: str = "cp1252"
    properties: int = 0


class _Property(NamedTuple):
    kind: int
    number: int
    begin: int
    end: int


def unpack(content: bytes) -> Packed | None:
    """Return what *content* holds, None if it is none of Outlook's; lengths that lie end the reading, not the mail."""
    if not content.startswith(SIGNATURE):
        return None
    packed = Packed()
    at = 6
    for _ in range(ATTRIBUTES_MAX):
        if at + _HEAD.size > len(content):
            packed.whole = packed.whole and len(content) - at < _HEAD.size
            break
        _, number, length = _HEAD.unpack_from(content, at)
        begin = at + _HEAD.size
        end = begin + length
        if end > len(content):
            packed.whole = False
            break
        _attribute(content, number, begin, end, packed)
        at = end + 2  # a sum follows, which many writers get wrong
    else:
        packed.whole = False
    for file in packed.files:
        file.name = next((file.names[one] for one in (*_NAMES, 0) if file.names.get(one)), None)
    return packed


def _attribute(content: bytes, number: int, begin: int, end: int, packed: Packed) -> None:
    files = packed.files
    if number == _NEW_FILE:
        if len(files) < FILES_MAX:
            files.append(File())
        else:
            packed.whole = False
    elif number == _CODEPAGE and end - begin >= 4:
        packed.codepage = _charset(_LONG.unpack_from(content, begin)[0])
    elif number == _BODY:
        packed.text = packed.text or _string(content[begin : min(end, begin + BODY_MAX_BYTES)], packed.codepage)
    elif number == _PROPERTIES:
        _of_mail(content, begin, end, packed)
    elif not files:
        return
    elif number == _FILE_TITLE:
        files[-1].names[0] = _string(content[begin : min(end, begin + 1000)], packed.codepage)
    elif number == _FILE_CONTENT:
        files[-1].begin, files[-1].length = begin, end - begin
    elif number == _FILE_PROPERTIES:
        _of_file(content, begin, end, packed)


def _of_mail(content: bytes, begin: int, end: int, packed: Packed) -> None:
    html, codepage = b"", packed.codepage
    for one in _properties(content, begin, end, packed):
        value = content[one.begin : min(one.end, one.begin + BODY_MAX_BYTES)]
        if one.number == _PLAIN and one.kind in {_STRING8, _UNICODE}:
            packed.text = _string(value, "utf-16-le" if one.kind == _UNICODE else packed.codepage) or packed.text
        elif one.number == _HTML and one.kind == _UNICODE:
            packed.html = _string(value, "utf-16-le")
        elif one.number == _HTML and one.kind in {_BINARY, _STRING8}:
            html = value
        elif one.number == _RTF and one.kind == _BINARY:
            packed.rtf = value
        elif one.number == _INTERNET_CODEPAGE and len(value) == 4:
            codepage = _charset(_LONG.unpack(value)[0])
    packed.html = packed.html or _string(html, codepage)


def _of_file(content: bytes, begin: int, end: int, packed: Packed) -> None:
    file = packed.files[-1]
    for one in _properties(content, begin, end, packed):
        if one.number == _CONTENT and one.kind in {_OBJECT, _BINARY}:
            if file.length:
                continue
            is_object = one.kind == _OBJECT
            if is_object and content[one.begin : one.begin + _OBJECT_ID_BYTES] == _MESSAGE_ID:
                file.content_type = "application/ms-tnef"
            file.begin = min(one.end, one.begin + (_OBJECT_ID_BYTES if is_object else 0))
            file.length = one.end - file.begin
        elif one.kind in {_STRING8, _UNICODE} and one.number in {*_NAMES, _MIME_TYPE, _CONTENT_ID}:
            charset = "utf-16-le" if one.kind == _UNICODE else packed.codepage
            value = _string(content[one.begin : min(one.end, one.begin + 2000)], charset)
            if one.number == _MIME_TYPE:
                file.content_type = file.content_type or value.casefold()
            elif one.number == _CONTENT_ID:
                file.content_id = value.strip("<> ")
            else:
                file.names[one.number] = value


def _properties(content: bytes, begin: int, end: int, packed: Packed) -> Iterator[_Property]:
    """Yield the properties between *begin* and *end* (MS-OXTNEF 2.1.3.4); each of those with several values once."""
    if end - begin < 4:
        return
    count, at = _LONG.unpack_from(content, begin)[0], begin + 4
    for _ in range(count):
        packed.properties += 1
        found = None if packed.properties > PROPERTIES_MAX or at + 4 > end else _property(content, at, end)
        if found is None:
            packed.whole = False
            return
        one, at = found
        yield one


def _property(content: bytes, at: int, end: int) -> tuple[_Property, int] | None:
    """Return the property at *at* and where the next one begins, or None where it does not end before *end*."""
    kind, number = _PAIR.unpack_from(content, at)
    at += 4
    if number >= 0x8000:
        named = _behind_name(content, at, end)
        if named is None:
            return None
        at = named
    many, kind = kind & _MANY, kind & ~_MANY
    variable = kind in {_STRING8, _UNICODE, _OBJECT, _BINARY}
    count = 1
    if many or variable:
        if at + 4 > end:
            return None
        count, at = _LONG.unpack_from(content, at)[0], at + 4
    if not variable:
        size = 2 if many and kind == 2 else _FIXED.get(kind, 0)
        stop = at + size * count
        return (_Property(kind, number, at, stop), _padded(at, stop)) if size and stop <= end else None
    first: _Property | None = None
    for _ in range(min(count, PROPERTIES_MAX)):
        if at + 4 > end:
            return None
        length, at = _LONG.unpack_from(content, at)[0], at + 4
        if at + length > end:
            return None
        first = first or _Property(kind, number, at, at + length)
        at = _padded(at, at + length)
    return first or _Property(kind, number, at, at), at


def _behind_name(content: bytes, at: int, end: int) -> int | None:
    """Return where a property's name ends: a set, and a number or words in it."""
    if at + 24 > end:
        return None
    is_words, length = _LONG.unpack_from(content, at + 16)[0], _LONG.unpack_from(content, at + 20)[0]
    at += 24
    return _padded(at, at + length) if is_words else at


def _padded(begin: int, end: int) -> int:
    return end + (begin - end) % 4


def _charset(codepage: int) -> str:
    return _CHARSETS.get(codepage) or (f"cp{codepage}" if 0 < codepage < 65536 else "cp1252")


def _string(value: bytes, charset: str) -> str:
    """Return a text that ends at the first NUL."""
    if charset == "utf-16-le":
        return value[: len(value) // 2 * 2].decode(charset, "replace").partition("\0")[0].replace("\r\n", "\n")
    return to_text(value.partition(b"\0")[0], charset).replace("\r\n", "\n")
