"""The rows of the journal: what each transaction does to them. Every function runs inside a transaction of the caller.

States and who changes them: docs/states.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailwicket.model import (
    Facts,
    IntakeId,
    KnownMail,
    Look,
    Mail,
    MailRef,
    MessageId,
    Reason,
    Renumbered,
    Sha256,
    Step,
    TicketFacts,
    TicketNumber,
    TicketStatus,
)
from mailwicket.ports import Transaction
from mailwicket.store.raw import RawPlace
from mailwicket.store.statements import statements

SQL = statements(Path(__file__).with_name("journal.sql"))

CITED_MAX = 40  # the newest ids decide; a References field of thousands buys nobody thousands of queries


@dataclass(frozen=True, slots=True)
class IntakeRow:
    """One row of the journal as the flow works on it."""

    intake_id: IntakeId
    ref: MailRef
    attempts: int
    raw: RawPlace | None
    headers_only: bool
    parked: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """The raw bytes of a row are on disk."""

    intake_id: IntakeId
    ref: MailRef
    raw: RawPlace
    headers_only: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about a row, and why."""

    intake_id: IntakeId
    mail: Mail | None
    """None where it could not be read."""
    reason: Reason
    trace: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; *kind* is past tense, *at* a timestamp."""

    at: str
    kind: str
    unit: str
    detail: Mapping[str, object]
    intake_id: IntakeId | None = None
    ticket: TicketNumber | None = None


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: sorts as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instance(tx: Transaction, new_name: str) -> str:
    """Return the store's name; a new store takes *new_name*."""
    row = tx.execute(SQL.instance).fetchone()
    if row is None:
        tx.execute(SQL.name_instance, {"instance": new_name})
        return new_name
    return str(row[0])


def cursor(tx: Transaction, source: str) -> str | None:
    """Return where the next look of *source* starts; None before the first."""
    row = tx.execute(SQL.cursor, {"source": source}).fetchone()
    return None if row is None else str(row[0])


def note_look(tx: Transaction, source: str, look: Look, now: str) -> None:
    """Write down what a look found and where the next one starts."""
    if look.renumbered is not None:
        _renumber(tx, source, look.renumbered, now)
    for ref in look.refs:
        received = None if ref.received_at is None else timestamp(ref.received_at)
        tx.execute(SQL.note_ref, (source, ref.folder, ref.epoch, ref.remote_id, ref.size_bytes, received, now))
    tx.execute(SQL.set_cursor, {"source": source, "cursor": look.cursor, "now": now})


def _renumber(tx: Transaction, source: str, change: Renumbered, now: str) -> None:
    of = {"source": source, "folder": change.folder, "epoch": change.new_epoch, "now": now}
    tx.execute(SQL.forget_old_epoch_seen, of)
    tx.execute(SQL.forget_old_epoch_done, of)
    detail = {"folder": change.folder, "old": change.old_epoch, "new": change.new_epoch}
    note_event(tx, Event(now, "MailboxRenumbered", f"incoming/{source}", detail))


def rows(tx: Transaction, source: str, state: str, after: int = 0, limit: int = 1000) -> list[IntakeRow]:
    """Return up to *limit* rows of *source* in *state* with a number over *after*, oldest first."""
    found = tx.execute(SQL.in_state, {"source": source, "state": state, "after": after, "limit": limit})
    return [_row(values) for values in found.fetchall()]


def _row(values: Sequence[object]) -> IntakeRow:
    (intake_id, folder, epoch, remote_id, size, received, attempts, file, offset, length, digest, headers, parked) = (
        values
    )
    place = None
    if file is not None:
        place = RawPlace(str(file), int(str(offset)), int(str(length)), Sha256(str(digest)))
    return IntakeRow(
        intake_id=IntakeId(int(str(intake_id))),
        ref=MailRef(
            str(folder),
            str(epoch),
            str(remote_id),
            int(str(size)),
            None if received is None else datetime.fromisoformat(str(received)),
        ),
        attempts=int(str(attempts)),
        raw=place,
        headers_only=bool(headers),
        parked=bool(parked),
    )


def backlog(tx: Transaction, source: str) -> int:
    """Count the mails of *source* that are not yet decided."""
    return int(tx.execute(SQL.backlog, {"source": source}).fetchone()[0])


def keep(tx: Transaction, source: str, kept: Iterable[Kept], gone: Iterable[IntakeId], now: str) -> list[Kept]:
    """Note that raw mails are on disk, and which mails left their server before that.

    Returns those that are new work: a mail that was handled under its number of an older UIDVALIDITY only
    has its server's copy left to settle.
    """
    for intake_id in gone:
        tx.execute(SQL.gone, (now, intake_id))
    work: list[Kept] = []
    renumbered: dict[tuple[str, str], bool] = {}
    for mail in kept:
        place = {"source": source, "folder": mail.ref.folder, "epoch": mail.ref.epoch}
        key = (mail.ref.folder, mail.ref.epoch)
        if key not in renumbered:
            renumbered[key] = bool(tx.execute(SQL.has_other_epoch, place).fetchone()[0])
        if renumbered[key]:
            old = tx.execute(SQL.same_mail_older_epoch, {**place, "raw_sha256": mail.raw.sha256}).fetchone()
            if old is not None:
                old_id, reason, ticket, _ = old
                of = {"intake_id": mail.intake_id, "old": old_id, "reason": reason, "ticket": ticket}
                tx.execute(SQL.match_renumbered, {**of, "raw_sha256": mail.raw.sha256, "now": now})
                continue
        raw = mail.raw
        tx.execute(
            SQL.keep, (raw.file, raw.offset, raw.length, raw.sha256, int(mail.headers_only), now, mail.intake_id)
        )
        work.append(mail)
    return work


