"""A desk that keeps its own books, where one of ours would take part in a transaction."""

from __future__ import annotations

from mailwicket.errors import ConflictError
from mailwicket.model import EntryDraft, IntakeKey, TicketChange, TicketDraft, TicketRef


class Elsewhere:
    """A desk that keeps its own books and tells us what happened there: nothing is asked of it."""

    def create(self, _draft: TicketDraft, _key: IntakeKey) -> TicketRef:
        """Nothing is opened from here: the desk says which ticket it opened."""
        raise ConflictError("the backend opens its tickets itself, and tells their number")

    def append(self, _ticket: TicketRef, _entry: EntryDraft, _key: IntakeKey) -> None:
        """Nothing is written from here."""
        raise ConflictError("the backend keeps its entries itself: write the note there")

    def change(self, _ticket: TicketRef, _change: TicketChange, _key: IntakeKey) -> None:
        """It is changed there already."""

    def write(self) -> None:
        """There is nothing to write."""
