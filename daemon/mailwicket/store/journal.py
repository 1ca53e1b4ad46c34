"""The rows of the journal: what each transaction does to them. Every function runs inside a transaction of the caller.

States and who changes them: docs/states.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from mailwicket.model import (
    IntakeId,
    Look,
    Mail,
    MailRef,
    Reason,
    Renumbered,
    Sha256,
    Step,
    TicketNumber,
)
from mailwicket.ports import Transaction
from mailwicket.sql import insert, statements
from mailwicket.store.raw import RawPlace
from mailwicket.timestamp import timestamp

_TRACE = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each

SQL = statements(Path(__file__).with_name("journal.sql"))

PARKED_COUNTED: Final = 1000
"""So many of the newest parked mails are looked at: the question is asked on the event loop."""


FLAGS: Final = "flags"
"""The step of a trace that tells the flags, in words between blanks; the last, where there are any."""


class State(IntEnum):
    """What a row is at; the numbers stand in the table, the words in its view."""

    SEEN = 1
    FETCHED = 2
    DONE = 3
    SETTLED = 4
    GONE = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """A mail that was seen and not fetched."""

    intake_id: IntakeId
    ref: MailRef


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail whose raw bytes are on disk."""

    intake_id: IntakeId
    ref: MailRef
    raw: RawPlace
    headers_only: bool
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A mail that is decided and whose server's copy does not show it."""

    intake_id: IntakeId
    ref: MailRef
    parked: bool
    headers_only: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about a mail, and why."""

    intake_id: IntakeId
    mail: Mail | None
    """None where it could not be read."""
    reason: Reason
    trace: Sequence[Step]
    ticket: TicketNumber | None
    parked: RawPlace | None = None
    """Where its bytes lie in a file of their own: it waits for a person."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; *kind* is past tense, *at* a timestamp."""

    at: str
    kind: str
    unit: str
    detail: Mapping[str, object]
    intake_id: IntakeId | None = None


def instance(tx: Transaction, new_name: str) -> str:
    """Return the store's name; a new store takes *new_name*."""
    row = tx.execute(SQL.instance).fetchone()
    if row is None:
        tx.execute(SQL.name_instance, (new_name,))
        return new_name
    return str(row[0])


# --- looking --------------------------------------------------------------------------------------------------------


def cursor(tx: Transaction, source: str) -> str | None:
    """Return where the next look of *source* starts; None before the first."""
    row = tx.execute(SQL.cursor, (source,)).fetchone()
    return None if row is None else str(row[0])


def note_look(tx: Transaction, source: str, look: Look, now: str) -> None:
    """Write down what a look found and where the next one starts."""
    if look.renumbered is not None:
        _renumber(tx, source, look.renumbered, now)
    _note_refs(tx, source, look.refs, now)
    tx.execute(SQL.set_cursor, (source, look.cursor, now))


def _note_refs(tx: Transaction, source: str, refs: Sequence[MailRef], now: str) -> dict[tuple[str, str], int]:
    """Write down that mails were seen; return the numbers of their places, by folder and epoch."""
    places: dict[tuple[str, str], int] = {}
    rows: list[tuple[object, ...]] = []
    for ref in refs:
        key = ref.folder, ref.epoch
        if key not in places:
            places[key] = tx.execute(SQL.place, (source, *key)).fetchone()[0]
        received = None if ref.received_at is None else timestamp(ref.received_at)
        rows.append((places[key], ref.remote_id, ref.size_bytes, received, now))
    insert(tx, SQL.note_ref, rows)
    return places


def _renumber(tx: Transaction, source: str, change: Renumbered, now: str) -> None:
    tx.execute(SQL.forget_old_seen, (source, change.folder, change.new_epoch))
    tx.execute(SQL.forget_old_done, (source, change.folder, change.new_epoch))
    tx.execute(SQL.match_anew, (source, change.folder))
    tx.execute(SQL.to_match, (source, change.folder, change.new_epoch))
    detail = {"folder": change.folder, "old": change.old_epoch, "new": change.new_epoch}
    note_event(tx, Event(now, "MailboxRenumbered", f"incoming/{source}", detail))


def note_offered(tx: Transaction, source: str, refs: Sequence[MailRef], now: str) -> dict[str, tuple[IntakeId, State]]:
    """Write down that somebody offers mails of one place; return their rows by remote id, old ones as they are."""
    (place_id,) = _note_refs(tx, source, refs, now).values()
    found = tx.execute(SQL.rows_of, (place_id, json.dumps([ref.remote_id for ref in refs]))).fetchall()
    return {remote_id: (IntakeId(intake_id), State(state)) for remote_id, intake_id, state in found}


def give_up_seen(tx: Transaction, source: str) -> None:
    """Nobody has the bytes of the mails that *source* has only seen."""
    tx.execute(SQL.give_up_seen, (source,))


