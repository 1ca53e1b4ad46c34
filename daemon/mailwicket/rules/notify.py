"""Who hears of what happens to a ticket, by which mail. Pure: in words it is written by `mail.wording`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mailwicket.config.notification import Notification
from mailwicket.facts import TicketFacts
from mailwicket.mail.fields import is_address
from mailwicket.model import Address
from mailwicket.outgoing import Answer, Audience, Event, Notice
from mailwicket.rules.directory import Role
from mailwicket.rules.own import canonical
from mailwicket.rules.people import is_nobody
from mailwicket.rules.policy import Policy

__all__ = ["AUDIENCE", "Happened", "Notice", "is_sent", "notices"]

AUDIENCE: Final[Mapping[Event, tuple[Audience, ...]]] = {
    Event.CREATED: (Audience.REQUESTER, Audience.GROUP),
    Event.REQUESTER_REPLIED: (Audience.ASSIGNEE,),
    Event.TECHNICIAN_REPLIED: (Audience.REQUESTER, Audience.CC),
    Event.COLLABORATION_ADDED: (Audience.ASSIGNEE, Audience.FOLLOWERS),
    Event.ASSIGNED: (Audience.ASSIGNEE,),
    Event.REOPENED: (Audience.ASSIGNEE,),
    Event.ADDED_TO_CLOSED: (Audience.ASSIGNEE,),
    Event.DELIVERY_FAILED: (Audience.ASSIGNEE,),
    Event.CLOSED: (Audience.REQUESTER,),
    Event.CC_ADDED: (Audience.REQUESTER, Audience.ASSIGNEE),
    Event.MAIL_REFUSED: (Audience.REQUESTER,),
    Event.ANNOUNCEMENT: (Audience.REQUESTER,),
    Event.ALERT: (Audience.REQUESTER,),
}
"""Who hears by default; of an announcement and of an alert those whom it names."""

ELSE_GROUP: Final = frozenset({Event.REQUESTER_REPLIED, Event.REOPENED, Event.ADDED_TO_CLOSED, Event.DELIVERY_FAILED})
"""Where a ticket has no assignee who can be told, its group is: somebody must hear of it."""

_NEVER_PUBLIC: Final = frozenset({Event.COLLABORATION_ADDED, Event.DELIVERY_FAILED})


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened, and who did it."""

    event: Event
    ticket: TicketFacts | None
    """As it is after the event; None of an announcement, an alert and a refused mail."""
    subject: str
    author: Address | None = None
    """Who did it; None where nobody did."""
    text: str = ""
    html: str | None = None
    public: bool = True
    """Whether the requester may see what was added."""
    by_machine: bool = False
    """An automatic mail did it: that is no news."""
    acknowledge: bool = False
    """Whether who wrote may be told by itself that it arrived: a person's mail, and the caps allow it."""
    verified: bool = False
    """Whether who wrote is who he says."""
    reached: frozenset[str] = field(default_factory=frozenset)
    """Who got the author's own mail, in its To or Cc: he is not sent the same again."""
    forwarder: Address | None = None
    """The technician whose forward opened the ticket."""
    audience: Sequence[str] = ()
    """Of an announcement and of an alert."""


def notices(happened: Happened, policy: Policy, notifications: Mapping[str, Notification]) -> Sequence[Notice]:
    """Return the mails that tell of *happened*: nobody gets two, and nobody hears of what he did himself.

    A technician's words go to requester and CCs in one mail, so that they can answer all; every other mail has one
    recipient. Never written to: our own addresses, those that nobody reads, technicians who are not active; nor what no
    mail can be written to, since one such address would keep it from all others.
    """
    if not is_sent(happened.event, policy, notifications):
        return ()
    if happened.by_machine and happened.event is not Event.DELIVERY_FAILED:
        return ()
    return list(_Round(happened, policy, _audience(happened.event, notifications)))


def is_sent(event: Event, policy: Policy, notifications: Mapping[str, Notification]) -> bool:
    """Tell whether anybody hears of *event*: of a refused mail only where that is asked for."""
    told = notifications.get(event.value)
    if told is not None and told.enabled is not None:
        return told.enabled
    return event is not Event.MAIL_REFUSED or policy.preferences.refusal_notice


def _audience(event: Event, notifications: Mapping[str, Notification]) -> frozenset[Audience]:
    told = notifications.get(event.value)
    return frozenset(AUDIENCE[event] if told is None or told.to is None else map(Audience, told.to))


