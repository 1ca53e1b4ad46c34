"""Decide, have it done: a batch of mails that were read becomes tickets.

The order of effects, and what is true after a death at any point, is in docs/flow.md.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from mailwicket.errors import PermanentError, TransientError
from mailwicket.failpoint import failpoint
from mailwicket.flow import drafts
from mailwicket.flow.backend import Door, DoorRetiredError, StubbornError
from mailwicket.flow.drafts import Home
from mailwicket.flow.observe import Observer
from mailwicket.flow.reading import Read
from mailwicket.model import IntakeKey, Reason, Step, TicketNumber, TicketRef
from mailwicket.ports import Desk, Joined, JoinsTransaction, Transaction
from mailwicket.rules.decide import Append, Create, Ignore, Outcome, Quarantine, decide
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Decided, Event
from mailwicket.store.store import Store
from mailwicket.store.threads import Threads
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

OF_A_ROW = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""The database refuses what a mail holds; its other errors mean that it does not work."""

Told = tuple[Read, Outcome, Decided]


def utc_now() -> datetime:
    """The clock that the daemon runs by."""
    return datetime.now(UTC)


class Judge:
    """Decides the mails of one source."""

    def __init__(
        self,
        store: Store,
        desk: JoinsTransaction | Door,
        home: Home,
        observer: Observer,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Work for the source *home*, telling *observer* what is committed; a *desk* elsewhere is behind its door."""
        self._store = store
        self._desk = desk
        self._home = home
        self._observer = observer
        self._clock = clock
        self._adopted: tuple[Home, JoinsTransaction | Door] | None = None

    def adopt(self, home: Home, desk: JoinsTransaction | Door) -> None:
        """Work for *home* and *desk* from the next batch on; a batch that waits at a retired door goes there, too."""
        self._adopted = home, desk

    async def judge(self, mails: Sequence[Read], slot: Slot) -> None:
        """Bring every mail of *mails* to `done`, in order; one that fails by itself stops none of the others.

        Raises:
            StoreError: our disk: an outage; the rows tell how far it came.
        """
        if self._adopted is not None:
            (self._home, self._desk), self._adopted = self._adopted, None
        desk = self._desk
        if isinstance(desk, Door):
            await self._judge_remote(desk, mails, slot)
        else:
            for told in await self._store.write(lambda tx: self._judge_joined(tx, desk, mails, slot)):
                self._tell(told)
        failpoint("intake.committed")

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
                log.exception("mail undecided unit=%s intake=%s", self._home.unit, kept.intake_id)
                journal.count_attempts(tx, [kept.intake_id])
        tx.execute("RELEASE mails")
        slot.put_down()
        failpoint("intake.decided")
        return told

    def _decide_all(self, tx: Transaction, desk: JoinsTransaction, mails: Sequence[Read], slot: Slot) -> list[Told]:
        threads = Threads(tx, [one.mail for one in mails if one.mail is not None])
        joined = desk.join(tx, [self._key(one) for one in mails])
        told: list[Told] = []
        for one in mails:
            slot.take(one.kept.intake_id)
            outcome = self._outcome(threads, one)
            try:
                ticket = self._join(joined, one, outcome)
            except PermanentError as error:
                outcome, ticket = _refused(error), None
            decided = self._decided(one, outcome, ticket)
            threads.learn(decided, new=isinstance(outcome, Create))
            told.append((one, outcome, decided))
        if len(mails) > 1:
            slot.put_down()
        joined.write()
        self._note(tx, threads, told)
        return told

    def _join(self, desk: Joined, one: Read, outcome: Outcome) -> TicketNumber | None:
        if one.mail is None:
            return None
        if isinstance(outcome, Create):
            draft = drafts.ticket(one.kept, one.mail, outcome, self._home, self._clock())
            return desk.create(draft, self._key(one)).number
        if isinstance(outcome, Append):
            entry = drafts.entry(one.kept, one.mail, outcome, self._clock())
            desk.append(TicketRef(outcome.ticket), entry, self._key(one))
            return outcome.ticket
        return None

    # --- a desk that keeps its own books

    async def _judge_remote(self, door: Door, mails: Sequence[Read], slot: Slot) -> None:
        """One by one, in order: each waits for its turn at the *door*, and its rows follow its effect."""
        for number, one in enumerate(mails):
            try:
                self._tell(await self._judge_one(door, one))
            except StubbornError as error:
                kept = one.kept
                log.error("mail undecided unit=%s intake=%s: %s", self._home.unit, kept.intake_id, error)  # noqa: TRY400 - no bug
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

        name = f"unit={self._home.unit} intake={one.kept.intake_id}"
        try:
            await door.bring(effect, name)
        except PermanentError as error:
            told = await self._write_down(one, _refused(error), None)
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
        known = [] if one.mail is None else [one.mail]
        return self._store.read(lambda tx: self._outcome(Threads(tx, known), one))

    async def _write_down(self, one: Read, outcome: Outcome, ticket: TicketNumber | None) -> Told:
        told: Told = (one, outcome, self._decided(one, outcome, ticket))

        def note(tx: Transaction) -> None:
            threads = Threads(tx, [] if one.mail is None else [one.mail])
            threads.learn(told[2], new=isinstance(outcome, Create))
            self._note(tx, threads, [told])

        await self._store.write(note)
        return told

    async def _bring(self, desk: Desk, one: Read, outcome: Outcome) -> TicketNumber | None:
        """Ask for the effect; None where there is none to ask for."""
        if one.mail is None:
            return None
        if isinstance(outcome, Create):
            draft = drafts.ticket(one.kept, one.mail, outcome, self._home, self._clock())
            return (await desk.create(draft, self._key_of_place(one))).number
        if isinstance(outcome, Append):
            entry = drafts.entry(one.kept, one.mail, outcome, self._clock())
            await desk.append(TicketRef(outcome.ticket), entry, self._key_of_place(one))
            return outcome.ticket
        return None

    def _outcome(self, threads: Threads, one: Read) -> Outcome:
        if one.unread is not None:
            return one.unread
        assert one.mail is not None  # noqa: S101 - a Read holds one or the other
        return decide(one.mail, threads.facts(one.mail), self._home.policy, headers_only=one.kept.headers_only)

    def _decided(self, one: Read, outcome: Outcome, ticket: TicketNumber | None) -> Decided:
        """Return what is to be written down; a mail that waits for a person is set apart."""
        intake_id, parked = one.kept.intake_id, None
        if isinstance(outcome, Quarantine):
            parked = self._store.raw.set_apart(one.kept.raw, intake_id)
        ours = outcome.ticket if isinstance(outcome, Ignore) else ticket
        return Decided(intake_id, one.mail, outcome.reason, outcome.trace, ours, parked)

    def _note(self, tx: Transaction, threads: Threads, told: Sequence[Told]) -> None:
        """Write down what became of the mails, beside their tickets."""
        now = timestamp(self._clock())
        for _, outcome, decided in told:
            if decided.parked is not None:
                reason = {"reason": outcome.reason}
                journal.note_event(tx, Event(now, "MailQuarantined", self._home.unit, reason, decided.intake_id))
        journal.note_decided(tx, [decided for _, _, decided in told], now)
        threads.write()

    def _key(self, one: Read) -> IntakeKey:
        return IntakeKey(f"{self._store.instance}-{one.kept.intake_id}")

    def _key_of_place(self, one: Read) -> IntakeKey:
        """Return the key for a desk that keeps its own books: these do not go back when a backup of ours is put back.

        A row's number is then given again, to another mail perhaps; the place on the server still names this one.
        """
        ref = one.kept.ref
        place = f"{self._home.source}\0{ref.folder}\0{ref.epoch}\0{ref.remote_id}"
        return IntakeKey(f"{self._store.instance}-{hashlib.sha256(place.encode()).hexdigest()[:32]}")

    def _tell(self, told: Told) -> None:
        one, outcome, decided = told
        say = log.warning if isinstance(outcome, Quarantine) else log.info
        words = "mail parked" if isinstance(outcome, Quarantine) else "mail done"
        say(
            "%s unit=%s intake=%s remote_id=%s reason=%s ticket=%s",
            words, self._home.unit, one.kept.intake_id, one.kept.ref.remote_id, outcome.reason, decided.ticket or "-",
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


def _refused(error: PermanentError) -> Quarantine:
    return Quarantine(Reason.FAILED_REPEATEDLY, [Step("desk", str(error))])
