"""Support mail by the thousand: made from a seed, so that the same seed always makes the same bytes.

`small`: short plain and alternative mails, mean about 8.6 KB. `mix`: what a support mailbox holds, mean about 264 KB:
of a hundred mails 55 small, 30 of 20 to 60 KB HTML, 12 with attachments of 0.1 to 1 MB, 3 of 3 to 8 MB.
A third answers an earlier one. Every mail bears its number in X-Test-Id and a Message-ID of its own.
"""

from __future__ import annotations

import base64
import quopri
import random
from collections.abc import Iterable, Iterator
from email.header import Header
from functools import cache
from itertools import repeat

Parts = list[str]

TAKEN = frozenset({"created", "reply_public", "reply_cc", "joined_late", "collaboration_stranger"})
"""Reason codes of mail that is in a ticket: who answers need not be whoever asked."""

MATTERS = (
    "meter reading invoice pump valve parcel courier badge door heating projector tablet keyboard scanner toner "
    "licence renewal timetable booking refund seat ticket route bus tram bicycle lamp switch socket cable router "
    "antenna mast"
).split()
GLUE = (
    "the a my our this has was since before after about with without and but still again please could would not".split()
)
SPEECH = {  # charset: words beyond ASCII, transfer encoding
    "us-ascii": ((), "7bit"),
    "utf-8": (("Schlüssel", "ключ", "鍵", "clé", "κλειδί", "🔑"), "base64"),
    "iso-8859-1": (("Größe", "façade", "mañana", "smørrebrød"), "quoted-printable"),
    "windows-1252": (("“quoted”", "10 €", "naïve…", "Œuvre"), "quoted-printable"),
    "koi8-r": (("насос", "счёт", "поезд", "лампа"), "base64"),
    "iso-2022-jp": (("電車", "予約", "故障", "電球"), "7bit"),
    "gb18030": (("水泵", "发票", "火车", "灯泡"), "base64"),
}
CHARSETS = (*("us-ascii",) * 4, *("utf-8",) * 5, "iso-8859-1", "windows-1252", "koi8-r", "iso-2022-jp", "gb18030")
ENCLOSURES = (
    ('filename="reading.pdf"', "application/pdf"),
    ('filename="meter.jpg"', "image/jpeg"),
    ("filename*=utf-8''Z%C3%A4hler%20%C3%BCber%20Pumpe.pdf", "application/pdf"),
    ('filename="list.ods"', "application/vnd.oasis.opendocument.spreadsheet"),
)
POOL_LINES = 200_000  # of 76 characters: attachments are stretches of one pool, 15 MB
LARGEST_BYTES = 8 * 1024 * 1024


