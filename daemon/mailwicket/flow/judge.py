"""Read, decide, have it done: a batch of kept mails becomes tickets.

The order of effects, and what is true after a death at any point, is in docs/flow.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import anyio.to_thread

from mailwicket.errors import PermanentError
from mailwicket.failpoint import failpoint
from mailwicket.flow import drafts
from mailwicket.flow.drafts import Home
from mailwicket.flow.observe import Observer
from mailwicket.flow.reading import Read, Work, read_all
from mailwicket.model import IntakeKey, Reason, Step, TicketNumber, TicketRef, TicketStatus
from mailwicket.ports import Desk, JoinsTransaction, Transaction
from mailwicket.rules.decide import Append, Create, Outcome, Quarantine, decide
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Decided, Event, timestamp
from mailwicket.store.store import Store

log = logging.getLogger(__name__)

Told = tuple[Read, Outcome, TicketNumber | None]


def utc_now() -> datetime:
    """The clock that the daemon runs by."""
    return datetime.now(UTC)


class Judge:
    """Decides the kept mails of one source."""

    def __init__(
        self, store: Store, desk: Desk, home: Home, observer: Observer, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Work for the source *home*, telling *observer* what is committed."""
        self._store = store
        self._desk = desk
        self._home = home
        self._observer = observer
        self._clock = clock

    async def judge(self, batch: Sequence[Work], slot: Slot) -> None:
        """Bring every mail of *batch* to `done`, in order; one that fails by itself stops none of the others.

        Raises:
            StoreError: our disk: an outage, nothing of the batch is decided.
            TransientError: the desk is out: the rows tell how far it came.
        """
        mails = await anyio.to_thread.run_sync(read_all, batch, self._store.raw, slot)
        failpoint("intake.parsed")
        if isinstance(self._desk, JoinsTransaction):
            desk = self._desk
            for told in await self._store.write(lambda tx: self._judge_joined(tx, desk, mails, slot)):
                self._tell(told)
        else:
            for one in mails:
                self._tell(await self._judge_remote(self._desk, one))
        failpoint("intake.committed")

    def _judge_joined(self, tx: Transaction, desk: JoinsTransaction, mails: Sequence[Read], slot: Slot) -> list[Told]:
        """In the writer's thread: facts, tickets and rows in one transaction, a savepoint a mail."""
        told: list[Told] = []
        for one in mails:
            slot.take(one.kept.intake_id)
            tx.execute("SAVEPOINT mail")
            try:
                outcome = self._outcome(tx, one)
                told.append(self._finish(tx, one, outcome, self._join(tx, desk, one, outcome)))
            except PermanentError as error:
                tx.execute("ROLLBACK TO mail")
                told.append(self._finish(tx, one, _refused(error), None))
            except Exception as error:
                if isinstance(error, OSError) or type(error).__module__ == "sqlite3":
                    raise  # our disk, not the mail
                tx.execute("ROLLBACK TO mail")
                log.exception("mail undecided unit=%s intake=%s", self._home.unit, one.kept.intake_id)
                journal.count_attempts(tx, [one.kept.intake_id])
            tx.execute("RELEASE mail")
        slot.put_down()
        failpoint("intake.decided")
        return told

    def _join(self, tx: Transaction, desk: JoinsTransaction, one: Read, outcome: Outcome) -> TicketNumber | None:
        if one.mail is None:
            return None
        if isinstance(outcome, Create):
            draft = drafts.ticket(one.kept, one.mail, outcome, self._home, self._clock())
            return desk.create_in(tx, draft, self._key(one)).number
        if isinstance(outcome, Append):
            entry = drafts.entry(one.kept, one.mail, outcome, self._clock())
            desk.append_in(tx, TicketRef(outcome.ticket), entry, self._key(one))
            return outcome.ticket
        return None

    async def _judge_remote(self, desk: Desk, one: Read) -> Told:
        """For a desk that keeps its own books: its effect first, our rows after; the key makes a repeat harmless."""
        outcome = self._store.read(lambda tx: self._outcome(tx, one))
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
        final, number = outcome, ticket
        return await self._store.write(lambda tx: self._finish(tx, one, final, number))

    def _outcome(self, tx: Transaction, one: Read) -> Outcome:
        if one.unread is not None:
            return one.unread
        assert one.mail is not None  # noqa: S101 - a Read holds one or the other
        facts = journal.facts(tx, one.mail)
        return decide(one.mail, facts, self._home.policy, headers_only=one.kept.headers_only)

    def _finish(self, tx: Transaction, one: Read, outcome: Outcome, ticket: TicketNumber | None) -> Told:
        """Write down what became of the mail, beside its ticket."""
        now = timestamp(self._clock())
        intake_id = one.kept.intake_id
        decided = Decided(intake_id, one.mail, outcome.reason, outcome.trace)
        if isinstance(outcome, Quarantine):
            journal.note_parked(tx, decided, self._store.raw.set_apart(one.kept.raw, intake_id), now)
            reason = {"reason": outcome.reason}
            journal.note_event(tx, Event(now, "MailQuarantined", self._home.unit, reason, intake_id))
        else:
            ours = outcome.ticket if ticket is None and not isinstance(outcome, Create) else ticket
            journal.note_done(tx, decided, ours, now)
        if ticket is not None and isinstance(outcome, Create):
            journal.note_ticket(tx, ticket, TicketStatus.OPEN)
        if one.mail is not None:
            journal.note_ids(tx, intake_id, one.mail, ticket)
        return one, outcome, ticket

    def _key(self, one: Read) -> IntakeKey:
        return IntakeKey(f"{self._store.instance}-{one.kept.intake_id}")

    def _tell(self, told: Told) -> None:
        one, outcome, ticket = told
        say = log.warning if isinstance(outcome, Quarantine) else log.info
        words = "mail parked" if isinstance(outcome, Quarantine) else "mail done"
        say(
            "%s unit=%s intake=%s remote_id=%s reason=%s ticket=%s",
            words, self._home.unit, one.kept.intake_id, one.kept.ref.remote_id, outcome.reason, ticket or "-",
        )  # fmt: skip
        self._observer.done(outcome.reason)


def _refused(error: PermanentError) -> Quarantine:
    return Quarantine(Reason.FAILED_REPEATEDLY, [Step("desk", str(error))])