def backlog(tx: Transaction, source: str) -> int:
    """Count the mails of *source* that are not yet decided."""
    places = tx.execute(SQL.places, (source,)).fetchall()
    return sum(tx.execute(SQL.backlog, (place_id,)).fetchone()[0] for place_id, _, _ in places)


def oldest_open(tx: Transaction, source: str) -> datetime | None:
    """Return when the mail of *source* that waits longest for its decision was seen; None where none waits."""
    places = tx.execute(SQL.places, (source,)).fetchall()
    seen = [tx.execute(SQL.oldest_open, (place_id,)).fetchone()[0] for place_id, _, _ in places]
    return min((datetime.fromisoformat(at) for at in seen if at is not None), default=None)


def count_untaken(tx: Transaction, source: str, folder: str, epoch: str, remote_ids: Sequence[str]) -> int:
    """Count those of *remote_ids*, mails on the server, whose bytes were never kept."""
    return int(tx.execute(SQL.untaken, (json.dumps(remote_ids), source, folder, epoch)).fetchone()[0])


def has_open_work(tx: Transaction, source: str) -> bool:
    """Tell whether anything is left to do for a mail of *source* that was seen."""
    return bool(tx.execute(SQL.open_work, (source,)).fetchone()[0])


# --- keeping --------------------------------------------------------------------------------------------------------


def to_fetch(tx: Transaction, source: str, after: int, limit: int) -> list[Seen]:
    """Return up to *limit* mails of *source* to fetch with a number over *after*, oldest first."""
    found: list[Seen] = []
    for place_id, folder, epoch in tx.execute(SQL.places, (source,)).fetchall():
        for intake_id, *ref in tx.execute(SQL.to_fetch, (place_id, after, limit)).fetchall():
            found.append(Seen(IntakeId(intake_id), mail_ref(folder, epoch, *ref)))
    return sorted(found, key=lambda mail: mail.intake_id)[:limit]


def mail_ref(folder: str, epoch: str, remote_id: str, size_bytes: int, received: str | None) -> MailRef:
    """Return a mail's place on its server, of what a row has."""
    return MailRef(folder, epoch, remote_id, size_bytes, None if received is None else datetime.fromisoformat(received))


def date_rows(tx: Transaction, dates: Mapping[IntakeId, datetime]) -> None:
    """Note when mails were received, of which only their bytes told that."""
    for intake_id, received_at in dates.items():
        tx.execute(SQL.date_row, (timestamp(received_at), intake_id))


def keep(tx: Transaction, source: str, kept: Iterable[Kept], gone: Sequence[IntakeId], now: str) -> list[Kept]:
    """Note that raw mails are on disk, and which mails left their server before that.

    Returns those that are new work: a mail that was handled under its number of an older UIDVALIDITY only
    has its server's copy left to settle.
    """
    _enter(tx, State.GONE, gone)
    matching = bool(tx.execute(SQL.matching, (source,)).fetchone()[0])
    work: list[Kept] = []
    for mail in kept:
        if matching:
            old = tx.execute(SQL.match, (source, mail.ref.folder, mail.raw.sha256)).fetchone()
            if old is not None:
                tx.execute(SQL.renumber, (mail.intake_id, old[0]))
                tx.execute(SQL.state, (State.DONE, mail.intake_id))
                continue
        work.append(mail)
    rows = [
        (mail.intake_id, raw.file, raw.offset, raw.length, raw.sha256, int(mail.headers_only), now)
        for mail in work
        for raw in (mail.raw,)
    ]
    insert(tx, SQL.keep, rows)
    _enter(tx, State.FETCHED, [mail.intake_id for mail in work])
    return work


def _enter(tx: Transaction, state: State, intake_ids: Sequence[IntakeId]) -> None:
    if intake_ids:
        tx.execute(SQL.states, (state, json.dumps(intake_ids)))


# --- judging --------------------------------------------------------------------------------------------------------


def to_judge(tx: Transaction, source: str, after: int, limit: int) -> list[Kept]:
    """Return up to *limit* kept and undecided mails of *source* with a number over *after*, oldest first."""
    found: list[Kept] = []
    for place_id, folder, epoch in tx.execute(SQL.places, (source,)).fetchall():
        for row in tx.execute(SQL.to_judge, (place_id, after, limit)).fetchall():
            intake_id, remote_id, size, received, file, first, length, digest, headers_only, attempts = row
            ref = mail_ref(folder, epoch, remote_id, size, received)
            raw = RawPlace(file, first, length, Sha256(digest))
            found.append(Kept(IntakeId(intake_id), ref, raw, bool(headers_only), attempts))
    return sorted(found, key=lambda mail: mail.intake_id)[:limit]


def count_attempts(tx: Transaction, in_hand: Iterable[IntakeId]) -> None:
    """Count a failed attempt against the mails that were in hand when the process died."""
    for intake_id in in_hand:
        tx.execute(SQL.attempt, (intake_id,))