def small(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield *count* short mails, their lines ending in CR LF."""
    return _Mailroom(seed).write(count, repeat("small"), LARGEST_BYTES)


def mix(count: int, seed: int = 1, largest_bytes: int = LARGEST_BYTES) -> Iterator[bytes]:
    """Yield *count* mails of every kind, their lines ending in CR LF, attachments cut at *largest_bytes*."""
    room = _Mailroom(seed)
    return room.write(count, room.kinds(), largest_bytes)


def large(size_bytes: int, number: int = 0) -> bytes:
    """Return one mail of about *size_bytes*: a line of text and an attachment."""
    room = _Mailroom(number)
    boundary = f"=_large{number}"
    body = multipart(
        "mixed", [part("plain", "See attachment.\n", "us-ascii"), room.enclosure(size_bytes - 900)], boundary
    )
    return _close([*room.heading(number, "A very large matter", "us-ascii"), *body])


def anonymous(number: int = 0) -> bytes:
    """Return one mail that names nobody to answer: it is parked."""
    heading = [line for line in _Mailroom(number).heading(number, "Who is it", "us-ascii") if line[:5] != "From:"]
    return _close([*heading, *part("plain", "I will not say.\n", "us-ascii")])


def test_id(raw: bytes) -> str:
    """Return the number of a mail that was made here; empty for another."""
    head = raw[: raw.find(b"\r\n\r\n") + 2]
    start = head.find(b"\r\nX-Test-Id: ")
    return head[start + 13 : head.index(b"\r\n", start + 2)].decode() if start >= 0 else ""


def part(kind: str, text: str, charset: str) -> Parts:
    """Return a text part as lines."""
    encoding = SPEECH[charset][1]
    octets = text.encode(charset, "replace")
    if encoding == "base64":
        body = base64.encodebytes(octets).decode("ascii")
    elif encoding == "quoted-printable":
        body = quopri.encodestring(octets).decode("ascii")
    else:
        body = octets.decode("latin-1")
    heading = [f'Content-Type: text/{kind}; charset="{charset}"', f"Content-Transfer-Encoding: {encoding}", ""]
    return [*heading, *body.splitlines()]


def multipart(kind: str, parts: Iterable[Parts], boundary: str) -> Parts:
    """Return *parts* in one, as lines."""
    lines = [f'Content-Type: multipart/{kind}; boundary="{boundary}"', ""]
    for one in parts:
        lines += [f"--{boundary}", *one]
    return [*lines, f"--{boundary}--"]


@cache
def _pool() -> str:
    """What attachments are cut out of, the same for every seed."""
    octets = random.Random(0).randbytes(57 * POOL_LINES)
    return base64.encodebytes(octets).decode("ascii").replace("\n", "\r\n")


def _close(lines: Parts) -> bytes:
    return "\r\n".join([*lines, ""]).encode("latin-1")


class _Mailroom:
    """Writes the mails of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(seed)
        self._talks: list[tuple[str, list[str]]] = []  # subject, Message-IDs

    def kinds(self) -> Iterator[str]:
        """Yield what kind each mail is: the shares hold in every hundred."""
        hundred = ["small"] * 55 + ["html"] * 30 + ["attached"] * 12 + ["heavy"] * 3
        while True:
            self._chance.shuffle(hundred)
            yield from tuple(hundred)

    def write(self, count: int, kinds: Iterable[str], largest_bytes: int) -> Iterator[bytes]:
        """Yield *count* mails."""
        for number, kind in zip(range(count), kinds, strict=False):
            charset = self._chance.choice(CHARSETS)
            subject = self.words(5, charset if self._chance.random() < 0.3 else "us-ascii")
            heading = self.heading(number, subject, charset)
            yield _close([*heading, *self._body(kind, charset, f"=_{self._seed}.{number}", largest_bytes)])

    def heading(self, number: int, subject: str, charset: str) -> Parts:
        """Return the header lines of a mail, without those of its body."""
        chance = self._chance
        if not subject.isascii():
            subject = Header(subject, _header_charset(charset), errors="replace").encode(linesep="\r\n")
        own = f"<{self._seed}.{number}.{chance.getrandbits(48):x}@mail{number % 89}.example.org>"
        answers: Parts = []
        if self._talks and chance.random() < 0.35:
            subject, ids = chance.choice(self._talks[-200:])
            subject = f"Re: {subject}"
            answers = [f"In-Reply-To: {ids[-1]}", "References: " + "\r\n ".join(ids[-8:])]
            ids.append(own)
        else:
            self._talks.append((subject, [own]))
        name = Header("Zoë Übel", "utf-8").encode() if number % 7 == 0 else f"Person {number % 887}"
        minute = f"{number // 60 % 60:02}:{number % 60:02}"
        hops = [
            f"Received: from relay{hop}.example.org (relay{hop}.example.org [192.0.2.{chance.randrange(1, 255)}])\r\n"
            f"\tby mx.example.net with ESMTPS id {chance.getrandbits(40):010X};\r\n\tThu, 01 Jan 2026 10:{minute} +0000"
            for hop in range(3)
        ]
        return [
            *hops,
            "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=lab;\r\n\tb="
            + base64.b64encode(chance.randbytes(180)).decode(),
            f"From: {name} <person{number % 887}@mail{number % 89}.example.org>",
            "To: Service desk <desk@example.net>",
            f"Subject: {subject}",
            f"Date: Thu, 01 Jan 2026 10:{minute} +0000",
            f"Message-ID: {own}",
            *answers,
            f"X-Test-Id: {self._seed}-{number}",
            "MIME-Version: 1.0",
        ]

    def _body(self, kind: str, charset: str, boundary: str, largest_bytes: int) -> Parts:
        chance = self._chance
        if kind == "small":
            if chance.random() < 0.55:
                return part("plain", self.prose(chance.randrange(2_000, 8_000), charset), charset)
            texts = [
                part("plain", self.prose(chance.randrange(1_500, 2_600), charset), charset),
                part("html", self.html(chance.randrange(2_500, 5_500), charset), charset),
            ]
            return multipart("alternative", texts, boundary)
        html_bytes = chance.randrange(13_000, 40_000) if kind == "html" else 5_000
        texts = [
            part("plain", self.prose(2_500, charset), charset),
            part("html", self.html(html_bytes, charset), charset),
        ]
        body = multipart("alternative", texts, boundary)
        if kind == "html":
            return body
        size = chance.randrange(100_000, 1_000_000) if kind == "attached" else chance.randrange(3_700_000, 8_000_000)
        pieces = chance.randrange(1, 4) if kind == "attached" else 1
        enclosures = [self.enclosure(min(size, largest_bytes) // pieces) for _ in range(pieces)]
        return multipart("mixed", [body, *enclosures], boundary + "m")

    def enclosure(self, size_bytes: int) -> Parts:
        """Return an attachment of about *size_bytes* as it travels."""
        named, kind = self._chance.choice(ENCLOSURES)
        heading = [
            f"Content-Type: {kind}",
            f"Content-Disposition: attachment; {named}",
            "Content-Transfer-Encoding: base64",
        ]
        return [*heading, "", *self._stretches(size_bytes)]

    def _stretches(self, size_bytes: int) -> Iterator[str]:
        """Cut base64 lines out of the pool: a few long strings, not a hundred thousand short ones."""
        pool = _pool()
        left = size_bytes // 78 or 1
        while left:
            lines = min(left, POOL_LINES // 2)
            first = self._chance.randrange(POOL_LINES - lines + 1)
            yield pool[first * 78 : (first + lines) * 78 - 2]
            left -= lines

    def words(self, count: int, charset: str) -> str:
        """Return *count* words, some of them beyond ASCII where *charset* has more."""
        foreign = SPEECH[charset][0]
        chosen = (self._chance.choice(GLUE if n % 2 else MATTERS) for n in range(count))
        return " ".join(self._chance.choice(foreign) if foreign and self._chance.random() < 0.2 else w for w in chosen)

    def prose(self, size: int, charset: str) -> str:
        """Return about *size* characters in lines."""
        return "\n".join(self.words(11, charset) for _ in range(size // 60)) + "\n"

    def html(self, size: int, charset: str) -> str:
        """Return about *size* characters as mail programs write them."""
        rows = (
            f'<tr><td class="c{self._chance.randrange(60)}" style="font:13px sans-serif;color:#{n:06x}">'
            f"<p>{self.words(14, charset)}</p></td></tr>"
            for n in range(size // 160)
        )
        return (
            "<html><head><style>p{margin:0}</style></head><body><table>\n"
            + "\n".join(rows)
            + "\n</table></body></html>\n"
        )


def _header_charset(charset: str) -> str:
    """What a header names instead: gb18030 is unknown to encoded words of old programs."""
    return "utf-8" if charset in {"us-ascii", "gb18030"} else charset
