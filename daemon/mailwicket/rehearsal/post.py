"""What the desk would send: kept instead of sent."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from mailwicket.mail.token import Token
from mailwicket.model import MessageId, Reason, TicketFacts, TicketNumber
from mailwicket.rules.acknowledge import Acknowledged, may_acknowledge
from mailwicket.rules.directory import Role
from mailwicket.rules.outcome import Append, Create, Outcome
from mailwicket.rules.own import canonical
from mailwicket.rules.policy import Policy

OF_MACHINES: Final = frozenset({Reason.AUTO_REPLY_ATTACHED, Reason.BOUNCE_ATTACHED})
"""Nobody hears of them: what machines say is no news."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One mail of ours."""

    message_id: MessageId
    ticket: TicketNumber
    event: str
    to: Sequence[str]
    cc: Sequence[str]
    sender: str
    subject: str
    text: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class About:
    """What a mail is about."""

    event: str
    ticket: TicketFacts
    subject: str
    text: str
    internal: bool = False
    automatic: bool = True


class Post:
    """All that was sent so far, in order."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._acknowledged: list[Acknowledged] = []

    @property
    def ids(self) -> list[MessageId]:
        """The Message-IDs, in order."""
        return [one.message_id for one in self.sent]

    def after_mail(  # noqa: PLR0913 - what is told, of what, and to whom not
        self,
        outcome: Outcome,
        ticket: TicketFacts,
        subject: str,
        policy: Policy,
        now: datetime,
        *,
        had: AbstractSet[str] = frozenset(),
    ) -> None:
        """Tell people of what a mail did; a technician's words do not go to those who *had* the mail itself."""
        if isinstance(outcome, Create):
            verified = outcome.verified
            if outcome.acknowledge and may_acknowledge(ticket.requester, self._acknowledged, now, verified=verified):
                self._acknowledged.append(Acknowledged(now, ticket.requester))
                words = f"We have your request. Its number is {ticket.number}."
                self._send(About("created", ticket, "Your request", words), [ticket.requester], policy, now)
            if outcome.note_author is not None:
                words = f"Created for {ticket.requester}, because you forwarded his mail."
                self._send(About("created", ticket, subject, words), [outcome.note_author.address], policy, now)
            group = _group(ticket, policy, but={canonical(outcome.author.address)})
            self._each(About("created", ticket, subject, "A new request."), group, policy, now)
        elif isinstance(outcome, Append) and outcome.author is not None and outcome.reason not in OF_MACHINES:
            author = policy.directory.find(outcome.author.address)
            event = _event(outcome, is_technician=author.role is Role.TECHNICIAN)
            but = {author.address, *author.addresses}
            if event == "technician_replied":
                people = [ticket.requester, *sorted(ticket.cc)]
                about = replied(ticket, subject, "A reply.")
                self.reply(about, [one for one in people if one not in but | had], policy, now)
                return
            about = About(event, ticket, subject, "There is news.", internal=not outcome.public)
            self._each(about, _responsible(ticket, policy, but=but), policy, now)

    def reply(self, about: About, people: Sequence[str], policy: Policy, now: datetime) -> None:
        """Send a technician's words to the requester, copies to the others: one mail, so that reply-all works."""
        if people:
            self._send(about, people, policy, now)

    def _each(self, about: About, people: Iterable[str], policy: Policy, now: datetime) -> None:
        for person in people:
            self._send(about, [person], policy, now)

    def _send(self, about: About, people: Sequence[str], policy: Policy, now: datetime) -> None:
        row = len(self.sent) + 1
        sender = policy.address_of(about.ticket.source) or "desk@desk.example"
        nonce = base64.b32encode(hashlib.sha256(b"%d" % row).digest()[:8]).decode().rstrip("=").lower()
        domain = sender.rpartition("@")[2]
        token = Token(about.ticket.number, row, about.internal)
        message_id = policy.keys.message_id(token, nonce, domain)
        subject = f"{policy.tag.write(about.ticket.number)} {about.subject}"
        header = [
            ("From", sender),
            ("To", people[0]),
            *([("Cc", ", ".join(people[1:]))] if people[1:] else []),
            ("Subject", subject),
            ("Date", format_datetime(now)),
            ("Message-ID", f"<{message_id}>"),
            ("X-Mailwicket-Loop", policy.keys.loop_mark(nonce)),
            *([("Auto-Submitted", "auto-generated")] if about.automatic else []),
        ]
        raw = "".join(f"{name}: {value}\r\n" for name, value in header) + f"\r\n{about.text}\r\n"
        told = (message_id, about.ticket.number, about.event, people[:1], people[1:], sender, subject, about.text)
        self.sent.append(Sent(*told, raw.encode()))


def replied(ticket: TicketFacts, subject: str, text: str) -> About:
    """Return a technician's public reply."""
    return About("technician_replied", ticket, f"Re: {subject}", text, automatic=False)


def _event(outcome: Append, *, is_technician: bool) -> str:
    if outcome.reason is Reason.REOPENED:
        return "reopened"
    if outcome.reason is Reason.ADDED_CLOSED:
        return "added_to_closed"
    if not outcome.public:
        return "collaboration_added"
    return "technician_replied" if is_technician else "requester_replied"


def _group(ticket: TicketFacts, policy: Policy, but: set[str]) -> list[str]:
    return [one for one in policy.directory.members(ticket.group) if one not in but]


def _responsible(ticket: TicketFacts, policy: Policy, but: set[str]) -> list[str]:
    people = [ticket.assignee] if ticket.assignee else policy.directory.members(ticket.group)
    return [one for one in people if one not in but]
