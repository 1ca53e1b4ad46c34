"""Which mail bears and cites which Message-ID, in which ticket: what is known when a batch of mails is decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mailwicket.facts import Facts, KnownMail, Lately
from mailwicket.model import IntakeId, Mail, MessageId, Reason, Sha256, TicketNumber
from mailwicket.ports import Transaction
from mailwicket.rules.policy import Policy
from mailwicket.rules.thread import Candidates, candidates
from mailwicket.sql import insert
from mailwicket.store.journal import SQL, Decided
from mailwicket.store.tickets import TicketBook

NO_FIRST_COPY: Final = frozenset({Reason.DUPLICATE, Reason.DROPPED_BY_ADMIN, Reason.EXPIRED_FROM_QUARANTINE})
"""A mail that ended so is in no ticket: who sends it once more is not to be told that we have it."""


@dataclass(frozen=True, slots=True)
class _Bearer:
    """A mail that bears an id, or cites it where nobody is known to bear it."""

    intake_id: IntakeId
    own: bool
    ticket: TicketNumber | None
    copy_of: KnownMail | None
    """As what a second copy would find it; None for a parked mail and for a copy."""


class Threads:
    """Everything that the rules may look at for a batch: asked at once, and kept up while the batch is decided.

    Inside one transaction: a mail sees what became of the mails before it.
    """

    def __init__(self, tx: Transaction, mails: Iterable[Mail], policy: Policy, book: TicketBook) -> None:
        """Ask for what is known of the ids, contents and proofs of *mails*; tickets are looked up in *book*."""
        self._tx = tx
        self._book = book
        mails = list(mails)
        self._said: dict[int, Candidates] = {id(mail): candidates(mail, policy) for mail in mails}
        self._bearers: dict[str, list[_Bearer]] = {}
        self._contents: dict[Sha256, list[KnownMail]] = {}
        self._borne: list[tuple[str, int, int | None]] = []
        self._cites: dict[tuple[str, int], int] = {}
        self._holders: dict[MessageId, list[TicketNumber]] = {}
        self._ask_bearers(list({mail.message_id for mail in mails if mail.message_id is not None}))
        self._ask_holders({message_id for said in self._said.values() for message_id in said.ids})
        self._ask_contents([mail.content_digest for mail in mails if mail.message_id is None])
        named = {number for said in self._said.values() for number in said.numbers}
        held = {number for numbers in self._holders.values() for number in numbers}
        awaiting = {one.ticket for bearers in self._bearers.values() for one in bearers if one.ticket is not None}
        if numbers := named | held | awaiting:
            book.ask(numbers)

    def _ask_bearers(self, ids: list[MessageId]) -> None:
        if not ids:
            return
        found = self._tx.execute(SQL.known_ids, (json.dumps(ids),)).fetchall()
        for message_id, intake_id, own, ticket, digest, reason, parked, source in found:
            is_first = bool(own) and not parked and reason not in NO_FIRST_COPY
            known = KnownMail(IntakeId(intake_id), digest, ticket, source) if is_first else None
            bearer = _Bearer(IntakeId(intake_id), bool(own), None if ticket is None else TicketNumber(ticket), known)
            self._bearers.setdefault(message_id, []).append(bearer)

    def _ask_holders(self, ids: Iterable[MessageId]) -> None:
        if wanted := [*ids]:
            for message_id, ticket in self._tx.execute(SQL.holders, (json.dumps(wanted),)).fetchall():
                self._holders.setdefault(message_id, []).append(TicketNumber(ticket))

    def _ask_contents(self, digests: list[Sha256]) -> None:
        if digests:
            for intake_id, digest, ticket, source in self._tx.execute(
                SQL.same_contents, (json.dumps(digests),)
            ).fetchall():
                self._contents.setdefault(digest, []).append(KnownMail(IntakeId(intake_id), digest, ticket, source))

    def said(self, mail: Mail) -> Candidates:
        """Return what *mail*, one of the batch, says about tickets."""
        return self._said[id(mail)]

    def facts(self, mail: Mail, lately: Lately = Lately(), before: IntakeId | None = None) -> Facts:  # noqa: B008 - frozen
        """Return everything that the rules may look at for *mail*, one of the batch.

        *before*: as if it and all that came after it were not there, as far as copies of it go.
        """
        said = self.said(mail)
        borne: Mapping[MessageId, list[TicketNumber]] = {
            message_id: held for message_id in said.ids if (held := self._holders.get(message_id))
        }
        bearers = self._bearers.get(mail.message_id, ()) if mail.message_id is not None else ()
        awaited = sorted({one.ticket for one in bearers if not one.own and one.ticket is not None}, reverse=True)
        numbers = {*said.numbers, *awaited, *(number for held in borne.values() for number in held)}
        return Facts(
            borne=borne,
            awaited_by=awaited,
            tickets=self._book.all_of(numbers) if numbers else {},
            same_id=_older((one.copy_of for one in bearers if one.copy_of is not None), before),
            same_content=_older(self._contents.get(mail.content_digest, ()), before) if mail.message_id is None else (),
            lately=lately,
        )

    def learn(self, decided: Decided, source: str) -> None:
        """Remember what became of a mail that came by *source*."""
        mail, ticket = decided.mail, decided.ticket
        if mail is None:
            return
        known = KnownMail(decided.intake_id, mail.content_digest, ticket, source)
        is_copy = decided.reason is Reason.DUPLICATE
        held = None if is_copy else ticket
        if mail.message_id is not None:
            first = None if is_copy or decided.parked is not None else known
            self._bear(mail.message_id, _Bearer(decided.intake_id, own=True, ticket=held, copy_of=first))
        elif decided.parked is None:
            self._contents.setdefault(mail.content_digest, []).append(known)
        if held is not None:
            for message_id in self.said(mail).ids:
                self._cite(message_id, _Bearer(decided.intake_id, own=False, ticket=held, copy_of=None))

    def _bear(self, message_id: MessageId, bearer: _Bearer) -> None:
        self._borne.append((message_id, bearer.intake_id, bearer.ticket))
        self._bearers.setdefault(message_id, []).append(bearer)
        if bearer.ticket is not None:
            held = self._holders.setdefault(message_id, [])
            if bearer.ticket not in held:
                held.append(bearer.ticket)
                held.sort(reverse=True)

    def _cite(self, message_id: MessageId, bearer: _Bearer) -> None:
        assert bearer.ticket is not None  # noqa: S101 - only mails of tickets cite
        self._cites.setdefault((message_id, bearer.ticket), bearer.intake_id)
        known = self._bearers.setdefault(message_id, [])
        if not any(one.ticket == bearer.ticket for one in known):
            known.append(bearer)

    def write(self) -> None:
        """Write down what was learnt."""
        insert(self._tx, SQL.bears_ids, self._borne)
        if self._cites:
            rows = [[message_id, intake_id, ticket] for (message_id, ticket), intake_id in self._cites.items()]
            self._tx.execute(SQL.cites_ids, (json.dumps(rows),))
        self._book.write()


def _older(known: Iterable[KnownMail], before: IntakeId | None) -> list[KnownMail]:
    return [one for one in known if before is None or one.intake_id < before]
