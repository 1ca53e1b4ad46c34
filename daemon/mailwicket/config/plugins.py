"""The installed adapters, ours and others', by the one door there is: entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from pydantic import BaseModel

from mailwicket.config.incoming import Incoming
from mailwicket.config.outgoing import Outgoing

BACKENDS: Final = "mailwicket.backends"
SOURCES: Final = "mailwicket.sources"
SENDERS: Final = "mailwicket.senders"


@dataclass(frozen=True, slots=True)
class Broken:
    """A plug-in that cannot be used, and why."""

    group: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"plug-in {self.name} ({self.group}) is left out: {self.why}"


@dataclass(frozen=True, slots=True)
class Plugins:
    """Adapter classes by the name that `[backend] type` or `protocol` selects them with."""

    backends: Mapping[str, Any]
    sources: Mapping[str, Any]
    senders: Mapping[str, Any]
    broken: tuple[Broken, ...] = ()


def installed() -> Plugins:
    """Import and return every adapter that is installed; one that does not load is told of, and hurts no other."""
    broken: list[Broken] = []
    backends = dict(_adapters(BACKENDS, BaseModel, broken))
    sources = dict(_adapters(SOURCES, Incoming, broken))
    senders = dict(_adapters(SENDERS, Outgoing, broken))
    return Plugins(backends, sources, senders, tuple(broken))


def _adapters(group: str, wanted: type[BaseModel], broken: list[Broken]) -> Iterator[tuple[str, Any]]:
    # Ours come last: a later pair of a dict() wins, so nobody takes their names.
    for point in sorted(entry_points(group=group), key=_is_ours):
        try:
            adapter = point.load()
        except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything while it is imported
            broken.append(Broken(group, point.name, f"{type(error).__name__}: {error}"))
            continue
        config = getattr(adapter, "Config", None)
        if isinstance(config, type) and issubclass(config, wanted):
            yield point.name, adapter
        else:
            broken.append(Broken(group, point.name, f"its Config is no {wanted.__name__}"))


def _is_ours(point: EntryPoint) -> bool:
    return point.value.startswith("mailwicket.")
