"""Which model stands behind each table of conf.d, with the adapters that are installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from mailwicket.config.directory import Category, Company, Group, Requester, Technician
from mailwicket.config.incoming import Incoming
from mailwicket.config.keys import Key, below, keys_of, to_toml
from mailwicket.config.merge import KeyPath
from mailwicket.config.oauth import OAuth
from mailwicket.config.preferences import Msp, Preferences
from mailwicket.config.settings import Backend, Daemon, Http, Store

PLAIN: Final[Mapping[str, type[BaseModel]]] = {
    "daemon": Daemon,
    "http": Http,
    "store": Store,
    "preferences": Preferences,
    "msp": Msp,
}
"""The tables that are alike whatever is installed."""

NAMED: Final[Mapping[str, type[BaseModel]]] = {
    "technician": Technician,
    "group": Group,
    "category": Category,
    "company": Company,
    "requester": Requester,
}
"""The tables of the directory: `[TABLE.NAME]`, or `[TABLE."ADDRESS"]`."""

SHARED: Final[Mapping[str, type[BaseModel]]] = {"oauth": OAuth}
"""The tables that mailboxes name: `[TABLE.NAME]`, with names as units have them."""

BY_ADDRESS: Final = frozenset({"technician", "requester"})

NAMES: Final = (*PLAIN, "backend", "incoming", *SHARED, *NAMED)


def shown(table: str) -> str:
    """Return how a table is written: with what stands for a name."""
    if table in NAMED:
        return f'{table}."ADDRESS"' if table in BY_ADDRESS else f"{table}.NAME"
    return f"{table}.NAME" if table == "incoming" or table in SHARED else table


class Tables:
    """The models of every table. Those of `[backend]` and `[incoming.NAME]` are chosen by a key of theirs."""

    def __init__(self, backends: Mapping[str, type[BaseModel]], sources: Mapping[str, type[Incoming]]) -> None:
        """Take the models of the installed adapters by name."""
        self.backends = backends
        self.sources = sources
        self.elsewhere: dict[str, str] = {}
        """Where keys stand, by name; of a name in several tables the first."""
        for path, model, chosen_by in self._all():
            for name in keys_of(model):
                self.elsewhere.setdefault(name, ".".join((*path, name)) + chosen_by)

    def is_secret(self, path: KeyPath) -> bool:
        """Tell whether a secret may stand at *path*."""
        return any(key.is_secret for key in self._keys_at(path))

    def is_text(self, path: KeyPath) -> bool:
        """Tell whether text may stand at *path*, whatever it looks like."""
        return any(key.is_text for key in self._keys_at(path)) or self.is_secret(path[:-1])

    def _keys_at(self, path: KeyPath) -> Iterator[Key]:
        rest = path[2:] if path[:1] == ("incoming",) or (path and path[0] in {**NAMED, **SHARED}) else path[1:]
        for model in self._models_at(path):
            key: Key | None = Key(model, "")
            for step in rest:
                key = key and below(key, step)
            if key is not None:
                yield key

    def _models_at(self, path: KeyPath) -> Iterable[type[BaseModel]]:
        match path:
            case ("incoming", _, _, *_):
                return self.sources.values()
            case ("backend", _, *_):
                return [Backend, *self.backends.values()]
            case (name, _, _, *_) if name in NAMED:
                return [NAMED[name]]
            case (name, _, _, *_) if name in SHARED:
                return [SHARED[name]]
            case (name, _, *_) if name in PLAIN:
                return [PLAIN[name]]
        return []

    def _all(self) -> Iterator[tuple[KeyPath, type[BaseModel], str]]:
        """Yield every table, its model, and in words what must stand in it for that model."""
        yield from (((name,), model, "") for name, model in PLAIN.items())
        yield ("incoming", "NAME"), Incoming, ""
        yield ("backend",), Backend, ""
        for name, model in SHARED.items():
            yield (name, "NAME"), model, ""
        for name, model in NAMED.items():
            yield (name, "ADDRESS" if name in BY_ADDRESS else "NAME"), model, ""
        for kind, source in self.sources.items():
            yield ("incoming", "NAME"), source, f" with protocol = {to_toml(kind)}"
        for kind, backend in self.backends.items():
            yield ("backend",), backend, f" with type = {to_toml(kind)}"
