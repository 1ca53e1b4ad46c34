"""The outbox: what is to be sent, who is sending it, what became of it. Each function runs in the caller's transaction.

A row is written in the transaction that caused it, and the same cause writes none again. Who sends it claims it for a
time, notes that it begins, and notes how that ended (`attempts`): a death in between leaves a row of which it is known
that a server may have it, so that the same server gets the same bytes again. States: docs/states.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, NewType

from mailwicket.mail.token import Keyring, Token
from mailwicket.model import Address, AttachmentPlace, MessageId, Sha256, TicketNumber
from mailwicket.outgoing import ANY_SERVER, Event
from mailwicket.ports import Transaction
from mailwicket.rules.own import canonical
from mailwicket.sql import insert, statements
from mailwicket.store.raw import RawPlace
from mailwicket.timestamp import timestamp

SQL: Final = statements(Path(__file__).with_name("outbox.sql"))

OutboxId = NewType("OutboxId", int)
"""Number of a mail of ours; stands in its Message-ID."""

GIVE_UP: Final = timedelta(days=5)
"""RFC 5321 4.5.4.1: at least 4 to 5 days."""

LEASE: Final = timedelta(minutes=30)
"""Longer than a mail may take (RFC 5321 4.5.3.2.6: 10 minutes for the end of DATA)."""

ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""As the rows have it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes along: what it holds lies elsewhere under its hash, or in a raw mail of ours."""

    filename: str
    content_type: str
    sha256: Sha256
    content_id: str | None = None
    raw: RawPlace | None = None
    place: AttachmentPlace | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail that is to be sent, but for what the outbox adds: its number, id and date."""

    cause: str
    """Names the effect, the event and the copy: `EFFECT/EVENT/AUDIENCE/ADDRESS`."""
    event: Event
    ticket: TicketNumber | None
    to: Sequence[Address]
    cc: Sequence[Address]
    subject: str
    text: str
    html: str | None
    meant: str
    """The outgoing server that takes it."""
    route: Mapping[str, Any]
    """Why (`rules.route`)."""
    domain: str
    """Of the Message-ID: ours, whichever server sends it."""
    internal: bool = False
    automatic: bool = True
    author: str | None = None
    """The name of the technician who wrote it."""
    in_reply_to: MessageId | None = None
    references: Sequence[MessageId] = ()
    files: Sequence[File] = ()
    received_at: str | None = None
    chosen: str | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A mail in the outbox."""

    outbox_id: OutboxId
    message_id: MessageId
    is_new: bool
    """False: the same cause had queued it before."""


def queue(tx: Transaction, draft: Draft, keys: Keyring, nonce: str, now: datetime) -> Queued:
    """Put *draft* into the outbox, once for each cause; *nonce*: see `Keyring.message_id`.

    To a paused address nothing is sent: such a recipient has failed at once, and is told so in the row.
    """
    known = tx.execute(SQL.by_cause, (draft.cause,)).fetchone()
    if known is not None:
        return Queued(OutboxId(known[0]), MessageId(known[1]), is_new=False)
    outbox_id = OutboxId(tx.execute(SQL.next_id).fetchone()[0])
    token = Token(draft.ticket or TicketNumber(0), outbox_id, draft.internal)
    message_id = keys.message_id(token, nonce, draft.domain)
    at = timestamp(now)
    people = list(dict.fromkeys(canonical(one.address) for one in (*draft.to, *draft.cc)))
    paused = dict(tx.execute(SQL.paused_of, (ENCODE(people),)).fetchall())
    is_done = all(address in paused for address in people)
    tx.execute(
        SQL.queue,
        {
            "outbox_id": outbox_id, "cause": draft.cause, "ticket": draft.ticket, "event": draft.event.value,
            "message_id": message_id, "queued_at": at, "letter": _letter(draft, keys.loop_mark(nonce)),
            "received_at": draft.received_at, "chosen": draft.chosen, "route": ENCODE(draft.route),
            "meant": draft.meant, "state": "failed" if is_done else "waiting",
            "give_up_at": timestamp(now + GIVE_UP), "done_at": at if is_done else None,
        },
    )  # fmt: skip
    rows = [
        (outbox_id, address, "failed", f"nothing is sent there since {paused[address]}", at)
        if address in paused
        else (outbox_id, address, "waiting", None, None)
        for address in people
    ]
    insert(tx, SQL.queue_recipient, rows)
    return Queued(outbox_id, message_id, is_new=True)


