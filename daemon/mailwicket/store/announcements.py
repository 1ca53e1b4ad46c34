"""Announcements: what was written to many, and how it stands with each of them. Each function runs in a transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, NewType

from mailwicket.errors import UnknownError
from mailwicket.ports import Transaction
from mailwicket.sql import insert, statements
from mailwicket.store import outlist
from mailwicket.store.outbox import OutboxId
from mailwicket.timestamp import timestamp

SQL: Final = statements(Path(__file__).with_name("announcements.sql"))

AnnouncementId = NewType("AnnouncementId", int)

LISTED_MAX: Final = 200
CANCELLED: Final = "cancelled"

Shown = dict[str, Any]


class Recipient(NamedTuple):
    """Somebody whom an announcement is for."""

    address: str
    """Canonical."""
    name: str | None = None
    left_out: str | None = None
    """Why he gets nothing; None: he does."""


@dataclass(frozen=True, slots=True)
class Words:
    """What an announcement says."""

    subject: str
    text: str
    """Markdown."""
    by: str
    """The address of who writes; `""`: nobody is named."""


def add(  # noqa: PLR0913, PLR0917 - what an announcement is
    tx: Transaction, words: Words, audience: Sequence[str], people: Iterable[Recipient], actor: str, now: datetime
) -> AnnouncementId:
    """Note that *actor* writes *words* to *people*, who were asked for as *audience*; no mail is written yet."""
    number = AnnouncementId(tx.execute(SQL.next_id).fetchone()[0])
    told = json.dumps(list(audience), ensure_ascii=False)
    tx.execute(SQL.add, (number, timestamp(now), actor, words.by, told, words.subject, words.text))
    insert(tx, SQL.add_recipient, [(number, one.address, one.name, one.left_out) for one in people])
    return number


def to_write(tx: Transaction, limit: int) -> dict[AnnouncementId, list[Recipient]]:
    """Return by announcement up to *limit* people who are still to be written to, the oldest first."""
    found: dict[AnnouncementId, list[Recipient]] = {}
    for number, address, name in tx.execute(SQL.to_write, (limit,)).fetchall():
        found.setdefault(AnnouncementId(number), []).append(Recipient(address, name))
    return found


def words_of(tx: Transaction, number: AnnouncementId) -> Words:
    """Return what the announcement *number* says."""
    return Words(*tx.execute(SQL.words, (number,)).fetchone())


def note_written(tx: Transaction, number: AnnouncementId, address: str, cause: str, why: str) -> None:
    """Name the mail to *address* that *cause* queued; where it queued none, he is left out, and this is *why*."""
    tx.execute(SQL.written, {"cause": cause, "why": why, "number": number, "address": address})


def under_way(tx: Transaction, now: datetime) -> int:
    """Count the mails of all announcements that could be sent now."""
    return int(tx.execute(SQL.under_way, (timestamp(now),)).fetchone()[0])


def cancel(tx: Transaction, number: AnnouncementId, now: datetime) -> None:
    """Write to nobody any more; what is sent, or is being sent now, is not called back.

    Raises:
        UnknownError: there is no such announcement.
    """
    shown(tx, number)
    tx.execute(SQL.cancel, (timestamp(now), number))
    tx.execute(SQL.leave_out_rest, (CANCELLED, number))
    for (mail,) in tx.execute(SQL.at_rest, (number,)).fetchall():
        outlist.cancel(tx, OutboxId(mail), now)


def askers(tx: Transaction) -> dict[str, set[str]]:
    """Return who has a ticket, and of which companies these are; those whose tickets are all spam are nobody."""
    found: dict[str, set[str]] = {}
    for address, company in tx.execute(SQL.askers).fetchall():
        found.setdefault(address, set()).update([company] if company else [])
    return found


# --- as people see them


def listed(tx: Transaction, limit: int = LISTED_MAX) -> list[Shown]:
    """Return the newest *limit* announcements, the newest last."""
    rows = tx.execute(SQL.rows, {"number": None, "limit": limit}).fetchall()
    return [_shown(tx, row) for row in reversed(rows)]


def shown(tx: Transaction, number: AnnouncementId) -> Shown:
    """Return one announcement with how it stands.

    Raises:
        UnknownError: there is none.
    """
    row = tx.execute(SQL.rows, {"number": number, "limit": 1}).fetchone()
    if row is None:
        raise UnknownError(f"there is no announcement {number}")
    return _shown(tx, row)


def people(tx: Transaction, number: AnnouncementId) -> list[Shown]:
    """Return how it stands with each person of an announcement."""
    return [
        {
            "address": address,
            "name": name,
            "state": "left_out" if left_out else "waiting" if mail is None else _IN_WORDS[state],
            "mail": mail,
            "said": left_out or told,
        }
        for address, name, mail, left_out, state, told in tx.execute(SQL.people, (number,)).fetchall()
    ]


_IN_WORDS: Final[Mapping[str, str]] = {
    "waiting": "queued", "sent": "sent", "failed": "failed", "bounced": "failed", "cancelled": "cancelled",
}  # fmt: skip


def _shown(tx: Transaction, row: Sequence[Any]) -> Shown:
    number, at, actor, by, audience, subject, text, cancelled_at = row
    counts, left_out = Counter[str](), Counter[str]()
    for why, state, count in tx.execute(SQL.counts, (number,)).fetchall():
        if why:
            left_out[why] += count
        else:
            counts["waiting" if state is None else _IN_WORDS[state]] += count
    is_open = counts["waiting"] or counts["queued"]
    return {
        "id": number,
        "at": at,
        "actor": actor,
        "by": by or None,
        "to": json.loads(audience),
        "subject": subject,
        "text": text,
        "state": "sending" if is_open else "cancelled" if cancelled_at else "done",
        "recipients": counts.total(),
        **{key: counts[key] for key in ("waiting", "queued", "sent", "failed", "cancelled")},
        "left_out": dict(sorted(left_out.items())),
    }
