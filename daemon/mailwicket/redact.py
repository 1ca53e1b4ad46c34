"""The second line of defence: no secret that was ever revealed stands in a line that we write.

The first is that nobody puts one there. This one asks of every line, in 2 microseconds, whether it holds one of
thousands of secrets: of each form of a secret four overlapping words of four bytes are noted, so that wherever it
stands in a line, one of them falls on a multiple of four. A line without a noted word holds no secret.
"""

from __future__ import annotations

import json
import struct
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "[redacted]"

SECRET_CHARS_MIN: Final = 8
"""Shorter ones are words of everyday lines: `secret` would blacken `secret_missing`. Seven bytes hold four words."""

SECRET_CHARS_MAX: Final = 64 * 1024
"""No secret is longer: `config.secret`."""

SECRETS_MAX: Final = 4096
"""The oldest are forgotten: tokens are renewed for years."""

WORD: Final = struct.Struct("=I")

OFFSETS_MAX: Final = 256
"""So many places in a form are looked at for words that no other form has."""

Entry = tuple[bytes, int]
"""A form of a secret, and where in it the word stands."""


class Redactor:
    """Knows secrets, and takes them out of text. For any thread."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, list[Entry]] = {}
        self._entries: dict[int, tuple[Entry, ...]] = {}
        self._learning = threading.Lock()

    def learn(self, secret: str) -> None:
        """Take *secret* out of every text from now on, in the forms that it takes in lines; repeatable."""
        if not SECRET_CHARS_MIN <= len(secret) <= SECRET_CHARS_MAX:
            return
        with self._learning:
            if (entries := self._known.pop(secret, None)) is not None:
                self._known[secret] = entries  # the youngest now
                return
            while len(self._known) >= SECRETS_MAX:
                self._forget(next(iter(self._known)))
            self._known[secret] = [entry for form in _forms(secret) for entry in self._note(form)]

    def clean(self, text: str) -> str:
        """Return *text* with every secret replaced by REDACTED."""
        if not self._entries:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        words = memoryview(raw)[: len(raw) // WORD.size * WORD.size].cast("I").tolist()
        if self._entries.keys().isdisjoint(words):
            return text
        spans = [
            (start, start + len(form))
            for place, word in enumerate(words)
            for form, offset in self._entries.get(word, ())
            if (start := place * WORD.size - offset) >= 0 and raw.startswith(form, start)
        ]
        return _without(raw, spans).decode("utf-8", "surrogatepass") if spans else text

    def _note(self, form: bytes) -> list[Entry]:
        """Note *form* by those of its words that the fewest others have: passwords often begin alike."""
        shared = [len(self._entries.get(_word(form, o), ())) for o in range(min(len(form) - 3, OFFSETS_MAX))]
        best = min(range(len(shared) - 3), key=lambda offset: sum(shared[offset : offset + 4]))
        entries = [(form, offset) for offset in range(best, best + 4)]
        for entry in entries:
            word = _word(*entry)
            self._entries[word] = (*self._entries.get(word, ()), entry)
        return entries

    def _forget(self, secret: str) -> None:
        for entry in self._known.pop(secret):
            word = _word(*entry)
            left = tuple(one for one in self._entries[word] if one is not entry)
            if left:
                self._entries[word] = left
            else:
                del self._entries[word]


REDACTOR: Final = Redactor()
"""The one of this process: what `Secret.reveal` returns is learnt here, and every log line passes it."""


def _word(form: bytes, offset: int) -> int:
    (word,) = WORD.unpack_from(form, offset)
    return int(word)


def _without(raw: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Replace *spans* of *raw*; those that overlap or touch become one."""
    kept: list[bytes] = []
    end = 0
    for start, stop in sorted(spans):
        if start > end or not kept:
            kept.append(raw[end:start])
        end = max(end, stop)
    kept.append(raw[end:])
    return REDACTED.encode().join(kept)


def _forms(secret: str) -> set[bytes]:
    """Return *secret* as it may stand in a line; one of several lines also line by line, as tracebacks are cut."""
    texts = {secret, *(line for line in secret.splitlines() if len(line) >= SECRET_CHARS_MIN)}
    return {form.encode("utf-8", "surrogatepass") for text in texts for form in _written(text)}


def _written(text: str) -> Iterator[str]:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')  # RFC 9051 4.3, and the command line of many programs
    for form in (text, repr(text)[1:-1], quoted):
        yield form
        yield json.dumps(form)[1:-1]
        yield "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in form
        )  # service.logs
    yield quote(text, safe="", errors="replace")
    yield quote_plus(text, errors="replace")
    yield from _base64(text.encode("utf-8", "surrogatepass"))


def _base64(raw: bytes) -> Iterator[str]:
    """Yield what any base64 that has *raw* in it must hold, whatever stands before and behind: RFC 4616, RFC 7617."""
    for before in range(3):
        bits = (before + len(raw)) * 8
        whole = b64encode(bytes(before) + raw)[-(-before * 8 // 6) : bits // 6].decode("ascii")
        yield whole
        yield whole.translate({ord("+"): "-", ord("/"): "_"})
