"""What programs and people put below each of their mails: a signature behind `-- `, "Sent from my telephone".

A closing formula and the name under it stay: they are words of a person, and what comes after them would be lost, too.
"""

# ruff: noqa: RUF001 - the dashes, colons and letters of all scripts are meant

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mailwicket.mail.attribution import WHITE
from mailwicket.mail.phrases import DEVICES, PROGRAMS, phrases

SIGNATURE_LINES: Final = 30
"""How far from the end a signature may begin (RFC 3676 4.3 sets no limit, custom says 4 lines)."""

RULED_LINES: Final = 10
"""The same behind a rule, which people draw between paragraphs, too."""

CARD_LINES: Final = 7
CARD_MAX_CHARS: Final = 80
"""What stands below a rule is taken for a visiting card up to that many lines, none longer."""

ARMOUR_LINES: Final = 10
DEVICE_LINES: Final = 8
LINE_MAX_CHARS: Final = 200
DEVICE_MAX_CHARS: Final = 110
NAME_MAX_CHARS: Final = 30

_DELIMITERS: Final = frozenset(("--", "—", "–", "__", "- -", "- --", "―", "‐‐", "——", "––", "-- --", "=2D-"))
_PGP_SIGNATURE: Final = "-----BEGIN PGP SIGNATURE-----"  # RFC 9580 6.2
_PGP_SIGNED: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_RULE: Final = re.compile(r"[-_=*~–—#]{3,}$")
_CONTACT: Final = re.compile(r"https?://|www\.|\S@\S|\+\d[\d ()/.-]{6,}|\b(?:tel|fax|phone)\b", re.IGNORECASE)
_NAME: Final = re.compile(r"[*_]?[^\W\d_a-z][\w.'’-]{0,20}(?: [^\W\d_a-z][\w.'’-]{0,20}){1,3}[,*_]?$")
_LIST: Final = re.compile(
    r"mailing list\b|mailman/|listinfo|unsubscribe|you received this message because|groups\.google|"
    r"reply to this email directly|view it on git|@lists?\.",
    re.IGNORECASE,
)
_OWN_NAME: Final = re.compile(r"[-–—~] ?[^\W\d_a-z][\w.'’]{0,20}(?: [^\W\d_a-z][\w.'’]{0,20}){0,2}$")
_LINK: Final = re.compile(r"<[^<>]{0,200}>|\([^()]{0,200}\)|https?://\S{1,200}|\[(?:image|cid)[^\[\]]{0,100}\]")
_LINK_ALONE: Final = re.compile(r"(?:<(?:https?://|mailto:)[^<>\s]{0,300}>?|https?://[^<>\s]{1,300})$")
_PAIR: Final = "*"


def _table() -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...], frozenset[str]]:
    """Sort the phrases by where the thing's name stands: behind, before, within, nowhere."""
    behind, before, within, nowhere = [], [], [], []
    for phrase in phrases("device"):
        head, star, tail = phrase.partition(_PAIR)
        if not star:
            nowhere.append(phrase)
        elif not tail.strip():
            behind.append(head)
        elif not head.strip():
            before.append(tail)
        else:
            within.append((head, tail))
    return tuple(behind), tuple(before), tuple(within), frozenset(nowhere)


_BEHIND, _BEFORE, _WITHIN, _NOWHERE = _table()
_HEADS: Final = tuple(head for head, _ in _WITHIN)
_THING: Final = re.compile(f"(?<![a-z0-9])(?:{'|'.join(map(re.escape, DEVICES))})")
_SENT_FROM: Final = re.compile(r"Sent from [^.,;:!?]{2,50}$")
"""Whatever somebody calls his telephone, in a paragraph of its own."""

_ARTICLE: Final = re.compile(r"(?:the|an?|my|l'|le|la|el|il|de|het|der|die|das|meinem|mon|mi|mijn) ")
_POSSESSIVE: Final = re.compile(
    r"\b(?:my|meine[mnr]?|mon|ma|mi|mijn|minu?|mit|mitt|meu|minha|meva|moje\w*|mého|môjho|мо\w*|mio|mia|benim|"
    r"az én|min|nire|μου|του|дома)\b|我的|나의|내|ของฉัน|שלי|الخاص بي|của tôi|saya"
)


def without_signature(lines: Sequence[str], *, is_last: bool = False) -> list[str]:
    """Return *lines* without signature and empty lines at their end; `[]` if there was nothing else.

    Rules at their end go, too, unless they are the *is_last* lines of a text and no signature stands below them.
    """
    whole = own = _trimmed(list(lines))
    had_divider = False
    for _ in range(4):  # a program's line may stand above the person's signature or below it
        before = len(own)
        end, had_divider = _begins(own, had_divider=had_divider)
        own = _trimmed(_without_devices(_trimmed(own[:end])))
        if len(own) == before:
            break
    if is_last and len(own) == len(whole):
        return list(lines[: _filled(lines)])
    return own


def _filled(lines: Sequence[str]) -> int:
    """Return how many lines there are without the empty ones at their end."""
    end = len(lines)
    while end and not lines[end - 1].strip(WHITE):
        end -= 1
    return end


def without_armour(lines: Sequence[str]) -> Sequence[str]:
    """Return *lines* without what a signed text begins with (RFC 9580 7): a line that says so, and the hash's name."""
    first = next((number for number, line in enumerate(lines[:ARMOUR_LINES]) if line.strip(WHITE)), 0)
    if not lines[first : first + 1] or not lines[first].startswith(_PGP_SIGNED):
        return lines
    end = first + 1
    while end < min(len(lines), first + ARMOUR_LINES) and lines[end].startswith("Hash:"):
        end += 1
    return lines[end:]


