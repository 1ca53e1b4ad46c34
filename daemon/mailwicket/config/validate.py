"""From merged tables to settings, or to every error in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from mailwicket.config.incoming import CLEAR_PORT, TLS_PORT, Incoming
from mailwicket.config.keys import keys_of, to_toml
from mailwicket.config.locate import TreePath
from mailwicket.config.merge import Merged
from mailwicket.config.mistake import ConfigError, dotted, mistakes, unknown, with_allowed
from mailwicket.config.model import UNIT_NAME, is_addr_spec, is_unit_name
from mailwicket.config.providers import refuses_passwords
from mailwicket.config.settings import DEFAULT_BACKEND, Backend, BackendChoice, Settings
from mailwicket.config.tables import BY_ADDRESS, NAMED, NAMES, PLAIN, SHARED, Tables, shown

UNKNOWN: Final = "extra_forbidden"
MISSING: Final = "missing"


Place = tuple[str, int, str, str]
"""Server, port, user and folder."""


class Validation:
    """One validation of everything; its errors are of no order."""

    def __init__(self, merged: Merged, tables: Tables, environ: Mapping[str, str], *, whole: bool) -> None:
        """Take what was read. What is missing is an error only where the *whole* could be read."""
        self.errors: list[ConfigError] = []
        self.incoming: Mapping[str, Incoming] = {}
        """Every mailbox whose own table is good."""
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
        incoming = self.incoming = self._units(values.get("incoming", {}))
        self._check_mailboxes(incoming)
        entries = {**SHARED, **NAMED}
        named = {name: self._named(name, values.get(name, {}), model) for name, model in entries.items()}
        self._check_logins(incoming)
        if self.errors:
            return None
        return Settings.model_validate({**plain, "backend": backend, "incoming": incoming, **named})

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
            if (entry := self._table((table, name), values, model)) is not None:
                found[name] = entry
        if table in BY_ADDRESS:
            self._check_addresses(table, found)
        return found

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

    def _units(self, units: Any) -> dict[str, Incoming]:  # noqa: ANN401 - whatever TOML holds
        if not isinstance(units, dict):
            self._no_table(("incoming",))
            return {}
        found: dict[str, Incoming] = {}
        for name, values in units.items():
            unit = self._unit(name, values)
            if isinstance(unit, Incoming):
                found[name] = unit
        return found

    def _unit(self, name: str, values: Any) -> BaseModel | None:  # noqa: ANN401 - whatever TOML holds
        path = ("incoming", name)
        if not is_unit_name(name):
            self._wrong(path, f"is no name for a unit; {UNIT_NAME.words}")
        if not isinstance(values, dict):
            self._no_table(path)
            return None
        kind = values.get("protocol", "imap")
        sources = self._tables.sources
        if not self._installed((*path, "protocol"), kind, sources, Incoming):
            # The keys that all protocols share can be wrong, too.
            self._table(path, {**values, "protocol": "imap"}, Incoming, but={UNKNOWN, MISSING})
            return None
        model = sources[kind]
        unit = self._table(path, values, model)
        wants = model.wants_password and values.get("auth", "basic") == "basic" and values.get("enabled", True) is True
        if self._whole and wants and "password" not in values:
            key = keys_of(model)["password"]
            self._wrong((*path, "password"), with_allowed("is missing, and the mailbox is enabled", key))
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

    def _check_logins(self, units: Mapping[str, Incoming]) -> None:
        """Find mailboxes that cannot log in as they say: no application of that name, or passwords refused there."""
        known = self._merged.values.get("oauth", {})
        names = list(known) if isinstance(known, dict) else []
        for name, unit in units.items():
            path = ("incoming", name)
            if self._whole and unit.auth == "oauth" and unit.oauth is None:
                self._wrong((*path, "oauth"), 'is missing, and auth is "oauth"; the NAME of an [oauth.NAME]')
            if self._whole and unit.oauth is not None and unit.oauth not in names:
                self._wrong((*path, "oauth"), f"names no [oauth.NAME]; {_known(names)}")
            if unit.auth == "basic" and unit.enabled and (reason := refuses_passwords(unit.server)):
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
        self._wrong(path, f"is no table; [{shown(str(path[0]))}] and its keys")

    def _wrong(self, path: TreePath, message: str) -> None:
        self.errors.append(self._merged.tell(path, message))


def _known(names: Collection[str]) -> str:
    shown_names = ", ".join(one for one in sorted(names) if is_unit_name(one))
    return f"there are: {shown_names}" if shown_names else "there is none"


def _place(unit: Incoming, folder: str) -> Place:
    port = TLS_PORT if unit.port == CLEAR_PORT else unit.port  # two doors of one server
    inbox = folder.upper() == "INBOX"  # RFC 9051 5.1
    return unit.server.casefold(), port, unit.username, "INBOX" if inbox else folder
