"""Header fields, written: text and people in ASCII, folded, and never a line more than was meant.

Whatever a value holds, it cannot end its field: control characters and line ends of all scripts are taken out of text,
and an address, an id or a token that holds any is refused. Source: RFC 5322 2.2.3 and 3.4, RFC 2047 5, RFC 2231 3.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from mailwicket.mail.address import people as read_people
from mailwicket.model import Address

LINE_CHARS: Final = 76
"""RFC 2047 2: no line with an encoded word is longer; RFC 5322 2.1.1 asks for 78."""

WORD_CHARS: Final = 60
"""Of one encoded word: the longest name of a field fits before it."""

LINE_MAX: Final = 998
"""RFC 5322 2.1.1, without CR LF."""

NAME_MAX_CHARS: Final = 200
SUBJECT_MAX_CHARS: Final = 500
ADDRESS_MAX_CHARS: Final = 320

_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u00a1-\uffff\U00010000-\U0010ffff-]+")
_QUOTED_LOCAL: Final = re.compile(r'"(?:[ !#-\[\]-~\u00a1-\uffff\U00010000-\U0010ffff]|\\[ -~])+"')
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[A-Za-z0-9.:-]+\]")
_ID: Final = re.compile(r"[!-;=?-~]{1,900}")
_TOKEN: Final = re.compile(r"[!#$&+.0-9A-Z^_a-z-]+/[!#$&+.0-9A-Z^_a-z-]+")
_BARE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""What Q leaves as it is (RFC 2047 5, within a phrase)."""


def one_line(text: str, limit: int) -> str:
    """Return *text* as one line of at most *limit* characters; runs of blanks are one.

    Control characters are taken out, those that turn the direction of whatever follows, too (Unicode 9, 3.1.2).
    """
    told = " ".join(_UNSEEN.sub(" ", text).split())
    return told if len(told) <= limit else f"{told[: limit - 1].rstrip()}…"


def unstructured(name: str, text: str) -> str:
    """Return the lines of a field that holds *text*, which is `one_line` already."""
    pieces = text.split(" ")
    if text.isascii() and "=?" not in text and all(len(one) < LINE_CHARS for one in pieces):
        return _folded(f"{name}:", pieces)
    return f"{name}: " + "\r\n ".join(_encoded(text))


def people(name: str, persons: Sequence[Address]) -> str:
    """Return the lines of a field of *persons*, whose addresses went through `address`: one a line."""
    return f"{name}: " + ",\r\n ".join(_person(one) for one in persons)


def tokens(name: str, pieces: Sequence[str]) -> str:
    """Return the lines of a field of *pieces* between which it may be folded."""
    return _folded(f"{name}:", pieces)


def address(field: str, text: str) -> str:
    """Return the address *text* as it is written in a field: its domain in ASCII (RFC 5891).

    Raises:
        ValueError: it is none; *field* is named.
    """
    local, _, domain = text.rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):
            domain = domain.encode("idna").decode("ascii")
    is_local = _LOCAL.fullmatch(local) or _QUOTED_LOCAL.fullmatch(local)
    if "=?" in text or not local.strip("'"):  # some programs decode what may not be encoded, or take quotes off
        is_local = None
    if len(text) > ADDRESS_MAX_CHARS or not is_local or not _DOMAIN.fullmatch(domain) or not local.isprintable():
        raise ValueError(f"{field}: an address that cannot be written to")
    return f"{local}@{domain}"


def is_address(text: str) -> bool:
    """Tell whether a mail can be written to *text*: what `address` takes, and every reader takes for the same."""
    try:
        written = address("to", text)
    except ValueError:
        return False
    return [one.address for one in read_people(_person(Address("A", written)))] == [written]


def is_id(text: str) -> bool:
    """Tell whether *text* can be written as an id between angle brackets (RFC 5322 3.6.4, leniently)."""
    return _ID.fullmatch(text) is not None


def is_media_type(text: str) -> bool:
    """Tell whether *text* is `type/subtype` and nothing else (RFC 6838 4.2)."""
    return len(text) <= 127 and _TOKEN.fullmatch(text) is not None


def file_name(key: str, name: str) -> str:
    """Return the parameter *key* that holds *name*, to stand behind a value: encoded and cut up where it has to be."""
    if name.isascii() and len(name) <= WORD_CHARS and name.isprintable() and "=?" not in name and "%" not in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {key}="{escaped}"'
    told = [quote(letter, safe="!#$&+-.^_`{}~", encoding="utf-8", errors="replace") for letter in name]
    if sum(map(len, told)) <= WORD_CHARS:
        return f";\r\n {key}*=utf-8''{''.join(told)}"
    pieces = ["utf-8''"]
    for letter in told:  # no letter is cut in two: some programs decode piece by piece
        if len(pieces[-1]) + len(letter) > WORD_CHARS:
            pieces.append("")
        pieces[-1] += letter
    return "".join(f";\r\n {key}*{number}*={piece}" for number, piece in enumerate(pieces))


def _person(one: Address) -> str:
    name = one_line(one.name or "", NAME_MAX_CHARS)
    if not name:
        return f"<{one.address}>" if one.address.startswith('"') else one.address
    if not name.isascii() or "=?" in name or len(name) > WORD_CHARS:
        phrase = "\r\n ".join(_encoded(name))
    elif _ATOMS.fullmatch(name):
        phrase = name
    else:
        phrase = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
    last = phrase.rpartition("\r\n")[2]
    between = " " if len(last) + len(one.address) + 10 <= LINE_CHARS else "\r\n "
    return f"{phrase}{between}<{one.address}>"


def _folded(start: str, pieces: Sequence[str]) -> str:
    lines, line = [], start
    for piece in pieces:
        if len(line) + 1 + len(piece) > LINE_CHARS and line != start:
            lines.append(line)
            line = ""
        line = f"{line} {piece}"
    return "\r\n".join([*lines, line])


def _encoded(text: str) -> Iterator[str]:
    """Yield *text* as encoded words, no character of it cut in two."""
    raw = text.encode("utf-8")
    by_letter = sum(1 if byte in _BARE or byte == 0x20 else 3 for byte in raw)
    form, write = ("q", _by_letter) if by_letter <= len(raw) * 4 // 3 else ("b", _by_six)
    run = ""
    for letter in text:
        if run and len(write(run + letter)) > WORD_CHARS - len("=?utf-8?q??="):
            yield f"=?utf-8?{form}?{write(run)}?="
            run = ""
        run += letter
    yield f"=?utf-8?{form}?{write(run)}?="


def _by_letter(text: str) -> str:
    return "".join(
        chr(byte) if byte in _BARE else "_" if byte == 0x20 else f"={byte:02X}" for byte in text.encode("utf-8")
    )


def _by_six(text: str) -> str:
    return b64encode(text.encode("utf-8")).decode("ascii")