def _letter(draft: Draft, loop_mark: str) -> str:
    told: dict[str, Any] = {
        "to": [[one.name, one.address] for one in draft.to],
        "subject": draft.subject,
        "text": draft.text,
        "loop": loop_mark,
    }
    if draft.cc:
        told["cc"] = [[one.name, one.address] for one in draft.cc]
    for key in ("html", "author", "in_reply_to"):
        if getattr(draft, key):
            told[key] = getattr(draft, key)
    if draft.references:
        told["references"] = list(draft.references)
    if not draft.automatic:
        told["human"] = True
    if draft.internal:
        told["internal"] = True
    if draft.files:
        told["files"] = [_file(one) for one in draft.files]
    return ENCODE(told)


def _file(one: File) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.filename, "type": one.content_type, "sha256": one.sha256}
    if one.content_id is not None:
        told["cid"] = one.content_id
    if one.raw is not None and one.place is not None:
        told["raw"] = [one.raw.file, one.raw.offset, one.raw.length, one.raw.sha256]
        told["span"] = [*one.place.span, one.place.encoding]
    return told


# --- sending


class SentAs(NamedTuple):
    """The identity of an attempt, and its reverse-path."""

    address: str
    name: str | None
    reply_to: str | None
    reverse_path: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that somebody sends now."""

    outbox_id: OutboxId
    ticket: TicketNumber | None
    event: Event
    message_id: MessageId
    queued_at: datetime
    words: Mapping[str, Any] = field(repr=False)
    """What `_letter` wrote."""
    received_at: str | None
    meant: str
    via: str | None
    sent_as: SentAs | None
    """Of the last attempt; it counts where that is `uncertain`."""
    uncertain: bool
    attempts: int
    give_up_at: datetime
    cause: str
    recipients: Sequence[str]
    """Those who do not have it yet and may have it now, canonical."""
    written_as: SentAs | None = None
    """As whom `raw` is sent."""
    raw: bytes | None = field(default=None, repr=False)
    """Its bytes, where they were written when it was queued."""
    held: Sequence[str] = ()
    """Those who do not have an older mail of the ticket yet: no mail overtakes another."""

    @property
    def people(self) -> tuple[list[Address], list[Address]]:
        """To and Cc of the mail."""
        return _addresses(self.words["to"]), _addresses(self.words.get("cc", ()))

    @property
    def waiting(self) -> list[str]:
        """All who do not have it yet."""
        return [*self.recipients, *self.held]

    @property
    def is_partly_done(self) -> bool:
        """Whether it is settled for some recipients, or held for them."""
        return len(self.recipients) < len(self.words["to"]) + len(self.words.get("cc", ()))

    @property
    def internal(self) -> bool:
        """Whether it is for technicians only, and what answers it, too."""
        return bool(self.words.get("internal"))

    @property
    def files(self) -> list[File]:
        """The files that go along."""
        return [_told_file(one) for one in self.words.get("files", ())]


def _addresses(told: Sequence[Sequence[Any]]) -> list[Address]:
    return [Address(name, address) for name, address in told]


def _told_file(one: Mapping[str, Any]) -> File:
    raw = RawPlace(*one["raw"]) if "raw" in one else None
    place = None
    if "span" in one:
        first, last, encoding = one["span"]
        place = AttachmentPlace(Sha256(one["sha256"]), (first, last), encoding)
    return File(one["name"], one["type"], Sha256(one["sha256"]), one.get("cid"), raw, place)


def claim(tx: Transaction, server: str, covers: Sequence[str], now: datetime, limit: int) -> list[Claimed]:
    """Claim up to *limit* mails that *server* may take now, for LEASE; *covers*: whose mail it takes."""
    found = json.dumps(_due(tx, server, covers, now, limit))
    if found == "[]":
        return []
    tx.execute(SQL.claim, (timestamp(now + LEASE), server, found))
    return [_claimed(row) for row in tx.execute(SQL.claimed, (found,)).fetchall()]


def count_due(tx: Transaction, server: str, covers: Sequence[str], now: datetime, limit: int) -> int:
    """Count the mails that *server* may take now, up to *limit*; claims nothing."""
    return len(_due(tx, server, covers, now, limit))


def _due(tx: Transaction, server: str, covers: Sequence[str], now: datetime, limit: int) -> list[int]:
    """First those that it alone may take, then its own, then others', announcements after all the rest.

    A query each, so that none looks at all mail; of announcements few wait at a time.
    """
    found: list[int] = []
    queries = [(SQL.due_uncertain, server, 0), *((SQL.due, one, last) for last in (0, 1) for one in covers)]
    for query, name, last in queries:
        asked = {"server": name, "by": server, "now": timestamp(now), "limit": limit - len(found), "announced": last}
        found += [outbox_id for (outbox_id,) in tx.execute(query, asked).fetchall()]
        if len(found) >= limit:
            break
    return found


def next_due(tx: Transaction, server: str, covers: Sequence[str]) -> datetime | None:
    """Return when the next mail that *server* takes is due; None: nothing waits."""
    found = [tx.execute(SQL.next_due_uncertain, (server,)).fetchone()[0]]
    found += [tx.execute(SQL.next_due, (one,)).fetchone()[0] for one in covers]
    earliest = min((at for at in found if at is not None), default=None)
    return None if earliest is None else datetime.fromisoformat(earliest)


def next_moment(tx: Transaction, after: datetime) -> datetime | None:
    """Return when anything that waits is due, or given up, the next time *after* that moment; by whichever server."""
    (earliest,) = tx.execute(SQL.next_moment, (timestamp(after),)).fetchone()
    return None if earliest is None else datetime.fromisoformat(earliest)


def _claimed(row: Sequence[Any]) -> Claimed:
    sent_as = None if row[9] is None else SentAs(*json.loads(row[9]))
    recipients, held = json.loads(row[14]), () if row[17] is None else json.loads(row[17])
    if held:
        recipients = [one for one in recipients if one not in held]
    return Claimed(
        OutboxId(row[0]), row[1] if row[1] is None else TicketNumber(row[1]), Event(row[2]), MessageId(row[3]),
        datetime.fromisoformat(row[4]), json.loads(row[5]), row[6], row[7], row[8], sent_as, bool(row[10]), row[11],
        datetime.fromisoformat(row[12]), row[13], recipients,
        None if row[15] is None else SentAs(*json.loads(row[15])), row[16], held,
    )  # fmt: skip


def release(tx: Transaction, mails: Sequence[OutboxId]) -> None:
    """Give claimed mails back, none of which was begun."""
    tx.execute(SQL.release, (json.dumps(list(mails)),))


def release_all(tx: Transaction, server: str, *, believed: bool) -> None:
    """Give back what somebody who died had claimed for *server*, what his slips say being noted already.

    Where they are not *believed*, any of it may have been taken: nobody knows.
    """
    if not believed:
        tx.execute(SQL.distrust, (server,))
    tx.execute(SQL.release_all, (server,))


def find(tx: Transaction, mail: OutboxId) -> Claimed | None:
    """Return *mail*; None where there is none."""
    row = tx.execute(SQL.claimed, (f"[{mail}]",)).fetchone()
    return None if row is None else _claimed(row)


def keep_raw(tx: Transaction, mail: OutboxId, sent_as: SentAs, raw: bytes) -> None:
    """Keep the bytes of *mail* until it is sent."""
    tx.execute(SQL.keep_raw, (mail, ENCODE(sent_as), raw))


def begin(tx: Transaction, mail: OutboxId, server: str, sent_as: SentAs) -> None:
    """Note that *mail* was handed to *server*, and nobody knows how that ended."""
    tx.execute(SQL.begin, (server, ENCODE(sent_as), mail))


def too_old(tx: Transaction, servers: Sequence[str], now: datetime) -> list[Claimed]:
    """Return mails of *servers* that nobody tries any more: they were never handed over within GIVE_UP."""
    rows = tx.execute(SQL.too_old, (timestamp(now), json.dumps([*servers, ANY_SERVER]))).fetchall()
    return [_claimed(row) for row in rows]


def adopt(tx: Transaction, servers: Mapping[str, bool], primary: str | None) -> None:
    """Go on with other *servers*, by name with whether they are enabled.

    What waits for one that there is no more goes by the *primary*, but for what it may have; what waits for one that
    is disabled rests: it is kept, and holds up no other mail of its ticket.
    """
    if primary is not None:
        tx.execute(SQL.adopt_orphans, (primary, json.dumps([*servers, ANY_SERVER])))
    active = [name for name, is_enabled in servers.items() if is_enabled]
    tx.execute(SQL.rest, (json.dumps([*active, ANY_SERVER]),))
