"""What stands for what in a scenario's mail: `@LABEL`, `@sent:N`, `@token:LABEL`, `@number:LABEL`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mailwicket.mail.token import flipped
from mailwicket.model import MessageId, TicketNumber
from mailwicket.rehearsal.scenario import ScenarioError

_NO_ADDRESS: Final = r"(?<![\w.+=-])"
"""A label stands where no local part does: `ann@q.example` is an address, whatever is named q."""


@dataclass(frozen=True, slots=True)
class Named:
    """A mail that a later step may name."""

    message_id: str
    """Without angle brackets; `""` where it had none."""
    ticket: TicketNumber | None
    token: str
    """The plus-address that answers its ticket; `""` where it has none."""


def replaced(text: str, named: Mapping[str, Named], sent: Sequence[MessageId]) -> str:
    """Return *text* with what its labels stand for; unknown labels stay as they are, and so do addresses."""
    if "@" not in text:
        return text
    names = "|".join(map(re.escape, sorted(named, key=len, reverse=True)))
    alternatives = [rf"{_NO_ADDRESS}@sent(?::(?P<number>\d+)(?:~(?P<bit>\d+))?)?(?![\w:])"]
    if names:
        alternatives += [rf"@(?P<kind>token:|number:)(?P<of>{names})(?!\w)", rf"{_NO_ADDRESS}@(?P<name>{names})(?!\w)"]

    def put(found: re.Match[str]) -> str:
        told = found.groupdict()
        if (name := told.get("name") or told.get("of")) is not None:
            return _named(named[name], told["kind"] or "")
        return _sent(sent, told["number"], told["bit"]) or found[0]

    return re.sub("|".join(alternatives), put, text)


def number_of(reference: str, sent: Sequence[MessageId]) -> int:
    """Return which of the mails that were *sent* `@sent` or `@sent:N` is, from 0.

    Raises:
        ScenarioError: there is no such mail.
    """
    found = re.fullmatch(r"@sent(?::(\d+))?", reference)
    if found is None:
        raise ScenarioError(f"{reference} is no mail that was sent; @sent or @sent:N is")
    number = len(sent) if found[1] is None else int(found[1])
    if not 1 <= number <= len(sent):
        raise ScenarioError(f"{reference}: so far {len(sent)} mails were sent")
    return number - 1


def _named(one: Named, kind: str) -> str:
    if kind == "token:":
        return one.token
    if kind == "number:":
        return "" if one.ticket is None else str(one.ticket)
    return f"<{one.message_id}>" if one.message_id else ""


def _sent(sent: Sequence[MessageId], number: str | None, bit: str | None) -> str | None:
    at = len(sent) if number is None else int(number)
    if not 1 <= at <= len(sent):
        return None
    message_id = sent[at - 1]
    return f"<{message_id if bit is None else flipped(message_id, int(bit) % 128)}>"
