"""Which ticket a mail belongs to, and how well that is proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailwicket.facts import Facts, TicketFacts
from mailwicket.mail.token import Token
from mailwicket.model import Mail, MessageId, TicketNumber, TicketStatus
from mailwicket.rules.letter import Letter
from mailwicket.rules.policy import Policy

IDS_MAX: Final = 40
"""The newest ids decide; a References field of thousands buys nobody thousands of look-ups."""

MERGES_MAX: Final = 20


class Evidence(StrEnum):
    """What ties a mail to a ticket, the strongest first."""

    SIGNED = "signed"
    """A Message-ID, an address or a mark with our MAC: its sender has our mail."""
    STORED = "stored"
    """The Message-ID of a mail that came into the ticket: whoever got that mail knows it."""
    LATE = "late"
    """A mail of the ticket cites this one: it came before the mail that it answers."""
    TAG = "tag"
    """The number in the subject: anybody can write it."""


@dataclass(frozen=True, slots=True)
class Match:
    """The ticket of a mail."""

    ticket: TicketFacts
    """The one that lives: of a merged one its survivor."""
    evidence: Evidence
    told: str
    signed: bool = False
    """Whether the mail bears our MAC for this ticket anywhere."""
    internal: bool = False
    """Whether what it answers was for technicians only."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a mail says about tickets, before anybody looks into the store."""

    signed: Sequence[tuple[str, Token]]
    """Proofs that hold, the most telling first, with what bore them."""
    ids: Sequence[MessageId]
    """The ids that it cites, the newest first."""
    tags: Sequence[TicketNumber]

    @property
    def numbers(self) -> set[TicketNumber]:
        """Every ticket that must be looked up for it; those that bear its ids come beside."""
        return {token.ticket for _, token in self.signed} | set(self.tags)


def cited(mail: Mail) -> Sequence[MessageId]:
    """Return the ids that *mail* cites, the newest first: of a report, the mail that it returns (RFC 5322 3.6.4)."""
    if not mail.in_reply_to and not mail.references and mail.bounce is None:
        return ()
    returned = mail.bounce.original_message_id if mail.bounce is not None else None
    ids = [*mail.in_reply_to, *reversed(mail.references)]
    return list(dict.fromkeys(ids if returned is None else [returned, *ids]))[:IDS_MAX]


def candidates(mail: Mail, policy: Policy) -> Candidates:
    """Return what *mail* says about tickets."""
    ids = cited(mail)
    return Candidates(list(_proofs(mail, ids, policy)), ids, list(dict.fromkeys(policy.tag.read(mail.subject))))


def _proofs(mail: Mail, ids: Sequence[MessageId], policy: Policy) -> Iterator[tuple[str, Token]]:
    for message_id in ids:
        if (token := policy.keys.read_id(message_id)) is not None:
            yield message_id, token
    for person in (*mail.to, *mail.cc):
        if "+" in person.address and (token := policy.keys.read_address(person.address)) is not None:
            yield "an address", token
    for token in policy.keys.read_marks(mail.text):
        yield "a mark in the text", token


def match(found: Candidates, facts: Facts, source: str, people: AbstractSet[str] = frozenset()) -> Match | None:
    """Return the ticket that a mail belongs to by proof, by a known id, or because it is awaited; tags come later.

    The newest id decides. An id may be borne in several tickets, as anybody can write a mail with an id that he has
    seen: the ticket of one of *people*, the sender's addresses, comes first, then the one that is at home in *source*.
    """
    signed = dict(found.signed)
    for message_id in found.ids:
        if (token := signed.get(message_id)) is not None:
            if (ticket := living(token.ticket, facts)) is not None:
                told = f"answers our mail in ticket {ticket.number}"
                return Match(ticket, Evidence.SIGNED, told, signed=True, internal=token.internal)
        elif (ticket := _at_home(facts.borne.get(message_id, ()), facts, source, people)) is not None:
            told = f"cites {message_id} of ticket {ticket.number}"
            return Match(ticket, Evidence.STORED, told, signed=_has_proof(found, ticket, facts))
    for name, token in found.signed:
        if (ticket := living(token.ticket, facts)) is not None:
            told = f"{name} bears the token of ticket {ticket.number}"
            return Match(ticket, Evidence.SIGNED, told, signed=True, internal=token.internal)
    if (ticket := _at_home(facts.awaited_by, facts, source, people)) is not None:
        return Match(ticket, Evidence.LATE, f"cited by mails of ticket {ticket.number}")
    return None


def tagged(found: Candidates, facts: Facts) -> Sequence[TicketFacts]:
    """Return the tickets whose numbers stand in the subject, where there are such."""
    living_ones = (living(number, facts) for number in found.tags)
    return [ticket for ticket in living_ones if ticket is not None]


def living(number: TicketNumber, facts: Facts) -> TicketFacts | None:
    """Return the ticket *number*, or the one that survived it; None where there is none."""
    ticket = facts.tickets.get(number)
    for _ in range(MERGES_MAX):
        if ticket is None or ticket.status is not TicketStatus.MERGED or ticket.merged_into is None:
            return ticket
        ticket = facts.tickets.get(ticket.merged_into)
    return None


def _at_home(
    numbers: Sequence[TicketNumber], facts: Facts, source: str, people: AbstractSet[str]
) -> TicketFacts | None:
    tickets = [ticket for number in numbers if (ticket := living(number, facts)) is not None]

    def rank(ticket: TicketFacts) -> tuple[bool, bool]:
        return ticket.involves(people), ticket.source == source

    return max(tickets, key=rank, default=None)  # of equals the first


def _has_proof(found: Candidates, ticket: TicketFacts, facts: Facts) -> bool:
    return any(living(token.ticket, facts) is ticket for _, token in found.signed)


def proof_of(letter: Letter, policy: Policy) -> Token | None:
    """Return what the mail's own Message-ID is about, where it is one of ours: our mail came back."""
    own = letter.mail.message_id
    return None if own is None else policy.keys.read_id(own)
