"""A desk in memory: our own tables and rules, a clock that is set, and mail that goes nowhere."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from mailwicket.backends.desk.desk import DeskConfig, EmbeddedDesk
from mailwicket.backends.desk.reading import list_tickets, show_ticket
from mailwicket.config.settings import Settings
from mailwicket.errors import MailwicketError
from mailwicket.facts import TicketFacts
from mailwicket.flow.actions import Action, Actions
from mailwicket.flow.announcing import Announcement, Announcing
from mailwicket.flow.budget import Budget
from mailwicket.flow.configured import exchange_of, policy_of, telling_of
from mailwicket.flow.judgement import Judgement
from mailwicket.flow.posting import Moment
from mailwicket.flow.reading import Read
from mailwicket.flow.telling import Telling
from mailwicket.flow.writing import Writing
from mailwicket.mail.head import split_header
from mailwicket.mail.parse import parse
from mailwicket.mail.token import Keyring
from mailwicket.model import IntakeId, IntakeKey, Mail, MailRef, Sha256, TicketNumber
from mailwicket.ports import Transaction
from mailwicket.rehearsal.post import Clock, Post
from mailwicket.rules.decide import Outcome
from mailwicket.rules.policy import Policy
from mailwicket.store import journal, quarantine
from mailwicket.store.attempts import Attempt, Noted
from mailwicket.store.database import JOURNAL, migrate
from mailwicket.store.journal import Kept
from mailwicket.store.outbox import Claimed
from mailwicket.store.raw import RawPlace
from mailwicket.store.tickets import TicketBook
from mailwicket.timestamp import timestamp

KEYS: Final = Keyring([hashlib.sha256(b"rehearsal").digest()])
"""Of a rehearsal: the same each time, so that its ids are, too."""


class _NoNet:
    attachment_dir = Path("/nonexistent")
    spool_dir = Path("/nonexistent")


@cache
def _empty() -> sqlite3.Connection:
    """A store with all its tables and nothing in them: to make it anew for each scenario takes longer than a step."""
    empty = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(empty, (JOURNAL, EmbeddedDesk.schema))
    return empty


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
        self.clock = Clock(now)
        self._tx = sqlite3.connect(":memory:", isolation_level=None)
        self._desk = EmbeddedDesk("desk", DeskConfig(), _NoNet(), now=self.clock)  # type: ignore[arg-type]
        _empty().backup(self._tx)
        self._budget = Budget()
        self._raw: dict[str, bytes] = {}
        self._count = 0
        self.down: set[str] = set()
        """Mailboxes (NAME) whose servers do not let us in."""
        self._writing = Writing(self, _NoNet.attachment_dir)
        self.post = Post(self._tx, self.clock, self, self._writing)
        self.configure(settings)

    def close(self) -> None:
        """Forget everything."""
        self._tx.close()

    def configure(self, settings: Settings) -> None:
        """Go on with other *settings*."""
        self.settings = settings
        self.policy: Policy = policy_of(settings, KEYS)
        self.post.adopt(exchange_of(settings, KEYS))
        told = settings, self.policy, self.post.board, self._writing
        self._telling: Telling = telling_of(*told, desk=lambda: self._desk, nonce=self._nonce)
        self.settle()

    # --- time

    @property
    def now(self) -> datetime:
        """What the clock shows."""
        return self.clock.now

    def proceed(self, until: datetime) -> None:
        """Let time pass: what is sent and tried meanwhile is done; then the clock shows *until*."""
        self.post.work(until)
        self.clock.now = until

    def settle(self) -> None:
        """Have sent what is to be sent now."""
        self.post.work(self.clock.now)

    def _nonce(self) -> str:
        self._count += 1
        digest = hashlib.sha256(b"%d" % self._count).digest()
        return base64.b32encode(digest[:10]).decode().lower()

    def ended(self, tx: Transaction, mail: Claimed, attempt: Attempt, noted: Noted, now: datetime) -> None:
        """See `flow.handing.Aftermath`."""
        self._telling.ended(tx, mail, attempt, noted, now)

    # --- mail

    def is_fetched(self, source: str) -> bool:
        """Tell whether the mailbox *source* is looked at now."""
        unit = self.settings.incoming.get(source)
        is_on = unit is not None and unit.enabled and self.settings.preferences.email_to_ticket != "paused"
        return is_on and source not in self.down

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
            delivered = self._judge(tx, source, kept, raw)
        self.settle()
        return delivered

    def retry(self, delivered: Delivered) -> Delivered:
        """Decide a parked mail again, by today's configuration.

        Raises:
            MailwicketError: it is not parked.
        """
        with self._transaction() as tx:
            kept = self._take_out(tx, delivered)
            again = self._judge(tx, delivered.source, kept, self.read(kept.raw), replayed=True)
        self.settle()
        return again

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
        number = told.decided.ticket
        facts = None if number is None else judgement.facts(number)
        self._telling.after_mail(Moment(tx, key, self.now), told, facts)
        return Delivered(kept.intake_id, source, mail, outcome, number)

    def _place(self, intake_id: IntakeId, raw: bytes) -> RawPlace:
        place = RawPlace(f"{intake_id}.eml", 0, len(raw), Sha256(hashlib.sha256(raw).hexdigest()))
        self._raw[place.file] = raw
        return place

    def read(self, place: RawPlace) -> bytes:
        """See `flow.writing.ReadsRaw`."""
        return self._raw[place.file][place.offset : place.offset + place.length]

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
            Actions(tx, joined, self.policy, self._telling.posting, self.now).act(action, key)
        self.settle()

    def announce(self, asked: Announcement) -> None:
        """Write to all whom *asked* is for, at once; they get it as fast as the servers take it.

        Raises:
            MailwicketError: it is refused.
        """
        with self._transaction() as tx:
            announcing = Announcing(tx, self._telling.posting, self.now)
            announcing.announce(asked)
            announcing.proceed()
        self.settle()

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
