"""A unit is one supervised task: a source today. Its state, for status, health and metrics."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from mailwicket.errors import BlockedError, StoreError, TransientError
from mailwicket.model import Reason
from mailwicket.service.clock import Since, TimeOfDay

log = logging.getLogger(__name__)


STORE_REASONS = frozenset({"disk_full", "disk_error", "disk_hangs", "store_locked", "store_damaged"})
"""Our own disk or database: a connection to the server does not mend that."""

BACKEND_REASON: Final = "backend_down"


class UnitState(StrEnum):
    """The states of a unit; transitions in docs/states.md."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    BLOCKED = "blocked"
    PAUSED = "paused"
    STOPPED = "stopped"


TRYING = frozenset({UnitState.STARTING, UnitState.RUNNING, UnitState.WAITING})
"""The daemon does what it can: no person holds it up."""


@dataclass
class Unit:
    """What is known of one unit; watches its flow (`flow.observe.Observer`)."""

    name: str
    server: str
    state: UnitState = UnitState.STOPPED
    reason: str | None = None
    said: str | None = None
    """The failure's own words, for people."""
    backlog_mails: int = 0
    backlog_since: datetime | None = None
    """When the mail that waits longest for its decision was seen."""
    unread_mails: int | None = None
    """Marked as unread on the server, of those that are ours to take; None where nobody counted."""
    untaken_mails: int | None = None
    """Those of them that we never had."""
    sent_mails: int = 0
    """Of an outgoing server: taken for all their recipients, since the daemon started."""
    refused_mails: int = 0
    """Refused for good, or for one recipient at least."""
    broken_since: datetime | None = None
    """When the breaker of an outgoing server opened; None while it is closed."""
    stand_in: str | None = None
    """The server by which its mail goes meanwhile; None: it waits."""
    failures: int = 0
    """In a row, since the last time everything was done."""
    held: bool = False
    """An admin paused it."""
    lost: str | None = None
    """The loss that people were told of; the same again is not told."""
    reasons: Counter[Reason] = field(default_factory=Counter)
    back_off: Callable[[Exception], Awaitable[None]] | None = None
    """How whoever keeps the unit waits after a failure, and tells of it."""
    _silence_s: Callable[[], float] | None = None

    since = Since()
    reason_since = Since()
    last_success = TimeOfDay()
    next_try = TimeOfDay()
    untaken_since = TimeOfDay()
    started_at = TimeOfDay()
    """Since when it tries: nobody stopped or paused it, and nothing blocks it."""
    failing_since = TimeOfDay()
    """The first failure since the last time that everything was done."""

    def __post_init__(self) -> None:
        """What it is, it is since now."""
        self.since = self.reason_since = datetime.now(UTC)

    def become(
        self,
        state: UnitState,
        reason: str | None = None,
        said: str | None = None,
        next_try: datetime | None = None,
    ) -> None:
        """Enter *state*; `since` changes only when the state does."""
        now = datetime.now(UTC)
        if state is not self.state:
            self.since = now
        if state in TRYING:
            self.started_at = self.started_at or now
        else:
            self.started_at = None
            self.failing_since = None
            self.unread_mails = self.untaken_mails = None
            self.untaken_since = None
        if state is UnitState.WAITING:
            self.failing_since = self.failing_since or now
        self._silence_s = None
        self._give_reason(reason, said)
        self.state, self.next_try = state, next_try

    def _give_reason(self, reason: str | None, said: str | None) -> None:
        if reason != self.reason:
            self.reason_since = datetime.now(UTC)
        self.reason, self.said = reason, said

    @property
    def seems(self) -> UnitState:
        """The state for people: at each try at a server that is down a unit is starting, and for them it waits."""
        return UnitState.WAITING if self.state is UnitState.STARTING and self.reason else self.state

    @property
    def silence_s(self) -> float | None:
        """Seconds since the server's last byte; None while there is no connection."""
        return None if self._silence_s is None else self._silence_s()

    def connected(self, silence_s: Callable[[], float]) -> None:
        """The mailbox is open and *silence_s* tells of its last byte; a loss that was told is told to be over.

        Trouble with our own store is over only when something was written: the reason stands until then.
        """
        if self.reason in STORE_REASONS:
            self.become(UnitState.RUNNING, self.reason, self.said)
        else:
            self.recovered(self.server)
            self.become(UnitState.RUNNING)
        self._silence_s = silence_s

    async def outlast(self, failure: StoreError) -> None:
        """Wait for our own store with the connection kept: logging in again would mend nothing."""
        if self.back_off is None:
            raise failure
        silence_s = self._silence_s
        await self.back_off(failure)
        self.become(UnitState.RUNNING, self.reason, self.said)
        self._silence_s = silence_s

    def backlog(self, mails: int, oldest_at: datetime | None) -> None:
        """So many mails are seen and not yet decided, the first of them at *oldest_at*."""
        self.backlog_mails, self.backlog_since = mails, oldest_at

    def done(self, reason: Reason) -> None:
        """A mail was decided and committed."""
        self.reasons[reason] += 1
        self._written()

    def caught_up(self) -> None:
        """Everything that the server showed is decided and settled."""
        self.last_success = datetime.now(UTC)
        self.failing_since = None
        self.failures = 0
        self._written()

    def unread(self, mails: int, untaken: int) -> None:
        """The server marks so many mails as unread, and of these so many were never taken."""
        self.unread_mails, self.untaken_mails = mails, untaken
        self.untaken_since = (self.untaken_since or datetime.now(UTC)) if untaken else None

    def _written(self) -> None:
        """The store takes writes."""
        if self.reason in STORE_REASONS:
            self._give_reason(None, None)
            self.recovered("the store")

    def recovered(self, what: str) -> None:
        """A loss that was told is over: *what* is back."""
        if self.lost is not None:
            log.info("%s: %s is back", self.name, what)
            self.lost = None

    def waits(self, failure: Exception, pause_s: float) -> None:
        """Say what happened and when it is tried next; the same loss only once."""
        self.failures += 1
        if self.lost == str(failure):
            log.debug("%s: %s; next try in %.0f s", self.name, failure, pause_s)
        elif isinstance(failure, StoreError):
            log.error("%s: %s; mail waits on its server, next try in %.0f s", self.name, failure, pause_s)
        elif isinstance(failure, TransientError):
            log.warning("%s: %s; next try in %.0f s", self.name, failure, pause_s)
        else:
            log.error("%s: a bug, the other units run on; next try in %.0f s", self.name, pause_s, exc_info=failure)
        self.lost = str(failure)
        reason = failure.reason if isinstance(failure, TransientError) else "bug"
        self.become(UnitState.WAITING, reason, str(failure), datetime.now(UTC) + timedelta(seconds=pause_s))

    def blocks(self, failure: BlockedError) -> None:
        """Say that a person must act; the same loss only once."""
        self.failures += 1
        if self.lost != str(failure):
            log.error(
                '%s: %s; blocked until conf.d changes, "mailwicket reload" (a secret) or "mailwicket unblock %s"',
                self.name, failure, self.name,
            )  # fmt: skip
        self.lost = str(failure)
        self.become(UnitState.BLOCKED, failure.reason, str(failure))
