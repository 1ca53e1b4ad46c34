"""Decide, have it done: a batch of mails that were read becomes tickets.

The order of effects, and what is true after a death at any point, is in docs/flow.md.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from mailwicket.errors import PermanentError, TransientError
from mailwicket.failpoint import failpoint
from mailwicket.flow import drafts
from mailwicket.flow.drafts import Home
from mailwicket.flow.observe import Observer
from mailwicket.flow.reading import Read
from mailwicket.model import IntakeKey, Reason, Step, TicketNumber, TicketRef
from mailwicket.ports import Desk, Joined, JoinsTransaction, Transaction
from mailwicket.rules.decide import Append, Create, Ignore, Outcome, Quarantine, decide
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Decided, Event, timestamp
from mailwicket.store.store import Store
from mailwicket.store.threads import Threads

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
        self, store: Store, desk: Desk, home: Home, observer: Observer, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Work for the source *home*, telling *observer* what is committed."""
        self._store = store
        self._desk = desk
        self._home = home
        self._observer = observer
        self._clock = clock

    def adopt(self, home: Home, desk: Desk) -> None:
        """Decide the next batch by *home*, for *desk*: the configuration changed."""
        self._home = home
        self._desk = desk

    async def judge(self, mails: Sequence[Read], slot: Slot) -> None:
        """Bring every mail of *mails* to `done`, in order; one that fails by itself stops none of the others.

        Raises:
            StoreError: our disk: an outage, nothing of the batch is decided.
            TransientError: the desk is out: the rows tell how far it came.
        """
        if isinstance(self._desk, JoinsTransaction):
            desk = self._desk
            for told in await self._store.write(lambda tx: self._judge_joined(tx, desk, mails, slot)):
                self._tell(told)
        else:
            for one in mails:
                self._tell(await self._judge_remote(self._desk, one))
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

    async def _judge_remote(self, desk: Desk, one: Read) -> Told:
        """For a desk that keeps its own books: its effect first, our rows after; the key makes a repeat harmless."""
        mails = [one.mail] if one.mail is not None else []
        outcome = self._store.read(lambda tx: self._outcome(Threads(tx, mails), one))
        ticket: TicketNumber | None = None
        try:
            if isinstance(outcome, Create) and one.mail is not None:
                draft = drafts.ticket(one.kept, one.mail, outcome, self._home, self._clock())
                ticket = (await desk.create(draft, self._key(one))).number
            elif isinstance(outcome, Append) and one.mail is not None:
                ticket = outcome.ticket
                entry = drafts.entry(one.kept, one.mail, outcome, self._clock())
                await desk.append(TicketRef(ticket), entry, self._key(one))
        except PermanentError as error:
            outcome, ticket = _refused(error), None
        told: Told = (one, outcome, self._decided(one, outcome, ticket))

        def note(tx: Transaction) -> None:
            threads = Threads(tx, mails)
            threads.learn(told[2], new=isinstance(told[1], Create))
            self._note(tx, threads, [told])

        await self._store.write(note)
        return told

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

    def _tell(self, told: Told) -> None:
        one, outcome, decided = told
        say = log.warning if isinstance(outcome, Quarantine) else log.info
        words = "mail parked" if isinstance(outcome, Quarantine) else "mail done"
        say(
            "%s unit=%s intake=%s remote_id=%s reason=%s ticket=%s",
            words, self._home.unit, one.kept.intake_id, one.kept.ref.remote_id, outcome.reason, decided.ticket or "-",
        )  # fmt: skip
        self._observer.done(outcome.reason)


def _refused(error: PermanentError) -> Quarantine:
    return Quarantine(Reason.FAILED_REPEATEDLY, [Step("desk", str(error))])
