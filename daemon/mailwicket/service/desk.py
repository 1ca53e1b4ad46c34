"""The desk as a unit: how it is, told once, for status, health and metrics."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from mailwicket.errors import BlockedError, ConflictError
from mailwicket.service.supervisor import Unblocks
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
        unit.recovered(unit.server)

    def waits(self, failure: Exception, pause_s: float) -> None:
        """The desk is out until the next try."""
        self.unit.waits(failure, pause_s)

    def tries(self) -> None:
        """One effect is sent to see."""
        self.unit.become(UnitState.STARTING, self.unit.reason, self.unit.said)

    def act(self, action: str, door: Unblocks) -> str:
        """Do *action*, as an admin asks, by the *door* of the desk; return what happens.

        Raises:
            ConflictError: it cannot be done to a desk, or not now.
        """
        if action in {"pause", "resume"}:
            raise ConflictError(f"backend cannot be {action}d; {action} the mailboxes")
        if action == "unblock" and self.unit.state is not UnitState.BLOCKED:
            raise ConflictError(f"backend is not blocked, it is {self.unit.state}")
        door.unblock()
        return "is tried with the next mail"

    def blocked(self, failure: BlockedError) -> None:
        """A human must act."""
        self.unit.blocks(failure)
