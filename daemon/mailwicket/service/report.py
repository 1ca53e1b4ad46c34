"""What is told about the running daemon: `status` and `readyz`. Shapes: docs/flow.md."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from mailwicket.errors import StoreError
from mailwicket.flow.budget import Hit
from mailwicket.service.alerts import alerts_of
from mailwicket.service.ending import Ending
from mailwicket.service.units import BACKEND_REASON, STORE_REASONS, Unit, UnitState
from mailwicket.store.outlist import Backlog
from mailwicket.timestamp import timestamp

UNWELL: Final = (UnitState.BLOCKED, UnitState.WAITING, UnitState.PAUSED)
"""The worst first."""

NAMED_MAX: Final = 3
"""So many units in trouble are named in one line; `mailwicket status` has them all."""


class Trouble(NamedTuple):
    """What is wrong with something that all mailboxes share."""

    reason: str | None
    said: str | None
    reason_since: datetime


@dataclass(frozen=True, slots=True)
class Disk:
    """The filesystem of the state directory, and what our database takes of it."""

    size_bytes: int
    free_bytes: int
    """For us: not what is kept for root."""
    database_bytes: int


def disk_of(state_dir: Path, database: str) -> Disk | None:
    """Measure the disk of *state_dir*, where the file *database* is; None where it does not answer."""
    try:
        disk = os.statvfs(state_dir)
        database_bytes = (state_dir / database).stat().st_size
    except OSError:
        return None
    return Disk(disk.f_frsize * disk.f_blocks, disk.f_frsize * disk.f_bavail, database_bytes)


@dataclass(frozen=True, slots=True)
class ParkedLately:
    """The mails that were parked within a day and wait."""

    mails: int
    """`journal.PARKED_COUNTED` stands for "or more"."""
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """The daemon at one moment."""

    version: str
    generation: int
    units: Collection[Unit]
    chores: Unit
    """What the store does for itself."""
    backend: str
    desk: Unit | None
    """The unit of a backend that is reached over the network."""
    parked: int
    store_waits: StoreError | None = None
    """Why our store cannot be read, or what it has kept waiting for too long."""
    store_waits_since: datetime | None = None
    errors: tuple[str, ...] = ()
    """Why the conf.d on disk is not what runs."""
    refused_since: datetime | None = None
    after_restart: tuple[str, ...] = ()
    parked_lately: ParkedLately | None = None
    parked_keep_days: int = 0
    disk: Disk | None = None
    filter_hits: Mapping[Hit, int] = field(default_factory=dict)
    """How many mails met each entry of the mailboxes' filters."""
    waiting: Mapping[str, Backlog] = field(default_factory=dict)
    """What waits in the outbox, by server."""
    paused_addresses: int = 0
    """To so many nothing is sent: their mail bounced."""
    endings: Sequence[Ending] = ()
    """Secrets, certificates and sign-ins that end one day."""
    tokens: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How often an application asked for a token, by its name and the outcome."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def all_units(self) -> list[Unit]:
        """The mailboxes, and the backend where it is one."""
        return [*self.units, *([self.desk] if self.desk else [])]

    @property
    def store_trouble(self) -> Trouble | None:
        """What is wrong with our own store; None where it takes writes."""
        unit = next((unit for unit in (*self.units, self.chores) if unit.reason in STORE_REASONS), None)
        if unit is None and self.store_waits is not None:
            return Trouble(self.store_waits.reason, str(self.store_waits), self.store_waits_since or self.at)
        return _trouble(unit)  # the same trouble for longer: it does not begin anew with each try

    @property
    def backend_trouble(self) -> Trouble | None:
        """What keeps the backend from working; None where it takes tickets."""
        if self.desk is not None and self.desk.seems in {UnitState.WAITING, UnitState.BLOCKED}:
            return _trouble(self.desk)
        return _trouble(next((unit for unit in self.units if unit.reason == BACKEND_REASON), None))

    @property
    def waiting_mails(self) -> int:
        """How many mails wait in the outbox."""
        return sum(one.mails for one in self.waiting.values())

    @property
    def oldest_waiting_s(self) -> float | None:
        """For how long the oldest of them has waited, in seconds; None: none waits."""
        oldest = min((one.oldest_at for one in self.waiting.values()), default=None)
        return None if oldest is None else round(max((self.at - oldest).total_seconds(), 0), 3)

    def status(self) -> Mapping[str, Any]:
        """Return the object that `mailwicket status --json` prints."""
        return {
            "version": self.version,
            "generation": self.generation,
            "config": {
                "ok": not self.errors,
                "error": self.errors[0] if self.errors else None,
                "errors": list(self.errors),
                "since": _time(self.refused_since),
                "after_restart": list(self.after_restart),
            },
            "units": [{**_unit(unit), **self._hits_of(unit)} for unit in self.all_units],
            "store": _told(self.store_trouble),
            "backend": {"name": self.backend, **_told(self.backend_trouble)},
            "outbox": {
                "waiting": self.waiting_mails,
                "oldest_s": self.oldest_waiting_s,
                "paused": self.paused_addresses,
            },
            "quarantine": self.parked,
            "alerts": [alert.told() for alert in alerts_of(self)],
        }

    def _hits_of(self, unit: Unit) -> Mapping[str, Any]:
        hits = self.filter_hits.items()
        found = {entry: count for (source, entry), count in hits if f"incoming/{source}" == unit.name}
        return {"filter_hits": found} if found else {}

    def ready(self) -> Mapping[str, Any]:
        """Return the object that `/readyz` answers.

        Ready: no unit is blocked, store and backend take what they are given. A refused conf.d is shown and does not
        count: what ran runs on.
        """
        blocked = any(unit.state is UnitState.BLOCKED for unit in self.all_units)
        store, backend = self.store_trouble, self.backend_trouble
        return {
            "ready": not (blocked or store or backend),
            "units": {unit.name: {"state": unit.state, "reason": unit.reason} for unit in self.all_units},
            "store": {"ok": store is None, "reason": store and store.reason},
            "backend": {"ok": backend is None, "reason": backend and backend.reason},
            "config": {"ok": not self.errors, "reason": "config_refused" if self.errors else None},
        }

    def line(self) -> str:
        """Return what a person wants to know first, in one line: how many run, and who does not and why."""
        enabled = [unit for unit in self.all_units if unit.reason != "disabled"]
        said = [f"{sum(unit.state is UnitState.RUNNING for unit in enabled)} of {len(enabled)} units run"]
        unwell = sorted((unit for unit in enabled if unit.seems in UNWELL), key=lambda unit: UNWELL.index(unit.seems))
        said += [f"{unit.name} {unit.seems} ({unit.reason})" for unit in unwell[:NAMED_MAX]]
        if len(unwell) > NAMED_MAX:
            said.append(f"{len(unwell) - NAMED_MAX} more")
        for what, trouble in (("store", self.store_trouble), ("backend", self.backend_trouble)):
            if trouble is not None:
                said.append(f"{what}: {trouble.reason}")
        if self.errors:
            said.append(f"conf.d is refused: {self.errors[0]}")
        return "; ".join(said)


def _unit(unit: Unit) -> Mapping[str, Any]:
    return {
        "name": unit.name,
        "server": unit.server,
        "state": unit.state,
        "since": _time(unit.since),
        "reason": unit.reason,
        "said": unit.said,
        "last_success": _time(unit.last_success),
        "next_try": _time(unit.next_try),
        "backlog": unit.backlog_mails,
        "backlog_since": _time(unit.backlog_since),
        "unread": unit.unread_mails,
        "untaken": unit.untaken_mails,
        "broken_since": _time(unit.broken_since),
        "stand_in": unit.stand_in,
        "silence_s": None if unit.silence_s is None else round(unit.silence_s, 3),
    }


def _trouble(unit: Unit | None) -> Trouble | None:
    return None if unit is None else Trouble(unit.reason, unit.said, unit.reason_since)


def _told(trouble: Trouble | None) -> Mapping[str, Any]:
    return {"ok": trouble is None, "error": trouble and trouble.said}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
