"""What is told about the running daemon: `status` and `readyz`. Shapes: docs/flow.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from mailwicket.service.units import STORE_REASONS, Unit, UnitState


def status(units: Collection[Unit], version: str, backend: str, parked: int) -> Mapping[str, Any]:
    """Return the object that `mailwicket status --json` prints."""
    store_trouble = next((unit for unit in units if unit.reason in STORE_REASONS), None)
    return {
        "version": version,
        "generation": 1,
        "config": {"ok": True, "error": None},
        "units": [_unit(unit) for unit in units],
        "store": {"ok": store_trouble is None, "error": None if store_trouble is None else store_trouble.said},
        "backend": {"name": backend, "ok": not any(unit.reason == "backend_down" for unit in units)},
        "outbox": {"waiting": 0, "oldest_s": None},
        "quarantine": parked,
    }


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
        "silence_s": None if unit.silence_s is None else round(unit.silence_s, 3),
    }


def ready(units: Collection[Unit]) -> Mapping[str, Any]:
    """Return the object that `/readyz` answers: ready when no unit is blocked and the store takes writes."""
    bad = [unit for unit in units if unit.state is UnitState.BLOCKED or unit.reason in STORE_REASONS]
    return {
        "ready": not bad,
        "units": {unit.name: {"state": unit.state, "reason": unit.reason} for unit in units},
        "store": {"ok": not any(unit.reason in STORE_REASONS for unit in units)},
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
