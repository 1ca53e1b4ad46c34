"""The lines that announce a mail inside another's text, and the subject prefixes of forwards and replies.

A line counts by the stems of its words, in 45 languages: programs and their versions differ in the rest.
"""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailwicket.mail.labels import INVISIBLE, LEAD, WHITE, key
from mailwicket.mail.separator_words import ANSWERS, BARE, END, FORWARD, ORIGINAL, TITLES

LINE_MAX_CHARS: Final = 1000
PHRASE_MAX_CHARS: Final = 160
SCISSORS_CHARS: Final = 20
SUBJECT_MAX_CHARS: Final = 500

_DASHES: Final = "-=_*~#+‐‑‒–—―−─━═"
_FRAMED: Final = re.compile(rf"[{_DASHES}]{{4,}}[^{_DASHES}]{{2,80}}[{_DASHES}]{{4,}}")
_DASHED: Final = re.compile(rf"[{_DASHES}]{{2,200}}")

# Of casefolded text: without a flag for that the first letter is looked up in a set.
_FORWARDED: Final = re.compile(FORWARD.casefold())
_ORIGINALLY: Final = re.compile(ORIGINAL.casefold())
_ENDING: Final = re.compile(END)
_BY: Final = re.compile(r"\b(?:from|von|par|de|da|door|från|fra|od|от|av|af|por)\s+(.{2,120})$", re.IGNORECASE)


class Kind(StrEnum):
    """What a separator says of the mail below it."""

    FORWARD = "forward"
    ORIGINAL = "original"
    """Programs write it above what they quote, too."""
    END = "end"
    RULE = "rule"
    """A line of nothing but dashes or underscores."""


@dataclass(frozen=True, slots=True)
class Separator:
    """A line that announces a mail, or ends it."""

    kind: Kind
    quotes: int
    """How many `>` stand before it."""
    dashed: bool = True
    """Without dashes only a header below makes it one."""
    rest: str = ""
    """What stands behind it on the same line: Yahoo writes the whole header there."""
    by: str = ""
    """Whom it names as the author (mutt, Horde); Lotus Notes names the forwarder, and is not heard."""


def separator(line: str) -> Separator | None:
    """Read *line* as a separator, or return None. Cheap for lines that end in no colon and begin with no dash."""
    text = line[:LINE_MAX_CHARS].strip("\r" + WHITE)
    quotes = 0
    if text[:1] in {">", "|"}:
        lead = LEAD.match(text)
        quotes = text.count(">", 0, lead.end() if lead else 0)
        text = text.lstrip(WHITE + ">|")
    if not text:
        return None
    if (text[0] in _DASHES and text[1:2] in _DASHES) or text.startswith("[-"):
        return _dashed(text.lstrip("["), quotes)
    if text[-1] in ":：" and len(text) <= PHRASE_MAX_CHARS and text[:-1].count(":") < 2:
        return _announced(text, quotes)
    return None


def _dashed(text: str, quotes: int) -> Separator | None:
    if "8<" in text[:SCISSORS_CHARS]:  # The Bat!
        text = text.replace("8<", "==", 1)
    begin = len(text) - len(text.lstrip(_DASHES))
    closing = _DASHED.search(text, begin, begin + PHRASE_MAX_CHARS)
    phrase = text[begin : closing.start() if closing else begin + PHRASE_MAX_CHARS].strip(WHITE + ":").lstrip(">")
    rest = text[closing.end() :].strip(WHITE + "]") if closing else ""
    if not phrase:
        return Separator(Kind.RULE, quotes) if begin >= 3 and not rest else None
    if closing is None and (begin < 3 or len(text) > 80):  # MH closes with none
        return None
    if not phrase.isascii():
        phrase = INVISIBLE.sub("", phrase).replace("\xa0", " ")
    folded = _folded(phrase)
    is_forward = _FORWARDED.search(folded) is not None
    is_end = _ENDING.match(folded) is not None or folded.endswith(" ends")
    if is_end and (is_forward or _ORIGINALLY.search(folded)):
        return None if rest else Separator(Kind.END, quotes)
    if is_forward:
        named = _BY.search(phrase) if "@" in phrase and "/" not in phrase else None
        return Separator(Kind.FORWARD, quotes, rest=rest, by=named[1] if named else "")
    if folded == "end" and not rest:
        return Separator(Kind.END, quotes)
    return Separator(Kind.ORIGINAL, quotes, rest=rest) if _ORIGINALLY.search(folded) else None


def _folded(phrase: str) -> str:
    return phrase.casefold().replace("\u0307", "")  # of the Turkish capital I with a dot


def is_bare_phrase(line: str) -> bool:
    """Tell whether only a header below makes *line* a separator.

    It is the phrase of one without dashes or colon, or words that we do not know between dashes.
    """
    text = line[:LINE_MAX_CHARS].strip("\r" + WHITE + ".:")
    return len(text) < PHRASE_MAX_CHARS and (_FRAMED.fullmatch(text) is not None or key(text) in _BARE)


def _announced(text: str, quotes: int) -> Separator | None:
    """Apple's sentences, and "Forwarded message:" alone (MailMate, elm)."""
    if len(text) > 80 or not _FORWARDED.search(_folded(text)):
        return None
    return Separator(Kind.FORWARD, quotes, dashed=False)


def _prefixes(words: str) -> frozenset[str]:
    return frozenset(map(key, words.split(", ")))


_BARE: Final = _prefixes(BARE)
_TITLES: Final = _prefixes(TITLES)
_ANSWERS: Final = _prefixes(ANSWERS)
_SHORT: Final = {
    key("i"): (frozenset({"it"}), frozenset[str]()),
    key("vs"): (frozenset({"da", "nb"}), frozenset({"fi", "et"})),
}
"""Prefixes that mean something else, too: in whose language a header confirms it, and in whose it denies it.

Finns and Estonians answer with VS.
"""

_PREFIX: Final = re.compile(
    r"(?:\s|\[[^\[\]]{0,60}\]){0,4}\s*[\[(]?\s*([^:：\[\]()\d<>\"]{1,24})\s*(?:[\[(^]?\d{1,3}[\])]?)?\s*[:：]"
)
_MARKED: Final = re.compile(r"\s*[(\[]\s*fwd?\s*[)\]]|.*[(\[]\s*fwd?\s*[)\]]\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Title:
    """What the subject says about forwarding."""

    is_forward: bool
    is_reply: bool = False
    rest: str = ""
    """The subject behind the prefix."""
    languages: frozenset[str] = frozenset()
    """Not empty if the prefix says too little: a header in one of them confirms it."""
    denied_by: frozenset[str] = frozenset()
    """A header in one of these languages denies it."""


def title(subject: str) -> Title:
    """Read the prefix of *subject*: the outermost tells, a reply to a forward is a reply."""
    subject = " ".join(INVISIBLE.sub("", subject[:SUBJECT_MAX_CHARS]).split())  # the pattern would try every blank
    found = _PREFIX.match(subject)
    if found is None:
        return Title(is_forward=_MARKED.match(subject) is not None)
    word = key(found[1])
    if word not in _TITLES:
        return Title(is_forward=False, is_reply=word in _ANSWERS)
    languages, denied_by = _SHORT.get(word, (frozenset(), frozenset()))
    return Title(is_forward=True, rest=subject[found.end() :].strip(), languages=languages, denied_by=denied_by)