def note_decided(tx: Transaction, decided: Sequence[Decided], now: str) -> None:
    """The mails are decided, and in their tickets if they have any; parked ones lie in files of their own."""
    rows = [
        (
            one.intake_id,
            *((None, None) if one.mail is None else (one.mail.message_id, one.mail.content_digest)),
            one.reason,
            one.ticket,
            int(one.parked is not None),
            _TRACE([[step.rule, step.answer] for step in one.trace]),
            now,
        )
        for one in decided
    ]
    insert(tx, SQL.decide, rows)
    _enter(tx, State.DONE, [one.intake_id for one in decided])
    for one in decided:
        if one.parked is not None:
            tx.execute(SQL.move_raw, (one.parked.file, one.parked.offset, one.intake_id))


def decisions(tx: Transaction, intake_ids: Sequence[IntakeId]) -> dict[IntakeId, tuple[Reason, TicketNumber | None]]:
    """Return what became of the mails *intake_ids*; undecided ones are left out."""
    found = tx.execute(SQL.decisions, (json.dumps(intake_ids),)).fetchall()
    return {
        IntakeId(intake_id): (Reason(reason), None if ticket is None else TicketNumber(ticket))
        for intake_id, reason, ticket in found
    }


# --- settling -------------------------------------------------------------------------------------------------------


def to_settle(tx: Transaction, source: str, limit: int) -> list[Done]:
    """Return up to *limit* decided mails of *source* whose server's copies do not show it, oldest first."""
    found: list[Done] = []
    for place_id, folder, epoch in tx.execute(SQL.places, (source,)).fetchall():
        for intake_id, *ref, parked, headers_only in tx.execute(SQL.to_settle, (place_id, limit)).fetchall():
            found.append(Done(IntakeId(intake_id), mail_ref(folder, epoch, *ref), bool(parked), bool(headers_only)))
    return found


def note_settled(tx: Transaction, settled: Sequence[IntakeId]) -> None:
    """The servers' copies say what we know."""
    _enter(tx, State.SETTLED, settled)


def note_event(tx: Transaction, event: Event) -> None:
    """Write down that something happened."""
    detail = json.dumps(event.detail, ensure_ascii=False)
    tx.execute(SQL.note_event, (event.at, event.kind, event.unit, event.intake_id, detail))


# --- reclaiming -----------------------------------------------------------------------------------------------------


def count_parked(tx: Transaction) -> int:
    """How many mails wait for a person."""
    return int(tx.execute(SQL.parked_count).fetchone()[0])


def parked_since(tx: Transaction, since: str) -> tuple[int, datetime | None]:
    """How many mails were parked after the timestamp *since* and wait, and when the first; at most PARKED_COUNTED."""
    mails, first_at = tx.execute(SQL.parked_lately, (PARKED_COUNTED, since)).fetchone()
    return mails, None if first_at is None else datetime.fromisoformat(first_at)


def needed_in_file(tx: Transaction, file: str) -> int:
    """How many mails still need the bytes in the raw file *file*."""
    return int(tx.execute(SQL.needed_in_file, (file,)).fetchone()[0])


def mails_in_file(tx: Transaction, file: str) -> list[RawPlace]:
    """Where in the raw file *file* which mails lie."""
    found: list[tuple[Any, ...]] = tx.execute(SQL.mails_in_file, (file,)).fetchall()
    return [RawPlace(name, offset, length, Sha256(digest)) for _, name, offset, length, digest in found]


def forget_file(tx: Transaction, file: str) -> None:
    """The raw file is reclaimed: its rows name no bytes any more."""
    tx.execute(SQL.forget_file, (file,))


def clock(tx: Transaction) -> tuple[datetime, datetime | None]:
    """What the clock said when it was last noted, and after it last leapt."""
    read_at, leapt_at = tx.execute(SQL.clock).fetchone()
    return datetime.fromisoformat(read_at), None if leapt_at is None else datetime.fromisoformat(leapt_at)


def note_clock(tx: Transaction, read_at: datetime, leapt_at: datetime | None) -> None:
    """Write down what the clock says, and after its last leap said."""
    tx.execute(SQL.set_clock, (timestamp(read_at), None if leapt_at is None else timestamp(leapt_at)))


# --- units ----------------------------------------------------------------------------------------------------------


def held_units(tx: Transaction) -> frozenset[str]:
    """Return the names of the units that an admin paused."""
    return frozenset(name for (name,) in tx.execute(SQL.held_units).fetchall())


def hold_unit(tx: Transaction, unit: str, now: str) -> None:
    """An admin paused *unit*: it stays paused when the daemon starts again."""
    tx.execute(SQL.hold_unit, (unit, now))


def release_unit(tx: Transaction, unit: str) -> None:
    """An admin resumed *unit*."""
    tx.execute(SQL.release_unit, (unit,))
