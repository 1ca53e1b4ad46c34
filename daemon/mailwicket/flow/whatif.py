"""What would become of mail, with no effect: of a sample, and of what came lately under other rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mailwicket.mail.parse import parse
from mailwicket.model import IntakeId, Mail
from mailwicket.ports import Transaction
from mailwicket.rules.decide import Arrival, decide
from mailwicket.rules.outcome import Append, Create, Outcome
from mailwicket.rules.policy import Policy
from mailwicket.store import journal
from mailwicket.store.journal import Past
from mailwicket.store.raw import RawPlace
from mailwicket.store.threads import Threads
from mailwicket.store.tickets import TicketBook

LAST_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A mail that would end otherwise."""

    intake_id: IntakeId
    message_id: str | None
    subject: str
    unit: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def told(self) -> Mapping[str, Any]:
        """Return it for JSON."""
        return {
            "id": self.intake_id,
            "message_id": self.message_id,
            "subject": self.subject,
            "unit": self.unit,
            "before": self.before,
            "after": self.after,
        }


def outcome_of(
    tx: Transaction, policy: Policy, mail: Mail, arrival: Arrival, before: IntakeId | None = None
) -> Outcome:
    """Decide *mail* by what is known now; *before*: as if it had not come yet under that number."""
    threads = Threads(tx, [mail], policy, TicketBook(tx))
    return decide(mail, threads.facts(mail, before=before), policy, arrival, threads.said(mail))


def past(tx: Transaction, last: int) -> list[Past]:
    """Return the last *last* mails that were decided and whose bytes are kept, the newest first."""
    return journal.past(tx, min(last, LAST_MAX))


def difference(
    tx: Transaction, rules: tuple[Policy, Policy], one: Past, read: Callable[[RawPlace], bytes], now: datetime
) -> Difference | None:
    """Tell how *one* would end by the second *rules* otherwise than by the first, as things are now; None for alike.

    Raises:
        OSError: its bytes cannot be read.
    """
    mail = parse(read(one.kept.raw))
    arrival = Arrival(one.source, one.kept.ref.received_at or now, now, one.kept.headers_only)
    outcomes = [outcome_of(tx, policy, mail, arrival, one.kept.intake_id) for policy in rules]
    before, after = map(told, outcomes)
    if before == after:
        return None
    return Difference(one.kept.intake_id, mail.message_id, mail.subject, f"incoming/{one.source}", before, after)


def told(outcome: Outcome) -> Mapping[str, Any]:
    """Return what *outcome* is about, for JSON: what an admin would call its result."""
    shown: dict[str, Any] = {"reason": outcome.reason.value, "flags": [flag.value for flag in outcome.flags]}
    if isinstance(outcome, Create):
        shown |= {
            "ticket": "new",
            "requester": outcome.requester.address,
            "subject": outcome.subject,
            "cc": [one.address for one in outcome.cc],
            "followers": list(outcome.followers),
            "group": outcome.group,
            "category": outcome.category,
            "company": outcome.company,
            "linked_to": outcome.linked_to,
            "acknowledge": outcome.acknowledge,
        }
    elif isinstance(outcome, Append):
        shown |= {
            "ticket": outcome.ticket,
            "public": outcome.public,
            "reopens": outcome.reopen,
            "adds_cc": [one.address for one in outcome.cc],
        }
    else:
        shown["ticket"] = None
    return shown


def steps(outcome: Outcome) -> Sequence[Mapping[str, str]]:
    """Return the trace of *outcome* for JSON."""
    return [{"rule": step.rule, "answer": step.answer} for step in outcome.trace]
