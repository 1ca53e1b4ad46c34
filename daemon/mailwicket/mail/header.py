"""Header fields: names, unfolded values, encoded words, parameters, ids, dates. Linear in their length."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from mailwicket.mail.charset import clean, to_text
from mailwicket.mail.decode import decode
from mailwicket.model import MessageId

HEADER_MAX_BYTES: Final = 256 * 1024
FIELD_MAX_CHARS: Final = 64 * 1024
SHORT_MAX_CHARS: Final = 16 * 1024
OFTEN_MAX_CHARS: Final = 100
IDS_MAX: Final = 200

# A folded line behind a line that is no field is a field of its own. Possessive: there is never a way back.
_FIELD: Final = re.compile(r"^[^\S\n]*+([^\s:][^\n:]*+):(.*+(?:\n[ \t].*+)*+)", re.MULTILINE)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# RFC 5322 3.3 as nearly all programs write it; the library reads everything else, at three times the cost.
_DATE: Final = re.compile(
    rf"[A-Z][a-z][a-z], (\d\d?) ({'|'.join(_MONTHS)}) ([1-9]\d\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)([0-5]\d)(?:\s|$)",
    re.ASCII,
)
_ID: Final = re.compile(r"<([^<>\s]{1,996})>")
_WORD: Final = re.compile(r"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]{0,4096})\?=")
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*("[^"\\]*(?:\\.[^"\\]*)*"|[^;]*)')
_ESCAPED: Final = re.compile(r"\\(.)")


class Header:
    """The fields of one header section: the first of each name."""

    def __init__(self, block: bytes | bytearray) -> None:
        """Split *block*; beyond HEADER_MAX_BYTES it is not read."""
        text = block[:HEADER_MAX_BYTES].replace(b"\0", b"").decode("latin-1")
        fields: Iterable[tuple[str, ...]] = _FIELD.findall(text) if len(text) <= SHORT_MAX_CHARS else _one_by_one(text)
        self._fields: dict[str, str] = {}
        for name, value in fields:
            self._fields.setdefault(name.rstrip().casefold(), value)  # as it came: most are never asked for

    def get(self, name: str) -> str:
        """Return the first field of that name, unfolded; `""` where there is none."""
        value = self._fields.get(name)
        if not value:
            return ""
        if "\n" in value:
            value = value.replace("\r\n", "").replace("\n", "")
        if not value.isascii():  # RFC 6532, or no standard at all: each field is decoded for itself
            value = to_text(value.encode("latin-1"), "utf-8")
        return value.strip()[:FIELD_MAX_CHARS]

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a field of that name."""
        return name in self._fields


def _one_by_one(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the fields of a long header: in a single call they would hold the interpreter's lock for 30 ms."""
    return (found.groups() for found in _FIELD.finditer(text))


def words(value: str) -> str:
    """Decode encoded words (RFC 2047), wherever they stand; what cannot be decoded stays as it is. One line."""
    if "=?" in value:
        value = _decoded(value)
    return clean(" ".join(value.split()))


def _decoded(value: str) -> str:
    told: list[str] = []
    run, charset, end = b"", "", 0  # the words before, as long as they are of one charset: they may share a character
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        if (between and not between.isspace()) or found[1].casefold() != charset or not run:
            told += (to_text(run, charset), "" if run and between.isspace() else between)
            run, charset = b"", found[1].casefold()
        run += _word(found[2], found[3].encode("ascii", "replace"))
        end = found.end()
    return "".join([*told, to_text(run, charset), value[end:]])


def _word(encoding: str, encoded: bytes) -> bytes:
    return decode(encoded, "base64") if encoding in "bB" else binascii.a2b_qp(encoded, header=True)


def ids(value: str) -> Sequence[MessageId]:
    """Return the ids in a Message-ID, In-Reply-To or References field (RFC 5322 3.6.4): the first and the newest."""
    if not value:
        return []
    found = _ID.findall(value)
    if not found and not any(c.isspace() for c in value) and "@" in value:
        found = [value.strip("<>")]
    if len(found) > IDS_MAX:
        found = [found[0], *found[1 - IDS_MAX :]]
    return [MessageId(clean(one)) for one in found]


def moment(value: str) -> datetime | None:
    """Return a Date field as an aware moment; None where it says none."""
    try:
        if plain := _DATE.match(value):
            day, month, year, clock, hours, minutes = plain.groups()
            return datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02}-{day:0>2}T{clock}{hours}:{minutes}")
        found = parsedate_to_datetime(value)
        # "-0000" (RFC 5322 3.3): UTC, from nobody knows where.
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(found.tzinfo)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """Split a Content-Type or Content-Disposition into its value and parameters (RFC 2045 5.1, RFC 2231)."""
    if ";" not in value:
        return value.strip().casefold(), {}
    return _often(value) if len(value) <= OFTEN_MAX_CHARS else _parameters(value)


def _parameters(value: str) -> tuple[str, Mapping[str, str]]:
    kind, _, _ = value.partition(";")
    found: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, str, bool]]] = {}
    for raw_name, raw in _PARAMETER.findall(value[:FIELD_MAX_CHARS]):
        text = _ESCAPED.sub(r"\1", raw[1:-1]) if raw.startswith('"') else raw.strip()
        name, star, rest = raw_name.casefold().partition("*")
        if not star:
            found.setdefault(name, text)
        else:
            number = rest.rstrip("*")
            place = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else 0
            pieces.setdefault(name, []).append((place, text, raw_name.endswith("*")))
    for name, parts in pieces.items():
        found[name] = _continued(sorted(parts))
    return kind.strip().casefold(), found


# Most parts of most mails bear one of a few dozen values.
_often: Final = lru_cache(256)(_parameters)


def _continued(parts: Sequence[tuple[int, str, bool]]) -> str:
    charset, raw = "utf-8", b""
    for index, (_, text, encoded) in enumerate(parts):
        piece = text
        if index == 0 and encoded and piece.count("'") >= 2:
            charset, _, piece = piece.split("'", 2)
        raw += unquote_to_bytes(piece) if encoded else piece.encode("utf-8", "replace")
    return to_text(raw, charset or "utf-8")
