"""Which mail bears and cites which Message-ID, in which ticket: what is known when a batch of mails is decided."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from mailwicket.model import (
    Facts,
    IntakeId,
    KnownMail,
    Mail,
    MessageId,
    Reason,
    Sha256,
    TicketFacts,
    TicketNumber,
    TicketStatus,
)
from mailwicket.ports import Transaction
from mailwicket.sql import insert
from mailwicket.store.journal import SQL, Decided

CITED_MAX = 40  # the newest ids decide; a References field of thousands buys nobody thousands of rows


@dataclass(frozen=True, slots=True)
class _Bearer:
    """A mail that bears an id, or cites it where nobody is known to bear it."""

    intake_id: IntakeId
    own: bool
    ticket: TicketFacts | None
    copy_of: KnownMail | None
    """As what a second copy would find it; None for a parked mail and for a copy."""


class Threads:
    """Everything that the rules may look at for a batch: asked at once, and kept up while the batch is decided.

    Inside one transaction: a mail sees what became of the mails before it.
    """

    def __init__(self, tx: Transaction, mails: Iterable[Mail]) -> None:
        """Ask for what is known of the ids and contents of *mails*."""
        self._tx = tx
        mails = list(mails)
        self._bearers: dict[str, list[_Bearer]] = {}
        self._contents: dict[Sha256, KnownMail] = {}
        self._borne: list[tuple[str, int, int | None]] = []
        self._cites: dict[tuple[str, int], int] = {}
        self._tickets: list[tuple[int, str]] = []
        ids = {mail.message_id for mail in mails if mail.message_id is not None}
        self._ask_bearers([*ids])
        cited = {message_id for mail in mails for message_id in _cited(mail)}
        rows = tx.execute(SQL.cited_tickets, (json.dumps([*cited]),)).fetchall() if cited else ()
        self._cited = {message_id: _facts(ticket, status) for message_id, ticket, status in rows}
        without_id = [mail.content_digest for mail in mails if mail.message_id is None]
        if without_id:
            for intake_id, digest, ticket in tx.execute(SQL.same_contents, (json.dumps(without_id),)).fetchall():
                self._contents[digest] = KnownMail(intake_id, digest, ticket)

    def _ask_bearers(self, ids: list[MessageId]) -> None:
        if not ids:
            return
        found = self._tx.execute(SQL.known_ids, (json.dumps(ids),)).fetchall()
        for message_id, intake_id, own, ticket, status, digest, reason, parked in found:
            is_first = bool(own) and not parked and reason != Reason.DUPLICATE
            known = KnownMail(IntakeId(intake_id), digest, ticket) if is_first else None
            facts = None if status is None else _facts(ticket, status)
            self._bearers.setdefault(message_id, []).append(_Bearer(IntakeId(intake_id), bool(own), facts, known))

    def facts(self, mail: Mail) -> Facts:
        """Return everything that the rules may look at for *mail*."""
        cited: dict[MessageId, TicketFacts] = {}
        for message_id in _cited(mail):
            if (ticket := self._cited.get(message_id)) is not None:
                cited[message_id] = ticket
                break  # the newest id that we know wins
        if mail.message_id is None:
            return Facts(cited=cited, same_content=self._contents.get(mail.content_digest))
        bearers = self._bearers.get(mail.message_id, ())
        return Facts(
            cited=cited,
            awaited_by=next((one.ticket for one in bearers if not one.own and one.ticket), None),
            same_id=[one.copy_of for one in bearers if one.copy_of is not None],
        )

    def learn(self, decided: Decided, *, new: bool) -> None:
        """Remember what became of a mail; *new* when its ticket was opened for it."""
        mail, ticket = decided.mail, decided.ticket
        if mail is None:
            return
        known = KnownMail(decided.intake_id, mail.content_digest, ticket)
        is_copy = decided.reason is Reason.DUPLICATE
        facts = None if ticket is None or is_copy else TicketFacts(ticket, TicketStatus.OPEN)
        if facts is not None and new:
            self._tickets.append((facts.number, facts.status))
        if mail.message_id is not None:
            first = None if is_copy or decided.parked is not None else known
            self._bear(mail.message_id, _Bearer(decided.intake_id, own=True, ticket=facts, copy_of=first))
        elif decided.parked is None:
            self._contents.setdefault(mail.content_digest, known)
        if facts is not None:
            for message_id in _cited(mail):
                self._cite(message_id, _Bearer(decided.intake_id, own=False, ticket=facts, copy_of=None))

    def _bear(self, message_id: MessageId, bearer: _Bearer) -> None:
        ticket = bearer.ticket
        self._borne.append((message_id, bearer.intake_id, None if ticket is None else ticket.number))
        self._bearers.setdefault(message_id, []).append(bearer)
        older = self._cited.get(message_id)
        if ticket is not None and (older is None or older.number <= ticket.number):
            self._cited[message_id] = ticket

    def _cite(self, message_id: MessageId, bearer: _Bearer) -> None:
        assert bearer.ticket is not None  # noqa: S101 - only mails of tickets cite
        self._cites.setdefault((message_id, bearer.ticket.number), bearer.intake_id)
        known = self._bearers.setdefault(message_id, [])
        if not any(one.ticket is not None and one.ticket.number == bearer.ticket.number for one in known):
            known.append(bearer)

    def write(self) -> None:
        """Write down what was learnt."""
        insert(self._tx, SQL.note_tickets, self._tickets)
        insert(self._tx, SQL.bears_ids, self._borne)
        if self._cites:
            rows = [[message_id, intake_id, ticket] for (message_id, ticket), intake_id in self._cites.items()]
            self._tx.execute(SQL.cites_ids, (json.dumps(rows),))


def _facts(ticket: int, status: str) -> TicketFacts:
    return TicketFacts(TicketNumber(ticket), TicketStatus(status))


def _cited(mail: Mail) -> list[MessageId]:
    """The ids that *mail* cites, the most telling first: of a report, the mail that it returns."""
    if not mail.in_reply_to and not mail.references and mail.bounce is None:
        return []
    returned = mail.bounce.original_message_id if mail.bounce is not None else None
    ids = [*mail.in_reply_to, *reversed(mail.references)]
    return list(dict.fromkeys(ids if returned is None else [returned, *ids]))[:CITED_MAX]
