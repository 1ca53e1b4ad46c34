"""Which model stands behind each table of conf.d, with the adapters that are installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from mailwicket.config.directory import Category, Company, Group, Requester, Technician
from mailwicket.config.incoming import Incoming
from mailwicket.config.keys import Key, below, keys_of, to_toml
from mailwicket.config.merge import KeyPath
from mailwicket.config.notification import Notification
from mailwicket.config.oauth import OAuth
from mailwicket.config.outgoing import Outgoing, OutgoingRule
from mailwicket.config.preferences import Msp, Preferences
from mailwicket.config.proxy import Proxy
from mailwicket.config.settings import Backend, Daemon, Http, Store
from mailwicket.outgoing import Event

PLAIN: Final[Mapping[str, type[BaseModel]]] = {
    "daemon": Daemon,
    "http": Http,
    "store": Store,
    "preferences": Preferences,
    "msp": Msp,
}
"""The tables that are alike whatever is installed."""

NAMED: Final[Mapping[str, type[BaseModel]]] = {
    "notification": Notification,
    "technician": Technician,
    "group": Group,
    "category": Category,
    "company": Company,
    "requester": Requester,
}
"""The tables of entries by name: `[TABLE.NAME]`, or `[TABLE."ADDRESS"]`."""

UNITS: Final[Mapping[str, type[BaseModel]]] = {"incoming": Incoming, "outgoing": Outgoing}
"""The tables of servers, `[TABLE.NAME]`: what they share whatever their protocol."""

LISTED: Final[Mapping[str, type[BaseModel]]] = {"outgoing_rule": OutgoingRule}
"""The tables that are lists, `[[TABLE]]`."""

LINKED: Final[Mapping[str, type[BaseModel]]] = {"proxy": Proxy}
"""The tables `[TABLE.NAME]` that others name."""

SHARED: Final[Mapping[str, type[BaseModel]]] = {"oauth": OAuth}
"""The tables that mailboxes name: `[TABLE.NAME]`, with names as units have them."""

ENTRIES: Final[Mapping[str, type[BaseModel]]] = {**LINKED, **SHARED, **NAMED}

BY_ADDRESS: Final = frozenset({"technician", "requester"})
BY_EVENT: Final = frozenset({"notification"})

EVENTS: Final = tuple(str(event) for event in Event if event is not Event.ALERT)

APPENDED: Final = frozenset(LISTED)
"""Of these the lists of all files are one."""

NAMES: Final = (*PLAIN, "backend", *UNITS, *LISTED, *ENTRIES)


def shown(table: str) -> str:
    """Return how a table is written: with what stands for a name."""
    return f"{table}.{what}" if (what := _placeholder(table)) else table


def _placeholder(table: str) -> str:
    if table in BY_ADDRESS:
        return '"ADDRESS"'
    if table in BY_EVENT:
        return "EVENT"
    return "NAME" if table in ENTRIES or table in UNITS else ""


class Tables:
    """The models of every table. Those of `[backend]` and of servers are chosen by a key of theirs."""

    def __init__(
        self,
        backends: Mapping[str, type[BaseModel]],
        sources: Mapping[str, type[Incoming]],
        senders: Mapping[str, type[Outgoing]],
    ) -> None:
        """Take the models of the installed adapters by name."""
        self.backends = backends
        self.units: Mapping[str, Mapping[str, type[BaseModel]]] = {"incoming": sources, "outgoing": senders}
        """By table and protocol."""
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
        rest = path[2:] if path and (path[0] in UNITS or path[0] in ENTRIES) else path[1:]
        for model in self._models_at(path):
            key: Key | None = Key(model, "")
            for step in rest:
                key = key and below(key, step)
            if key is not None:
                yield key

    def _models_at(self, path: KeyPath) -> Iterable[type[BaseModel]]:
        match path:
            case (table, _, _, *_) if table in UNITS:
                return self.units[table].values()
            case ("backend", _, *_):
                return [Backend, *self.backends.values()]
            case (name, _, _, *_) if name in ENTRIES:
                return [ENTRIES[name]]
            case (name, _, *_) if name in PLAIN:
                return [PLAIN[name]]
        return []

    def _all(self) -> Iterator[tuple[KeyPath, type[BaseModel], str]]:
        """Yield every table, its model, and in words what must stand in it for that model."""
        yield from (((name,), model, "") for name, model in PLAIN.items())
        yield from (((table, "NAME"), model, "") for table, model in UNITS.items())
        yield ("backend",), Backend, ""
        yield from (((name,), model, "") for name, model in LISTED.items())
        for name, model in ENTRIES.items():
            yield (name, _placeholder(name).strip('"')), model, ""
        for table, adapters in self.units.items():
            for kind, model in adapters.items():
                yield (table, "NAME"), model, f" with protocol = {to_toml(kind)}"
        for kind, backend in self.backends.items():
            yield ("backend",), backend, f" with type = {to_toml(kind)}"
