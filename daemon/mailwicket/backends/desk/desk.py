"""The desk that lives in our own store. Creating a ticket is the hot path: a handful of constant statements."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mailwicket.backends.desk.attachments import AttachmentFiles
from mailwicket.backends.desk.reading import READING
from mailwicket.backends.desk.statements import statements
from mailwicket.errors import PermanentError
from mailwicket.failpoint import failpoint
from mailwicket.model import (
    Address,
    AttachmentPlace,
    EntryDraft,
    IntakeKey,
    Sha256,
    TicketChange,
    TicketDraft,
    TicketNumber,
    TicketRef,
)
from mailwicket.ports import Net, Schema, Transaction

SQL = statements("writing.sql")

FIND_EFFECT, INSERT_EFFECT = SQL["find_effect"], SQL["insert_effect"]
INSERT_TICKET, TOUCH_TICKET, CHANGE_TICKET = SQL["insert_ticket"], SQL["touch_ticket"], SQL["change_ticket"]
INSERT_ENTRY, INSERT_ATTACHMENT = SQL["insert_entry"], SQL["insert_attachment"]
NOTE_PERSON, INSERT_CC, INSERT_LINK = SQL["note_person"], SQL["insert_cc"], SQL["insert_link"]
INSERT_EVENT, TICKET_EXISTS = SQL["insert_event"], SQL["ticket_exists"]

Write = Callable[[Callable[[Transaction], Any]], Awaitable[Any]]


class DeskConfig(BaseModel):
    """`[backend] type = "desk"`: nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(UTC)


