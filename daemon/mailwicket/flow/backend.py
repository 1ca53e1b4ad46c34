"""The desk as the flow sees it: one door for all mailboxes to a desk that keeps its own books.

An outage is the desk's, not the mailboxes': whoever has an effect to bring waits here, in the order of arrival, and
the connection to the mailbox stays. States: docs/states.md; why it is so: docs/decisions.md.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, StoreError, TransientError
from mailwicket.flow.observe import DeskObserver
from mailwicket.ports import Desk, SetsPace
from mailwicket.rules.schedule import pause_s

log = logging.getLogger(__name__)

T = TypeVar("T")

Effect = Callable[[Desk], Awaitable[T | None]]
"""Asks a desk for one effect of one mail; None: there was nothing to ask for, and nothing was sent."""

STRIKES_MAX: Final = 5
"""An effect that failed so often, others succeeding in between, is itself to blame."""

CATCH_UP_S: Final = 0.1
"""So late a start is made up for by the next, as timers are late; idle time is not, or a burst would follow."""


class StubbornError(MailwicketError):
    """An effect keeps failing while the desk takes others: an attempt of that mail, not an outage."""


class DoorRetiredError(TransientError):
    """The desk behind the door is there no more: what waited is to be brought elsewhere."""


@dataclass(slots=True)
class _Trial:
    """How often one effect failed while others succeeded."""

    strikes: int = 0
    taken_before: int | None = None
    """Effects that the desk had taken at the last failure."""

    def failed(self, failure: Exception, taken: int) -> None:
        """Count a failure. Who names a time to come back, or a human, speaks of himself and not of the mail."""
        if isinstance(failure, BlockedError) or getattr(failure, "retry_after_s", None) is not None:
            return
        if self.taken_before is None or taken > self.taken_before:
            self.strikes += 1
        self.taken_before = taken


class Door:
    """Lets effects through to a desk: as many at once and a minute as it says, and none while it is out.

    After a failure nothing is sent until the pause is over (`rules.schedule`, or Retry-After where that is longer).
    Then one effect at a time is tried, until one is answered. A desk that blocks is left alone until `unblock`.
    """

    def __init__(
        self,
        desk: Desk,
        observer: DeskObserver,
        *,
        pause: Callable[[int, float, float | None], float] = pause_s,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Stand before *desk*, telling *observer* how it is; *pause* and *chance* say how long it stays shut."""
        self._observer = observer
        self._pause = pause
        self._chance = chance
        self._turn = anyio.Lock()  # fair: who waits longest is next
        self._changed = anyio.Event()
        self._retired = False
        self._failures = 0
        """In a row. While there are any, what is let through is a trial."""
        self._closings = 0
        self._shut_until = -math.inf
        self._due = -math.inf
        self._taken = 0
        self._take_desk(desk)

    def _take_desk(self, desk: Desk) -> None:
        self._desk = desk
        pace = desk if isinstance(desk, SetsPace) else None
        rate = None if pace is None else pace.rate_per_minute
        self._interval_s = 0.0 if rate is None else 60 / rate
        self._room = anyio.Semaphore(1 if pace is None else pace.at_once)

    # --- what the house may do

    def adopt(self, desk: Desk) -> None:
        """Stand before another *desk* from now on; whoever waits is let through to it, one first."""
        self._take_desk(desk)
        self._failures = min(self._failures, 1)
        self.unblock()

    def unblock(self) -> None:
        """Try at once, whatever was waited for."""
        self._shut_until = -math.inf
        self._wake()

    def retire(self) -> None:
        """Send everybody away who waits, by DoorRetiredError: give their judges another desk before."""
        self._retired = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # --- what judges do

    async def bring(self, effect: Effect[T], name: str) -> T | None:
        """Have *effect* done, however long that takes, and return what it returned; *name* is the mail's in words.

        Raises:
            PermanentError: the desk will never take it.
            StubbornError: it fails again and again while the desk takes others.
            DoorRetiredError: see `retire`.
            StoreError: our own disk.
        """
        trial = _Trial()
        while True:
            try:
                return await self._pass(effect)
            except (PermanentError, DoorRetiredError, StoreError):
                raise
            except Exception as failure:
                trial.failed(failure, self._taken)
                if trial.strikes >= STRIKES_MAX:
                    raise StubbornError(f"{failure}; {STRIKES_MAX} times, and others went through") from failure
                log.debug("effect waits %s: %s", name, failure)

    async def _pass(self, effect: Effect[T]) -> T | None:
        async with self._room:
            async with self._turn:
                await self._until_open()
                if self._failures:
                    return await self._try(effect)  # the others wait for what comes of it
            return await self._try(effect)

    async def _until_open(self) -> None:
        while not self._retired and (wait := max(self._shut_until, self._due) - anyio.current_time()) > 0:
            with anyio.move_on_after(wait):
                await self._changed.wait()
        if self._retired:
            raise DoorRetiredError("the desk was replaced", reason="backend_down")
        if self._failures:
            self._observer.tries()
        now = anyio.current_time()
        late = now - self._due < CATCH_UP_S
        self._due = (self._due if late else now) + self._interval_s

    async def _try(self, effect: Effect[T]) -> T | None:
        desk, closings = self._desk, self._closings
        try:
            done = await effect(desk)
        except StoreError:
            raise
        except PermanentError:
            self._answered(desk, closings)
            raise
        except Exception as failure:
            if desk is self._desk:
                self._close(failure, closings)
            raise
        if done is not None:
            self._taken += 1
            self._answered(desk, closings)
        return done

    def _answered(self, desk: Desk, closings: int) -> None:
        """Open the door, unless it was closed after this effect began: then a later one tells."""
        if desk is self._desk and closings == self._closings:
            self._failures = 0
            self._observer.works()

    def _close(self, failure: Exception, closings: int) -> None:
        """Close the door: for a while, or until a human acted."""
        retry_after_s = failure.retry_after_s if isinstance(failure, TransientError) else None
        if isinstance(failure, BlockedError):
            if self._shut_until < math.inf:
                self._begin_closing(math.inf)
                self._observer.blocked(failure)
        elif closings == self._closings:
            pause = self._pause(self._failures + 1, self._chance(), retry_after_s)
            self._begin_closing(anyio.current_time() + pause)
            self._observer.waits(failure, pause)
        elif retry_after_s is not None:  # one more that was under way: the same outage, and perhaps a longer one
            self._shut_until = max(self._shut_until, anyio.current_time() + retry_after_s)

    def _begin_closing(self, until: float) -> None:
        self._failures += 1
        self._closings += 1
        self._shut_until = until
