"""The charset of text that does not say it, or says it wrong: the one in which it looks most like a language."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from itertools import pairwise
from typing import Final

from mailwicket.mail.letters import ALPHABETS, CJK_MARKS, IDEOGRAPHS, MARKS

SAMPLE_BYTES: Final = 64 * 1024
"""So much of a text is looked at."""

SAMPLE_CHARS: Final = 1500
"""So many letters beyond ASCII are weighed."""

SHORT_BYTES: Final = 4
CONVINCING: Final = 2.25
"""Less says little of a word of up to SHORT_BYTES: it might be in any script."""

DEFAULT: Final = "cp1252"

_ASCII: Final = bytes(range(128))
_RUN: Final = re.compile(r"[A-Za-z]?[^\x00-\x7f]{1,200}[A-Za-z]?")


def _weighed(letters: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for place, letter in enumerate(letters):
        weight = 3.0 if place < 8 else 2.0 if place < 16 else 1.2 if place < 28 else 0.6
        weights.setdefault(letter, weight)
        weights.setdefault(letter.upper(), weight / 2)  # "ß" has none of its own: two letters, never met
    return weights


_WEIGHTS: Final = tuple((codec, _weighed(letters)) for codec, letters in ALPHABETS)
_RARE: Final = {"cp866": 0.8, "iso8859_5": 0.8}
_LATIN: Final = frozenset({"cp1252", "cp1250", "cp1254"})


def guessed(content: bytes) -> str:
    """Return the codec in which *content*, which is not UTF-8, was probably written; windows-1252 in doubt.

    What counts is how frequent the letters are in a language of the charset, and whether they stand as letters stand:
    no capital behind a small one, no Greek within a Latin word. Linear, on a sample.
    """
    sample = content[:SAMPLE_BYTES]
    best, most = DEFAULT, 0.0
    for codec, weights in _WEIGHTS:
        runs = _runs(sample, codec, is_whole=len(sample) == len(content))
        if not runs or (codec != DEFAULT and _is_single(runs)):
            continue
        score = _letters_score(runs, weights, is_latin=codec in _LATIN) * _RARE.get(codec, 1.0)
        if score > most:
            best, most = codec, score
    for codec, frequent, named in IDEOGRAPHS:
        runs = _runs(sample, codec, is_whole=len(sample) == len(content))
        if runs and not _is_single(runs) and (score := _ideographs_score(runs, codec, frequent, named)) > most:
            best, most = codec, score
    return DEFAULT if most < CONVINCING and _is_short_latin(sample) else best


def _is_short_latin(sample: bytes) -> bool:
    """Tell whether the few bytes beyond ASCII are Latin letters, all capitals or none."""
    beyond = sample.translate(None, _ASCII)
    if len(beyond) > SHORT_BYTES:
        return False
    word = beyond.decode("latin-1")
    return word.isalpha() and (word.isupper() or word.islower())


def _runs(sample: bytes, codec: str, *, is_whole: bool) -> list[str]:
    """Return the stretches beyond ASCII, with the ASCII letter on either side; none if *codec* cannot read them."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample, is_whole)
    except UnicodeError:
        return []
    runs, left = [], SAMPLE_CHARS
    for found in _RUN.finditer(text):
        runs.append(found[0])
        left -= len(found[0])
        if left < 0:
            break
    return runs


def _is_single(runs: list[str]) -> bool:
    """Tell whether there is but one letter beyond ASCII: that tells nothing."""
    return len(runs) == 1 and sum(not letter.isascii() for letter in runs[0]) == 1


def _letters_score(runs: list[str], weights: dict[str, float], *, is_latin: bool) -> float:
    score, count, letters = 0.0, 0, 0
    joined = "".join(runs)
    if not any(letter.islower() and not letter.isascii() for letter in joined):  # a title in capitals
        joined = joined.lower()
    for letter, times in Counter(joined).items():
        if letter.isascii():
            continue
        count += times
        letters += letter in weights
        score += times * (weights.get(letter) or (0.8 if letter in MARKS else -2.5))
    if not is_latin and not letters:  # quotes and dashes tell nothing
        return 0.0
    for run in runs:
        inner = [letter for letter in run if letter.isalpha()]
        glued = sum(letter.isascii() for letter in inner)
        if is_latin:
            score -= 2.0 * max(0, len(inner) - glued - 2)
        elif inner:
            score -= 3.0 * glued * (len(inner) > glued)
        score -= 2.0 * sum(a.islower() and b.isupper() for a, b in pairwise(run))
    return score / max(count, 1)


def _ideographs_score(runs: list[str], codec: str, frequent: frozenset[str], named: frozenset[str]) -> float:
    score, count = 0.0, 0
    for letter, times in Counter("".join(runs)).items():
        if letter.isascii():
            continue
        count += times
        score += times * _ideograph_weight(letter, codec, frequent, named)
    alone = sum(1 for run in runs if sum(not letter.isascii() for letter in run) == 1 and len(run) > 1)
    return (score - 3.0 * alone) / max(count, 1)


def _ideograph_weight(letter: str, codec: str, frequent: frozenset[str], named: frozenset[str]) -> float:
    if letter in frequent:
        return 3.0
    if letter in named:
        return 2.5
    if letter in CJK_MARKS:
        return 2.0
    if "\uac00" <= letter <= "\ud7a3":
        return 1.5 if codec == "cp949" else -2.0
    if "\u4e00" <= letter <= "\u9fff":
        return -1.0 if codec == "cp949" else 0.6
    if "\uff61" <= letter <= "\uff9f":  # half-width katakana: one byte each, and any pair of EUC reads as two
        return -0.5
    return 0.5 if letter in MARKS or "\uff01" <= letter <= "\uff5e" else -2.0
