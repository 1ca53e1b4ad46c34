"""Header fields: names, unfolded values, encoded words, parameters, ids, dates. Linear in their length."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from mailwicket.mail.decode import clean, decode, to_text
from mailwicket.model import MessageId

HEADER_MAX_BYTES: Final = 256 * 1024
FIELD_MAX_CHARS: Final = 64 * 1024
IDS_MAX: Final = 200

_ID: Final = re.compile(r"<([^<>\s]{1,996})>")
_WORD: Final = re.compile(r"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]{0,4096})\?=")
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')


class Header:
    """The fields of one header section, first to last."""

    def __init__(self, block: bytes | bytearray) -> None:
        """Split *block*; beyond HEADER_MAX_BYTES it is not read."""
        self._fields: dict[str, list[str]] = {}
        block = block[:HEADER_MAX_BYTES].replace(b"\0", b"")
        if block.isascii():
            text, mixed = block.decode("ascii"), False
        else:  # RFC 6532, or no standard at all: each field is decoded for itself
            text, mixed = block.decode("latin-1"), True
        name, parts = "", [""]
        for line in text.replace("\r\n", "\n").split("\n"):
            if line[:1] in _FOLD and name:
                parts.append(line)
                continue
            if name:
                self._add(name, parts, mixed=mixed)
            name, colon, value = line.partition(":")
            name, parts = (name.strip().casefold(), [value]) if colon else ("", [""])
        if name:
            self._add(name, parts, mixed=mixed)

    def _add(self, name: str, parts: list[str], *, mixed: bool) -> None:
        value = parts[0] if len(parts) == 1 else "".join(parts)
        if mixed and not value.isascii():
            value = to_text(value.encode("latin-1"), "utf-8")
        self._fields.setdefault(name, []).append(value.strip()[:FIELD_MAX_CHARS])

    def get(self, name: str) -> str:
        """Return the first field of that name, unfolded; `""` where there is none."""
        found = self._fields.get(name)
        return found[0] if found else ""

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a field of that name."""
        return name in self._fields


_FOLD: Final = (" ", "\t")


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
    found = _ID.findall(value)
    if not found and value and not any(c.isspace() for c in value) and "@" in value:
        found = [value.strip("<>")]
    if len(found) > IDS_MAX:
        found = [found[0], *found[1 - IDS_MAX :]]
    return [MessageId(clean(one)) for one in found]


def moment(value: str) -> datetime | None:
    """Return a Date field as an aware moment; None where it says none."""
    try:
        found = parsedate_to_datetime(value)
        # "-0000" (RFC 5322 3.3): UTC, from nobody knows where.
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(found.tzinfo)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Type or Content-Disposition into its value and parameters (RFC 2045 5.1, RFC 2231)."""
    kind, semicolon, _ = value.partition(";")
    found: dict[str, str] = {}
    if not semicolon:
        return kind.strip().casefold(), found
    pieces: dict[str, list[tuple[int, str, bool]]] = {}
    for raw_name, raw in _PARAMETER.findall(value[:FIELD_MAX_CHARS]):
        text = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw.startswith('"') else raw.strip()
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


def _continued(parts: Sequence[tuple[int, str, bool]]) -> str:
    charset, raw = "utf-8", b""
    for index, (_, text, encoded) in enumerate(parts):
        piece = text
        if index == 0 and encoded and piece.count("'") >= 2:
            charset, _, piece = piece.split("'", 2)
        raw += unquote_to_bytes(piece) if encoded else piece.encode("utf-8", "replace")
    return to_text(raw, charset or "utf-8")
