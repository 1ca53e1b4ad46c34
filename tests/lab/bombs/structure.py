"""Aimed at what finds the parts, undoes their encodings and puts the body together."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from typing import Final

from tests.lab.bombs.heads import heads

MIXED: Final = b"Content-Type: multipart/mixed; boundary=a"
BASE64: Final = b"Content-Transfer-Encoding: base64"
QUOTED: Final = b"Content-Transfer-Encoding: quoted-printable"
LINE: Final = b"M" + b"A" * 60 + b"\n"  # of uuencode


def parts(bodies: Iterable[bytes]) -> bytes:
    """Return a mail of parts, each with its header."""
    return heads(MIXED) + b"".join(b"--a\n" + body + b"\n" for body in bodies) + b"--a--\n"


def nested(count: int, kind: bytes = b"mixed") -> bytes:
    """Return the heads of *count* multiparts, each inside the one before, none of them closed."""
    one = b'Content-Type: multipart/%s; boundary="b%d"\r\n\r\n--b%d\r\n'
    return b"".join(one % (kind, n, n) for n in range(count))


def winmail(*attributes: tuple[int, bytes, int]) -> bytes:
    """Return a mail with a winmail.dat: of each attribute the number, the content, and a length that may lie."""
    packed = struct.pack("<IH", 0x223E9F78, 1)
    packed += b"".join(struct.pack("<BII", 1, number, length) + body + b"\0\0" for number, body, length in attributes)
    return heads(b"Content-Type: application/ms-tnef", BASE64) + base64.encodebytes(packed)


def rich(packed: bytes, size: int, kind: bytes = b"LZFu") -> bytes:
    """Return a mail whose body is rich text, said to be of *size* bytes when it is unpacked."""
    text = struct.pack("<II", len(packed) + 12, size) + kind + bytes(4) + packed
    told = struct.pack("<IHHII", 1, 0x102, 0x1009, 1, len(text)) + text + bytes(-len(text) % 4)
    return winmail((0x00069003, told, len(told)))


BOMBS: Final = {
    "nested multiparts": nested(1000),
    "nested multiparts that go on": nested(99) + b"-- \n--b\n" * 300_000,
    "nested alternatives": nested(99, b"alternative") + (b"--b98\n\nwords %d\n" % 7) * 900,
    "nested mails": b"From: a@example.org\nContent-Type: message/rfc822\n\n" * 40_000,
    "multiparts in mails": (nested(1) + b"Content-Type: message/rfc822\r\n\r\n") * 20_000,
    "the same boundary": b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 30_000,
    "boundaries that begin alike": b"".join(
        b"Content-Type: multipart/mixed; boundary=%s\n\n--%s\n" % (b"a" * n, b"a" * n) for n in range(1, 100)
    )
    + b"--" + b"a" * 99 + b"b\n--aa\n" * 100_000,
    "last boundaries": heads(MIXED) + b"--a--\n" * 400_000,
    "boundaries with tails": heads(MIXED) + (b"--a" + b" " * 990 + b"x\n") * 3_000,
    "dashes": heads(MIXED) + b"-" * 3_000_000,
    "no boundary is named": heads(b"Content-Type: multipart/mixed") + b"--x\n" * 500_000,
    "long lines for a boundary": heads(b"Content-Type: multipart/mixed") + (b"--" + b"x" * 198 + b"\n") * 10_000,
    "parts without a header": parts([b"no field\nno field either\n"] * 990 + [b"no field\n" * 100_000]),
    "header lines": b"X: y\r\n" * 200_000,
    "fields": b"x:\r\n" * 65_000,
    "no fields": b"a b c\n" * 43_000,
    "fields behind garbage": b"a b c\n" * 40_000 + b"From: a@example.org\n\n",
    "parts": heads(MIXED) + b"--a\r\n\r\n" * 500_000,
    "near boundaries of every multipart": b"".join(
        b"Content-Type: multipart/mixed; boundary=a%s\n\n--a%s\n" % (b"X" * n, b"X" * n) for n in range(30)
    )
    + (b"--a" + b"X" * 30 + b"Y\n") * 600_000,
    "near boundaries": heads(MIXED) + b"--aX\r\n" * 500_000,
    "padding": heads(b"Content-Type: a/b", BASE64) + b"A=" * 3_000_000,
    "only padding": heads(b"Content-Type: a/b", BASE64) + b"=" * 6_000_000,
    "short lines": heads(b"Content-Type: a/b", BASE64) + b"A\n" * 3_000_000,
    "no base64": heads(b"Content-Type: text/plain", BASE64) + b"!* " * 1_000_000,
    "long boundary": heads(b'Content-Type: multipart/mixed; boundary="' + b"ab" * 30_000 + b'"')
    + (b"--" + b"ab" * 29_999 + b"\n") * 100,
    "lines that end in CR": b"From: a@example.org\rSubject: x\r\r" + b"\r" * 2_000_000,
    "fields that end in CR": b"X: y\r" * 200_000,
    "soft line breaks": heads(b"Content-Type: text/plain", QUOTED) + b"=\n" * 1_500_000,
    "soft line breaks and blanks": heads(b"Content-Type: text/plain", QUOTED) + (b"=" + b" " * 77 + b"\n") * 30_000,
    "signs of equality": heads(b"Content-Type: text/plain", QUOTED) + b"= =\t" * 500_000,
    "texts and markup": parts([b"Content-Type: text/plain\n\nw%d" % n + b" w" * 900 for n in range(500)]
    + [b"Content-Type: text/html\n\n<p>v%d " % n + b"<p>v" * 500 for n in range(499)]),
    "alternatives of other words": heads(b"Content-Type: multipart/alternative; boundary=a")
    + b"".join(b"--a\n\n" + b" ".join(b"w%d" % n for n in range(k, k + 300)) + b"\n" for k in range(0, 300_000, 300)),
    "files that begin": heads(b"Content-Type: text/plain") + b"begin 644 `\n" * 200_000,
    "files that never end": heads(b"Content-Type: text/plain") + b"begin 644 `\n" + LINE * 40_000,
    "files that begin and go on": heads(b"Content-Type: text/plain") + (b"begin 644 `\n" + LINE * 20) * 2_000,
    "small files": heads(b"Content-Type: text/plain") + b"begin 644 a\n#0V%T\n`\nend\n" * 60_000,
    "files of short lines": heads(b"Content-Type: text/plain") + b"begin 644 a\n" + b"#0V%T\n" * 300_000 + b"`\nend\n",
    "uuencode that is none": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: uuencode") + b"~" * 2_000_000,
    "uuencode of a letter a line": heads(b"Content-Type: a/b", b"Content-Transfer-Encoding: uuencode")
    + b"!\n" * 10_000_000,
    "enriched": heads(b"Content-Type: text/enriched") + b"<param><" * 120_000,
    "empty lines, enriched": heads(b"Content-Type: text/enriched") + b"\n" * 1_000_000,
    "enclosed mails": parts(
        [b"Content-Type: message/rfc822\n\nFrom: b@example.org\nContent-Type: text/html\n\n" + b"<b>x" * 50_000] * 9
    ),
    "attributes": winmail(*[(0x00069002, b"", 0)] * 150_000),
    "an attribute that lies": winmail((0x00069003, b"\xff" * 1_000_000, 0xFFFFFFFF)),
    "properties that lie": winmail((0x00069003, b"\xff\xff\xff\xff" + b"\x1e\x00\x00\x10" * 200_000, 800_004)),
    "properties of many values": winmail(
        (0x00069003, b"\x01\0\0\0\x1e\x10\x00\x10\xff\xff\xff\x7f" + bytes(800_000), 800_012)
    ),
    "files of properties": winmail(
        *[(0x00069002, b"", 0), (0x00069005, b"\xff\0\0\0" + b"\x03\0\1\0aaaa" * 200, 1604)] * 99
    ),
    "rich text that grows": rich((b"\xff" + b"\x00\x0e" * 8) * 60_000, 0xFFFFFFFF),
    "rich text of letters": rich(b"\0aaaaaaaa" * 100_000, 0xFFFFFFFF),
    "rich texts that grow": parts(
        [rich((b"\xff" + b"\x00\x0e" * 8) * 4_000, 0xFFFFFFFF)] * 20
    ),
    "braces": rich(b"{" * 1_000_000, 1_000_000, b"MELA"),
    "rich words": rich(rb"\fromhtml1" + rb"\u9" * 170_000, 600_000, b"MELA"),
    "rich octets": rich(rb"\'e9x" * 120_000, 600_000, b"MELA"),
}  # fmt: skip
