"""A desk in memory: our own tables and rules, a clock that is set, and mail that goes nowhere."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.backends.desk.desk import DeskConfig, EmbeddedDesk
from mailwicket.backends.desk.reading import list_tickets, show_ticket
from mailwicket.config.settings import Settings
from mailwicket.errors import MailwicketError
from mailwicket.flow.actions import Action, Actions, written
from mailwicket.flow.budget import Budget
from mailwicket.flow.configured import policy_of
from mailwicket.flow.judgement import Judgement, Told
from mailwicket.flow.reading import Read
from mailwicket.mail.head import split_header
from mailwicket.mail.parse import parse
from mailwicket.mail.token import Keyring
from mailwicket.model import (
    Address,
    EntryKind,
    IntakeId,
    IntakeKey,
    Mail,
    MailRef,
    Reason,
    Sha256,
    TicketFacts,
    TicketNumber,
    TicketRef,
)
from mailwicket.rehearsal.post import Post, replied
from mailwicket.rules.decide import Outcome
from mailwicket.rules.own import canonical
from mailwicket.rules.policy import Policy
from mailwicket.store import journal, quarantine
from mailwicket.store.database import JOURNAL, migrate
from mailwicket.store.journal import Kept
from mailwicket.store.raw import RawPlace
from mailwicket.store.tickets import TicketBook
from mailwicket.timestamp import timestamp

KEYS: Final = Keyring([hashlib.sha256(b"rehearsal").digest()])
"""Of a rehearsal: the same each time, so that its ids are, too."""


class _NoNet:
    attachment_dir = Path("/nonexistent")
    spool_dir = Path("/nonexistent")


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail that came, and what became of it."""

    intake_id: IntakeId
    source: str
    mail: Mail
    outcome: Outcome
    ticket: TicketNumber | None


