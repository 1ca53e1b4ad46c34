"""Header fields: names, unfolded values, encoded words, parameters, ids, addresses, dates. Linear in their length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from mailwicket.mail.decode import clean, to_text
from mailwicket.model import Address, MessageId

HEADER_MAX_BYTES: Final = 256 * 1024
FIELD_MAX_CHARS: Final = 64 * 1024
PEOPLE_MAX: Final = 2000
IDS_MAX: Final = 200

_ID: Final = re.compile(r"<([^<>\s]{1,996})>")
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')


class Header:
    """The fields of one header section, first to last."""

    def __init__(self, block: bytes) -> None:
        """Split *block*; beyond HEADER_MAX_BYTES it is not read."""
        self._fields: dict[str, list[str]] = {}
        text = to_text(block[:HEADER_MAX_BYTES], "utf-8")
        name, parts = "", [""]
        for line in text.replace("\r\n", "\n").split("\n"):
            if line[:1] in {" ", "\t"} and name:
                parts.append(line)
                continue
            self._add(name, parts)
            name, colon, value = line.partition(":")
            name, parts = (name.strip().casefold(), [value]) if colon else ("", [""])
        self._add(name, parts)

    def _add(self, name: str, parts: list[str]) -> None:
        if name:
            self._fields.setdefault(name, []).append("".join(parts).strip()[:FIELD_MAX_CHARS])

    def get(self, name: str) -> str:
        """Return the first field of that name, unfolded; `""` where there is none."""
        return self._fields.get(name, [""])[0]

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a field of that name."""
        return name in self._fields


def words(value: str) -> str:
    """Decode encoded words (RFC 2047); what cannot be decoded stays as it is. One line."""
    if "=?" in value:
        try:
            pieces = decode_header(value)
        except (ValueError, LookupError):
            pieces = [(value, None)]
        joined: list[tuple[bytes | str, str | None]] = []
        for piece, charset in pieces:  # adjacent words of one charset may share a character
            last = joined[-1] if joined else None
            if last and isinstance(piece, bytes) and isinstance(last[0], bytes) and last[1] == charset:
                joined[-1] = (last[0] + piece, charset)
            else:
                joined.append((piece, charset))
        value = "".join(to_text(piece, charset) if isinstance(piece, bytes) else piece for piece, charset in joined)
    return clean(" ".join(value.split()))


def ids(value: str) -> Sequence[MessageId]:
    """Return the ids in a Message-ID, In-Reply-To or References field (RFC 5322 3.6.4): the first and the newest."""
    found = _ID.findall(value)
    if not found and value and not any(c.isspace() for c in value) and "@" in value:
        found = [value.strip("<>")]
    if len(found) > IDS_MAX:
        found = [found[0], *found[1 - IDS_MAX :]]
    return [MessageId(clean(one)) for one in found]


def people(value: str) -> Sequence[Address]:
    """Return the addresses of a field (RFC 5322 3.4), groups flattened; unusable ones are left out."""
    try:
        pairs = getaddresses([value])
    except (RecursionError, ValueError, IndexError):
        return ()
    if not any(address for _, address in pairs) and (bare := re.search(r"[^\s<>,;:\"]+@[^\s<>,;:\"]+", value)):
        pairs = [("", bare[0])]
    return [
        Address(words(name) or None, clean(address))
        for name, address in pairs[:PEOPLE_MAX]
        if "@" in address.strip("@") and not any(c.isspace() for c in address)
    ]


def moment(value: str) -> datetime | None:
    """Return a Date field as an aware moment; None where it says none."""
    try:
        found = parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)) if found.utcoffset() is None else found
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Type or Content-Disposition into its value and parameters (RFC 2045 5.1, RFC 2231)."""
    kind = value.partition(";")[0].strip().casefold()
    found: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, str, bool]]] = {}
    for raw_name, raw in _PARAMETER.findall(value[:FIELD_MAX_CHARS]):
        text = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw.strip()
        name, _, rest = raw_name.casefold().partition("*")
        if not rest and not raw_name.endswith("*"):
            found.setdefault(name, text)
        else:
            number = rest.rstrip("*")
            pieces.setdefault(name, []).append((int(number) if number.isdigit() else 0, text, raw_name.endswith("*")))
    for name, parts in pieces.items():
        found[name] = _continued(sorted(parts))
    return kind, found


def _continued(parts: Sequence[tuple[int, str, bool]]) -> str:
    charset, raw = "utf-8", b""
    for index, (_, text, encoded) in enumerate(parts):
        piece = text
        if index == 0 and encoded and piece.count("'") >= 2:
            charset, _, piece = piece.split("'", 2)
        raw += unquote_to_bytes(piece) if encoded else piece.encode("utf-8", "replace")
    return to_text(raw, charset or "utf-8")
