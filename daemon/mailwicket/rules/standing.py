"""What may be done to a ticket as it stands, and what people hear of a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mailwicket.facts import TicketFacts
from mailwicket.model import TicketNumber, TicketStatus
from mailwicket.outgoing import Event

_AT_HAND: Final = (TicketStatus.OPEN, TicketStatus.CLOSED, TicketStatus.SPAM)
"""Neither part of another ticket nor taken away."""

ALLOWED: Final[Mapping[str, tuple[TicketStatus, ...]]] = {
    "reply": (TicketStatus.OPEN, TicketStatus.CLOSED),
    "note": _AT_HAND,
    "assign": _AT_HAND,
    "close": (TicketStatus.OPEN,),
    "reopen": (TicketStatus.CLOSED, TicketStatus.SPAM, TicketStatus.DELETED),
    "merge": (TicketStatus.OPEN, TicketStatus.CLOSED),
    "delete": _AT_HAND,
    "spam": (TicketStatus.OPEN, TicketStatus.CLOSED),
    "remove-cc": _AT_HAND,
}
"""In which states what can be done."""

_CANNOT: Final = {
    "reply": "nobody is answered there",
    "note": "it takes no notes",
    "assign": "it cannot be assigned",
    "close": "it cannot be closed",
    "reopen": "it cannot be reopened",
    "merge": "it cannot be merged",
    "delete": "it cannot be deleted",
    "spam": "it cannot be marked as spam",
    "remove-cc": "nobody gets copies of it",
}
_WORK: Final = frozenset({"reply", "note", "assign", "remove-cc"})


def objection(facts: TicketFacts, do: str, survivor: TicketNumber | None = None) -> str | None:
    """Tell why *do*, one of ALLOWED, cannot be done to the ticket of *facts*; None: it can.

    *survivor*: the ticket that one which is merged went into in the end.
    """
    if facts.status in ALLOWED[do]:
        return None
    if facts.status is TicketStatus.MERGED and survivor is not None:
        return f"ticket {facts.number} is merged into ticket {survivor}: {_CANNOT[do]}; go on with ticket {survivor}"
    mend = "; reopen it first" if do in _WORK else ""
    return f"ticket {facts.number} is {facts.status}: {_CANNOT[do]}{mend}"


def event_of(before: TicketFacts, after: TicketFacts) -> Event | None:
    """Return what people hear of a change; None: of none, of one of other kind, or of one that was told before."""
    if after.status is not before.status:
        return {TicketStatus.CLOSED: Event.CLOSED, TicketStatus.OPEN: Event.REOPENED}.get(after.status)
    return Event.ASSIGNED if after.assignee and after.assignee != before.assignee else None
