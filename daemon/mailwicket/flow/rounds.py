"""What is to be done for one outgoing server at a moment, and when there will be something again.

Decides, and is told how it went; neither waits nor connects. The daemon's couriers ask by the machine's clock
(`flow.delivery`), a rehearsal by its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailwicket.errors import BlockedError, TransientError
from mailwicket.flow.handing import Office
from mailwicket.ports import Transaction
from mailwicket.rules.breaker import Failure
from mailwicket.rules.schedule import pause_s
from mailwicket.store import outbox
from mailwicket.store.attempts import Attempt

SHARE: Final = 4
"""A further connection is opened for so many mails that wait: a login costs as much as some mails."""

LOOK_S: Final = 30
"""At the latest the outbox is looked at again, whoever forgot to wake us."""


class Round:
    """The work for the server *name*. Ticks are seconds by a clock that nobody sets."""

    def __init__(self, name: str, office: Office) -> None:
        """Take the mail of *office*; nothing is known of the server yet."""
        self.name = name
        self._office = office
        self._board = office.board
        self.rests_until = 0.0
        """The tick before which the server is not tried: it failed."""
        self.outages = 0
        """Counts failures, so that one outage is not counted once for each connection."""

    def hurry(self) -> None:
        """Have a server that failed tried at once."""
        self.rests_until = 0.0

    # --- connections for mail

    def wait_s(self, tx: Transaction, tick: float, number: int = 0) -> float:
        """Return for how many seconds there is nothing to connect for; 0: the connection *number* (from 0) is wanted.

        It may be wanted earlier, when the board says that something changed.
        """
        if (rest_s := self.rests_until - tick) > 0:
            return rest_s
        if self.is_wanted(tx, tick, number):
            return 0.0
        covers = self._board.covers(self.name)
        return min(LOOK_S, self._until_next(tx, covers)) if covers else LOOK_S

    def is_wanted(self, tx: Transaction, tick: float, number: int = 0) -> bool:
        """Tell whether there is mail for so many connections, and the server may be tried."""
        covers = self._board.covers(self.name)
        if self.rests_until > tick or not covers or (number and self._board.breaker(self.name).failures):
            return False
        return outbox.count_due(tx, self.name, covers, self._office.clock(), number * SHARE + 1) > number * SHARE

    def _until_next(self, tx: Transaction, covers: Sequence[str]) -> float:
        """Seconds until the next mail is due; one that waits for another of its ticket is looked for now and then."""
        at = outbox.next_due(tx, self.name, covers)
        return LOOK_S if at is None else max((at - self._office.clock()).total_seconds(), 1.0)

    # --- how the server is

    def failed(self, failure: TransientError | BlockedError, outages: int, tick: float) -> float | None:
        """Count a failure of the server; return for how many seconds it is left alone.

        None where it was counted already: *outages* are those that there were when the connection was begun.
        """
        if outages != self.outages:
            return None
        self.outages += 1
        told = Failure(failure.reason, str(failure))
        permanent = isinstance(failure, BlockedError)
        breaker = self._board.failed(self.name, self._office.clock(), told, permanent=permanent)
        retry_after_s = failure.retry_after_s if isinstance(failure, TransientError) else None
        pause = pause_s(breaker.failures, self._office.chance(), retry_after_s)
        self.rests_until = tick + pause
        return self.until_probe_s() if breaker.is_open else pause

    @property
    def next_probe(self) -> datetime | None:
        """When somebody is to connect and log in, to see whether a broken server is back; None: it is not broken."""
        breaker = self._board.breaker(self.name)
        return breaker.next_probe if breaker.is_open else None

    def until_probe_s(self) -> float:
        """Seconds until the next probe."""
        due = self.next_probe
        return LOOK_S if due is None else max((due - self._office.clock()).total_seconds(), 0.0)

    def let_in(self) -> bool:
        """A probe went well; return whether the server has its mail back."""
        if self._board.probed(self.name, self._office.clock()).is_open:
            return False
        self.hurry()
        self._board.wake()
        return True

    # --- mail that nobody took

    def has_too_old(self, tx: Transaction) -> bool:
        """Tell whether there is mail that nobody tries any more."""
        return bool(outbox.too_old(tx, [self.name], self._office.clock()))

    def give_up(self, tx: Transaction) -> None:
        """Note that it failed, and have people told."""
        now = self._office.clock()
        for mail in outbox.too_old(tx, [self.name], now):
            attempt = Attempt(self.name, "refused", now, "no server took it within 5 days", counted=False)
            self._office.conclude(tx, mail, attempt)
