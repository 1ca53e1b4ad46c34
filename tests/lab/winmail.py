"""What Outlook packs into a winmail.dat, written by hand (MS-OXTNEF, MS-OXRTFCP)."""

from __future__ import annotations

import struct
from typing import Final

I4: Final = 0x0003
STRING8: Final = 0x001E
UNICODE: Final = 0x001F
BINARY: Final = 0x0102
OBJECT: Final = 0x000D

OF_MAIL: Final = 0x00069003
OF_FILE: Final = 0x00069005
BODY: Final = 0x0002800C


def tnef(*attributes: bytes, codepage: int = 1252) -> bytes:
    """Return a winmail.dat of *attributes*."""
    heading = attribute(0x00089006, struct.pack("<I", 0x10000)) + attribute(0x00069007, struct.pack("<II", codepage, 0))
    return struct.pack("<IH", 0x223E9F78, 1) + heading + b"".join(attributes)


def attribute(number: int, content: bytes, length: int | None = None) -> bytes:
    """Return one attribute; *length* where it is to lie."""
    told = len(content) if length is None else length
    return struct.pack("<BII", 1, number, told) + content + struct.pack("<H", sum(content) & 0xFFFF)


def properties(*ones: bytes, count: int | None = None) -> bytes:
    """Return the content of an attribute that is made of properties."""
    return struct.pack("<I", len(ones) if count is None else count) + b"".join(ones)


def number(which: int, value: int) -> bytes:
    """Return a property that is a number."""
    return struct.pack("<HHi", I4, which, value)


def text(which: int, value: str) -> bytes:
    """Return a property that is a text in UTF-16."""
    return octets(which, value.encode("utf-16-le") + b"\0\0", kind=UNICODE)


def octets(which: int, *values: bytes, kind: int = BINARY) -> bytes:
    """Return a property of bytes; several values are told as such."""
    many = 0x1000 if len(values) > 1 else 0
    one = b"".join(struct.pack("<I", len(value)) + value + bytes(-len(value) % 4) for value in values)
    return struct.pack("<HHI", kind | many, which, len(values)) + one


def named(which: int, name: str, value: int) -> bytes:
    """Return a number under a name of somebody's own."""
    letters = name.encode("utf-16-le") + b"\0\0"
    told = struct.pack("<HH", I4, which) + bytes(16) + struct.pack("<II", 1, len(letters))
    return told + letters + bytes(-len(letters) % 4) + struct.pack("<i", value)


def file(title: str, content: bytes, *ones: bytes) -> bytes:
    """Return a file with its title of eight and three letters, and its properties."""
    told = attribute(0x00069002, bytes(14)) + attribute(0x0006800F, content)
    told += attribute(0x00018010, title.encode("cp1252") + b"\0")
    return told + (attribute(OF_FILE, properties(*ones)) if ones else b"")


def compressed(rtf: bytes, *, size: int | None = None) -> bytes:
    """Return *rtf* as the compressor writes it where nothing repeats."""
    out = b"".join(b"\0" + rtf[at : at + 8] for at in range(0, len(rtf) - len(rtf) % 8, 8))
    rest = rtf[len(rtf) - len(rtf) % 8 :]
    end = struct.pack(">H", ((207 + len(rtf)) & 4095) << 4)
    out += bytes([1 << len(rest)]) + rest + end
    return struct.pack("<II", len(out) + 12, len(rtf) if size is None else size) + b"LZFu" + bytes(4) + out
