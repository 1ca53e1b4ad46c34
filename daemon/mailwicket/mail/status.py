"""The fields of a delivery report (RFC 3464 2): whom it concerns, and whether the server gave up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mailwicket.mail.charset import clean
from mailwicket.mail.header import ids, words
from mailwicket.model import MessageId

STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
"""Parts that hold the fields; the second is of RFC 6533."""

RETURNED_TYPES: Final = frozenset(
    {
        "message/rfc822",
        "message/global",
        "message/global-headers",
        "message/rfc822-headers",
        "text/rfc822-headers",
        "text/rfc822-header",
        "text/rfc822",
    }
)
"""Parts that hold the returned mail or its header; the last three of no standard."""

LINES_MAX: Final = 20_000
FIELD_MAX_CHARS: Final = 2000
RECIPIENTS_MAX: Final = 1000

_NAME: Final = re.compile(r"\s{0,4}([A-Za-z][A-Za-z0-9-]{1,60})[ \t]{0,4}:")
_COMMENT: Final = re.compile(r"\([^()]{0,500}\)")
_CLASS: Final = re.compile(r"\b([245])[.]\d{1,3}[.]\d{1,3}\b")
_REPLY: Final = re.compile(r"\b([45])\d\d[ -]")
_ADDRESS: Final = re.compile(r'(?<![^\s<>,;:"()@])("[^"]{1,64}"@|[^\s<>,;:"()@]{1,256}@)([^\s<>,;:"()@]{1,255})')
_PREFIX: Final = re.compile(r"(?:smtp|rfc-?822|internet|mailto|to)=", re.IGNORECASE)
_WHO: Final = ("original-recipient", "final-recipient", "x-actual-recipient", "x-failed-recipients")
_TOLD: Final = frozenset({*_WHO, "action", "status", "diagnostic-code"})
_TYPES: Final = frozenset({"rfc822", "utf-8", "smtp", "internet"})
_ABOUT_THE_MAIL: Final = ("original-message-id", "x-original-message-id", "message-id")


class Fate(Enum):
    """What became of a mail for one recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    LATE = "delayed"
    PASSED = "delivered"
    UNTOLD = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """What the fields tell of all recipients together."""

    failed: Sequence[str]
    late: Sequence[str]
    fates: frozenset[Fate]
    message_id: MessageId | None


def fields(texts: Sequence[str]) -> Fields:
    """Read the bodies of message/delivery-status parts, however their groups are set apart; nothing there: no fates."""
    failed: list[str] = []
    late: list[str] = []
    fates: set[Fate] = set()
    found: MessageId | None = None
    for group in _groups(texts):
        for name in _ABOUT_THE_MAIL:
            found = found or next(iter(ids(group.get(name, ""))), None)
        if not any(name in group for name in (*_WHO, "action", "status")):
            continue  # about the mail as a whole
        fate = _fate(group)
        fates.add(fate)
        if fate is not Fate.PASSED and (who := _recipient(group)) and len(failed) + len(late) < RECIPIENTS_MAX:
            (late if fate is Fate.LATE else failed).append(who)
    return Fields(unique(failed), unique(late), frozenset(fates), found)


def unique(found: Sequence[str]) -> Sequence[str]:
    """Return the addresses without those that differ in case only; the first of each stays."""
    kept: dict[str, str] = {}
    for one in found:
        kept.setdefault(one.casefold(), one)
    return tuple(kept.values())


def _groups(texts: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Yield the groups of fields: set apart by blank lines, or by a recipient's field that comes again."""
    for text in texts:
        group: dict[str, str] = {}
        blank, last = False, ""
        for line in text.replace("\r", "\n" if "\n" not in text else "").split("\n", LINES_MAX)[:LINES_MAX]:
            found = _NAME.match(line[:100])
            name = found[1].casefold() if found else ""
            if not line.strip():
                blank = True
            elif found is None or (line[0] in " \t" and name not in _TOLD and last and not blank):
                if line[0] in " \t" and last and len(group[last]) < FIELD_MAX_CHARS:  # the field goes on
                    group[last] += " " + line.strip()[:FIELD_MAX_CHARS]
            else:
                if group and ((blank and not _goes_on(group, name)) or _comes_again(group, name)):
                    yield group
                    group = {}
                blank, last = False, name
                group.setdefault(name, line[found.end() :].strip()[:FIELD_MAX_CHARS])
        if group:
            yield group


def _goes_on(group: Mapping[str, str], name: str) -> bool:
    """Whether a field after a blank line still belongs to a recipient of whom nothing was said yet."""
    named = any(who in group for who in _WHO)
    return (
        named and name in {"action", "status", "diagnostic-code", "final-recipient"} and not {name, "action"} & {*group}
    )


def _comes_again(group: Mapping[str, str], name: str) -> bool:
    return name in group and (name in _WHO or (name == "action" and any(who in group for who in _WHO)))


def _fate(group: Mapping[str, str]) -> Fate:
    action = _COMMENT.sub("", group.get("action", "")).strip().casefold()
    if action.startswith(("fail", "perm", "undeliver", "reject", "denied", "error", "bounce")):
        return Fate.FAILED
    if action.startswith(("delay", "defer", "transient", "temp", "retr", "warn", "queue")):
        return Fate.LATE
    if action.startswith(("deliver", "relay", "expand", "succe")):
        return Fate.PASSED
    told = _CLASS.search(group.get("status", "")) or _REPLY.search(group.get("diagnostic-code", "") + " ")
    return {"2": Fate.PASSED, "4": Fate.LATE, "5": Fate.FAILED}[told[1]] if told else Fate.UNTOLD


def _recipient(group: Mapping[str, str]) -> str | None:
    """Return the address that we wrote to, else the one where the mail got stuck, else what stands in their place.

    Source: RFC 3464 2.3.1: Original-Recipient is as the sender gave it, so it is the one that he knows.
    """
    bare = None
    for name in _WHO:
        kind, semicolon, value = words(group.get(name, "")).partition(";")
        if not semicolon:
            kind, value = "", kind
        if name == "original-recipient" and kind.strip().casefold() not in _TYPES:
            continue
        if "@" not in value and "+40" in value:  # RFC 3461 4: xtext
            value = value.replace("+40", "@").replace("+2B", "+")
        if address := address_in(value):
            return address
        plain = _COMMENT.sub("", value).strip().strip("<>\"'")
        if plain and kind.strip().casefold() in _TYPES and not any(c.isspace() or c in "/|=" for c in plain):
            bare = bare or clean(plain)
    return bare


def address_in(value: str) -> str | None:
    """Return the first address in *value*, in brackets or not."""
    found = _ADDRESS.search(value[:FIELD_MAX_CHARS])
    return clean(tidy(found[0])) if found and tidy(found[2]) else None


def tidy(address: str) -> str:
    """Take off what a sentence or another network puts around an address."""
    bare = _PREFIX.sub("", address.strip("'`*").lstrip("[{"))
    return bare.rstrip(".!?]}>*-_'`") + ("]" if "@[" in bare else "")