class EmbeddedDesk:
    """Tickets in our own store: a mail and what it does to a ticket are committed together, or not at all."""

    Config: ClassVar[type[BaseModel]] = DeskConfig
    schema: ClassVar[Schema] = Schema("desk", Path(__file__).with_name("migrations"))

    def __init__(self, name: str, config: DeskConfig, net: Net, *, now: Callable[[], datetime] = utc_now) -> None:
        """Take the backend's *name*, its *config*, the machine and the clock. Does nothing yet."""
        self.name = name
        self.config = config
        self._files = AttachmentFiles(net.attachment_dir)
        self._now = now
        self._write: Write = _not_bound

    def bind(self, write: Write) -> None:
        """Take the way to run a function in a transaction, for the calls that do not come from the flow."""
        self._write = write

    # --- as a Desk: each call is a transaction of its own

    async def find(self, key: IntakeKey) -> TicketRef | None:
        """Tell whether the effect *key* happened already, and on which ticket."""
        found: TicketRef | None = await self._write(lambda tx: self.find_in(tx, key))
        return found

    async def create(self, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """Open a ticket. The same *key* again returns the same ticket and changes nothing."""
        ticket: TicketRef = await self._write(lambda tx: self.create_in(tx, draft, key))
        return ticket

    async def append(self, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """Add *entry* to *ticket*. The same *key* again changes nothing.

        Raises:
            PermanentError: there is no such ticket.
        """
        await self._write(lambda tx: self.append_in(tx, ticket, entry, key))

    async def change(self, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """Change state, people or links. The same *key* again changes nothing.

        Raises:
            PermanentError: there is no such ticket, or none to link it to.
        """
        await self._write(lambda tx: self.change_in(tx, ticket, change, key))

    # --- as JoinsTransaction: inside the caller's transaction

    def find_in(self, tx: Transaction, key: IntakeKey) -> TicketRef | None:
        """As `find`, inside *tx*."""
        row = tx.execute(FIND_EFFECT, (key,)).fetchone()
        return None if row is None else TicketRef(TicketNumber(row[0]))

    def create_in(self, tx: Transaction, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """As `create`, inside *tx*."""
        if (known := self.find_in(tx, key)) is not None:
            return known
        now, received = timestamp(self._now()), timestamp(draft.entry.received_at)
        of_ticket = (draft.subject, draft.requester.address, draft.group, draft.category, draft.company, received)
        number = TicketNumber(tx.execute(INSERT_TICKET, of_ticket).fetchone()[0])
        entry = _insert_entry(tx, number, draft.entry, received)
        _note_people(tx, (draft.requester, *_author(draft.entry), *draft.cc), now)
        _insert_cc(tx, number, draft.cc)
        tx.execute(INSERT_EVENT, (now, "TicketCreated", number, f'{{"entry": {entry}}}'))
        tx.execute(INSERT_EFFECT, (key, number))
        failpoint("desk.created")
        return TicketRef(number)

    def append_in(self, tx: Transaction, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """As `append`, inside *tx*."""
        if self.find_in(tx, key) is not None:
            return
        now, received = timestamp(self._now()), timestamp(entry.received_at)
        if tx.execute(TOUCH_TICKET, (received, ticket.number)).fetchone() is None:
            raise _no_ticket(ticket.number)
        number = _insert_entry(tx, ticket.number, entry, received)
        _note_people(tx, _author(entry), now)
        tx.execute(INSERT_EVENT, (now, "EntryAppended", ticket.number, f'{{"entry": {number}}}'))
        tx.execute(INSERT_EFFECT, (key, ticket.number))
        failpoint("desk.appended")

    def change_in(self, tx: Transaction, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """As `change`, inside *tx*."""
        if self.find_in(tx, key) is not None:
            return
        now = timestamp(self._now())
        if change.linked_to is not None and tx.execute(TICKET_EXISTS, (change.linked_to,)).fetchone() is None:
            raise _no_ticket(change.linked_to)
        if tx.execute(CHANGE_TICKET, (change.status, now, ticket.number)).fetchone() is None:
            raise _no_ticket(ticket.number)
        _note_people(tx, change.add_cc, now)
        _insert_cc(tx, ticket.number, change.add_cc)
        if change.linked_to is not None:
            tx.execute(INSERT_LINK, (ticket.number, change.linked_to))
        tx.execute(INSERT_EVENT, (now, "TicketChanged", ticket.number, _told(change)))
        tx.execute(INSERT_EFFECT, (key, ticket.number))

    # --- as KeepsAttachments

    def wanted(self, tx: Transaction, raw_sha256: Sha256) -> Sequence[AttachmentPlace]:
        """Tell which attachments of the raw mail are needed by a ticket and not yet kept."""
        rows = tx.execute(READING["attachments_in_raw"], {"raw_sha256": raw_sha256}).fetchall()
        places = {row[0]: AttachmentPlace(row[0], (row[1], row[2]), row[3]) for row in rows}
        return [place for place in places.values() if not self._files.has(place.sha256)]

    def keep(self, sha256: Sha256, content: bytes) -> None:
        """Keep *content* durably, once for each hash. Blocking: call it in a thread.

        Raises:
            PermanentError: *content* is not what *sha256* names.
            StoreError: the disk refused.
        """
        self._files.keep(sha256, content)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


async def _not_bound(_job: Callable[[Transaction], Any]) -> Any:  # noqa: ANN401 - as the job returns
    raise RuntimeError("EmbeddedDesk.bind was not called: the desk does not know its store")


def _no_ticket(number: TicketNumber) -> PermanentError:
    return PermanentError(f"the desk has no ticket {number}")


def _author(entry: EntryDraft) -> tuple[Address, ...]:
    return () if entry.author is None else (entry.author,)


def _insert_entry(tx: Transaction, ticket: TicketNumber, draft: EntryDraft, received: str) -> int:
    author = None if draft.author is None else draft.author.address
    flags = json.dumps(draft.flags) if draft.flags else "[]"
    where_from = (author, received, draft.message_id, draft.raw_sha256, draft.reason.value, flags)
    row = (ticket, draft.public, draft.kind.value, *where_from, draft.text, draft.html)
    entry: int = tx.execute(INSERT_ENTRY, row).fetchone()[0]
    for position, a in enumerate(draft.attachments, 1):
        told = (a.filename, a.content_type, a.size, a.sha256, a.inline, a.content_id)
        tx.execute(INSERT_ATTACHMENT, (entry, position, *told, draft.raw_sha256, *a.span, a.encoding))
    return entry


def _note_people(tx: Transaction, people: Sequence[Address], now: str) -> None:
    known: set[Address] = set()
    for person in people:
        if person not in known:  # the author is the requester, mostly
            known.add(person)
            tx.execute(NOTE_PERSON, (person.address.casefold(), person.name, now))


def _insert_cc(tx: Transaction, ticket: TicketNumber, people: Sequence[Address]) -> None:
    for person in people:
        tx.execute(INSERT_CC, (ticket, person.address.casefold(), person.address))


def _told(change: TicketChange) -> str:
    """The *change* as its event tells it: only what was asked for."""
    cc = [person.address for person in change.add_cc]
    told = {"status": change.status, "add_cc": cc, "linked_to": change.linked_to}
    return json.dumps({word: value for word, value in told.items() if value}, ensure_ascii=False)
