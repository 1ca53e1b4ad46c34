"""What people do to tickets at the desk, beside mail: inside one transaction, with what the rules know kept in step."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mailwicket.errors import ConflictError, UnknownError
from mailwicket.facts import TicketFacts
from mailwicket.flow.elsewhere import Elsewhere
from mailwicket.flow.posting import Moment, Post, Posting
from mailwicket.flow.saying import PAUSED, News, files_of, quote_of, written
from mailwicket.mail import markdown
from mailwicket.mail.wording import Context, Passage
from mailwicket.model import (
    Address,
    Attachment,
    EntryDraft,
    EntryKind,
    IntakeKey,
    Said,
    TicketChange,
    TicketDraft,
    TicketNumber,
    TicketRef,
    TicketStatus,
)
from mailwicket.outgoing import Event
from mailwicket.ports import Joined, Recalls, Transaction
from mailwicket.rules.notify import Happened
from mailwicket.rules.own import canonical
from mailwicket.rules.policy import Policy
from mailwicket.rules.standing import ALLOWED, event_of, objection
from mailwicket.store import outlist
from mailwicket.store.tickets import TicketBook

ACTIONS: Final = tuple(ALLOWED)
MERGES_MAX: Final = 20

_BECOMES: Final = {
    "close": TicketStatus.CLOSED,
    "reopen": TicketStatus.OPEN,
    "delete": TicketStatus.DELETED,
    "spam": TicketStatus.SPAM,
}


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
    """Of a reply in Markdown (`mail.markdown`)."""
    files: Sequence[Attachment] = ()
    """Of a reply: what they hold is kept already, under its hash."""
    outgoing: str = ""
    """The outgoing server that the user chose; `""`: the rules decide."""


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of an action."""

    ticket: TicketFacts
    """As it is now."""
    sent_to: frozenset[str] = frozenset()
    """Who gets a mail about it."""
    not_sent_to: frozenset[str] = frozenset()
    """Who would, were anything sent to his address: see `outlist.pause_if_hopeless`."""


