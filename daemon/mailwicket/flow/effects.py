"""What a decision changes in what we know of tickets. Pure."""

from __future__ import annotations

from dataclasses import replace

from mailwicket.facts import TicketFacts
from mailwicket.model import MessageId, TicketNumber, TicketStatus
from mailwicket.rules.outcome import Append, Create
from mailwicket.rules.own import canonical


def opened(outcome: Create, number: TicketNumber, root: MessageId | None = None) -> TicketFacts:
    """Return the facts of the ticket that *outcome* opened, by the mail *root*."""
    return TicketFacts(
        number,
        TicketStatus.OPEN,
        requester=canonical(outcome.requester.address),
        cc=frozenset(canonical(one.address) for one in outcome.cc),
        followers=frozenset(outcome.followers),
        group=outcome.group,
        category=outcome.category,
        company=outcome.company,
        source=outcome.source,
        subject=outcome.subject,
        root=root,
    )


def joined(outcome: Append, facts: TicketFacts) -> TicketFacts:
    """Return *facts* of a ticket as they are after *outcome*."""
    return replace(
        facts,
        status=TicketStatus.OPEN if outcome.reopen else facts.status,
        cc=facts.cc | {canonical(one.address) for one in outcome.cc},
        followers=facts.followers | set(outcome.followers),
    )
