"""Mails that were decided and may be decided again: those that wait for a person, and the newest of all.

Rows of the journal, which keeps the statements.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mailwicket.model import IntakeId, Reason, Sha256, Step
from mailwicket.ports import Transaction
from mailwicket.store.journal import SQL, Event, Kept, State, mail_ref, note_event
from mailwicket.store.raw import RawPlace


@dataclass(frozen=True, slots=True)
class Parked:
    """A mail that waits for a person."""

    kept: Kept
    source: str
    reason: Reason
    message_id: str | None
    trace: Sequence[Step]
    decided_at: str


def parked(tx: Transaction, intake_id: IntakeId) -> Parked | None:
    """Return the parked mail of that number; None where it is not parked."""
    return next(iter(_parked(tx, intake_id, intake_id)), None)


def all_parked(tx: Transaction) -> list[Parked]:
    """Return every parked mail, the oldest first."""
    return _parked(tx, 0, 2**63 - 1)


def _parked(tx: Transaction, first: int, last: int) -> list[Parked]:
    found: list[Parked] = []
    for row in tx.execute(SQL.parked_mails, (first, last)).fetchall():
        (
            intake_id,
            source,
            folder,
            epoch,
            *ref,
            file,
            start,
            length,
            digest,
            headers_only,
            reason,
            message_id,
            trace,
            at,
        ) = row
        kept = Kept(
            IntakeId(intake_id),
            mail_ref(folder, epoch, *ref),
            RawPlace(file, start, length, Sha256(digest)),
            bool(headers_only),
        )
        steps = [Step(rule, answer) for rule, answer in json.loads(trace)]
        found.append(Parked(kept, source, Reason(reason), message_id, steps, at))
    return found


@dataclass(frozen=True, slots=True)
class Past:
    """A mail that was decided and whose bytes are kept."""

    kept: Kept
    source: str


def past(tx: Transaction, last: int) -> list[Past]:
    """Return the *last* newest mails that were decided and whose bytes are kept, the newest first."""
    found: list[Past] = []
    for row in tx.execute(SQL.past_mails, (last,)).fetchall():
        intake_id, source, folder, epoch, *ref = row[:7]
        file, start, length, digest, headers_only = row[7:]
        raw = RawPlace(file, start, length, Sha256(digest))
        found.append(Past(Kept(IntakeId(intake_id), mail_ref(folder, epoch, *ref), raw, bool(headers_only)), source))
    return found


def undecide(tx: Transaction, intake_id: IntakeId) -> None:
    """A mail is to be decided again, in this transaction: what was decided is forgotten."""
    tx.execute(SQL.undecide, (intake_id,))
    tx.execute(SQL.state, (State.FETCHED, intake_id))


def drop(tx: Transaction, intake_id: IntakeId) -> bool:
    """A person gave a parked mail up; that it was here stays known. False where it is not parked."""
    return tx.execute(SQL.drop_parked, (intake_id,)).fetchone() is not None


def expired(tx: Transaction, before: str, after: str) -> list[tuple[IntakeId, str, str]]:
    """Parked mails decided before the timestamp *before*, or after *after*: (row, source, raw file)."""
    found = tx.execute(SQL.expired_parked, (before, after)).fetchall()
    return [(IntakeId(intake_id), source, file) for intake_id, source, file in found]


def expire(tx: Transaction, intake_id: IntakeId, source: str, span: tuple[str, str], now: str) -> bool:
    """A parked mail's time is over; that it was here stays known. False where somebody decided it meanwhile.

    *span* is as in `expired`. Its bytes are still named: let go of them after this.
    """
    if tx.execute(SQL.expire, (intake_id, *span)).fetchone() is None:
        return False
    reason = {"reason": Reason.EXPIRED_FROM_QUARANTINE}
    note_event(tx, Event(now, "MailExpired", f"incoming/{source}", reason, intake_id))
    return True
