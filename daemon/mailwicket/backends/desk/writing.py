"""Effects on tickets, gathered and written together: opening a ticket is the hot path."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mailwicket.errors import PermanentError
from mailwicket.failpoint import failpoint
from mailwicket.model import Address, EntryDraft, IntakeKey, Said, TicketChange, TicketDraft, TicketNumber, TicketRef
from mailwicket.ports import Transaction
from mailwicket.sql import insert, statements
from mailwicket.timestamp import timestamp

SQL = statements(Path(__file__).with_name("writing.sql"))

Row = list[Any]


class Writing:
    """Effects inside one transaction: what is asked for is true at once, and in the tables after `write`.

    A mail that the desk refuses (`PermanentError`) leaves nothing behind.
    """

    def __init__(self, tx: Transaction, keys: Sequence[IntakeKey], now: Callable[[], datetime]) -> None:
        """Take part in *tx* with the effects *keys*; *now* is the clock."""
        self._tx = tx
        self._now = timestamp(now())
        self._done = dict(tx.execute(SQL.effects, (json.dumps(keys),)).fetchall())
        self._last_ticket, self._last_entry = tx.execute(SQL.last_numbers).fetchone()
        self._tickets: dict[TicketNumber, Row] = {}
        self._touched: dict[TicketNumber, str] = {}
        self._entries: list[Row] = []
        self._attachments: list[Row] = []
        self._people: dict[str, str | None] = {}
        self._cc: list[Row] = []
        self._followers: list[Row] = []
        self._links: list[Row] = []
        self._events: list[Row] = []

    def find(self, key: IntakeKey) -> TicketRef | None:
        """As `Desk.find`, for the keys that this was made with."""
        number = self._done.get(key)
        return None if number is None else TicketRef(TicketNumber(number))

    def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """As `Desk.create`."""
        if (known := self.find(key)) is not None:
            return known
        received = timestamp(draft.entry.received_at)
        self._last_ticket += 1
        number = TicketNumber(self._last_ticket)
        of_desk = (draft.group, draft.category, draft.company)
        self._tickets[number] = [number, draft.subject, draft.requester.address, *of_desk, received, received]
        entry = self._add_entry(number, draft.entry, received)
        for note in draft.notes:
            self._add_entry(number, note, received)
        self._followers += ([number, person] for person in draft.followers)
        if draft.linked_to is not None:
            self._links.append([number, draft.linked_to])
        self._note_people((draft.requester, *draft.cc))
        self._cc += ([number, person.address.casefold(), person.address] for person in draft.cc)
        self._note_effect(key, "TicketCreated", number, f'{{"entry": {entry}}}')
        return TicketRef(number)

    def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """As `Desk.append`.

        Raises:
            PermanentError: there is no such ticket.
        """
        if self.find(key) is not None:
            return
        received = timestamp(entry.received_at)
        if (new := self._tickets.get(ticket.number)) is not None:
            new[-1] = max(new[-1], received)
        elif 0 < ticket.number <= self._last_ticket:  # numbers have no gaps: tickets are never deleted
            self._touched[ticket.number] = max(received, self._touched.get(ticket.number, ""))
        else:
            raise _no_ticket(ticket.number)
        number = self._add_entry(ticket.number, entry, received)
        self._note_effect(key, "EntryAppended", ticket.number, f'{{"entry": {number}}}')

    def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """As `Desk.change`; written at once, with all that was gathered before.

        Raises:
            PermanentError: there is no such ticket, or none to link it to.
        """
        self.write()
        if self.find(key) is not None:
            return
        tx = self._tx
        for other in (change.linked_to, change.merged_into):
            if other is not None and tx.execute(SQL.ticket_exists, (other,)).fetchone() is None:
                raise _no_ticket(other)
        told = (change.status, change.assignee, change.merged_into, self._now, ticket.number)
        if tx.execute(SQL.change_ticket, told).fetchone() is None:
            raise _no_ticket(ticket.number)
        self._note_people(change.add_cc)
        self._cc += ([ticket.number, person.address.casefold(), person.address] for person in change.add_cc)
        self._followers += ([ticket.number, person] for person in change.add_followers)
        for person in change.remove_cc:
            tx.execute(SQL.remove_cc, (ticket.number, person.casefold()))
        if change.linked_to is not None:
            self._links.append([ticket.number, change.linked_to])
        self._note_effect(key, "TicketChanged", ticket.number, _told(change))
        self.write()

    # --- as Recalls

    def last_of(self, ticket: TicketRef, authors: Collection[str]) -> Said | None:
        """Return the last mail of one of *authors* that the requester may see; None: there is none."""
        row = self._tx.execute(SQL.last_mail_of, (ticket.number, json.dumps([*authors]))).fetchone()
        if row is None:
            return None
        author, name, received, text, html, message_id = row
        return Said(Address(name, author), datetime.fromisoformat(received), text, html, message_id)

    def names_of(self, addresses: Collection[str]) -> Mapping[str, str]:
        """Return by canonical address how people are called."""
        return dict(self._tx.execute(SQL.names_of, (json.dumps([*addresses]),)).fetchall())

    # --- what was gathered

    def write(self) -> None:
        """Put what was gathered into the tables."""
        tx = self._tx
        insert(tx, SQL.insert_ticket, [*self._tickets.values()])
        if self._touched:
            tx.execute(SQL.touch_tickets, (json.dumps([*self._touched.items()]),))
        insert(tx, SQL.insert_entry, self._entries)
        insert(tx, SQL.insert_attachment, self._attachments)
        insert(tx, SQL.note_person, [(address, name, self._now) for address, name in self._people.items()])
        for row in self._cc:
            tx.execute(SQL.insert_cc, row)
        for row in self._links:
            tx.execute(SQL.insert_link, row)
        for row in self._followers:
            tx.execute(SQL.insert_follower, row)
        insert(tx, SQL.insert_event, self._events)
        kinds = {kind for _, _, kind, *_ in self._events}
        if "TicketCreated" in kinds:
            failpoint("desk.created")
        if "EntryAppended" in kinds:
            failpoint("desk.appended")
        for rows in (self._entries, self._attachments, self._cc, self._followers, self._links, self._events):
            rows.clear()
        for told in (self._tickets, self._touched, self._people):
            told.clear()

    def _add_entry(self, ticket: TicketNumber, draft: EntryDraft, received: str) -> int:
        self._last_entry += 1
        entry: int = self._last_entry
        author = None if draft.author is None else draft.author.address
        flags = json.dumps(draft.flags) if draft.flags else "[]"
        where_from = (author, received, draft.message_id, draft.raw_sha256, draft.reason or "", flags)
        self._entries.append([entry, ticket, draft.public, draft.kind.value, *where_from, draft.text, draft.html])
        for position, a in enumerate(draft.attachments, 1):
            told = (a.filename, a.content_type, a.size, a.sha256, a.inline, a.content_id)
            self._attachments.append([entry, position, *told, draft.raw_sha256, *a.span, a.encoding])
        if draft.author is not None:
            self._note_people((draft.author,))
        return entry

    def _note_people(self, people: Sequence[Address]) -> None:
        for person in people:
            address = person.address.casefold()
            self._people[address] = self._people.get(address) or person.name

    def _note_effect(self, key: IntakeKey, kind: str, ticket: TicketNumber, detail: str) -> None:
        self._events.append([key, self._now, kind, ticket, detail])
        self._done[key] = ticket


def _no_ticket(number: TicketNumber) -> PermanentError:
    return PermanentError(f"the desk has no ticket {number}")


def _told(change: TicketChange) -> str:
    """The *change* as its event tells it: only what was asked for."""
    cc = [person.address for person in change.add_cc]
    told = {
        "status": change.status,
        "add_cc": cc,
        "remove_cc": list(change.remove_cc),
        "add_followers": list(change.add_followers),
        "assignee": change.assignee,
        "linked_to": change.linked_to,
        "merged_into": change.merged_into,
    }
    return json.dumps({word: value for word, value in told.items() if value}, ensure_ascii=False)
