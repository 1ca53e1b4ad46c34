"""The configuration of a scenario as files, read as conf.d is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from mailwicket.config.load import Loaded
from mailwicket.config.mistake import ConfigError
from mailwicket.rehearsal.scenario import ScenarioError

Load = Callable[[Path], Loaded]
"""How a conf.d is read."""

OAUTH: Final = "rehearsal"
URL: Final = "https://login.example/"

NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
    "incoming": {"server": "127.0.0.1", "password": "rehearsal", "oauth": OAUTH},
    "outgoing": {"server": "127.0.0.1", "password": "rehearsal", "oauth": OAUTH},
    "oauth": {
        **dict.fromkeys(("client_id", "client_secret", "scope"), "rehearsal"),
        **dict.fromkeys(("authorization_url", "token_url", "device_url", "redirect_url"), URL),
    },
}
"""What servers need only to connect, which nothing does in a rehearsal. On loopback a password may go in the clear."""

APPLICATION: Final = {
    "provider": "microsoft", "grant": "client_credentials", "tenant": "login.example", "client_id": "rehearsal",
    "client_secret": "rehearsal",
}  # fmt: skip
"""The `[oauth.NAME]` of those who name none."""

GRANTED: Final = {"has neither client_secret": "client_secret", "has no tenant": "tenant"}
"""What a grant wants beside, by what is said where it is missing."""

PLAIN: Final = frozenset({"protocol", "provider", "auth", "oauth"})
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")

ROUNDS: Final = 4
"""What is missing is not told all at once: a login where there is a server."""


class Files:
    """Files of a directory, one added after the other."""

    def __init__(self, directory: Path, load: Load) -> None:
        """Put them into *directory*, which is empty; *load* reads them."""
        self._directory = directory
        self._load = load
        self._count = 0

    def begin(self, text: str | None, conf: Path | None) -> Loaded:
        """Read the first configuration: *text*, else the conf.d *conf*.

        Raises:
            ScenarioError: there is none.
        """
        if text is not None:
            return self.add(text)
        if conf is None:
            raise ScenarioError("has no conf, and there is no --conf DIR")
        try:
            for path in sorted(conf.glob("[!.]*.toml")):
                (self._directory / f"{self._count:04}-{path.name}").write_bytes(path.read_bytes())
                self._count += 1
        except OSError as error:
            raise ScenarioError(f"conf: {error.filename}: {error.strerror}") from error
        if not self._count:
            raise ScenarioError(f"conf: there is no *.toml in {conf}")
        return self._load(self._directory)

    def add(self, text: str) -> Loaded:
        """Merge *text* over what there is, with what it needs to connect; where that is refused it is forgotten."""
        needed = _wanting(text)
        added = [self._write("step", text), self._write("connect", _toml(needed))]
        loaded = self._load(self._directory)
        for _ in range(ROUNDS):
            missing = _missing(loaded.errors)
            if not missing:
                break
            for table, keys in missing.items():
                needed.setdefault(table, {}).update(keys)
            self._write("connect", _toml(needed))
            loaded = self._load(self._directory)
        if loaded.settings is None and self._count:
            for path in added:
                path.unlink(missing_ok=True)
        else:
            self._count += 1
        return loaded

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / f"{self._count:04}-{name}.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path


def _wanting(text: str) -> dict[str, dict[str, str]]:
    """Return what most servers that *text* adds want, by table: those that say nothing of how they are logged in to."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
    found: dict[str, dict[str, str]] = {}
    for kind in ("incoming", "outgoing"):
        units = told.get(kind)
        for name, unit in units.items() if isinstance(units, dict) else ():
            if isinstance(unit, dict) and "email" in unit and PLAIN.isdisjoint(unit) and NAME.fullmatch(name):
                keys = ("server", "password") if unit.get("authentication", True) else ("server",)
                found[f"{kind}.{name}"] = {key: NEEDED[kind][key] for key in keys if key not in unit}
    return found


def _missing(errors: Iterable[ConfigError]) -> dict[str, dict[str, str]]:
    """Return what is missing only to connect, by table."""
    found: dict[str, dict[str, str]] = {}
    for error in errors:
        for words, lacking in GRANTED.items():
            if re.fullmatch(r"oauth\.[a-z0-9_-]+", error.key) and error.message.startswith(words):
                found.setdefault(error.key, {})[lacking] = APPLICATION[lacking]
        key = re.fullmatch(r"((incoming|outgoing|oauth)\.[a-z0-9_-]+)\.(\w+)", error.key)
        if key is None or not error.message.startswith("is missing") or key[3] not in NEEDED[key[2]]:
            continue
        found.setdefault(key[1], {})[key[3]] = NEEDED[key[2]][key[3]]
        if key[3] == "oauth":
            found[f"oauth.{OAUTH}"] = dict(APPLICATION)
    return found


def _toml(tables: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for table, keys in tables.items():
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines)