class World:
    """The desk of one scenario."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        """Begin empty at *now*."""
        self.now = now
        self.post = Post()
        self._tx = sqlite3.connect(":memory:", isolation_level=None)
        self._desk = EmbeddedDesk("desk", DeskConfig(), _NoNet(), now=lambda: self.now)  # type: ignore[arg-type]
        migrate(self._tx, (JOURNAL, self._desk.schema))
        self._budget = Budget()
        self._raw: dict[IntakeId, bytes] = {}
        self._count = 0
        self.configure(settings)

    def close(self) -> None:
        """Forget everything."""
        self._tx.close()

    def configure(self, settings: Settings) -> None:
        """Go on with other *settings*."""
        self.settings = settings
        self.policy: Policy = policy_of(settings, KEYS)

    # --- mail

    def deliver(self, raw: bytes, source: str, received_at: datetime) -> Delivered:
        """Take a mail as the daemon would."""
        limit = self.settings.incoming[source].max_mail_bytes if source in self.settings.incoming else len(raw)
        headers_only = len(raw) > limit
        if headers_only:
            raw = raw[: split_header(raw, 0, len(raw))[1]]
        self._count += 1
        ref = MailRef("INBOX", "1", str(self._count), len(raw), received_at)
        with self._transaction() as tx:
            rows = journal.note_offered(tx, source, [ref], timestamp(self.now))
            intake_id, _ = rows[ref.remote_id]
            kept = Kept(intake_id, ref, self._place(intake_id, raw), headers_only)
            journal.keep(tx, source, [kept], [], timestamp(self.now))
            return self._judge(tx, source, kept, raw)

    def retry(self, delivered: Delivered) -> Delivered:
        """Decide a parked mail again, by today's configuration.

        Raises:
            MailwicketError: it is not parked.
        """
        with self._transaction() as tx:
            kept = self._take_out(tx, delivered)
            return self._judge(tx, delivered.source, kept, self._raw[delivered.intake_id], replayed=True)

    def drop(self, delivered: Delivered) -> None:
        """Give a parked mail up.

        Raises:
            MailwicketError: it is not parked.
        """
        with self._transaction() as tx:
            if not quarantine.drop(tx, delivered.intake_id):
                raise MailwicketError(f"mail {delivered.intake_id} is not parked")

    def _take_out(self, tx: sqlite3.Connection, delivered: Delivered) -> Kept:
        found = quarantine.parked(tx, delivered.intake_id)
        if found is None:
            raise MailwicketError(f"mail {delivered.intake_id} is not parked")
        quarantine.undecide(tx, delivered.intake_id)
        return found.kept

    def _judge(
        self, tx: sqlite3.Connection, source: str, kept: Kept, raw: bytes, *, replayed: bool = False
    ) -> Delivered:
        mail = parse(raw)
        judgement = Judgement(
            tx, self.policy, source, [mail], self.now, budget=self._budget, set_apart=lambda place, _: place
        )
        read = Read(kept, mail, replayed=replayed)
        outcome = judgement.outcome(read)
        key = IntakeKey(f"rehearsal-{kept.intake_id}")
        joined = self._desk.join(tx, [key, IntakeKey(f"{key}-change")])
        outcome, ticket = judgement.join(joined, read, outcome, key)
        told = judgement.conclude(read, outcome, ticket)
        joined.write()
        judgement.write([told])
        self._tell(tx, told)
        return Delivered(kept.intake_id, source, mail, outcome, told.decided.ticket)

    def _tell(self, tx: sqlite3.Connection, told: Told) -> None:
        number = told.decided.ticket
        if number is not None and told.outcome.reason is not Reason.DUPLICATE:
            facts = TicketBook(tx).find(number)
            shown = show_ticket(tx, number)
            if facts is not None and shown is not None:
                named = () if told.read.mail is None else (*told.read.mail.to, *told.read.mail.cc)
                had = {canonical(one.address) for one in named}  # reply-all: who has the mail gets no second one
                self.post.after_mail(told.outcome, facts, shown["subject"], self.policy, self.now, had=had)

    def _place(self, intake_id: IntakeId, raw: bytes) -> RawPlace:
        self._raw[intake_id] = raw
        return RawPlace(f"{intake_id}.eml", 0, len(raw), Sha256(hashlib.sha256(raw).hexdigest()))

    # --- the desk

    def act(self, action: Action) -> None:
        """Do what somebody does to a ticket.

        Raises:
            MailwicketError: it is refused.
        """
        self._count += 1
        key = IntakeKey(f"rehearsal-action-{self._count}")
        with self._transaction() as tx:
            joined = self._desk.join(tx, [key])
            if action.do == "reply":
                self._reply(tx, joined, action, key)
            else:
                Actions(tx, joined, self.policy, None, self.now).act(action, key)

    def _reply(self, tx: sqlite3.Connection, joined: Any, action: Action, key: IntakeKey) -> None:  # noqa: ANN401
        book = TicketBook(tx)
        facts = book.find(action.ticket)
        shown = show_ticket(tx, action.ticket)
        if facts is None or shown is None:
            raise MailwicketError(f"there is no ticket {action.ticket}")
        if action.by:
            Actions(tx, joined, self.policy, None, self.now).technician(action.by)
        author = Address(None, action.by) if action.by else None
        entry = written(EntryKind.REPLY, author, action.text, self.now, public=True)
        joined.append(TicketRef(action.ticket), entry, key)
        joined.write()
        people = [facts.requester, *sorted(facts.cc)]
        self.post.reply(replied(facts, shown["subject"], action.text), people, self.policy, self.now)

    def ticket(self, number: TicketNumber) -> dict[str, Any] | None:
        """Return a ticket as `tickets show --json` does."""
        return show_ticket(self._tx, number)

    def entry_counts(self) -> dict[TicketNumber, int]:
        """Return how many entries each ticket has."""
        return {TicketNumber(one["number"]): one["entries"] for one in list_tickets(self._tx, all=True)}

    def facts(self, number: TicketNumber) -> TicketFacts | None:
        """Return what the rules know of a ticket."""
        return TicketBook(self._tx).find(number)

    def hits(self) -> Mapping[tuple[str, str], int]:
        """Return how many mails met each entry of a mailbox's filter so far."""
        return self._budget.hits()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._tx.execute("BEGIN")
        try:
            yield self._tx
        except BaseException:
            self._tx.execute("ROLLBACK")
            raise
        self._tx.execute("COMMIT")