class Actions:
    """Carries actions out in one transaction, and queues the mail about them in the same."""

    def __init__(  # noqa: PLR0913 - where, by which rules, and when
        self,
        tx: Transaction,
        desk: Joined,
        policy: Policy,
        posting: Posting | None,
        now: datetime,
        *,
        at: datetime | None = None,
    ) -> None:
        """Act on *desk*, which takes part in *tx*; *policy* says who is a technician, *posting* who hears of it.

        Without *posting* nobody does. It happened *at* that time, else *now*. What a desk elsewhere tells happened
        whatever we held to be true before.
        """
        self._tx = tx
        self._desk = desk
        self._told = isinstance(desk, Elsewhere)
        self._policy = policy
        self._posting = posting
        self._now = now
        self._at = at or now
        self._book = TicketBook(tx)

    def act(self, action: Action, key: IntakeKey) -> Acted:
        """Do *action*, once for each *key*; return what is known of the ticket after it.

        Raises:
            UnknownError: there is no such ticket or technician, or no such action.
            ConflictError: the ticket is not in a state for it, or the chosen server may not be.
        """
        if action.do not in ALLOWED:
            raise UnknownError(f"there is no action {action.do}; there are: {', '.join(ACTIONS)}")
        facts = self._ticket(action.ticket)
        if action.by:
            self.technician(action.by)
        self._must_stand(facts, action.do)
        if action.outgoing and self._posting is not None:
            self._posting.check_choice(action.outgoing, facts, action.by)
        if action.do == "reply":
            return self._reply(facts, action, key)
        if action.do == "note":
            return self._note(facts, action, key)
        after, change = self._changed(facts, action, key)
        self._desk.change(TicketRef(facts.number), change, key)
        self._book.note(after)
        self._book.write()
        event = event_of(facts, after)
        return Acted(after) if event is None else self._tell(News(event), after, action, key)

    def open(self, draft: TicketDraft, source: str, key: IntakeKey, by: str = "") -> Acted:
        """Open a ticket that no mail asked for, at home in the mailbox *source*; the technician *by* asks for it.

        The requester is told that it was opened, unless he did it himself: who opens a ticket for somebody vouches for
        him.
        """
        number = self._desk.create(draft, key).number
        self._desk.write()
        facts = self._begin(_facts(number, draft, source))
        if self._posting is None:
            return Acted(facts)
        moment = Moment(self._tx, key, self._now)
        is_own = bool(by) and facts.requester in self._policy.directory.find(by).addresses | {canonical(by)}
        may = not is_own and self._posting.may_acknowledge(moment, facts.requester, verified=True)
        author = self._author(by) or draft.requester
        happened = Happened(Event.CREATED, facts, facts.subject, author=author, acknowledge=may, verified=True)
        names = {canonical(one.address): one.name for one in (*draft.cc, draft.requester) if one.name}
        post = Post(happened, Context(words=Passage(draft.entry.text)), names)
        return self._acted(facts, self._posting.post(moment, post))

    def know(self, number: TicketNumber, draft: TicketDraft, source: str) -> Acted:
        """Know from now on of the ticket *number*, which a desk elsewhere opened; one that is known stays as it is.

        Nobody hears of it: so a desk brings in what it has had for years.
        """
        if (known := self._book.find(number)) is not None:
            return Acted(known)
        return Acted(self._begin(_facts(number, draft, source)))

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

    def _must_stand(self, facts: TicketFacts, do: str) -> None:
        if not self._told and (why := objection(facts, do, self._survivor(facts).number)) is not None:
            raise ConflictError(why)

    def _survivor(self, facts: TicketFacts) -> TicketFacts:
        """Return the ticket that *facts* was merged into, and that into others."""
        for _ in range(MERGES_MAX):
            if facts.merged_into is None:
                break
            facts = self._ticket(facts.merged_into)
        return facts

    def _changed(self, facts: TicketFacts, action: Action, key: IntakeKey) -> tuple[TicketFacts, TicketChange]:
        match action.do:
            case "assign":
                assignee = self.technician(action.to) if action.to else ""
                return replace(facts, assignee=assignee or None), TicketChange(assignee=assignee)
            case "merge":
                return self._merged(facts, action, key)
            case "remove-cc":
                return self._without(facts, action)
            case _:
                return self._in_status(facts, _BECOMES[action.do])

    def _in_status(self, facts: TicketFacts, status: TicketStatus) -> tuple[TicketFacts, TicketChange]:
        is_new = status is not facts.status  # a desk may tell the same twice: it was closed when it told first
        closed_at = self._at if status is TicketStatus.CLOSED and is_new else facts.closed_at
        return replace(facts, status=status, closed_at=closed_at), TicketChange(status=status)

    def _merged(self, facts: TicketFacts, action: Action, key: IntakeKey) -> tuple[TicketFacts, TicketChange]:
        """Its mail goes to the other from now on, and so do its people: they get copies of the other."""
        if not re.fullmatch(r"[1-9]\d{0,18}", action.to, re.ASCII):
            raise UnknownError("merge wants the number of the ticket that survives")
        survivor = self._survivor(self._ticket(TicketNumber(int(action.to))))
        if survivor.number == facts.number:
            raise ConflictError(f"ticket {facts.number} would be merged into itself")
        self._must_stand(survivor, "merge")
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

    # --- words

    def _reply(self, facts: TicketFacts, action: Action, key: IntakeKey) -> Acted:
        """A technician's words to the requester and those who get copies; a closed ticket stays closed."""
        if not action.text.strip() and not action.files:
            raise ConflictError("a reply without words")
        if len(action.text) > markdown.SOURCE_MAX_CHARS:
            raise ConflictError(f"a reply has at most {markdown.SOURCE_MAX_CHARS} characters: send the rest as a file")
        words = markdown.written(action.text)
        answered = self._answered(facts)
        if not self._told:
            draft = written(EntryKind.REPLY, self._author(action.by), words.text, self._at, public=True)
            self._append(facts, replace(draft, html=words.html, attachments=action.files), key)
        passage = Passage(words.text, words.html)
        told = News(Event.TECHNICIAN_REPLIED, passage, files_of(action.files), answered, quote_of(answered, facts))
        acted = self._tell(told, facts, action, key)
        if acted.not_sent_to and not self._told:
            text = f"Not sent to {', '.join(sorted(acted.not_sent_to))}: {PAUSED}"
            self._append(facts, written(EntryKind.EVENT, None, text, self._at), IntakeKey(f"{key}-paused"))
        return acted

    def _note(self, facts: TicketFacts, action: Action, key: IntakeKey) -> Acted:
        if not action.text.strip():
            raise ConflictError("a note without words")
        self._append(facts, written(EntryKind.NOTE, self._author(action.by), action.text, self._at), key)
        told = News(Event.COLLABORATION_ADDED, Passage(action.text), public=False)
        return self._tell(told, facts, action, key)

    def _append(self, facts: TicketFacts, entry: EntryDraft, key: IntakeKey) -> None:
        self._desk.append(TicketRef(facts.number), entry, key)
        self._desk.write()

    def _author(self, by: str) -> Address | None:
        return Address(self._policy.directory.find(by).name, by) if by else None

    def _tell(self, told: News, facts: TicketFacts, action: Action, key: IntakeKey) -> Acted:
        """Queue what is *told* of *facts*."""
        if self._posting is None:
            return Acted(facts)
        author = self._author(action.by)
        happened = Happened(told.event, facts, facts.subject, author=author, public=told.public)
        names, answers = self._names(facts), None if told.answered is None else told.answered.message_id
        context = Context(words=told.words, quote=told.quote)
        post = Post(happened, context, names, answers, told.files, action.outgoing or None)
        return self._acted(facts, self._posting.post(Moment(self._tx, key, self._now), post))

    def _answered(self, facts: TicketFacts) -> Said | None:
        """Return the mail that a reply answers: the last of those to whom it goes."""
        people = {facts.requester} | (facts.cc - facts.removed)
        return self._desk.last_of(TicketRef(facts.number), people) if isinstance(self._desk, Recalls) else None

    def _names(self, facts: TicketFacts) -> Mapping[str, str]:
        return self._desk.names_of({facts.requester, *facts.cc}) if isinstance(self._desk, Recalls) else {}

    def _acted(self, facts: TicketFacts, heard: Collection[str]) -> Acted:
        paused = outlist.paused_among(self._tx, heard)
        return Acted(facts, frozenset(heard) - paused, paused)


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
        subject=draft.subject,
    )
