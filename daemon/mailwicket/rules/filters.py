"""Which mail a mailbox takes: `[incoming.NAME.filter]`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from unicodedata import category, normalize

from mailwicket.config.filter import REGEX, Filter
from mailwicket.config.pattern import compiled
from mailwicket.rules.own import canonical, domain_of

TEXT_MAX_CHARS: Final = 64 * 1024
"""Of each text that is searched: a pattern of an admin costs time in proportion to it."""


_ANCHOR: Final = re.compile(r"[\^$]|\\[AzB]")
"""What makes a pattern depend on where a text begins and ends."""


def hit(rules: Filter, senders: Iterable[str], texts: Sequence[str]) -> str | None:
    """Return which entry of *rules* hits one of *senders* (addresses) or *texts*; None where none does."""
    return hit_by_sender(rules, senders) or hit_by_word(rules, texts)


def hit_by_sender(rules: Filter, senders: Iterable[str]) -> str | None:
    """Return which entry of *rules* hits one of the addresses *senders*; None where none does."""
    for sender in senders:
        address = canonical(sender)
        for email in rules.emails:
            if canonical(email) == address:
                return f"emails: {email}"
        domain = domain_of(address)
        for name in rules.domains:
            if _is_in(domain, canonical(f"x@{name.removeprefix('*.')}")[2:], below=name.startswith("*.")):
                return f"domains: {name}"
    return None


def hit_by_word(rules: Filter, texts: Sequence[str]) -> str | None:
    """Return which keyword of *rules* hits one of *texts*; None where none does."""
    texts = [text[:TEXT_MAX_CHARS] for text in texts]
    folded = [_folded(text) for text in texts]
    for keyword in rules.keywords:
        if any(_is_found(keyword, text, fold) for text, fold in zip(texts, folded, strict=True)):
            return f"keywords: {keyword}"
    return None


def may_hit(rules: Filter, texts: Sequence[str]) -> bool:
    """Tell whether a keyword may hit a part of *texts*, whichever part; a pattern that is anchored always may."""
    if any(len(text) > TEXT_MAX_CHARS for text in texts):
        return True  # to search all of it may cost more than to find out what is quoted
    patterns = [keyword for keyword in rules.keywords if keyword.startswith(REGEX)]
    if any(_ANCHOR.search(pattern) for pattern in patterns):
        return True
    if any(compiled(pattern.removeprefix(REGEX)).search(text) for pattern in patterns for text in texts):
        return True
    words = [" ".join(_folded(keyword).split()) for keyword in rules.keywords if not keyword.startswith(REGEX)]
    spaced = any(" " in word for word in words)
    for folded in map(_folded, texts):
        whole = " ".join(folded.split()) if spaced else folded
        if any(word in whole for word in words):
            return True
    return False


def counts(rules: Filter, now: datetime) -> bool:
    """Tell whether *rules* are still in force at *now* (aware): `until` is the last day, in UTC."""
    return rules.until is None or now.astimezone(UTC).date() <= rules.until


def _is_in(domain: str, name: str, *, below: bool) -> bool:
    return domain.endswith(f".{name}") if below else domain == name


def _is_found(keyword: str, text: str, folded: str) -> bool:
    if keyword.startswith(REGEX):
        return compiled(keyword.removeprefix(REGEX)).search(text) is not None
    return has_word(folded, " ".join(_folded(keyword).split()))


def _folded(text: str) -> str:
    """Without case, and each letter with its accents as one: Apple's programs write them apart."""
    return text.casefold() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


def has_word(text: str, word: str) -> bool:
    """Tell whether *word* stands whole in *text*, both case-folded; white space of any length is one blank."""
    if " " in word:
        text = " ".join(text.split())
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (at and _joins(text[at - 1], word[0])) and not (end < len(text) and _joins(word[-1], text[end])):
            return True
        at = text.find(word, at + 1)
    return False


def _joins(one: str, other: str) -> bool:
    """Tell whether two letters side by side belong to one word; scripts without blanks have no such words."""
    return _is_letter(one) and _is_letter(other) and not (_is_unspaced(one) or _is_unspaced(other))


def _is_letter(sign: str) -> bool:
    """Letters, digits, and the vowel signs and accents that stand beside them in many scripts."""
    return sign.isalnum() or (not sign.isascii() and category(sign).startswith("M"))


def _is_unspaced(letter: str) -> bool:
    """Thai, Lao, Khmer, Burmese, Chinese, Japanese: words stand without blanks between them."""
    code = ord(letter)
    return (
        0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or 0x2E80 <= code <= 0xA4CF
        or (0xF900 <= code <= 0xFAFF or 0xFF66 <= code <= 0xFF9F or code >= 0x20000)
    )
