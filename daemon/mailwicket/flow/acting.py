"""What people ask of tickets, beside mail: a transaction for each, audited, the same again answered as before.

A desk that keeps its own books is asked for nothing: what it did is told to us, and changes what the rules know.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from mailwicket.errors import ConflictError, UnknownError
from mailwicket.facts import TicketFacts
from mailwicket.flow.actions import Acted, Action, Actions
from mailwicket.flow.elsewhere import Elsewhere
from mailwicket.flow.once import Once
from mailwicket.flow.posting import Posting
from mailwicket.flow.saying import written
from mailwicket.flow.telling import STALE
from mailwicket.flow.uploads import Upload, keep_all
from mailwicket.mail.address import people
from mailwicket.model import Address, EntryKind, IntakeKey, Sha256, TicketDraft, TicketNumber
from mailwicket.ports import Joined, JoinsTransaction, KeepsAttachments, ShowsTickets, Transaction
from mailwicket.rules.own import canonical
from mailwicket.rules.policy import Policy
from mailwicket.store import audit
from mailwicket.store.audit import Deed
from mailwicket.store.store import Store
from mailwicket.store.tickets import TicketBook
from mailwicket.timestamp import timestamp

Shown = Mapping[str, Any]

SUBJECT_MAX_CHARS: Final = 998


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for something."""

    who: str
    """As the audit has it: `uid N`, `token`."""
    key: str = ""
    """The same key again is answered as the first time, and changes nothing; `""`: each time anew."""
    at: datetime | None = None
    """When it happened at a desk elsewhere; None: now."""


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket that no mail asked for."""

    requester: str
    """An address, or `Name <address>`."""
    subject: str = ""
    text: str = ""
    cc: Sequence[str] = ()
    unit: str = ""
    """The mailbox that it is at home in, with its group, category and company; `""`: the primary one."""
    group: str = ""
    category: str = ""
    company: str = ""
    by: str = ""
    number: int | None = None
    """The ticket as the desk elsewhere has it; None where we are the desk."""


class Acting:
    """Carries out what is asked of tickets."""

    def __init__(  # noqa: PLR0913, PLR0917 - whose tickets, by which rules, and who hears of it
        self,
        store: Store,
        desk: Callable[[], object],
        policy: Callable[[], Policy],
        clock: Callable[[], datetime],
        posting: Callable[[], Posting | None] = lambda: None,
        keep: Callable[[Sha256, bytes], None] | None = None,
    ) -> None:
        """Act on *desk* by *policy*, as they are at that moment; people hear of it by *posting*, if there is any.

        *keep* takes the files of replies where the desk keeps no attachments.
        """
        self._store = store
        self._desk = desk
        self._policy = policy
        self._clock = clock
        self._posting = posting
        self._keep = keep

    async def listed(self, *, every: bool) -> Sequence[Shown]:
        """Return the open tickets; *every* one on demand.

        Raises:
            ConflictError: they are elsewhere.
        """
        desk = self._shows()
        return await self._store.look(lambda tx: desk.listed(tx, all=every))

    async def shown(self, number: TicketNumber) -> Shown:
        """Return one ticket with its entries.

        Raises:
            ConflictError: it is elsewhere.
            UnknownError: there is none.
        """
        desk = self._shows()
        if (found := await self._store.look(lambda tx: desk.shown(tx, number))) is None:
            raise UnknownError(f"there is no ticket {number}")
        return found

    async def offered(self, number: TicketNumber, by: str = "") -> Shown:
        """Return what a reply of the technician *by* would do: to whom it goes, and which servers he may choose.

        Raises:
            UnknownError: there is no such ticket.
            ConflictError: nothing is sent here.
        """
        posting = self._posting()
        if posting is None:
            raise ConflictError("nothing is sent here")
        if (facts := await self._store.look(lambda tx: TicketBook(tx).find(number))) is None:
            raise UnknownError(f"there is no ticket {number}")
        return {"number": number, **posting.offer(facts, by)}

    async def act(self, action: Action, asked: Asked, uploads: Sequence[Upload] = ()) -> Shown:
        """Do *action*, a reply with *uploads*, and return what is known of the ticket after it.

        Raises:
            UnknownError, ConflictError: as `Actions.act`; nothing was changed.
            StoreError: our disk.
        """
        if uploads:
            action = replace(action, files=await keep_all(uploads, self._keeper()))
        detail = {key: getattr(action, key) for key in ("by", "to", "outgoing") if getattr(action, key)}
        deed = Deed(asked.who, f"ticket.{action.do}", str(action.ticket), detail)

        def job(actions: Actions, key: IntakeKey) -> Acted:
            return actions.act(action, key)

        return await self._do(job, deed, asked, asdict(action))

    async def open(self, new: NewTicket, asked: Asked) -> Shown:
        """Open *new* and return what is known of it.

        Raises:
            UnknownError: there is no such mailbox or technician.
            ConflictError: somebody or something in it cannot be.
            StoreError: our disk.
        """
        elsewhere = not isinstance(self._desk(), JoinsTransaction)
        if elsewhere != (new.number is not None):
            raise ConflictError(
                "the backend opens its tickets itself: tell the number of one that it opened"
                if elsewhere
                else "tickets of the embedded desk get their numbers from it"
            )

        def job(actions: Actions, key: IntakeKey) -> Acted:
            # Here and not before: who asks again is answered, whatever holds today.
            unit = new.unit if elsewhere else new.unit or self._policy().primary or ""
            draft = self._draft(replace(new, unit=unit), asked.at or self._clock())
            if new.by:
                actions.technician(new.by)
            if new.number is not None:
                return actions.know(TicketNumber(new.number), draft, new.unit)
            return actions.open(draft, unit, key, new.by)

        detail = {"by": new.by} if new.by else {}
        return await self._do(job, Deed(asked.who, "ticket.new", "", detail), asked, asdict(new))

    async def _do(
        self, job: Callable[[Actions, IntakeKey], Acted], deed: Deed, asked: Asked, question: Mapping[str, Any]
    ) -> Shown:
        """Run *job* in a transaction, with its row of the audit and its answer for who asks again."""
        once = Once.of(asked.key, deed.action, question)
        key = IntakeKey(f"{self._store.instance}-asked-{once.name or uuid.uuid4().hex}")
        desk, policy, now = self._desk(), self._policy(), self._clock()
        at = asked.at or now
        posting = self._posting() if now - at <= STALE else None

        def write(tx: Transaction) -> Shown:
            if (before := once.answer(tx)) is not None:
                return before
            joined: Joined = desk.join(tx, [key]) if isinstance(desk, JoinsTransaction) else Elsewhere()
            acted = job(Actions(tx, joined, policy, posting, now, at=at), key)
            audit.note(tx, replace(deed, what=str(acted.ticket.number)), timestamp(now))
            told = {**shown_facts(acted.ticket), "sent_to": sorted(acted.sent_to)}
            if acted.not_sent_to:
                told["not_sent_to"] = sorted(acted.not_sent_to)
            once.note(tx, told, now)
            return told

        told = await self._store.write(write)
        if posting is not None and told["sent_to"]:
            posting.wake()
        return told

    def _keeper(self) -> Callable[[Sha256, bytes], None]:
        desk = self._desk()
        if isinstance(desk, KeepsAttachments):
            return desk.keep
        if self._keep is None:
            raise ConflictError("there is no place for files here")
        return self._keep

    def _shows(self) -> ShowsTickets:
        desk = self._desk()
        if not isinstance(desk, ShowsTickets):
            raise ConflictError("the backend keeps its tickets elsewhere; those of the embedded desk are shown here")
        return desk

    def _draft(self, new: NewTicket, now: datetime) -> TicketDraft:
        policy = self._policy()
        requester = _person(new.requester, policy)
        if not (subject := " ".join(new.subject.split())[:SUBJECT_MAX_CHARS]) and new.number is None:
            raise ConflictError("a ticket wants a subject")
        home = policy.homes.get(new.unit)
        if new.unit and home is None:
            raise UnknownError(f"there is no mailbox {new.unit}; there are: {', '.join(policy.homes) or 'none'}")
        return TicketDraft(
            subject=subject,
            requester=requester,
            cc=_copies(new.cc, requester, policy),
            group=new.group or (home.group if home else None),
            category=new.category or (home.category if home else None),
            company=new.company or policy.directory.company_of(requester.address) or (home.company if home else None),
            entry=written(EntryKind.NOTE, requester, new.text, now, public=True),
        )


def shown_facts(facts: TicketFacts) -> dict[str, Any]:
    """Return *facts* for JSON."""
    return {
        "number": facts.number,
        "status": facts.status.value,
        "requester": facts.requester,
        "cc": sorted(facts.cc),
        "followers": sorted(facts.followers),
        "assignee": facts.assignee,
        "group": facts.group,
        "category": facts.category,
        "company": facts.company,
        "unit": None if facts.source is None else f"incoming/{facts.source}",
        "closed": None if facts.closed_at is None else timestamp(facts.closed_at),
        "merged_into": facts.merged_into,
    }


def _person(text: str, policy: Policy) -> Address:
    """Read one address; ours is nobody's.

    Raises:
        ConflictError: it is none, or ours.
    """
    found = people(text)
    if len(found) != 1:
        raise ConflictError("an address is wanted, as ada@example.org or Ada <ada@example.org>")
    if found[0].address in policy.own:
        raise ConflictError(f"{found[0].address} is one of our own addresses")
    return found[0]


def _copies(texts: Sequence[str], requester: Address, policy: Policy) -> Sequence[Address]:
    """Return who gets copies, each once."""
    read = [_person(text, policy) for text in texts]
    by_address = {canonical(one.address): one for one in read}
    by_address.pop(canonical(requester.address), None)
    copies = [*by_address.values()]
    if len(copies) > policy.preferences.max_cc:
        raise ConflictError(f"at most {policy.preferences.max_cc} get copies (preferences.max_cc)")
    return copies
