"""A batch of mails inside one transaction of our store: decided, and told to a desk that takes part in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mailwicket.errors import PermanentError
from mailwicket.facts import TicketFacts
from mailwicket.flow import drafts
from mailwicket.flow.budget import Budget
from mailwicket.flow.effects import joined, opened
from mailwicket.flow.reading import Read
from mailwicket.model import IntakeId, IntakeKey, Mail, Reason, Step, TicketNumber, TicketRef
from mailwicket.ports import Joined, Transaction
from mailwicket.rules.decide import Arrival, decide
from mailwicket.rules.outcome import Append, Create, Ignore, Outcome, Quarantine
from mailwicket.rules.policy import Policy
from mailwicket.rules.thread import Candidates, match
from mailwicket.store import journal
from mailwicket.store.journal import FLAGS, Decided, Event, Kept
from mailwicket.store.raw import RawPlace
from mailwicket.store.threads import Threads
from mailwicket.store.tickets import TicketBook
from mailwicket.timestamp import timestamp


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one mail."""

    read: Read
    outcome: Outcome
    decided: Decided
    source: str = ""
    """The mailbox (NAME) that it came by."""


class Judgement:
    """One batch under decision: a mail sees what became of those before it."""

    def __init__(  # noqa: PLR0913 - what a decision stands on
        self,
        tx: Transaction,
        policy: Policy,
        source: str,
        mails: Sequence[Mail],
        now: datetime,
        *,
        budget: Budget,
        set_apart: Callable[[RawPlace, IntakeId], RawPlace],
    ) -> None:
        """Ask what is known of *mails*, which came by *source*; *set_apart* gives a parked one a file of its own."""
        self._tx = tx
        self._policy = policy
        self._source = source
        self._now = now
        self._budget = budget
        self._set_apart = set_apart
        self._book = TicketBook(tx)
        self._threads = Threads(tx, mails, policy, self._book)

    def outcome(self, one: Read) -> Outcome:
        """Decide."""
        outcome = self._decide(one) if one.unread is None else one.unread
        if one.replayed:
            return replace(outcome, trace=[Step("quarantine", "replayed"), *outcome.trace])
        return outcome

    def _decide(self, one: Read) -> Outcome:
        mail = one.mail
        assert mail is not None  # noqa: S101 - a Read holds one or the other
        said = self._threads.said(mail)
        arrival = self._arrival(one.kept)
        lately = self._budget.lately(mail, self._joins(mail, said), arrival.received_at)
        facts = self._threads.facts(mail, lately)
        if one.dkim is not None:
            facts = replace(facts, dkim=one.dkim)
        return decide(mail, facts, self._policy, arrival, said)

    def _joins(self, mail: Mail, said: Candidates) -> TicketNumber | None:
        if not (said.ids or said.signed or said.tags):
            return None
        found = match(said, self._threads.facts(mail), self._source)
        if found is not None:
            return found.ticket.number
        return said.tags[0] if said.tags else None

    def _arrival(self, kept: Kept) -> Arrival:
        return Arrival(self._source, kept.ref.received_at or self._now, self._now, kept.headers_only)

    def join(self, desk: Joined, one: Read, outcome: Outcome, key: IntakeKey) -> tuple[Outcome, TicketNumber | None]:
        """Have *desk* do it; a mail that it refuses is parked."""
        try:
            return outcome, self._join(desk, one, outcome, key)
        except PermanentError as error:
            return refused(error), None

    def _join(self, desk: Joined, one: Read, outcome: Outcome, key: IntakeKey) -> TicketNumber | None:
        if one.mail is None:
            return None
        if isinstance(outcome, Create):
            return desk.create(drafts.ticket(one.kept, one.mail, outcome, self._now), key).number
        if isinstance(outcome, Append):
            ticket = TicketRef(outcome.ticket)
            desk.append(ticket, drafts.entry(one.kept, one.mail, outcome, self._now), key)
            if (change := drafts.change(outcome)) is not None:
                desk.change(ticket, change, change_key(key))
            return outcome.ticket
        return None

    def conclude(self, one: Read, outcome: Outcome, ticket: TicketNumber | None) -> Told:
        """Note what became of *one*, so that those behind it see it; *ticket* is where its effect went."""
        intake_id, parked = one.kept.intake_id, None
        if isinstance(outcome, Quarantine):
            parked = self._set_apart(one.kept.raw, intake_id)
        where = outcome.ticket if isinstance(outcome, Ignore) else ticket
        trace = [*outcome.trace, Step(FLAGS, " ".join(outcome.flags))] if outcome.flags else outcome.trace
        decided = Decided(intake_id, one.mail, outcome.reason, trace, where, parked)
        if ticket is not None and one.mail is not None:
            received_at = one.kept.ref.received_at or self._now
            self._budget.note(one.mail, ticket, received_at, opened=isinstance(outcome, Create))
            if isinstance(outcome, Create):
                self._book.note(opened(outcome, ticket, one.mail.message_id))
            elif isinstance(outcome, Append) and (facts := self._book.find(ticket)) is not None:
                if outcome.reopen:
                    self._budget.note_reopened(ticket, received_at)
                self._book.note(joined(outcome, facts))
        self._budget.note_hits(self._source, outcome.hits)
        self._threads.learn(decided, self._source)
        return Told(one, outcome, decided, self._source)

    def facts(self, number: TicketNumber) -> TicketFacts | None:
        """Return what is known of a ticket by now."""
        return self._book.find(number)

    def write(self, told: Sequence[Told]) -> None:
        """Write down what became of the mails, beside their tickets."""
        now = timestamp(self._now)
        for one in told:
            if one.decided.parked is not None:
                reason = {"reason": one.outcome.reason}
                event = Event(now, "MailQuarantined", f"incoming/{self._source}", reason, one.decided.intake_id)
                journal.note_event(self._tx, event)
        journal.note_decided(self._tx, [one.decided for one in told], now)
        self._threads.write()


def refused(error: PermanentError) -> Quarantine:
    """Return what becomes of a mail that a desk never takes."""
    return Quarantine(Reason.FAILED_REPEATEDLY, [Step("desk", str(error))])


def change_key(key: IntakeKey) -> IntakeKey:
    """Return the key of the change that goes with the entry *key*."""
    return IntakeKey(f"{key}-change")
