"""The configuration of a scenario as files, read as conf.d is."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mailwicket.config.graph import NAMES as GRAPH
from mailwicket.config.load import Loaded
from mailwicket.rehearsal.scenario import ScenarioError
from mailwicket.rehearsal.unheeded import leave_out, unheeded

Load = Callable[[Path], Loaded]
"""How a conf.d is read."""

UNNEEDED: Final = {"server": "mail.example", "password": "rehearsal"}
"""What a mailbox needs only to connect: nothing does in a rehearsal."""


class Files:
    """Files of a directory, one added after the other."""

    def __init__(self, directory: Path, load: Load) -> None:
        """Put them into *directory*, which is empty; *load* reads them."""
        self._directory = directory
        self._load = load
        self._count = 0
        self.unheeded: dict[str, None] = {}
        """The keys that were left out because this version does not know them."""

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
        return self._loaded()

    def _loaded(self) -> Loaded:
        """Read what there is, without what only sending needs and this version does not know."""
        loaded = self._load(self._directory)
        if not (keys := unheeded(loaded.errors)):
            return loaded
        for path in self._directory.glob("*.toml"):
            leave_out(path, keys)
        self.unheeded |= dict.fromkeys(keys)
        return self._load(self._directory)

    def add(self, text: str) -> Loaded:
        """Merge *text* over what there is; where that is refused it is forgotten again."""
        before = self._write("before", _unneeded(text))
        path = self._write("step", text)
        loaded = self._loaded()
        if loaded.settings is None and self._count:
            path.unlink()
            before.unlink()
        else:
            self._count += 1
        return loaded

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / f"{self._count:04}-{name}.toml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path


def _unneeded(text: str) -> str:
    """Return what each mailbox and outgoing server of *text* that is new lacks and nobody needs here."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return ""
    lines = []
    for table in ("incoming", "outgoing"):
        units = told.get(table, {})
        for name, unit in units.items() if isinstance(units, dict) else ():
            if isinstance(unit, dict) and "email" in unit:
                lines.append(f"[{table}.{json.dumps(name)}]")
                lacks = {} if unit.get("protocol") in GRAPH else UNNEEDED  # it has neither
                lines += [f'{key} = "{value}"' for key, value in lacks.items() if key not in unit]
    return "\n".join(lines)
