"""A server's answer: code, enhanced code, its own words (RFC 5321 4.2, RFC 3463)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mailwicket.oneline import printable
from mailwicket.redact import REDACTED, REDACTOR

WORDS_CHARS: Final = 300
ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    code: int
    enhanced: str | None
    words: str
    """One line for people, without the codes; never a secret."""

    @property
    def is_good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.code < 300

    @property
    def passes(self) -> bool:
        """Whether time may mend it."""
        return 400 <= self.code < 500

    @property
    def subject(self) -> str:
        """The enhanced code without its class: `7.1` of `5.7.1`; "" without one."""
        return (self.enhanced or "").partition(".")[2]

    def __str__(self) -> str:
        """As a server says it, in one line."""
        return " ".join(filter(None, (str(self.code), self.enhanced, self.words)))


@lru_cache(maxsize=32)  # servers say the same few words over and over
def read_reply(code: int, text: str, secrets: frozenset[str] = frozenset()) -> Reply:
    """Return the answer of *code* and *text*, lines parted by line ends.

    An enhanced code of another class than the code's is a word like any other.
    """
    lines = text.split("\n")
    first = ENHANCED.match(lines[0])
    enhanced = first[1] if first and first[1][0] == str(code)[0] else None
    if enhanced is not None:
        lines = [ENHANCED.sub("", line, count=1) if line.startswith(enhanced) else line for line in lines]
    return Reply(code, enhanced, said(" ".join(lines), secrets))


def said(text: str, secrets: Collection[str] = ()) -> str:
    """Return a server's *text* for one line of a log or a terminal, without *secrets* in it."""
    shown = printable(text)
    for secret in sorted(secrets, key=len, reverse=True):
        shown = shown.replace(secret, REDACTED)
    shown = " ".join(REDACTOR.clean(shown).split())
    return shown if len(shown) <= WORDS_CHARS else f"{shown[:WORDS_CHARS]}..."
