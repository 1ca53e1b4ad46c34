"""Reads the few answers that are asked for: FETCH, SEARCH, ESEARCH, status lines with their codes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from heapq import merge
from itertools import islice
from typing import Final

from mailwicket.net.imap.reader import Part, Response
from mailwicket.oneline import cut, printable

Value = Part | None | list["Value"]
"""An atom or string, a literal, NIL, or a list of such."""

UID_MAX: Final = 2**32 - 1  # RFC 9051 9: nz-number
NUMBER_MAX: Final = 2**63 - 1  # RFC 9051 9: number64
DEPTH_MAX: Final = 32
NAMED_MAX: Final = 2_000_000
"""So many UIDs are a mailbox; more are a lie."""

PIECE: Final = 50_000

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
_SEARCH: Final = re.compile(rb"\* +SEARCH\b", re.IGNORECASE)
_ESEARCH: Final = re.compile(rb"\* +ESEARCH\b", re.IGNORECASE)
_ALL: Final = re.compile(rb" ALL +(\S+)", re.IGNORECASE)
_WORD: Final = re.compile(rb"\S+")
_PIECE: Final = re.compile(rb"[^,]+")
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


def hides_a_mail(response: Response, answer: FetchAnswer | None) -> bool:
    """Tell whether *response*, read as *answer*, is a FETCH response about a mail, and which one cannot be told."""
    first = response[0]
    if not isinstance(first, bytes) or not _LOOKS_LIKE_FETCH.match(first):
        return False
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


def read_search(responses: Iterable[Response]) -> array[int]:
    """Return the numbers of all SEARCH and ESEARCH responses, ascending, each once.

    A server that lies may send megabytes of them: four bytes each, no longer list on the way. For a thread.

    Raises:
        ValueError: a number is none, or zero, or they are more than two million.
    """
    found = array("I")
    last, ordered = 0, True
    for response in responses:
        for number in _named(response[0]):
            if not 0 < number <= UID_MAX:
                raise ValueError("a UID out of range")
            ordered = ordered and number > last
            last = number
            found.append(number)
        if len(found) > NAMED_MAX:
            raise ValueError("more than two million UIDs")
    return found if ordered else _ascending(found)


def _named(line: Part) -> Iterator[int]:
    """Yield what a SEARCH or ESEARCH response names, nothing for another."""
    if not isinstance(line, bytes):
        return
    if begin := _SEARCH.match(line):
        end = line.find(b"(MODSEQ")  # RFC 7162 3.1.5 appends one
        words = _WORD.finditer(line, begin.end(), len(line) if end < 0 else end)
        yield from (int(word[0]) for word in islice(words, NAMED_MAX + 1))
    elif _ESEARCH.match(line) and (every := _ALL.search(line)):
        yield from read_set(every[1])


def _ascending(numbers: array[int]) -> array[int]:
    """Sort in pieces: as objects of Python all of them would take ten times the room."""
    pieces = [array("I", sorted(numbers[at : at + PIECE])) for at in range(0, len(numbers), PIECE)]
    found = array("I")
    last = 0
    for number in merge(*pieces):
        if number != last:
            found.append(number)
        last = number
    return found


def read_set(text: bytes) -> Iterator[int]:
    """Yield the numbers of a sequence set such as `1,4:7`.

    Raises:
        ValueError: it is no set, or names more than two million: that is a lie, not a mailbox.
    """
    total = 0
    for piece in _PIECE.finditer(text):
        low, _, high = piece[0].partition(b":")
        first, last = sorted((int(low), int(high or low)))
        total += last - first + 1
        if total > NAMED_MAX:
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
    return cut(printable(decoded).strip(), limit)
