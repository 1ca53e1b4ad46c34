"""What people do to mail in quarantine: look at it, have it decided again by today's configuration, give it up.

A retry forgets the old decision in the transaction that writes the new one, with its row of the audit; until then the
mail is parked. The order of effects and what is true after a death at any point: docs/flow.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

import anyio
import anyio.to_thread

from mailwicket.errors import ConflictError, MailwicketError, TransientError, UnknownError
from mailwicket.flow.importing import SOURCE
from mailwicket.flow.judge import Beside, Judge
from mailwicket.flow.judgement import Told
from mailwicket.flow.reading import Read, Reading, Work
from mailwicket.model import IntakeId, Reason
from mailwicket.ports import Transaction
from mailwicket.rules.outcome import Append, Create, Outcome, Quarantine
from mailwicket.store import audit, journal
from mailwicket.store.audit import Deed
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Parked
from mailwicket.store.parked import Shown, home_of, listed, shown
from mailwicket.store.raw import read_raw
from mailwicket.store.store import Store
from mailwicket.timestamp import timestamp

log = logging.getLogger(__name__)

DESK_S: Final = 30
"""So long a desk elsewhere may take: somebody waits for the answer, and the mail stays parked."""


class Way(Protocol):
    """How mail of a mailbox is decided, and its server's copy settled (`service.fleet.Fleet`)."""

    def judge(self, name: str) -> Judge:
        """Return who decides mail of the mailbox *name*, also of one that is gone; `""` for no mailbox."""
        ...

    def settle(self, name: str) -> None:
        """Have the servers' copies of *name* say soon what we know."""
        ...

    def done(self, name: str, reason: Reason) -> None:
        """Count a mail of *name* that ended so, without being decided."""
        ...


class Parking:
    """The quarantine."""

    def __init__(self, store: Store, reading: Reading, way: Way, clock: Callable[[], datetime]) -> None:
        """Decide by *way*."""
        self._store = store
        self._reading = reading
        self._way = way
        self._clock = clock
        self._lock = anyio.Lock()

    async def listed(self) -> list[Shown]:
        """Return every parked mail, the oldest first."""
        parked = await self._store.look(journal.all_parked)
        return await anyio.to_thread.run_sync(listed, parked, self._store.raw.directory)

    async def shown(self, intake_id: IntakeId) -> Shown:
        """Return one with its trace, header and text.

        Raises:
            UnknownError: it is not parked.
        """
        return await anyio.to_thread.run_sync(shown, self._parked(intake_id), self._store.raw.directory)

    async def raw(self, intake_id: IntakeId) -> bytes:
        """Return its bytes as they came.

        Raises:
            UnknownError: it is not parked.
            ConflictError: they are gone.
        """
        place = self._parked(intake_id).kept.raw
        try:
            return await anyio.to_thread.run_sync(read_raw, self._store.raw.directory, place)
        except OSError as error:
            raise ConflictError(f"mail {intake_id}: its bytes cannot be read: {error.strerror}") from error

    async def retry(self, intake_id: IntakeId, who: str, *, dry: bool = False) -> Shown:
        """Decide it again and return what became of it; with *dry*, what would.

        Raises:
            UnknownError: it is not parked.
            ConflictError: it failed by itself, and stays parked.
            TransientError: the desk, or our disk; it stays parked.
        """
        async with self._lock:
            parked = self._parked(intake_id)
            judge = self._way.judge(home_of(parked))
            with self._store.in_hand.worker() as slot:
                read = replace(await self._read(parked, slot), replayed=True)
                if dry:
                    outcome = judge.foresee(read)
                    ticket = outcome.ticket if isinstance(outcome, Append) else None
                    return _told(parked, read, outcome, ticket)
                told = await self._decide(judge, read, slot, lambda tx, told: self._note(tx, parked, told, who))
        self._way.settle(home_of(parked))
        return _told(parked, read, told.outcome, told.decided.ticket)

    async def drop(self, intake_id: IntakeId, who: str) -> Shown:
        """Give it up; its bytes stay as long as those of any mail.

        Raises:
            UnknownError: it is not parked.
            StoreError: our disk.
        """
        async with self._lock:
            parked = self._parked(intake_id)
            now = timestamp(self._clock())

            def drop(tx: Transaction) -> None:
                if not journal.drop(tx, intake_id):
                    raise _unknown(intake_id)
                detail = {"was": parked.reason.value, "sha256": parked.kept.raw.sha256}
                audit.note(tx, Deed(who, "quarantine.drop", str(intake_id), detail), now)

            await self._store.write(drop)
        self._way.done(home_of(parked), Reason.DROPPED_BY_ADMIN)
        log.warning("parked mail dropped unit=incoming/%s intake=%s", home_of(parked), intake_id)
        return {"id": intake_id, "reason": Reason.DROPPED_BY_ADMIN.value, "was": parked.reason.value}

    async def _read(self, parked: Parked, slot: Slot) -> Read:
        work = Work(parked.kept)
        if parked.reason is Reason.FAILED_REPEATEDLY:  # it may have killed its readers
            return await self._reading.read_alone(work, slot)
        (read,) = await self._reading.read([work], slot)
        return read

    async def _decide(self, judge: Judge, read: Read, slot: Slot, beside: Beside) -> Told:
        intake_id = read.kept.intake_id
        try:
            with anyio.fail_after(DESK_S):
                return await judge.replay(read, slot, beside)
        except TimeoutError as error:
            raise TransientError(f"mail {intake_id}: the backend does not answer; it stays parked") from error
        except MailwicketError:
            raise
        except Exception as error:
            log.exception("parked mail undecided intake=%s", intake_id)
            raise ConflictError(f"mail {intake_id} could not be decided, look at the log; it stays parked") from error

    def _note(self, tx: Transaction, parked: Parked, told: Told, who: str) -> None:
        """In the transaction of a retry."""
        intake_id = parked.kept.intake_id
        if parked.source == SOURCE:
            journal.note_settled(tx, [intake_id])  # no server has a copy
        detail = {"was": parked.reason.value, "reason": told.outcome.reason.value, "ticket": told.decided.ticket}
        audit.note(tx, Deed(who, "quarantine.retry", str(intake_id), detail), timestamp(self._clock()))

    def _parked(self, intake_id: IntakeId) -> Parked:
        if (found := self._store.read(lambda tx: journal.parked(tx, intake_id))) is None:
            raise _unknown(intake_id)
        return found


def _unknown(intake_id: IntakeId) -> UnknownError:
    return UnknownError(f"mail {intake_id} is not parked")


def _told(parked: Parked, read: Read, outcome: Outcome, ticket: int | None) -> Shown:
    return {
        "id": parked.kept.intake_id,
        "was": parked.reason.value,
        "reason": outcome.reason.value,
        "parked": isinstance(outcome, Quarantine),
        "ticket": ticket,
        "opens": isinstance(outcome, Create) and read.mail is not None,
        "trace": [[step.rule, step.answer] for step in outcome.trace],
    }
