"""From merged tables to settings, or to every error in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from mailwicket.config.agreement import Agreement, Told
from mailwicket.config.graph import at_cloud
from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT, Incoming
from mailwicket.config.keys import keys_of, to_toml
from mailwicket.config.locate import TreePath
from mailwicket.config.merge import Merged
from mailwicket.config.mistake import ConfigError, dotted, mistakes, unknown, with_allowed
from mailwicket.config.model import UNIT_NAME, is_addr_spec, is_unit_name
from mailwicket.config.oauth import OAuth
from mailwicket.config.outgoing import Outgoing, OutgoingRule
from mailwicket.config.providers import filled, lacks, refuses_passwords
from mailwicket.config.proxy import Proxy, Via
from mailwicket.config.settings import DEFAULT_BACKEND, Backend, BackendChoice, Settings
from mailwicket.config.tables import (
    BY_ADDRESS,
    BY_EVENT,
    ENTRIES,
    EVENTS,
    LISTED,
    NAMES,
    PLAIN,
    SHARED,
    UNITS,
    Tables,
    shown,
)

UNKNOWN: Final = "extra_forbidden"
MISSING: Final = "missing"


WHAT: Final = {
    "incoming": "mailbox is enabled",
    "outgoing": "server is enabled and is logged in to (authentication)",
}
"""By table: why a password is required."""
TWO_DOORS: Final = {CLEAR_PORT: TLS_PORT, 110: 995}
"""Of one server: in the clear, or with STARTTLS, and with TLS (RFC 8314 7)."""

Place = tuple[str, int, str, str]
"""Server, port, user and folder."""


class Validation:
    """One validation of everything; its errors are of no order."""

    def __init__(self, merged: Merged, tables: Tables, environ: Mapping[str, str], *, whole: bool) -> None:
        """Take what was read. What is missing is an error only where the *whole* could be read."""
        self.errors: list[ConfigError] = []
        self.notes: list[ConfigError] = []
        self.incoming: Mapping[str, Incoming] = {}
        """Every mailbox whose own table is good."""
        self.outgoing: Mapping[str, Outgoing] = {}
        """Every server that sends, the same."""
        self.applications: Mapping[str, OAuth] = {}
        self.proxies: Mapping[str, Proxy] = {}
        self._merged = merged
        self._tables = tables
        self._environ = environ
        self._whole = whole

    def settings(self) -> Settings | None:
        """Return the settings, None where there are errors."""
        values = self._merged.values
        for name in [name for name in values if name not in NAMES]:
            what = "table" if isinstance(values[name], dict) else "key"
            self._wrong((name,), unknown(what, name, NAMES, self._tables.elsewhere))
        plain = {name: self._table((name,), self._plain(name), model) for name, model in PLAIN.items()}
        backend = self._backend(values.get("backend", {}))
        self.incoming = {name: one for name, one in self._units("incoming") if isinstance(one, Incoming)}
        self._check_mailboxes(self.incoming)
        self.outgoing = {name: one for name, one in self._units("outgoing") if isinstance(one, Outgoing)}
        rules = self._rules(values.get("outgoing_rule", []))
        self._agree(rules)
        named = {name: self._named(name, values.get(name, {}), model) for name, model in ENTRIES.items()}
        self.applications = {name: one for name, one in named["oauth"].items() if isinstance(one, OAuth)}
        self.proxies = {name: one for name, one in named["proxy"].items() if isinstance(one, Proxy)}
        for table, units in (("incoming", self.incoming), ("outgoing", self.outgoing)):
            self._bind(table, units, named["proxy"])
            self._check_logins(table, units)
        if self.errors:
            return None
        servers = {"incoming": self.incoming, "outgoing": self.outgoing, "outgoing_rule": tuple(rules.values())}
        return Settings.model_validate({**plain, "backend": backend, **servers, **named})

    def _named(self, table: str, entries: Any, model: type[BaseModel]) -> dict[str, BaseModel]:  # noqa: ANN401 - whatever TOML holds
        """Validate a table of the directory: one of entries, each with a name or an address."""
        if not isinstance(entries, dict):
            self._no_table((table,))
            return {}
        found: dict[str, BaseModel] = {}
        for name, values in entries.items():
            if table in SHARED and not is_unit_name(name):
                self._wrong((table, name), f"is no name for a table of this kind; {UNIT_NAME.words}")
            if table in BY_ADDRESS and not is_addr_spec(name):
                self._wrong((table, name), 'is named by no address, "local@domain"')
            if table in BY_EVENT and name not in EVENTS:
                self._wrong((table, name), unknown("event", name, EVENTS, {}))
                continue
            if (entry := self._table((table, name), values, model)) is not None:
                found[name] = entry
        if table in BY_ADDRESS:
            self._check_addresses(table, found)
        return found

    def _bind(self, table: str, units: Mapping[str, Incoming | Outgoing], proxies: Mapping[str, BaseModel]) -> None:
        """Give every unit the proxy that it names."""
        known = self._merged.values.get("proxy")
        for name, unit in units.items():
            proxy = proxies.get(unit.proxy or "")
            if isinstance(proxy, Proxy):
                unit.bind(Via(str(unit.proxy), proxy))
            elif unit.proxy is not None and not (isinstance(known, dict) and unit.proxy in known):
                there = ", ".join(f"[{dotted(('proxy', one))}]" for one in sorted(proxies)) or "there is none"
                self._wrong((table, name, "proxy"), f"names no proxy of this configuration; {there}")

    def _check_addresses(self, table: str, entries: Mapping[str, BaseModel]) -> None:
        """Find addresses that are two people's."""
        owners: dict[str, str] = {}
        for name, entry in entries.items():
            for address in (name, *getattr(entry, "addresses", ())):
                first = owners.setdefault(address.casefold(), name)
                if first != name:
                    self._wrong((table, name), f"has an address of {dotted((table, first))}, and one of them must not")

    def _plain(self, name: str) -> Any:  # noqa: ANN401 - whatever TOML holds
        values = self._merged.values.get(name, {})
        state = self._environ.get("STATE_DIRECTORY", "").split(":")[0]  # systemd.exec(5): several with colons
        if name == "daemon" and state and isinstance(values, dict):
            return {"state_dir": state, **values}
        return values

    def _backend(self, values: Any) -> BackendChoice | None:  # noqa: ANN401 - whatever TOML holds
        path = ("backend",)
        if not isinstance(values, dict):
            self._no_table(path)
            return None
        own = {name: value for name, value in values.items() if name != "type"}
        kind = values.get("type", DEFAULT_BACKEND)
        if not self._installed((*path, "type"), kind, self._tables.backends, Backend):
            return None
        keys = self._table(path, own, self._tables.backends[kind], also=keys_of(Backend))
        return None if keys is None else BackendChoice(kind, keys)

    def _rules(self, rules: Any) -> dict[int, OutgoingRule]:  # noqa: ANN401 - whatever TOML holds
        """Return the rules whose own tables are good, by their place in the list."""
        if not isinstance(rules, list):
            self._wrong(("outgoing_rule",), "is no list of tables; [[outgoing_rule]] and its keys")
            return {}
        found: dict[int, OutgoingRule] = {}
        for place, values in enumerate(rules):
            rule = self._table(("outgoing_rule", place), values, OutgoingRule)
            if isinstance(rule, OutgoingRule):
                found[place] = rule
        return found

    def _agree(self, rules: Mapping[int, OutgoingRule]) -> None:
        """Tell what the tables of servers and rules do not agree on; half of a configuration cannot."""
        if not self._whole:
            return
        tables = {table: self._merged.values.get(table, {}) for table in UNITS}
        names = {table: tuple(units) if isinstance(units, dict) else () for table, units in tables.items()}
        agreement = Agreement(self.incoming, self.outgoing, rules, names)
        self.errors += self._told(agreement.errors())
        self.notes += self._told(agreement.notes())

    def _told(self, found: Iterable[Told]) -> list[ConfigError]:
        return [self._merged.tell(path, words) for path, words in found]

    def _units(self, table: str) -> Iterator[tuple[str, BaseModel]]:
        units = self._merged.values.get(table, {})
        if not isinstance(units, dict):
            self._no_table((table,))
            return
        for name, values in units.items():
            if (unit := self._unit(table, name, values)) is not None:
                yield name, unit

    def _unit(self, table: str, name: str, values: Any) -> BaseModel | None:  # noqa: ANN401 - whatever TOML holds
        path = (table, name)
        shared = UNITS[table]
        if not is_unit_name(name):
            self._wrong(path, f"is no name for a unit; {UNIT_NAME.words}")
        if not isinstance(values, dict):
            self._no_table(path)
            return None
        default = shared.model_fields["protocol"].default
        kind = values.get("protocol", default)
        adapters = self._tables.units[table]
        if not self._installed((*path, "protocol"), kind, adapters, shared):
            # The keys that all protocols share can be wrong, too.
            self._table(path, {**values, "protocol": default}, shared, but={UNKNOWN, MISSING})
            return None
        model = adapters[kind]
        if "server" not in values and (lack := lacks(values.get("provider"), kind)) is not None:
            self._wrong((*path, "protocol"), f"cannot be {to_toml(kind)} here: {lack}")
            return None
        values = at_cloud(filled(values, kind), kind, self._merged.values.get("oauth"))
        unit = self._table(path, values, model)
        if self._whole and "password" not in values and _wants_password(model, values):
            key = keys_of(model)["password"]
            self._wrong((*path, "password"), with_allowed(f"is missing, and the {WHAT[table]}", key))
        return unit

    def _installed(self, path: TreePath, kind: Any, adapters: Collection[str], model: type[BaseModel]) -> bool:  # noqa: ANN401
        if isinstance(kind, str) and kind in adapters:
            return True
        key = keys_of(model)[str(path[-1])]
        what = "is not installed" if isinstance(kind, str) else "is no text"
        default = f" (default {key.default})"
        self._wrong(path, f"{what}; {' or '.join(to_toml(name) for name in sorted(adapters))}{default}")
        return False

    def _check_mailboxes(self, units: Mapping[str, Incoming]) -> None:
        """Find folders from which a mail would come twice, or for ever."""
        enabled = {name: unit for name, unit in units.items() if unit.enabled}
        readers: dict[Place, str] = {}
        for name, unit in enabled.items():
            first = readers.setdefault(_place(unit, unit.folder), name)
            if first != name:
                self._wrong(
                    ("incoming", name), f"is the same mailbox as incoming.{first}, and every mail would come twice"
                )
        for name, unit in enabled.items():
            reader = readers.get(_place(unit, unit.after.removeprefix("move:"))) if ":" in unit.after else None
            if reader is not None:
                who = "it reads itself" if reader == name else f"incoming.{reader} reads"
                self._wrong(
                    ("incoming", name, "after"), f"moves mail into a folder that {who}, and it would come again"
                )

    def _check_logins(self, table: str, units: Mapping[str, Incoming | Outgoing]) -> None:
        """Find servers that cannot be logged in to as is said: no application of that name, or passwords refused."""
        known = self._merged.values.get("oauth", {})
        names = list(known) if isinstance(known, dict) else []
        for name, unit in units.items():
            path = (table, name)
            logs_in = getattr(unit, "authentication", True)
            if self._whole and logs_in and unit.auth == "oauth" and unit.oauth is None:
                self._wrong((*path, "oauth"), 'is missing, and auth is "oauth"; the NAME of an [oauth.NAME]')
            if self._whole and unit.oauth is not None and unit.oauth not in names:
                self._wrong((*path, "oauth"), f"names no [oauth.NAME]; {_known(names)}")
            by_password = logs_in and unit.auth == "basic" and unit.wants_password
            if by_password and unit.enabled and (reason := refuses_passwords(unit.server, unit.provider)):
                self._wrong((*path, "auth"), f'cannot be "basic" here: {reason}')

    def _table(
        self,
        path: TreePath,
        values: Any,  # noqa: ANN401 - whatever TOML holds
        model: type[BaseModel],
        *,
        but: Collection[str] = (),
        also: Collection[str] = (),
    ) -> BaseModel | None:
        """Validate a table; of its mistakes the kinds *but* are not told, the keys *also* are known to it."""
        if not isinstance(values, dict):
            self._no_table(path)
            return None
        try:
            return model.model_validate(values)
        except ValidationError as error:
            hidden = {*but, *(() if self._whole else (MISSING,))}
            for one in mistakes(error, model, self._tables.elsewhere, also):
                if one.kind not in hidden:
                    self._wrong((*path, *one.path), one.message)
        except Exception as error:  # noqa: BLE001 - a plug-in's own validator
            self._wrong(path, f"cannot be checked: {type(error).__name__} in {model.__module__}.{model.__qualname__}")
        return None

    def _no_table(self, path: TreePath) -> None:
        table = shown(str(path[0]))
        self._wrong(path, f"is no table; {f'[[{table}]]' if table in LISTED else f'[{table}]'} and its keys")

    def _wrong(self, path: TreePath, message: str) -> None:
        self.errors.append(self._merged.tell(path, message))


def _wants_password(model: type[BaseModel], values: Mapping[str, Any]) -> bool:
    """Tell whether a server is logged in to with a password, as far as its table says."""
    return (
        getattr(model, "wants_password", False)
        and values.get("enabled", True) is True
        and values.get("authentication", True) is True
        and values.get("auth", "basic") == "basic"
    )


def _known(names: Collection[str]) -> str:
    shown_names = ", ".join(one for one in sorted(names) if is_unit_name(one))
    return f"there are: {shown_names}" if shown_names else "there is none"


def _place(unit: Incoming, folder: str) -> Place:
    port = TWO_DOORS.get(unit.port, unit.port)
    inbox = folder.upper() == "INBOX"  # RFC 9051 5.1
    return unit.server.casefold(), port, unit.username, "INBOX" if inbox else folder
