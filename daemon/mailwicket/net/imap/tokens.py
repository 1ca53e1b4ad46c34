"""Reads the few answers that are asked for: FETCH, SEARCH, ESEARCH, status lines with their codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from mailwicket.net.imap.reader import Part, Response

Value = Part | None | list["Value"]
"""An atom or string, a literal, NIL, or a list of such."""

UID_MAX: Final = 2**32 - 1  # RFC 9051 9: nz-number
NUMBER_MAX: Final = 2**63 - 1  # RFC 9051 9: number64
DEPTH_MAX: Final = 32

_LOOKS_LIKE_FETCH: Final = re.compile(rb"\* \d+ FETCH\b", re.IGNORECASE)
_DESCRIBING: Final = frozenset({b"UID", b"RFC822.SIZE", b"INTERNALDATE"})
_FETCH: Final = re.compile(rb"\* (\d{1,10}) FETCH ", re.IGNORECASE)
_LIST: Final = re.compile(rb"\* LIST ", re.IGNORECASE)
_TOKEN: Final = re.compile(
    rb' *(?:(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<literal>~?\{\d+\}\Z)'
    rb'|(?P<atom>[^ ()"{\[]+(?:\[[^\]]*\](?:<\d+>)?)?))'
)
_LOOKED: Final = re.compile(  # an answer to a look, as nearly all servers write it: a tenth of the time
    rb"\* \d{1,10} FETCH \("
    rb'(?:(?:UID (\d{1,10})|RFC822\.SIZE (\d{1,20})|INTERNALDATE "([^"\\]*)")(?: (?=[A-Z])|(?=\))))+\)'
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_CODE: Final = re.compile(rb"\[([^\] ]+)(?: ([^\]]*))?\] ?")
_DATE: Final = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name.lower().encode("ascii"): number for number, name in enumerate(MONTHS, 1)}


@dataclass(frozen=True, slots=True)
class FetchAnswer:
    """One `FETCH` response: attributes by name in upper case, e.g. `BODY[]<0>`."""

    items: Mapping[bytes, Value]

    @property
    def uid(self) -> int | None:
        """The UID, where the server named one: never what was asked for."""
        return self.number(b"UID")

    def number(self, name: bytes) -> int | None:
        """Return a numeric attribute; None where it is missing, no number, or beyond what IMAP can count."""
        value = self.items.get(name)
        if not isinstance(value, bytes) or not value.isdigit() or len(value) > 20:
            return None
        return number if (number := int(value)) <= NUMBER_MAX else None


def read_fetch(response: Response) -> FetchAnswer | None:
    """Read a FETCH response; None for any other, and for one that cannot be read."""
    first = response[0]
    if not isinstance(first, bytes):
        return None
    if len(response) == 1 and (looked := _LOOKED.fullmatch(first)):
        found = zip((b"UID", b"RFC822.SIZE", b"INTERNALDATE"), looked.groups(), strict=True)
        return FetchAnswer({name: value for name, value in found if value is not None})
    if not (begin := _FETCH.match(first)):
        return None
    tree = _read_values(response, begin.end())
    if tree is None or len(tree) != 1 or not isinstance(tree[0], list):
        return None
    pairs = tree[0]
    items = {
        name.upper(): value for name, value in zip(pairs[::2], pairs[1::2], strict=False) if isinstance(name, bytes)
    }
    return FetchAnswer(items) if len(pairs) % 2 == 0 else None


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One `LIST` response (RFC 9051 7.3.1)."""

    name: bytes
    """On the wire: modified UTF-7."""
    separator: bytes
    """Between the levels of names; empty where there are none."""
    attributes: frozenset[bytes]
    """In lower case, with their backslash."""


def read_list(response: Response) -> ListedFolder | None:
    """Read a LIST response; None for any other, and for one that cannot be read."""
    first = response[0]
    if not isinstance(first, bytes) or not (begin := _LIST.match(first)):
        return None
    match _read_values(response, begin.end()):
        case [list(attributes), separator, bytes(name) | bytearray(name), *_]:
            known = frozenset(one.lower() for one in attributes if isinstance(one, bytes))
            return ListedFolder(bytes(name), separator if isinstance(separator, bytes) else b"", known)
    return None


def hides_a_mail(response: Response) -> bool:
    """Tell whether it is a FETCH response that describes a mail, and which one cannot be read."""
    first = response[0]
    if not isinstance(first, bytes) or not _LOOKS_LIKE_FETCH.match(first):
        return False
    answer = read_fetch(response)
    return answer is None or (answer.uid is None and not _DESCRIBING.isdisjoint(answer.items))


