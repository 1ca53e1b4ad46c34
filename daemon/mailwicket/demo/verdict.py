"""What became of a mail, and why: read from the journal beside the running daemon."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from mailwicket.app import Daemon
from mailwicket.errors import MailwicketError
from mailwicket.mail.parse import parse
from mailwicket.model import IntakeId, Mail, MessageId, Reason, Step, TicketNumber
from mailwicket.service.units import UnitState
from mailwicket.sql import statements
from mailwicket.store.raw import RawPlace

SQL = statements(Path(__file__).with_name("verdict.sql"))

PAUSE_S: Final = 0.05
"""Between two looks at a counter in memory."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one mail."""

    intake_id: IntakeId
    message_id: MessageId | None
    subject: str
    reason: Reason
    ticket: TicketNumber | None
    parked: bool
    trace: Sequence[Step]


class Verdicts:
    """Those of a running *daemon*, each told once."""

    def __init__(self, daemon: Daemon) -> None:
        """Begin with the first mail there is."""
        self._daemon = daemon
        self._units = list(daemon.units.values())
        self._told = 0
        self._last = ""

    @property
    def count(self) -> int:
        """How many mails are decided."""
        return sum(unit.reasons.total() for unit in self._units)

    async def first(self, count: int, limit_s: float, progress: Callable[[int], None]) -> list[Verdict]:
        """Return the verdicts when *count* mails are decided and their server knows; *progress* hears how many are.

        Raises:
            MailwicketError: that was not so within *limit_s*, or a human must act before.
        """
        with anyio.move_on_after(limit_s):
            while not self._caught_up(count):
                progress(self.count)
                await anyio.sleep(PAUSE_S)
            return await self._read()
        raise MailwicketError(f"{self.count} of {count} mails were decided within {limit_s:g} s; {self._state()}")

    async def more(self) -> list[Verdict]:
        """Wait until mails are decided that were not told before; return their verdicts."""
        while self.count <= self._told:  # noqa: ASYNC110 - nobody announces what a unit counts
            await anyio.sleep(PAUSE_S)
        return await self._read()

    def _caught_up(self, count: int) -> bool:
        if any(unit.state is UnitState.BLOCKED for unit in self._units):
            raise MailwicketError(self._state())
        return self.count >= count and all(unit.last_success is not None for unit in self._units)

    def _state(self) -> str:
        return "; ".join(f"{unit.name} is {unit.state}: {unit.said or 'no reason is known'}" for unit in self._units)

    async def _read(self) -> list[Verdict]:
        rows = self._daemon.store.read(lambda tx: tx.execute(SQL.decided, (self._last,)).fetchall())
        self._told += len(rows)
        self._last = max((row[0] for row in rows), default=self._last)
        return await anyio.to_thread.run_sync(lambda: [self._verdict(row) for row in rows])

    def _verdict(self, row: Sequence[Any]) -> Verdict:
        _, intake_id, message_id, reason, ticket, parked, trace, digest, *place = row
        subject = "" if digest is None else self._mail(RawPlace(*place)).subject  # else: it could not be read
        steps = [Step(rule, answer) for rule, answer in json.loads(trace)]
        return Verdict(intake_id, message_id, subject, Reason(reason), ticket, bool(parked), steps)

    def _mail(self, place: RawPlace) -> Mail:
        return parse(self._daemon.store.raw.read(place))
