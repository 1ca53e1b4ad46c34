"""What a change of conf.d means for the running units. Pure: two configurations in, the difference out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel

from mailwicket.config.incoming import Incoming
from mailwicket.config.mistake import dotted
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.settings import Settings
from mailwicket.config.tables import LISTED, NAMED, SHARED

AFTER_RESTART: Final = frozenset(
    {"daemon.state_dir", "http.listen", "http.tls_certificate", "http.tls_key", "store.url", "backend.type"}
)
"""Keys that a running daemon cannot change. A certificate that is renewed in its file is taken up all the same."""

BACKEND: Final = "backend"


class Act(StrEnum):
    """What happens to a unit."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one unit, and because of which keys of its table."""

    unit: str
    act: Act
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line, without values."""
        return f"{self.act} {self.unit}" + (f" ({', '.join(self.keys)})" if self.keys else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from one configuration to another."""

    changes: tuple[Change, ...] = ()
    kept: int = 0
    """So many units are not touched: they keep their connections."""
    at_once: tuple[str, ...] = ()
    """Changed keys that belong to no unit and count from now on."""
    after_restart: tuple[str, ...] = ()
    """Changed keys that count when the daemon is started again."""
    retried: tuple[str, ...] = ()
    """Units that nothing changes for, and that are tried again because what blocked them lies on this machine."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes at all."""
        return not (self.changes or self.at_once or self.after_restart)

    def told(self) -> Mapping[str, Any]:
        """Return it for JSON."""
        return {
            "changes": [{"unit": change.unit, "act": change.act, "keys": list(change.keys)} for change in self.changes],
            "kept": self.kept,
            "at_once": list(self.at_once),
            "after_restart": list(self.after_restart),
            "retried": list(self.retried),
        }


def compare(old: Settings, new: Settings, secrets: Mapping[str, Sequence[str]] | None = None) -> Plan:
    """Return what it takes to go from *old* to *new*.

    *secrets*: of units whose table is the same, the keys whose secret reads otherwise than when it was last used.
    """
    fresh = secrets or {}
    changes: list[Change] = []
    kept = 0
    before, after = servers(old), servers(new)
    for unit in sorted(before.keys() | after.keys()):
        if unit not in after:
            changes.append(Change(unit, Act.STOP))
        elif unit not in before:
            changes.append(Change(unit, Act.START))
        elif (keys := _unit_changed(before[unit], after[unit]) or tuple(fresh.get(unit, ()))) or (
            keys := _login(old, new, after[unit])
        ):
            changes.append(Change(unit, Act.RESTART, keys))
        else:
            kept += 1
    others = _others(old, new)
    if old.backend.type == new.backend.type:
        keys = _changed(old.backend.keys, new.backend.keys) or tuple(fresh.get(BACKEND, ()))
        if keys:
            changes.append(Change(BACKEND, Act.RESTART, keys))
    return Plan(
        tuple(changes),
        kept,
        tuple(key for key in others if key not in AFTER_RESTART),
        tuple(key for key in others if key in AFTER_RESTART),
    )


def _login(old: Settings, new: Settings, unit: Incoming | Outgoing) -> tuple[str, ...]:
    """Return the key of *unit* by which it logs in, where what it names there changed."""
    name = unit.oauth if unit.auth == "oauth" else None
    return ("oauth",) if name is not None and old.oauth.get(name) != new.oauth.get(name) else ()


def adopted(old: Settings, new: Settings, plan: Plan) -> Settings:
    """Return what runs once *plan*, which leads from *old* to *new*, is carried out.

    What waits for a restart stays as it was. Units that are kept keep their very objects, and so do applications: these
    know of their secrets what was last used.
    """
    changed = {change.unit for change in plan.changes}
    incoming = {
        name: unit if f"incoming/{name}" in changed or not unit.enabled else old.incoming[name]
        for name, unit in new.incoming.items()
    }
    outgoing = {
        name: one if f"outgoing/{name}" in changed or not one.enabled else old.outgoing[name]
        for name, one in new.outgoing.items()
    }
    renewed = applications(new, plan)
    oauth = {
        name: one if name in renewed or old.oauth.get(name) != one else old.oauth[name]
        for name, one in new.oauth.items()
    }
    backend = new.backend if BACKEND in changed else old.backend
    update: dict[str, Any] = {"incoming": incoming, "outgoing": outgoing, "oauth": oauth, "backend": backend}
    for table in ("daemon", "http", "store"):
        keys = [key.removeprefix(f"{table}.") for key in plan.after_restart if key.startswith(f"{table}.")]
        before = getattr(old, table)
        update[table] = getattr(new, table).model_copy(update={key: getattr(before, key) for key in keys})
    return new.model_copy(update=update)


def applications(settings: Settings, plan: Plan) -> frozenset[str]:
    """Return the `[oauth.NAME]` that *plan* changes, or whose secret reads otherwise, for units of *settings*."""
    known = servers(settings)
    named = [known[one.unit].oauth for one in plan.changes if "oauth" in one.keys and one.unit in known]
    return frozenset(name for name in named if name is not None)


def enabled(settings: Settings) -> dict[str, Incoming]:
    """Return the mailboxes that are units, by name: none while mail to ticket is paused."""
    if settings.preferences.email_to_ticket == "paused":
        return {}
    return {name: unit for name, unit in settings.incoming.items() if unit.enabled}


def servers(settings: Settings) -> dict[str, Incoming | Outgoing]:
    """Return the servers that are units, by the unit's name: `incoming/NAME`, `outgoing/NAME`."""
    units: dict[str, Incoming | Outgoing] = {f"incoming/{name}": one for name, one in enabled(settings).items()}
    return units | {f"outgoing/{name}": one for name, one in settings.outgoing.items() if one.enabled}


def _others(old: Settings, new: Settings) -> list[str]:
    found: list[str] = []
    for table in type(new).model_fields:
        before, after = getattr(old, table), getattr(new, table)
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            found.extend(f"{table}.{key}" for key in _changed(before, after))
        elif table in NAMED or table in SHARED:
            found.extend(dotted((table, name)) for name in _differing(before, after))
        elif table in LISTED and before != after:
            found.append(table)
    if old.backend.type != new.backend.type:
        found.append("backend.type")
    return found


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return the names that are not in both, or stand for something else."""
    return [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]


def _unit_changed(old: Incoming | Outgoing, new: Incoming | Outgoing) -> tuple[str, ...]:
    """As `_changed`; a proxy that is another one now counts, too."""
    return _changed(old, new) or (("proxy",) if old.via != new.via else ())


def _changed(old: BaseModel, new: BaseModel) -> tuple[str, ...]:
    """Return the names of the keys that differ."""
    names = dict.fromkeys([*type(old).model_fields, *type(new).model_fields])
    return tuple(name for name in names if getattr(old, name, None) != getattr(new, name, None))
