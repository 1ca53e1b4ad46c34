"""The desk that lives in our own store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mailwicket.backends.desk.reading import READING, list_tickets, show_ticket
from mailwicket.backends.desk.writing import SQL, Writing
from mailwicket.model import (
    AttachmentPlace,
    EntryDraft,
    Flag,
    IntakeKey,
    Sha256,
    TicketChange,
    TicketDraft,
    TicketNumber,
    TicketRef,
)
from mailwicket.net.attachments import AttachmentFiles
from mailwicket.ports import Net, Schema, Transaction

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

    def join(self, tx: Transaction, keys: Sequence[IntakeKey]) -> Writing:
        """Take part in *tx* with the effects *keys*."""
        return Writing(tx, keys, self._now)

    def find_in(self, tx: Transaction, key: IntakeKey) -> TicketRef | None:
        """As `find`, inside *tx*."""
        return self.join(tx, [key]).find(key)

    def create_in(self, tx: Transaction, draft: TicketDraft, key: IntakeKey) -> TicketRef:
        """As `create`, inside *tx*."""
        writing = self.join(tx, [key])
        ticket = writing.create(draft, key)
        writing.write()
        return ticket

    def append_in(self, tx: Transaction, ticket: TicketRef, entry: EntryDraft, key: IntakeKey) -> None:
        """As `append`, inside *tx*."""
        writing = self.join(tx, [key])
        writing.append(ticket, entry, key)
        writing.write()

    def change_in(self, tx: Transaction, ticket: TicketRef, change: TicketChange, key: IntakeKey) -> None:
        """As `change`, inside *tx*."""
        self.join(tx, [key]).change(ticket, change, key)

    # --- as MarksEntries

    def mark(self, tx: Transaction, key: IntakeKey, flag: Flag) -> None:
        """Put *flag* on the entry that the effect *key* added; nothing where it added none."""
        tx.execute(SQL.flag_entry, {"key": key, "flag": flag.value})

    # --- as ShowsTickets

    def listed(self, tx: Transaction, *, all: bool) -> Sequence[Mapping[str, Any]]:  # noqa: A002 - as the option
        """Return the open tickets by number, with *all* every one, as JSON shows them."""
        return list_tickets(tx, all=all)

    def shown(self, tx: Transaction, number: TicketNumber) -> Mapping[str, Any] | None:
        """Return one ticket with its entries, as JSON shows it; None where there is none."""
        return show_ticket(tx, number)

    # --- as KeepsAttachments

    def wanted(self, tx: Transaction, raw_sha256: Sha256) -> Sequence[AttachmentPlace]:
        """Tell which attachments of the raw mail are needed by a ticket and not yet kept."""
        rows = tx.execute(READING.attachments_in_raw, {"raw_sha256": raw_sha256}).fetchall()
        places = {row[0]: AttachmentPlace(row[0], (row[1], row[2]), row[3]) for row in rows}
        return [place for place in places.values() if not self._files.has(place.sha256)]

    def keep(self, sha256: Sha256, content: bytes) -> None:
        """Keep *content* durably, once for each hash. Blocking: call it in a thread.

        Raises:
            PermanentError: *content* is not what *sha256* names.
            StoreError: the disk refused.
        """
        self._files.keep(sha256, content)


async def _not_bound(_job: Callable[[Transaction], Any]) -> Any:  # noqa: ANN401 - as the job returns
    raise RuntimeError("EmbeddedDesk.bind was not called: the desk does not know its store")