def count_attempts(tx: Transaction, in_hand: Iterable[IntakeId]) -> None:
    """Count a failed attempt against the mails that were in hand when the process died."""
    for intake_id in in_hand:
        tx.execute(SQL.attempt, {"intake_id": intake_id})


def facts(tx: Transaction, mail: Mail) -> Facts:
    """Return everything that the rules may look at for *mail*."""
    cited: dict[MessageId, TicketFacts] = {}
    for message_id in _cited(mail):
        ticket = _ticket(tx.execute(SQL.cited_tickets, (message_id,)).fetchone())
        if ticket is not None:
            cited[message_id] = ticket
            break  # the newest id that we know wins
    if mail.message_id is None:
        found = tx.execute(SQL.same_content, (mail.content_digest,)).fetchone()
        return Facts(cited=cited, same_content=None if found is None else _known(found))
    return Facts(
        cited=cited,
        awaited_by=_ticket(tx.execute(SQL.awaiting_ticket, (mail.message_id,)).fetchone()),
        same_id=[_known(row) for row in tx.execute(SQL.same_id, (mail.message_id,)).fetchall()],
    )


def _cited(mail: Mail) -> list[MessageId]:
    """The ids that *mail* cites, the most telling first: of a report, the mail that it returns."""
    returned = mail.bounce.original_message_id if mail.bounce is not None else None
    ids = [*mail.in_reply_to, *reversed(mail.references)]
    return list(dict.fromkeys(ids if returned is None else [returned, *ids]))[:CITED_MAX]


def _ticket(row: tuple[int, str] | None) -> TicketFacts | None:
    return None if row is None else TicketFacts(TicketNumber(row[0]), TicketStatus(row[1]))


def _known(row: tuple[int, str, int | None]) -> KnownMail:
    ticket = None if row[2] is None else TicketNumber(row[2])
    return KnownMail(IntakeId(row[0]), Sha256(row[1]), ticket)


def note_ticket(tx: Transaction, ticket: TicketNumber, status: TicketStatus) -> None:
    """Remember what the rules need to know of *ticket*."""
    tx.execute(SQL.note_ticket, (ticket, status))


def note_thread(tx: Transaction, ticket: TicketNumber, mail: Mail) -> None:
    """Remember that *ticket* holds *mail*, and which ids that cites."""
    if mail.message_id is not None:
        tx.execute(SQL.note_thread_id, (mail.message_id, ticket, 1))
    for message_id in _cited(mail):
        tx.execute(SQL.note_thread_id, (message_id, ticket, 0))


def note_done(tx: Transaction, decided: Decided, ticket: TicketNumber | None, now: str) -> None:
    """The mail is decided and, if it has a *ticket*, in it."""
    mail = decided.mail
    ids = (None, None) if mail is None else (mail.message_id, mail.content_digest)
    tx.execute(SQL.done, (*ids, decided.reason, ticket, trace_text(decided.trace), now, decided.intake_id))


def note_parked(tx: Transaction, decided: Decided, raw: RawPlace, now: str) -> None:
    """The mail waits for a person, in a file of its own at *raw*."""
    mail = decided.mail
    ids = (None, None) if mail is None else (mail.message_id, mail.content_digest)
    place = (raw.file, raw.offset)
    tx.execute(SQL.park, (*ids, decided.reason, trace_text(decided.trace), now, *place, decided.intake_id))


def trace_text(trace: Sequence[Step]) -> str:
    """The trace as it is kept: a JSON list of [rule, answer]."""
    return json.dumps([[step.rule, step.answer] for step in trace], ensure_ascii=False)


def note_settled(tx: Transaction, settled: Iterable[IntakeId], now: str) -> None:
    """The servers' copies say what we know."""
    for intake_id in settled:
        tx.execute(SQL.settled, (now, intake_id))


def note_event(tx: Transaction, event: Event) -> None:
    """Write down that something happened."""
    detail = json.dumps(event.detail, ensure_ascii=False)
    tx.execute(SQL.note_event, (event.at, event.kind, event.unit, event.intake_id, event.ticket, detail))


def count_parked(tx: Transaction) -> int:
    """How many mails wait for a person."""
    return int(tx.execute(SQL.parked_count).fetchone()[0])


def needed_in_file(tx: Transaction, file: str) -> int:
    """How many mails still need the bytes in the raw file *file*."""
    return int(tx.execute(SQL.needed_in_file, {"raw_file": file}).fetchone()[0])


def mails_in_file(tx: Transaction, file: str) -> list[tuple[IntakeId, RawPlace]]:
    """The mails whose bytes lie in the raw file *file*."""
    found = tx.execute(SQL.mails_in_file, {"raw_file": file}).fetchall()
    return [
        (IntakeId(intake_id), RawPlace(name, offset, length, Sha256(digest)))
        for intake_id, name, offset, length, digest in found
    ]


def forget_file(tx: Transaction, file: str) -> None:
    """The raw file is reclaimed: its rows name no bytes any more."""
    tx.execute(SQL.forget_file, {"raw_file": file})


def expired(tx: Transaction, before: str) -> list[tuple[IntakeId, str, str]]:
    """Parked mails decided before the timestamp *before*: (row, source, raw file)."""
    found = tx.execute(SQL.expired_parked, (before,)).fetchall()
    return [(IntakeId(intake_id), source, file) for intake_id, source, file in found]


def expire(tx: Transaction, intake_id: IntakeId, source: str, now: str) -> None:
    """A parked mail's time is over; that it was here stays known."""
    tx.execute(SQL.expire, (intake_id,))
    reason = {"reason": Reason.EXPIRED_FROM_QUARANTINE}
    note_event(tx, Event(now, "MailExpired", f"incoming/{source}", reason, intake_id))
