"""What a certificate says of itself (X.509 in DER, RFC 5280), trusted or not: names, issuer, days.

The standard library tells this of certificates alone that it verified, so not of those that a person asks about.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from mailwicket.oneline import printable

COMMON_NAME: Final = b"\x55\x04\x03"  # RFC 5280 appendix A: id-at 3
ORGANIZATION: Final = b"\x55\x04\x0a"  # id-at 10
ALTERNATIVE_NAMES: Final = b"\x55\x1d\x11"  # id-ce 17

SEQUENCE, OBJECT_ID, UTC_TIME, GENERALIZED_TIME, UTF_16 = 0x30, 0x06, 0x17, 0x18, 0x1E  # X.680 8.4
VERSION, EXTENSIONS = 0xA0, 0xA3  # RFC 5280 4.1: [0] and [3] of TBSCertificate
DNS_NAME, IP_ADDRESS = 0x82, 0x87  # RFC 5280 4.2.1.6: [2] and [7] of GeneralName

NAMES_MAX: Final = 100
"""So many names are read; certificates of large hosters bear hundreds."""

NAME_CHARS: Final = 200
"""So much of a name is shown."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's own words."""

    names: tuple[str, ...]
    """Host names and addresses that it is for; the common name where it has none of them (RFC 9525 6.3)."""
    issuer: str
    signs_itself: bool
    begins: datetime
    ends: datetime

    @property
    def names_shown(self) -> str:
        """The names for a line of text."""
        more = len(self.names) - 5
        return ", ".join(self.names[:5]) + (f" and {more} more" if more > 0 else "") if self.names else "no name"

    def days_left(self, now: datetime) -> int:
        """Return whole days until it ends, negative when it has."""
        return (self.ends - now) // timedelta(days=1)


def read_certificate(der: bytes) -> Certificate:
    """Read *der*, which anybody may have made.

    Raises:
        ValueError: it is no certificate.
    """
    fields = list(_items(_first(_first(der, SEQUENCE), SEQUENCE)))
    if fields and fields[0][0] == VERSION:
        del fields[0]
    if len(fields) < 6:
        raise ValueError("no certificate")
    issuer, validity, subject = (content for _, content in fields[2:5])
    times = [_time(tag, content) for tag, content in _items(validity)]
    if len(times) != 2:
        raise ValueError("no two times of validity")
    names = [name for tag, content in fields if tag == EXTENSIONS for name in _alternative_names(content)]
    common = _attribute(subject, COMMON_NAME)
    return Certificate(
        tuple(names[:NAMES_MAX] or ([common] if common else [])),
        ", ".join(filter(None, (_attribute(issuer, COMMON_NAME), _attribute(issuer, ORGANIZATION)))) or "nobody named",
        issuer == subject,
        *times,
    )


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element (X.690 8.1); only one-byte tags, which is all that certificates have."""
    position = 0
    while position < len(content):
        head = content[position : position + 2]
        if len(head) < 2:
            raise ValueError("cut in the middle")
        tag, length = head
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(content[position : position + size], "big")
            position += size
            if not 0 < size <= 4:
                raise ValueError("a length that DER has not")
        if position + length > len(content):
            raise ValueError("an element that reaches beyond its end")
        yield tag, content[position : position + length]
        position += length


def _first(content: bytes, wanted: int) -> bytes:
    tag, found = next(_items(content), (None, b""))
    if tag != wanted:
        raise ValueError("another kind of element")
    return found


def _attribute(name: bytes, wanted: bytes) -> str:
    """Return an attribute of a distinguished name, the last one where there are several; empty if there is none."""
    found = ""
    for _, relative in _items(name):
        for _, pair in _items(relative):
            parts = list(_items(pair))
            if len(parts) == 2 and parts[0] == (OBJECT_ID, wanted):
                tag, text = parts[1]
                found = printable(text.decode("utf-16-be" if tag == UTF_16 else "utf-8", "replace")[:NAME_CHARS], "?")
    return found


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii", "replace")
    if tag == UTC_TIME:  # RFC 5280 4.1.2.5.1: years below 50 are of this century
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _alternative_names(extensions: bytes) -> Iterator[str]:
    for _, extension in _items(_first(extensions, SEQUENCE)):
        parts = list(_items(extension))
        if len(parts) < 2 or parts[0] != (OBJECT_ID, ALTERNATIVE_NAMES):
            continue
        for tag, name in _items(_first(parts[-1][1], SEQUENCE)):
            if tag == DNS_NAME:
                yield printable(name.decode("ascii", "replace")[:NAME_CHARS], "?")
            elif tag == IP_ADDRESS and len(name) in (4, 16):
                yield str(ipaddress.ip_address(name))
