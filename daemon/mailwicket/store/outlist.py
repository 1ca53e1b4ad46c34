"""The outbox as people see it, and what they do to it. Each function runs in the caller's transaction.

Shapes: interfaces.md section 6; keys are added, never renamed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from mailwicket.errors import ConflictError, UnknownError
from mailwicket.facts import TicketFacts
from mailwicket.model import MessageId, TicketNumber
from mailwicket.outgoing import ANY_SERVER, Event
from mailwicket.ports import Transaction
from mailwicket.rules.acknowledge import DAY, Acknowledged
from mailwicket.rules.own import canonical
from mailwicket.store.outbox import GIVE_UP, SQL, OutboxId
from mailwicket.store.tickets import TicketBook
from mailwicket.timestamp import timestamp

LISTED_MAX: Final = 1000
BOUNCES_MAX: Final = 5
"""So many permanent bounces in a row pause an address."""

Shown = dict[str, Any]


def listed(
    tx: Transaction, *, every: bool = False, ticket: TicketNumber | None = None, limit: int = LISTED_MAX
) -> list[Shown]:
    """Return the mails that wait or failed, with *every* all others too: the newest *limit*, the newest last."""
    asked = {"outbox_id": None, "ticket": ticket, "every": every, "before": None, "limit": limit}
    return [_shown(row) for row in reversed(tx.execute(SQL.rows, asked).fetchall())]


def shown(tx: Transaction, outbox_id: OutboxId) -> Shown:
    """Return one mail with its words, recipients, attempts and route; of a `reclaimed` one the words are gone.

    Raises:
        UnknownError: there is no such mail.
    """
    asked = {"outbox_id": outbox_id, "ticket": None, "every": True, "before": None, "limit": 1}
    row = tx.execute(SQL.rows, asked).fetchone()
    if row is None:
        raise UnknownError(f"there is no mail {outbox_id} in the outbox")
    words = json.loads(row[3])
    attempts = tx.execute(SQL.attempts, (outbox_id,)).fetchall()
    return {
        **_shown(row),
        "subject": words.get("subject", ""),
        "text": words.get("text", ""),
        "chosen": row[15],
        "route": json.loads(row[14]) if row[14] else None,
        "attempts_made": [{"at": at, "via": via, "outcome": outcome} for at, via, outcome in attempts],
        "attachments": [{"filename": one["name"], "sha256": one["sha256"]} for one in words.get("files", ())],
    }


def _shown(row: Sequence[Any]) -> Shown:
    words = json.loads(row[3])
    route = json.loads(row[14]) if row[14] else {}
    sent_as = json.loads(row[4]) if row[4] else None
    waits = row[7] == "waiting"
    return {
        "id": row[0],
        "ticket": row[1],
        "event": row[2],
        "to": [address for _, address in words["to"]],
        "cc": [address for _, address in words.get("cc", ())],
        "from": sent_as[0] if sent_as else route.get("from"),
        "via": row[5] or (None if row[6] == ANY_SERVER else row[6]),
        "meant": row[6],
        "state": row[7],
        "uncertain": bool(row[8]) and row[16] is None,
        "attempts": row[9],
        "next_attempt": row[10] if waits else None,
        "message_id": row[11],
        "queued": row[12],
        "done": row[13],
        "subject": words.get("subject", ""),
        "recipients": [
            {"address": address, "state": state, "code": code, "told": told, "at": at}
            for address, state, code, told, at in json.loads(row[18])
        ],
        "reclaimed": bool(row[17]),
    }


def routes(tx: Transaction, ticket: TicketNumber) -> list[Shown]:
    """Return of every mail about *ticket* by which server it went, and why no other.

    Raises:
        UnknownError: nothing was ever sent about it.
    """
    asked = {"outbox_id": None, "ticket": ticket, "every": True, "before": None, "limit": LISTED_MAX}
    rows = tx.execute(SQL.rows, asked).fetchall()
    if not rows:
        raise UnknownError(f"nothing was sent about ticket {ticket}")
    keys = ("id", "ticket", "event", "to", "from", "via", "meant", "state", "queued")
    return [
        {**{key: value for key, value in _shown(row).items() if key in keys}, "route": json.loads(row[14])}
        for row in reversed(rows)
    ]


class Backlog(NamedTuple):
    """What waits for one server."""

    mails: int
    oldest_at: datetime


def backlog(tx: Transaction) -> dict[str, Backlog]:
    """Return by server what waits for it; servers that there are no more, too."""
    rows = tx.execute(SQL.backlog).fetchall()
    return {server: Backlog(mails, datetime.fromisoformat(oldest)) for server, mails, oldest in rows}


@dataclass(frozen=True, slots=True)
class Anew:
    """What is decided of a mail that a person has tried again."""

    meant: str
    route: Mapping[str, Any]
    known: Collection[str]
    """The servers that there are."""


def retry(tx: Transaction, outbox_id: OutboxId, now: datetime, anew: Anew) -> None:
    """Try a mail again now, by the server that today's configuration decides *anew*.

    What was refused is tried anew, and for GIVE_UP. One whose last attempt may have arrived goes by the same server,
    unless there is no such any more: then a person has decided.

    Raises:
        UnknownError: there is no such mail.
        ConflictError: it is sent already, or is being sent now.
    """
    state, uncertain, via = _at_rest(tx, outbox_id)
    if state == "sent":
        raise ConflictError(f"mail {outbox_id} is sent")
    if state != "waiting":
        tx.execute(SQL.retry_recipients, (timestamp(now), outbox_id))
    stays = uncertain and via in anew.known
    tx.execute(
        SQL.retry,
        {
            "now": timestamp(now),
            "give_up_at": timestamp(now + GIVE_UP),
            "uncertain": int(stays),
            "meant": anew.meant,
            "route": json.dumps(anew.route, ensure_ascii=False),
            "outbox_id": outbox_id,
        },
    )


def cancel(tx: Transaction, outbox_id: OutboxId, now: datetime) -> None:
    """Have a mail not sent.

    Raises:
        UnknownError: there is no such mail.
        ConflictError: it does not wait, or is being sent now.
    """
    state, _, _ = _at_rest(tx, outbox_id)
    if state != "waiting":
        raise ConflictError(f"mail {outbox_id} does not wait, it is {state}")
    tx.execute(SQL.cancel, (timestamp(now), outbox_id))


def _at_rest(tx: Transaction, outbox_id: OutboxId) -> tuple[str, bool, str | None]:
    row = tx.execute(SQL.state_of, (outbox_id,)).fetchone()
    if row is None:
        raise UnknownError(f"there is no mail {outbox_id} in the outbox")
    state, uncertain, via, claimed_until, reclaimed = row
    if reclaimed:
        raise ConflictError(f"mail {outbox_id} is {state} since long ago: what it said is kept no more")
    if state == "waiting" and claimed_until is not None:
        raise ConflictError(f"mail {outbox_id} is being sent now")
    return state, bool(uncertain), via


# --- what was sent lately, and to whom nothing goes


def acknowledged(tx: Transaction, now: datetime) -> list[Acknowledged]:
    """Return the acknowledgements of a day: what the next one is measured by (`rules.acknowledge`)."""
    rows = tx.execute(SQL.acknowledged, (timestamp(now - DAY),)).fetchall()
    return [Acknowledged(datetime.fromisoformat(at), address) for at, address in rows]


def was_refused(tx: Transaction, address: str, now: datetime) -> bool:
    """Tell whether *address* was told within a day that a mail was not accepted."""
    asked = canonical(address), timestamp(now - DAY)
    return tx.execute(SQL.refused_lately, asked).fetchone() is not None


def note_bounce(tx: Transaction, outbox_id: int, address: str, said: str, now: datetime) -> bool:
    """Note a report that a mail never reached *address*; True: it was one too many, nothing is sent there any more."""
    person = canonical(address)
    tx.execute(SQL.bounced, (said, timestamp(now), outbox_id, person))
    return pause_if_hopeless(tx, person, now)


def pause_if_hopeless(tx: Transaction, address: str, now: datetime) -> bool:
    """Pause a canonical *address* whose last BOUNCES_MAX mails were all refused for good; True where that is new."""
    last = tx.execute(SQL.last_of_address, {"address": address, "limit": BOUNCES_MAX}).fetchall()
    hopeless = [state == "bounced" or (state == "failed" and (code or 0) >= 500) for state, code in last]
    if len(hopeless) < BOUNCES_MAX or not all(hopeless):
        return False
    if paused_among(tx, [address]):
        return False
    tx.execute(SQL.pause, (address, timestamp(now), f"{BOUNCES_MAX} permanent bounces in a row"))
    return True


def paused(tx: Transaction) -> list[Shown]:
    """Return every address to which nothing is sent."""
    return [{"address": row[0], "since": row[1], "why": row[2]} for row in tx.execute(SQL.paused).fetchall()]


def count_paused(tx: Transaction) -> int:
    """Count the addresses to which nothing is sent."""
    return int(tx.execute(SQL.paused_count).fetchone()[0])


def paused_among(tx: Transaction, addresses: Collection[str]) -> frozenset[str]:
    """Return those of canonical *addresses* to which nothing is sent."""
    return frozenset(address for address, _ in tx.execute(SQL.paused_of, (json.dumps([*addresses]),)).fetchall())


def unpause(tx: Transaction, address: str, now: datetime) -> None:
    """Have mail sent to *address* again; what bounced before *now* counts no more.

    Raises:
        UnknownError: it is not paused.
    """
    person = canonical(address)
    if not paused_among(tx, [person]):
        raise UnknownError(f"{address} is not paused")
    tx.execute(SQL.unpause, (timestamp(now), person))


class SentMail(NamedTuple):
    """A mail of ours that somebody speaks of."""

    event: Event
    ticket: TicketNumber | None
    addresses: list[str]


def sent_mail(tx: Transaction, outbox_id: int) -> SentMail | None:
    """Return a mail by its number; None where there is none: a backup was put back."""
    row = tx.execute(SQL.sent_mail, (outbox_id,)).fetchone()
    return None if row is None else SentMail(Event(row[0]), row[1], json.loads(row[2]))


def last_to(tx: Transaction, ticket: TicketNumber, addresses: Sequence[str]) -> int | None:
    """Return the newest mail about *ticket* that was sent to one of *addresses*, canonical; None where none was."""
    row = tx.execute(SQL.last_to, (ticket, json.dumps(list(addresses)))).fetchone()
    return None if row is None else int(row[0])


def first_id(tx: Transaction, ticket: TicketNumber) -> MessageId | None:
    """Return the id of the first mail that was sent about *ticket*."""
    row = tx.execute(SQL.first_id, (ticket,)).fetchone()
    return None if row is None else MessageId(row[0])


def facts(tx: Transaction, ticket: TicketNumber | None) -> TicketFacts | None:
    """Return what is known of *ticket*."""
    return None if ticket is None else TicketBook(tx).find(ticket)