def _trimmed(lines: list[str]) -> list[str]:
    """Take empty lines and rules from the end."""
    end = len(lines)
    while end and (not (bare := lines[end - 1].strip(WHITE)) or (_RULE.match(bare) and end > 1)):
        end -= 1
    return lines[:end]


def _begins(lines: Sequence[str], *, had_divider: bool) -> tuple[int, bool]:
    """Return where the signature begins, and whether a line says so that might be a divider in somebody's text."""
    last, divider, filled = len(lines), None, 0
    for number in range(len(lines) - 1, max(-1, len(lines) - 1 - 2 * SIGNATURE_LINES), -1):
        bare = lines[number][:LINE_MAX_CHARS].strip(WHITE)
        if not bare:
            continue
        filled += 1
        if filled > SIGNATURE_LINES:
            break
        if (bare == "--" and lines[number].endswith(" ")) or bare.startswith(_PGP_SIGNATURE):
            last = number
        elif bare in _DELIMITERS:
            divider = divider or number
        elif _RULE.match(bare) and _is_footer(lines[number + 1 : last], filled):
            last = number
    if divider is not None and divider < last and not had_divider:
        return divider, True
    if last == len(lines) and len(lines) > 1 and _OWN_NAME.match(lines[-1].strip(WHITE)) and _is_alone(lines):
        last = len(lines) - 1
    return last, had_divider


def _is_footer(below: Sequence[str], filled: int) -> bool:
    """Tell whether what stands below a rule looks like how to reach somebody or a list."""
    if filled > RULED_LINES + 1:
        return False
    if any(_LIST.search(line[:LINE_MAX_CHARS]) for line in below):
        return True
    name = next((line.strip(WHITE) for line in below if line.strip(WHITE)), "")
    return (
        filled <= CARD_LINES
        and _NAME.match(name) is not None
        and max(map(len, below)) <= CARD_MAX_CHARS
        and any(_CONTACT.search(line) for line in below)
    )


def _is_alone(lines: Sequence[str]) -> bool:
    """Tell whether the last line is the only one that begins with a dash: else it is an item of a list."""
    if lines[-2].strip(WHITE):
        return False
    return not any(line.lstrip(WHITE)[:1] in {"-", "–", "—", "*", "•"} for line in lines[-12:-1])


def _without_devices(lines: list[str]) -> list[str]:
    number, seen = len(lines) - 1, 0
    while number > 0 and seen < DEVICE_LINES:
        bare = lines[number].strip(WHITE)
        if bare:
            seen += 1
            above = lines[number - 1].strip(WHITE)
            if is_device(bare) or (not above and (is_device(bare.capitalize()) or _SENT_FROM.match(bare))):
                del lines[number]
            elif (_LINK_ALONE.match(bare) and (is_device(above) or is_device(f"{above} {bare}"))) or (
                len(bare) + len(above) < DEVICE_MAX_CHARS and not bare[0].isupper() and is_device(f"{above} {bare}")
            ):
                del lines[number - 1 : number + 1]
                number -= 1
        number -= 1
    if len(lines) == 1 and is_device(lines[0].strip(WHITE)):
        lines.clear()
    return lines


def is_device(line: str) -> bool:
    """Tell whether a program wrote *line* to say from which thing the mail was sent."""
    if len(line) > DEVICE_MAX_CHARS * 3:
        return False
    if line[:1].islower() and not line[1:2].isupper():  # a program begins with a capital, or with "iPhone"
        return False
    if line[:1] in "([" and line[-1:] in ")]":
        line = line[1:-1]
    bare = _LINK.sub("", line.replace("](", "] (")) if not line.isalnum() else line
    bare = " ".join(bare.strip(WHITE + '-_*~–—+=|>·•"“”').replace("[", "").replace("]", "").casefold().split())
    if not 4 < len(bare) <= DEVICE_MAX_CHARS:
        return False
    bare = bare.strip(WHITE)
    if bare.rstrip(".") in _NOWHERE:
        return True
    if bare.startswith(_BEHIND):
        head = max((head for head in _BEHIND if bare.startswith(head)), key=len)
        return _names_a_thing(bare[len(head) :], bare)
    plain = bare.rstrip(". !")
    if plain.endswith(_BEFORE):
        tail = max((tail for tail in _BEFORE if plain.endswith(tail)), key=len)
        return _names_a_thing(plain.removesuffix(tail), plain)
    if bare.startswith(_HEADS):
        return any(
            plain.startswith(head) and plain.endswith(tail) and _names_a_thing(plain[len(head) : -len(tail)], plain)
            for head, tail in _WITHIN
        )
    return False


def _names_a_thing(name: str, whole: str) -> bool:
    """Tell whether *name* is that of a device or a program, not the rest of somebody's sentence."""
    bare = _ARTICLE.sub("", name.strip(' .!"'))
    starts = bare.partition(" ")[0].strip(",.:") in PROGRAMS or _THING.match(bare) is not None
    if starts or _THING.search(whole):
        is_said_of_it = ", " in bare.partition(". ")[0].partition(", please")[0]
        return len(bare) <= NAME_MAX_CHARS * 2 and (starts or not is_said_of_it)
    return (
        0 < len(bare) <= NAME_MAX_CHARS
        and len(bare.split()) <= 2
        and not any(mark in bare for mark in ",;:?!.")
        and _POSSESSIVE.search(whole) is not None
    )