class _Round:
    """The mails about one event; who was thought of once is not thought of again."""

    def __init__(self, happened: Happened, policy: Policy, audience: frozenset[Audience]) -> None:
        self._happened = happened
        self._policy = policy
        self._audience = audience
        self._told: set[str] = set()

    def __iter__(self) -> Iterator[Notice]:
        happened, ticket = self._happened, self._happened.ticket
        if happened.event is Event.ALERT:
            yield from self._alerted()
        elif happened.event is Event.ANNOUNCEMENT:
            self._leave_out(happened.author)
            yield from self._one_by_one(happened.audience, Audience.REQUESTER)
        elif happened.event is Event.MAIL_REFUSED:
            if happened.author is not None and happened.acknowledge and happened.verified:
                yield from self._one_by_one([happened.author.address], Audience.REQUESTER)
        elif ticket is not None:
            if happened.event is Event.CREATED:
                yield from self._created(ticket)
            else:
                self._leave_out(happened.author)
                yield from self._people_of(ticket)
            yield from self._technicians_of(ticket)

    def _created(self, ticket: TicketFacts) -> Iterator[Notice]:
        """Each his own acknowledgement; whom nobody vouches for gets fixed words, and cannot have others written to."""
        happened = self._happened
        if happened.acknowledge and Audience.REQUESTER in self._audience:
            yield from self._one_by_one([ticket.requester], Audience.REQUESTER, fixed=not happened.verified)
        self._leave_out(happened.author)
        self._leave_out(Address(None, ticket.requester))
        if happened.acknowledge and happened.verified and Audience.CC in self._audience:
            yield from self._one_by_one(sorted(ticket.cc - ticket.removed), Audience.CC)
        if happened.forwarder is not None:
            yield from self._each([happened.forwarder.address], Audience.GROUP, ticket, forwarded=True)

    def _people_of(self, ticket: TicketFacts) -> Iterator[Notice]:
        """One mail to requester and CCs."""
        happened = self._happened
        if happened.event in _NEVER_PUBLIC or not happened.public:
            return
        self._told |= {canonical(one) for one in happened.reached}
        to = self._new([ticket.requester]) if Audience.REQUESTER in self._audience else []
        cc = self._new(sorted(ticket.cc - ticket.removed)) if Audience.CC in self._audience else []
        if to or cc:
            audience = Audience.REQUESTER if to else Audience.CC
            automatic = happened.event is not Event.TECHNICIAN_REPLIED
            answer = self._answer_of_people(ticket)
            yield Notice(
                happened.event, audience, tuple(to or cc), tuple(cc if to else ()), automatic=automatic, answer=answer
            )

    def _technicians_of(self, ticket: TicketFacts) -> Iterator[Notice]:
        if not self._happened.public or self._happened.event in _NEVER_PUBLIC:
            self._leave_out(Address(None, ticket.requester))
        assignee = ticket.assignee if ticket.assignee and self._is_at_work(ticket.assignee) else None
        if Audience.ASSIGNEE in self._audience and assignee is not None:
            yield from self._each([assignee], Audience.ASSIGNEE, ticket)
        if Audience.FOLLOWERS in self._audience:
            yield from self._each(sorted(ticket.followers), Audience.FOLLOWERS, ticket)
        stands_in = Audience.ASSIGNEE in self._audience and assignee is None and self._happened.event in ELSE_GROUP
        if Audience.GROUP in self._audience or stands_in:
            yield from self._each(self._policy.directory.members(ticket.group), Audience.GROUP, ticket)

    def _each(
        self, addresses: Sequence[str], audience: Audience, ticket: TicketFacts, *, forwarded: bool = False
    ) -> Iterator[Notice]:
        """One mail to each of them who is a technician at work."""
        event = self._happened.event
        internal = event in _NEVER_PUBLIC or not self._happened.public
        for one in self._new([one for one in addresses if self._is_at_work(one)]):
            answer = Answer.INTERNAL
            if not internal and self._may_speak(one, ticket):
                answer = Answer.PUBLIC
            yield Notice(event, audience, (one,), internal=internal, answer=answer, forwarded=forwarded)

    def _one_by_one(self, addresses: Sequence[str], audience: Audience, *, fixed: bool = False) -> Iterator[Notice]:
        event = self._happened.event
        answer = {Event.ANNOUNCEMENT: Answer.NEW_REQUEST, Event.MAIL_REFUSED: Answer.NOTHING}.get(event, Answer.TICKET)
        for one in self._new(addresses):
            yield Notice(event, audience, (one,), answer=answer, fixed=fixed)

    def _alerted(self) -> Iterator[Notice]:
        """Whom an admin named, a postmaster too, or a technician on leave; but what we receive at is no person's."""
        for one in dict.fromkeys(map(canonical, self._happened.audience)):
            if self._policy.own.source(one) is None and is_address(one):
                yield Notice(Event.ALERT, Audience.REQUESTER, (one,), answer=Answer.NOTHING)

    def _new(self, addresses: Sequence[str]) -> list[str]:
        """Those of *addresses* who can be written to and were not yet."""
        found = []
        for one in map(canonical, addresses):
            person = self._policy.directory.find(one)
            is_known = self._told & (person.addresses | {one, person.address})
            is_away = person.role is Role.TECHNICIAN and not person.active
            is_ours = one in self._policy.own or is_nobody(one)
            if not is_known and not is_away and not is_ours and is_address(one):
                found.append(one)
            self._told |= person.addresses | {one}
        return found

    def _leave_out(self, person: Address | None) -> None:
        if person is not None:
            known = self._policy.directory.find(person.address)
            self._told |= known.addresses | {known.address, canonical(person.address)}

    def _is_at_work(self, address: str) -> bool:
        person = self._policy.directory.find(address)
        return person.role is Role.TECHNICIAN and person.active

    def _may_speak(self, address: str, ticket: TicketFacts) -> bool:
        """Whether what this technician answers goes to the requester (`rules.reply`)."""
        person = self._policy.directory.find(address)
        is_assigned = ticket.assignee in person.addresses | {person.address}
        return is_assigned or self._policy.preferences.reply_from_other_technician == "reply"

    def _answer_of_people(self, ticket: TicketFacts) -> Answer:
        if not ticket.is_closed:
            return Answer.TICKET
        told = self._policy.preferences.reply_to_closed
        if told.action == "add":
            return Answer.STAYS_CLOSED
        return Answer.REOPENS if told.action == "reopen" and told.grace_days > 0 else Answer.NEW_REQUEST
