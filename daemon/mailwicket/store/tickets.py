"""What the rules need to know of tickets, whichever desk keeps them: the rows of `ticket_facts`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.facts import TicketFacts
from mailwicket.model import MessageId, TicketNumber, TicketStatus
from mailwicket.ports import Transaction
from mailwicket.sql import insert, statements
from mailwicket.timestamp import timestamp

SQL: Final = statements(Path(__file__).with_name("tickets.sql"))
MERGES_MAX: Final = 20


class TicketBook:
    """Facts of tickets inside one transaction: what is noted is true at once, and in the table after `write`."""

    def __init__(self, tx: Transaction) -> None:
        """Read and write by *tx*."""
        self._tx = tx
        self._known: dict[TicketNumber, TicketFacts | None] = {}
        self._noted: dict[TicketNumber, TicketFacts] = {}

    def ask(self, numbers: Iterable[TicketNumber]) -> None:
        """Look *numbers* up, and what they were merged into."""
        wanted = [number for number in dict.fromkeys(numbers) if number not in self._known]
        for _ in range(MERGES_MAX):
            if not wanted:
                return
            rows = self._tx.execute(SQL.facts_of, (json.dumps(wanted),)).fetchall()
            found = {TicketNumber(row[0]): _facts(row) for row in rows}
            self._known |= {number: found.get(number) for number in wanted}
            merged = (facts.merged_into for facts in found.values())
            wanted = [number for number in dict.fromkeys(merged) if number is not None and number not in self._known]

    def find(self, number: TicketNumber) -> TicketFacts | None:
        """Return what is known of the ticket *number*; None where there is none."""
        self.ask([number])
        return self._known[number]

    def all_of(self, numbers: Iterable[TicketNumber]) -> dict[TicketNumber, TicketFacts]:
        """Return *numbers*, and what they were merged into; those that there are not are left out."""
        wanted = list(dict.fromkeys(numbers))
        found: dict[TicketNumber, TicketFacts] = {}
        while wanted:
            number = wanted.pop()
            if number in found or (facts := self.find(number)) is None:
                continue
            found[number] = facts
            if facts.merged_into is not None:
                wanted.append(facts.merged_into)
        return found

    def note(self, facts: TicketFacts) -> None:
        """Remember *facts*."""
        self._known[facts.number] = self._noted[facts.number] = facts

    def write(self) -> None:
        """Put what was noted into the table."""
        insert(self._tx, SQL.note_facts, [_row(facts) for facts in self._noted.values()])
        self._noted.clear()


def _facts(row: Sequence[Any]) -> TicketFacts:
    (
        number,
        status,
        requester,
        people,
        assignee,
        group,
        category,
        company,
        source,
        closed_at,
        merged_into,
        subject,
        root,
    ) = row
    named = json.loads(people) if people else {}
    return TicketFacts(
        TicketNumber(number),
        TicketStatus(status),
        requester,
        frozenset(named.get("cc", ())),
        frozenset(named.get("followers", ())),
        frozenset(named.get("removed", ())),
        assignee,
        group,
        category,
        company,
        source,
        None if closed_at is None else datetime.fromisoformat(closed_at),
        None if merged_into is None else TicketNumber(merged_into),
        subject,
        None if root is None else MessageId(root),
    )


def _row(facts: TicketFacts) -> tuple[Any, ...]:
    named = {"cc": facts.cc, "followers": facts.followers, "removed": facts.removed}
    told = {word: sorted(people) for word, people in named.items() if people}
    return (
        facts.number,
        facts.status.value,
        facts.requester,
        json.dumps(told, ensure_ascii=False) if told else "",
        facts.assignee,
        facts.group,
        facts.category,
        facts.company,
        facts.source,
        None if facts.closed_at is None else timestamp(facts.closed_at),
        facts.merged_into,
        facts.subject,
        facts.root,
    )
