"""The desk as a unit: how it is, told once, for status, health and metrics."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from mailwicket.errors import BlockedError, TransientError
from mailwicket.service.supervisor import tell
from mailwicket.service.units import Unit, UnitState

log = logging.getLogger(__name__)


class DeskUnit:
    """Writes what the door tells (`flow.observe.DeskObserver`) into the unit `backend`."""

    def __init__(self, unit: Unit) -> None:
        """Keep *unit*; nothing is known against the desk yet."""
        self.unit = unit
        unit.become(UnitState.RUNNING)

    def works(self) -> None:
        """The desk answered; a loss that was told is told to be over."""
        unit = self.unit
        unit.last_success = datetime.now(UTC)
        if unit.state is UnitState.RUNNING:
            return
        unit.become(UnitState.RUNNING)
        unit.failures = 0
        if unit.lost is not None:
            log.info("%s: %s is back", unit.name, unit.server)
            unit.lost = None

    def waits(self, failure: Exception, pause_s: float) -> None:
        """The desk is out until the next try."""
        unit = self.unit
        unit.failures += 1
        tell(unit, failure, pause_s)
        reason = failure.reason if isinstance(failure, TransientError) else "bug"
        unit.become(UnitState.WAITING, reason, str(failure), datetime.now(UTC) + timedelta(seconds=pause_s))

    def tries(self) -> None:
        """One effect is sent to see."""
        self.unit.become(UnitState.STARTING, self.unit.reason, self.unit.said)

    def blocked(self, failure: BlockedError) -> None:
        """A human must act."""
        unit = self.unit
        unit.failures += 1
        unit.lost = str(failure)
        log.error('%s: %s; mail waits until conf.d changes or "mailwicket unblock %s"', unit.name, failure, unit.name)
        unit.become(UnitState.BLOCKED, failure.reason, str(failure))
