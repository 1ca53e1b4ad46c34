"""What would become of mail, with no effect: of a sample, and of what came lately under other rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import anyio.lowlevel
import anyio.to_thread

from mailwicket.mail.parse import parse
from mailwicket.model import IntakeId, Mail
from mailwicket.ports import Transaction
from mailwicket.rules.decide import Arrival, decide
from mailwicket.rules.outcome import Append, Create, Outcome
from mailwicket.rules.policy import Policy
from mailwicket.store import journal
from mailwicket.store.journal import Past
from mailwicket.store.raw import RawStore, disk_error
from mailwicket.store.store import Store
from mailwicket.store.threads import Threads
from mailwicket.store.tickets import TicketBook

LAST_MAX: Final = 10_000
AT_ONCE: Final = 20


def outcome_of(
    tx: Transaction, policy: Policy, mail: Mail, arrival: Arrival, before: IntakeId | None = None
) -> Outcome:
    """Decide *mail* by what is known now; *before*: as if it had not come yet under that number."""
    threads = Threads(tx, [mail], policy, TicketBook(tx))
    return decide(mail, threads.facts(mail, before=before), policy, arrival, threads.said(mail))


async def differences(store: Store, rules: tuple[Policy, Policy], last: int, now: datetime) -> Mapping[str, Any]:
    """Tell which of the last *last* mails would end by the second *rules* otherwise than by the first, for JSON.

    Both are asked as things are now: what differs is the rules' doing alone.

    Raises:
        StoreError: our disk.
    """
    mails = store.read(lambda tx: journal.past(tx, min(last, LAST_MAX)))
    found: list[Mapping[str, Any]] = []
    for start in range(0, len(mails), AT_ONCE):
        batch = mails[start : start + AT_ONCE]
        try:
            read = await anyio.to_thread.run_sync(_read, store.raw, batch)
        except OSError as error:
            raise disk_error(store.raw.directory, error) from error
        for one, mail in read:
            told = store.read(lambda tx: _difference(tx, rules, one, mail, now))  # noqa: B023 - called at once
            if told is not None:
                found.append(told)
        await anyio.lowlevel.checkpoint()
    return {"looked_at": len(mails), "differ": found}


def _read(raw: RawStore, batch: Sequence[Past]) -> list[tuple[Past, Mail]]:
    """Read mails; one whose bytes were reclaimed meanwhile is left out."""
    found: list[tuple[Past, Mail]] = []
    for one in batch:
        with suppress(FileNotFoundError):
            found.append((one, parse(raw.read(one.kept.raw))))
    return found


def _difference(
    tx: Transaction, rules: tuple[Policy, Policy], one: Past, mail: Mail, now: datetime
) -> Mapping[str, Any] | None:
    arrival = Arrival(one.source, one.kept.ref.received_at or now, now, one.kept.headers_only)
    before, after = (told(outcome_of(tx, policy, mail, arrival, one.kept.intake_id)) for policy in rules)
    if before == after:
        return None
    named = {"id": one.kept.intake_id, "message_id": mail.message_id, "subject": mail.subject}
    return {**named, "unit": f"incoming/{one.source}", "before": before, "after": after}


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
