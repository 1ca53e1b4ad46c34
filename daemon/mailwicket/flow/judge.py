"""Decide, have it done: a batch of mails that were read becomes tickets.

The order of effects, and what is true after a death at any point, is in docs/flow.md.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio.to_thread

from mailwicket.errors import ConflictError, PermanentError, TransientError
from mailwicket.failpoint import failpoint
from mailwicket.flow import drafts
from mailwicket.flow.backend import Door, DoorRetiredError, StubbornError
from mailwicket.flow.budget import Budget
from mailwicket.flow.dkim import DkimCheck
from mailwicket.flow.judgement import Judgement, Told, change_key, refused
from mailwicket.flow.observe import Observer
from mailwicket.flow.posting import Moment
from mailwicket.flow.reading import Read
from mailwicket.flow.telling import Telling
from mailwicket.model import IntakeKey, TicketNumber, TicketRef
from mailwicket.ports import Desk, JoinsTransaction, Transaction
from mailwicket.rules.outcome import Append, Create, Outcome, Quarantine
from mailwicket.rules.policy import Policy
from mailwicket.store import journal, quarantine
from mailwicket.store.inhand import Slot
from mailwicket.store.raw import disk_error
from mailwicket.store.store import Store

log = logging.getLogger(__name__)

OF_A_ROW = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""The database refuses what a mail holds; its other errors mean that it does not work."""

Beside = Callable[[Transaction, Told], None]
"""Writes something in the transaction that decides a mail."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """By what a source's mails are judged."""

    source: str
    policy: Policy
    budget: Budget = field(default_factory=Budget)
    dkim: DkimCheck = field(default_factory=DkimCheck)
    telling: Telling | None = None
    """Who tells people of it; None: nobody does."""

    @property
    def unit(self) -> str:
        """The unit's name in events and log lines."""
        return f"incoming/{self.source}"


def utc_now() -> datetime:
    """The clock that the daemon runs by."""
    return datetime.now(UTC)


