"""What people do to tickets at the desk, beside mail: inside one transaction, with what the rules know kept in step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mailwicket.errors import ConflictError, UnknownError
from mailwicket.model import (
    Address,
    EntryDraft,
    EntryKind,
    IntakeKey,
    Sha256,
    TicketChange,
    TicketDraft,
    TicketFacts,
    TicketNumber,
    TicketRef,
    TicketStatus,
)
from mailwicket.ports import Joined, Transaction
from mailwicket.rules.own import canonical
from mailwicket.rules.policy import Policy
from mailwicket.store.tickets import TicketBook

ACTIONS: Final = ("note", "assign", "close", "reopen", "merge", "delete", "spam", "remove-cc")
NO_MAIL: Final = Sha256("")
MERGES_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody wants of a ticket."""

    do: str
    """One of ACTIONS."""
    ticket: TicketNumber
    by: str = ""
    """The technician's address; `""` for an admin at the command line."""
    to: str = ""
    """The assignee (`""`: nobody), the CC to remove, the number of the ticket to merge into."""
    text: str = ""


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


class Actions:
    """Carries actions out in one transaction."""

    def __init__(self, tx: Transaction, desk: Joined, policy: Policy, now: datetime) -> None:
        """Act on *desk*, which takes part in *tx*; *policy* says who is a technician.

        What a desk elsewhere tells happened *now*, whatever we held to be true before.
        """
        self._desk = desk
        self._told = isinstance(desk, Elsewhere)
        self._policy = policy
        self._now = now
        self._book = TicketBook(tx)

    def act(self, action: Action, key: IntakeKey) -> TicketFacts:
        """Do *action*, once for each *key*; return what is known of the ticket after it.

        Raises:
            UnknownError: there is no such ticket or technician, or no such action.
            ConflictError: the ticket is not in a state for it.
        """
        facts = self._ticket(action.ticket)
        if action.by:
            self.technician(action.by)
        match action.do:
            case "note":
                self._note(facts, action, key)
                return facts
            case "assign":
                assignee = self.technician(action.to) if action.to else ""
                after, change = replace(facts, assignee=assignee or None), TicketChange(assignee=assignee)
            case "close":
                self._must_be(facts, "close", TicketStatus.OPEN)
                after, change = self._in_status(facts, TicketStatus.CLOSED)
            case "reopen":
                self._must_be(facts, "reopen", TicketStatus.CLOSED, TicketStatus.SPAM, TicketStatus.DELETED)
                after, change = self._in_status(facts, TicketStatus.OPEN)
            case "delete":
                self._must_be(facts, "delete", TicketStatus.OPEN, TicketStatus.CLOSED, TicketStatus.SPAM)
                after, change = self._in_status(facts, TicketStatus.DELETED)
            case "spam":
                self._must_be(facts, "mark as spam", TicketStatus.OPEN, TicketStatus.CLOSED)
                after, change = self._in_status(facts, TicketStatus.SPAM)
            case "merge":
                after, change = self._merged(facts, action, key)
            case "remove-cc":
                after, change = self._without(facts, action)
            case _:
                raise UnknownError(f"there is no action {action.do}; there are: {', '.join(ACTIONS)}")
        self._desk.change(TicketRef(facts.number), change, key)
        self._book.note(after)
        self._book.write()
        return after

    def open(self, draft: TicketDraft, source: str, key: IntakeKey) -> TicketFacts:
        """Open a ticket that no mail asked for, at home in the mailbox *source*."""
        number = self._desk.create(draft, key).number
        self._desk.write()
        return self._begin(_facts(number, draft, source))

    def know(self, number: TicketNumber, draft: TicketDraft, source: str) -> TicketFacts:
        """Know from now on of the ticket *number*, which a desk elsewhere opened; one that is known stays as it is."""
        if (known := self._book.find(number)) is not None:
            return known
        return self._begin(_facts(number, draft, source))

    def _begin(self, facts: TicketFacts) -> TicketFacts:
        self._book.note(facts)
        self._book.write()
        return facts

    def _ticket(self, number: TicketNumber) -> TicketFacts:
        if (facts := self._book.find(number)) is None:
            raise UnknownError(f"there is no ticket {number}")
        return facts

    def technician(self, address: str) -> str:
        """Return the first address of the active technician who has *address*.

        Raises:
            UnknownError, ConflictError: nobody has, or he is not active.
        """
        person = self._policy.directory.find(address)
        if self._told:
            return person.address
        if not self._policy.directory.is_technician(address):
            raise UnknownError(f"{address} is no technician of the directory")
        if not person.active:
            raise ConflictError(f"{address} is not active")
        return person.address

    def _must_be(self, facts: TicketFacts, what: str, *states: TicketStatus) -> None:
        if facts.status not in states and not self._told:
            raise ConflictError(f"ticket {facts.number} is {facts.status}: it cannot be {_done(what)}")

    def _in_status(self, facts: TicketFacts, status: TicketStatus) -> tuple[TicketFacts, TicketChange]:
        is_new = status is not facts.status  # a desk may tell the same twice: it was closed when it told first
        closed_at = self._now if status is TicketStatus.CLOSED and is_new else facts.closed_at
        return replace(facts, status=status, closed_at=closed_at), TicketChange(status=status)

    def _merged(self, facts: TicketFacts, action: Action, key: IntakeKey) -> tuple[TicketFacts, TicketChange]:
        """Its mail goes to the other from now on, and so do its people: they get copies of the other."""
        if not action.to.isascii() or not action.to.isdigit():
            raise UnknownError("merge wants the number of the ticket that survives")
        self._must_be(facts, "merge", TicketStatus.OPEN, TicketStatus.CLOSED)
        survivor = self._ticket(TicketNumber(int(action.to)))
        for _ in range(MERGES_MAX):
            if survivor.number == facts.number:
                raise ConflictError(f"ticket {facts.number} would be merged into itself")
            if survivor.merged_into is None:
                break
            survivor = self._ticket(survivor.merged_into)
        self._must_be(survivor, "merge", TicketStatus.OPEN, TicketStatus.CLOSED)
        people = (facts.cc | {facts.requester}) - survivor.cc - survivor.removed - {survivor.requester, ""}
        added = [Address(None, address) for address in sorted(people)]
        self._desk.change(TicketRef(survivor.number), TicketChange(add_cc=added), IntakeKey(f"{key}-survivor"))
        self._book.note(replace(survivor, cc=survivor.cc | people))
        status = TicketStatus.MERGED
        change = TicketChange(status=status, linked_to=survivor.number, merged_into=survivor.number)
        return replace(facts, status=status, merged_into=survivor.number), change

    def _without(self, facts: TicketFacts, action: Action) -> tuple[TicketFacts, TicketChange]:
        address = canonical(action.to)
        if address not in facts.cc and not self._told:
            raise UnknownError(f"{action.to} gets no copies of ticket {facts.number}")
        after = replace(facts, cc=facts.cc - {address}, removed=facts.removed | {address})
        return after, TicketChange(remove_cc=[address])

    def _note(self, facts: TicketFacts, action: Action, key: IntakeKey) -> None:
        if not action.text.strip():
            raise ConflictError("a note without words")
        name = self._policy.directory.find(action.by).name if action.by else None
        author = Address(name, action.by) if action.by else None
        self._desk.append(TicketRef(facts.number), written(EntryKind.NOTE, author, action.text, self._now), key)
        self._desk.write()


def _facts(number: TicketNumber, draft: TicketDraft, source: str) -> TicketFacts:
    return TicketFacts(
        number,
        TicketStatus.OPEN,
        requester=canonical(draft.requester.address),
        cc=frozenset(canonical(one.address) for one in draft.cc),
        followers=frozenset(draft.followers),
        group=draft.group,
        category=draft.category,
        company=draft.company,
        source=source or None,
    )


def written(kind: EntryKind, author: Address | None, text: str, now: datetime, *, public: bool = False) -> EntryDraft:
    """Return an entry that somebody wrote at the desk: no mail stands behind it."""
    return EntryDraft(author, public, kind, text, None, now, None, NO_MAIL, (), None)


def _done(what: str) -> str:
    return {"close": "closed", "reopen": "reopened", "delete": "deleted", "merge": "merged"}.get(what, "marked as spam")