def _read_values(response: Response, position: int) -> list[Value] | None:
    root: list[Value] = []
    stack = [root]
    for index, part in enumerate(response):
        if index % 2 or not isinstance(part, bytes):
            stack[-1].append(part)
            continue
        end = len(part.rstrip(b" "))
        while position < end:
            token = _TOKEN.match(part, position)
            if token is None or not _take(token, stack):
                return None
            position = token.end()
        position = 0
    return root if len(stack) == 1 else None


def _take(token: re.Match[bytes], stack: list[list[Value]]) -> bool:
    match token.lastgroup:
        case "open":
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
            return len(stack) <= DEPTH_MAX
        case "close":
            stack.pop()
            return bool(stack)
        case "quoted":
            text = token["quoted"]
            stack[-1].append(_ESCAPED.sub(rb"\1", text) if b"\\" in text else text)
        case "atom":
            atom = token["atom"]
            stack[-1].append(None if atom.upper() == b"NIL" else atom)
        case _:  # a literal stands at the next place of the response
            pass
    return True


def read_search(responses: Iterable[Response]) -> list[int]:
    """Return the numbers of all SEARCH and ESEARCH responses, ascending, each once.

    Raises:
        ValueError: a number is none, or zero, or a range of an ESEARCH is beyond reason.
    """
    found: set[int] = set()
    for response in responses:
        first = response[0]
        if not isinstance(first, bytes):
            continue
        words = first.partition(b"(MODSEQ")[0].split()  # RFC 7162 3.1.5 appends one
        kind = words[1].upper() if len(words) > 1 else b""
        if kind == b"SEARCH":
            found.update(map(int, words[2:]))
        elif kind == b"ESEARCH" and b"ALL" in (upper := [word.upper() for word in words]):
            found.update(read_set(words[upper.index(b"ALL") + 1]))
    if any(not 0 < number <= UID_MAX for number in found):
        raise ValueError("a UID out of range")
    return sorted(found)


def read_set(text: bytes) -> Iterator[int]:
    """Yield the numbers of a sequence set such as `1,4:7`.

    Raises:
        ValueError: it is no set, or names more than two million: that is a lie, not a mailbox.
    """
    total = 0
    for piece in text.split(b","):
        low, _, high = piece.partition(b":")
        first, last = sorted((int(low), int(high or low)))
        total += last - first + 1
        if total > 2_000_000:
            raise ValueError("a set of more than two million")
        yield from range(first, last + 1)


def write_set(uids: Iterable[int]) -> str:
    """Write *uids* as a sequence set; a range only where no number is missing, so none is asked for by accident."""
    runs: list[list[int]] = []
    for uid in sorted(uids):
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        elif not runs or uid > runs[-1][1]:
            runs.append([uid, uid])
    return ",".join(f"{low}:{high}" if high > low else str(low) for low, high in runs)


def write_sets(uids: Iterable[int], size_bytes: int = 8000) -> Iterator[str]:
    """Yield sets of at most *size_bytes* each that together name *uids* (RFC 7162 4: 8192 bytes a command line)."""
    line = ""
    for run in write_set(uids).split(","):
        if line and len(line) + 1 + len(run) > size_bytes:
            yield line
            line = ""
        line = f"{line},{run}" if line else run
    if line:
        yield line


def read_code(text: bytes) -> tuple[bytes, bytes]:
    """Return code (upper case) and arguments of a status text `[CODE arguments] words`; empty where it has none."""
    found = _CODE.match(text)
    return (found[1].upper(), found[2] or b"") if found else (b"", b"")


def read_date(value: Value) -> datetime | None:
    """Read an INTERNALDATE (RFC 9051 9, date-time); None where it is none, or none that UTC can tell."""
    found = _DATE.match(value) if isinstance(value, bytes) else None
    if not found or (month := _MONTHS.get(found[2].lower())) is None:
        return None
    day, year, hour, minute, second, ahead_h, ahead_m = (int(found[at]) for at in (1, 3, 4, 5, 6, 8, 9))
    ahead = timedelta(hours=ahead_h, minutes=ahead_m)
    try:
        zone = timezone(-ahead if found[7] == b"-" else ahead)
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)  # a leap second has no place
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def words_of(text: bytes, limit: int = 200, secrets: Iterable[bytes] = ()) -> str:
    """Return a server's words for a log line: one line, printable, at most *limit* characters, without *secrets*."""
    for secret in sorted(secrets, key=len, reverse=True):  # before anything is cut: half a secret is not found
        text = re.sub(re.escape(secret), b"***", text, flags=re.IGNORECASE)
    decoded = text[: 4 * limit].decode("utf-8", "replace")
    plain = "".join(one if one.isprintable() else " " for one in decoded).strip()  # no control, no bidi override
    return plain if len(plain) <= limit else f"{plain[: limit - 3]}..."