class Judge:
    """Decides the mails of one source."""

    def __init__(
        self,
        store: Store,
        desk: JoinsTransaction | Door,
        rulebook: Rulebook,
        observer: Observer,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Work by *rulebook*, telling *observer* what is committed; a *desk* elsewhere is behind its door."""
        self._store = store
        self._desk = desk
        self._rulebook = rulebook
        self._observer = observer
        self._clock = clock
        self._beside: Beside | None = None
        self._adopted: tuple[Rulebook, JoinsTransaction | Door] | None = None

    def adopt(self, rulebook: Rulebook, desk: JoinsTransaction | Door) -> None:
        """Work by *rulebook* and for *desk* from the next batch on; what waits at a retired door goes there, too."""
        self._adopted = rulebook, desk

    async def judge(self, mails: Sequence[Read], slot: Slot) -> None:
        """Bring every mail of *mails* to `done`, in order; one that fails by itself stops none of the others.

        Raises:
            StoreError: our disk: an outage; the rows tell how far it came.
        """
        if self._adopted is not None:
            (self._rulebook, self._desk), self._adopted = self._adopted, None
        desk = self._desk
        if self._rulebook.policy.preferences.check_dkim:
            mails = [await self._with_dkim(one) for one in mails]
        if isinstance(desk, Door):
            await self._judge_remote(desk, mails, slot)
        else:
            for told in await self._store.write(lambda tx: self._judge_joined(tx, desk, mails, slot)):
                self._tell(told)
        if self._rulebook.telling is not None:
            self._rulebook.telling.posting.wake()
        failpoint("intake.committed")

    async def _with_dkim(self, one: Read) -> Read:
        """Verify the signatures of a mail; one that is in a file of its own is read for it once more."""
        if one.mail is None or one.mail.author is None or one.kept.headers_only or one.dkim is not None:
            return one
        try:
            raw = await anyio.to_thread.run_sync(self._store.raw.read, one.kept.raw)
        except OSError as error:
            raise disk_error(self._store.raw.directory, error) from error
        return replace(one, dkim=await self._rulebook.dkim.result(raw, one.mail.author.address))

    # --- what was parked

    def foresee(self, one: Read) -> Outcome:
        """Tell what would become of *one* now. Changes nothing.

        Raises:
            StoreError: our disk.
        """
        return self._outcome_now(one)

    async def replay(self, one: Read, slot: Slot, beside: Beside) -> Told:
        """Decide a parked mail anew; what was decided before is forgotten in the transaction that decides.

        *beside* writes what it has to in it, too.

        Raises:
            ConflictError: it is not parked any more.
            MailwicketError: the desk, or our disk; it stays parked.
        """
        desk, self._beside = self._desk, beside
        if isinstance(desk, Door):
            told = await self._judge_one(desk, one)
        else:
            (told,) = await self._store.write(lambda tx: self._decide_all(tx, desk, [one], slot))
        failpoint("quarantine.retried")
        self._tell(told)
        return told

    def _take_out(self, tx: Transaction, one: Read) -> None:
        if quarantine.parked(tx, one.kept.intake_id) is None:
            raise ConflictError(f"mail {one.kept.intake_id} is not parked")
        quarantine.undecide(tx, one.kept.intake_id)

    def _note_beside(self, tx: Transaction, told: Sequence[Told]) -> None:
        for one in told:
            if one.read.replayed and self._beside is not None:
                self._beside(tx, one)
                failpoint("quarantine.decided")

    # --- a desk in our own store

    def _judge_joined(self, tx: Transaction, desk: JoinsTransaction, mails: Sequence[Read], slot: Slot) -> list[Told]:
        """In the writer's thread: facts, tickets and rows of all *mails* in one transaction.

        Where one of them fails by itself each is tried alone, so that it stops none of the others.
        """
        told: list[Told] = []
        tx.execute("SAVEPOINT mails")
        try:
            told = self._decide_all(tx, desk, mails, slot)
        except Exception as error:
            if isinstance(error, OSError | sqlite3.Error | TransientError) and not isinstance(error, OF_A_ROW):
                raise  # our disk, not a mail
            tx.execute("ROLLBACK TO mails")
            if len(mails) > 1:
                told = [one for mail in mails for one in self._judge_joined(tx, desk, [mail], slot)]
            else:
                kept = mails[0].kept
                log.exception("mail undecided unit=%s intake=%s", self._rulebook.unit, kept.intake_id)
                journal.count_attempts(tx, [kept.intake_id])
        tx.execute("RELEASE mails")
        slot.put_down()
        failpoint("intake.decided")
        return told

    def _decide_all(self, tx: Transaction, desk: JoinsTransaction, mails: Sequence[Read], slot: Slot) -> list[Told]:
        for one in mails:
            if one.replayed:
                self._take_out(tx, one)
        judgement = self._judgement(tx, mails)
        joined = desk.join(tx, [key for one in mails for key in _with_change(self._key(one))])
        told: list[Told] = []
        for one in mails:
            slot.take(one.kept.intake_id)
            outcome, ticket = judgement.join(joined, one, judgement.outcome(one), self._key(one))
            told.append(judgement.conclude(one, outcome, ticket))
        if len(mails) > 1:
            slot.put_down()
        joined.write()
        judgement.write(told)
        self._note_beside(tx, told)
        for done in told:
            self._post(tx, judgement, done)
        return told

    def _post(self, tx: Transaction, judgement: Judgement, told: Told) -> None:
        """Queue what people hear of a mail, beside its ticket."""
        telling, number = self._rulebook.telling, told.decided.ticket
        if telling is not None:
            facts = None if number is None else judgement.facts(number)
            telling.after_mail(Moment(tx, self._key(told.read), self._clock()), told, facts)

    def _judgement(self, tx: Transaction, mails: Sequence[Read]) -> Judgement:
        read = [one.mail for one in mails if one.mail is not None]
        rulebook = self._rulebook
        return Judgement(
            tx,
            rulebook.policy,
            rulebook.source,
            read,
            self._clock(),
            budget=rulebook.budget,
            set_apart=self._store.raw.set_apart,
        )

    # --- a desk that keeps its own books

    async def _judge_remote(self, door: Door, mails: Sequence[Read], slot: Slot) -> None:
        """One by one, in order: each waits for its turn at the *door*, and its rows follow its effect."""
        for number, one in enumerate(mails):
            try:
                self._tell(await self._judge_one(door, one))
            except StubbornError as error:
                kept = one.kept
                log.error("mail undecided unit=%s intake=%s: %s", self._rulebook.unit, kept.intake_id, error)  # noqa: TRY400 - no bug
                await self._store.write(lambda tx: journal.count_attempts(tx, [kept.intake_id]))  # noqa: B023 - awaited
            except DoorRetiredError:
                if self._adopted is None:
                    raise
                return await self.judge(mails[number:], slot)
        return None

    async def _judge_one(self, door: Door, one: Read) -> Told:
        """The effect first, our rows after; its key makes a repeat harmless."""
        outcome = self._outcome_now(one)
        if not isinstance(outcome, Create | Append):
            return await self._write_down(one, outcome, None)
        tried = False
        told: Told | None = None

        async def effect(desk: Desk) -> TicketNumber | None:
            nonlocal outcome, tried, told
            # What waited at the door with it may by now be the ticket that it belongs to; but what was asked for
            # once and perhaps done stays as it was.
            fresh = self._outcome_now(one)
            if not tried or _is_same(fresh, outcome) or not await _happened(desk, self._key_of_place(one)):
                outcome = fresh
            tried = True
            ticket = await self._bring(desk, one, outcome)
            told = await self._write_down(one, outcome, ticket)  # before the next is let through: it may cite this one
            return ticket

        name = f"unit={self._rulebook.unit} intake={one.kept.intake_id}"
        try:
            await door.bring(effect, name)
        except PermanentError as error:
            told = await self._write_down(one, refused(error), None)
        except StubbornError:
            if (done := await self._find(door, one, name)) is None:
                raise
            told = await self._write_down(one, outcome, done.number)
        assert told is not None  # noqa: S101 - it was brought, or refused
        return told

    async def _find(self, door: Door, one: Read, name: str) -> TicketRef | None:
        """Ask whether the effect happened, and only the answers were lost."""
        found: TicketRef | None = None

        async def question(desk: Desk) -> None:
            nonlocal found
            found = await desk.find(self._key_of_place(one))

        try:
            await door.bring(question, name)
        except PermanentError:
            return None  # it cannot tell
        return found

    def _outcome_now(self, one: Read) -> Outcome:
        return self._store.read(lambda tx: self._judgement(tx, [one]).outcome(one))

    async def _write_down(self, one: Read, outcome: Outcome, ticket: TicketNumber | None) -> Told:
        def note(tx: Transaction) -> Told:
            if one.replayed:
                quarantine.undecide(tx, one.kept.intake_id)  # whatever it was meanwhile: the effect has happened
            judgement = self._judgement(tx, [one])
            told = judgement.conclude(one, outcome, ticket)
            judgement.write([told])
            self._note_beside(tx, [told])
            self._post(tx, judgement, told)
            return told

        return await self._store.write(note)

    async def _bring(self, desk: Desk, one: Read, outcome: Outcome) -> TicketNumber | None:
        """Ask for the effect; None where there is none to ask for."""
        if one.mail is None:
            return None
        key = self._key_of_place(one)
        if isinstance(outcome, Create):
            return (await desk.create(drafts.ticket(one.kept, one.mail, outcome, self._clock()), key)).number
        if isinstance(outcome, Append):
            ticket = TicketRef(outcome.ticket)
            await desk.append(ticket, drafts.entry(one.kept, one.mail, outcome, self._clock()), key)
            if (change := drafts.change(outcome)) is not None:
                await desk.change(ticket, change, change_key(key))
            return outcome.ticket
        return None

    def _key(self, one: Read) -> IntakeKey:
        return IntakeKey(f"{self._store.instance}-{one.kept.intake_id}")

    def _key_of_place(self, one: Read) -> IntakeKey:
        """Return the key for a desk that keeps its own books: these do not go back when a backup of ours is put back.

        A row's number is then given again, to another mail perhaps; the place on the server still names this one.
        """
        ref = one.kept.ref
        place = f"{self._rulebook.source}\0{ref.folder}\0{ref.epoch}\0{ref.remote_id}"
        return IntakeKey(f"{self._store.instance}-{hashlib.sha256(place.encode()).hexdigest()[:32]}")

    def _tell(self, told: Told) -> None:
        one, outcome, decided = told.read, told.outcome, told.decided
        say = log.warning if isinstance(outcome, Quarantine) else log.info
        words = "mail parked" if isinstance(outcome, Quarantine) else "mail done"
        say(
            "%s unit=%s intake=%s remote_id=%s reason=%s ticket=%s",
            words, self._rulebook.unit, one.kept.intake_id, one.kept.ref.remote_id, outcome.reason,
            decided.ticket or "-",
        )  # fmt: skip
        self._observer.done(outcome.reason)


def _is_same(one: Outcome, other: Outcome) -> bool:
    """Tell whether both ask a desk for the same."""
    return (type(one), getattr(one, "ticket", None)) == (type(other), getattr(other, "ticket", None))


async def _happened(desk: Desk, key: IntakeKey) -> bool:
    try:
        return await desk.find(key) is not None
    except PermanentError:
        return True  # it cannot tell: to ask for the same again is right in either case


def _with_change(key: IntakeKey) -> tuple[IntakeKey, IntakeKey]:
    return key, change_key(key)
