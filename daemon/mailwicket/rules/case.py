"""One mail under decision, with everything that was found out about it so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from mailwicket.facts import Facts, TicketFacts
from mailwicket.mail.forwarded import Forwarded, chain_of
from mailwicket.mail.quoted import reply_text, unquoted
from mailwicket.model import Flag, Mail
from mailwicket.rules.directory import Person, Role
from mailwicket.rules.letter import Letter
from mailwicket.rules.outcome import Trace
from mailwicket.rules.own import canonical
from mailwicket.rules.people import Sender
from mailwicket.rules.policy import Home, Policy
from mailwicket.rules.thread import Candidates, Match
from mailwicket.rules.trust import Verdict

SHORT_WORDS: Final = 20
SHORT_CHARS: Final = 1000
"""A reply of more words or letters says more than thanks."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a mail came: by which mailbox, when, and how much of it."""

    source: str
    received_at: datetime
    """When our mail server received it, aware: neither the Date field, which anybody writes, nor when we looked."""
    now: datetime
    headers_only: bool = False
    """It was over `max_mail_bytes`; its body was not fetched."""


@dataclass
class Case:
    """What the rules look at."""

    letter: Letter
    facts: Facts
    policy: Policy
    arrival: Arrival
    home: Home
    """The mailbox that the mail is addressed to, which need not be the one that it was fetched from."""
    found: Candidates
    verdict: Verdict
    sender: Sender
    trace: Trace
    flags: list[Flag] = field(default_factory=list)
    hits: dict[str, None] = field(default_factory=dict)
    """What the mailbox's filter found, in order, each once."""

    @property
    def mail(self) -> Mail:
        """The mail itself."""
        return self.letter.mail

    @cached_property
    def author(self) -> Person:
        """Who wrote it, as the directory knows him."""
        return self.policy.directory.find(self.sender.author.address)

    @cached_property
    def person(self) -> Person:
        """Who asks by it."""
        return self.policy.directory.find(self.sender.person.address)

    @property
    def is_technician(self) -> bool:
        """Whether the author's address is a technician's."""
        return self.author.role is Role.TECHNICIAN

    @property
    def has_pass(self) -> bool:
        """Whether the author is who he says, or nobody is asked for proof (`technician_proof`)."""
        return self.verdict.passed or (self.is_technician and self.policy.preferences.technician_proof == "none")

    @cached_property
    def own_addresses(self) -> frozenset[str]:
        """Every address of the author, canonical: what is proven is proven of these."""
        return self.author.addresses | {canonical(self.sender.author.address)}

    @cached_property
    def addresses(self) -> frozenset[str]:
        """Every address under which the sender may be on a ticket, canonical; Reply-To's may be another's."""
        return self.own_addresses | self.person.addresses | {canonical(self.sender.person.address)}

    @cached_property
    def new_words(self) -> str:
        """The text without what it quotes, and without signature."""
        return reply_text(self.mail.text, self._made_from)

    @cached_property
    def searched(self) -> str:
        """The text without what it quotes: what keywords are looked for in."""
        return unquoted(self.mail.text, self._made_from)

    @property
    def _made_from(self) -> str | None:
        """The HTML that the text was made from; None where it was not."""
        return self.mail.html if self.mail.is_laid_out else None

    @cached_property
    def forwards(self) -> Sequence[Forwarded]:
        """The mails that it passes on, the outermost first."""
        return chain_of(self.mail)

    def flag(self, flag: Flag) -> None:
        """Note what a technician should know."""
        if flag not in self.flags:
            self.flags.append(flag)

    def is_requester(self, ticket: TicketFacts) -> bool:
        """Whether the sender is the one who asked; no technician is by what he puts into Reply-To."""
        return ticket.requester in (self.own_addresses if self.is_technician else self.addresses)

    def is_cc(self, ticket: TicketFacts) -> bool:
        """Whether the sender gets copies of *ticket*; whom a technician took off does not."""
        return bool(self.addresses & (ticket.cc - ticket.removed))

    def takes_part(self, ticket: TicketFacts) -> bool:
        """Whether the sender is on *ticket* as requester or CC."""
        return self.is_requester(ticket) or self.is_cc(ticket)

    def is_author_of(self, ticket: TicketFacts) -> bool:
        """Whether the author himself takes part, not only one whom his Reply-To names."""
        return ticket.involves(self.own_addresses)

    def may_change(self, match: Match) -> bool:
        """Whether the mail may change state and people: its sender has a pass, or shows that he received our mail.

        A failed verdict takes that away, and so do several addresses in From. A pass is the author's: who is on the
        ticket by his Reply-To alone has none.
        """
        has_pass = self.has_pass and (self.is_technician or self.is_author_of(match.ticket))
        return (has_pass or match.signed) and not self.verdict.failed and len(self.letter.authors) <= 1

    def is_in_time(self, closed_at: datetime | None) -> bool:
        """Whether the mail was received within the days of grace after *closed_at*, the last moment included."""
        days = self.policy.preferences.reply_to_closed.grace_days
        if closed_at is None or days == 0:
            return False
        return self.arrival.received_at - closed_at <= timedelta(days=days)
