"""The tables of all files and of the environment as one, and where each key of them stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from mailwicket.config.locate import TreePath, locate
from mailwicket.config.mistake import ConfigError, dotted

KeyPath = tuple[str, ...]
"""Names of tables, and of a key."""


class Origin:
    """A file, or a variable of the environment."""

    def __init__(self, name: str, text: str = "", path: Path | None = None) -> None:
        """Take the *name* that errors show, and of a file its TOML *text* and its *path*."""
        self.name = name
        self.path = path
        self._text = text

    @cached_property
    def _lines(self) -> Mapping[TreePath, int]:  # only a file that something is told about is read again
        return locate(self._text)

    def line(self, path: TreePath) -> int | None:
        """Return the line of *path*, or of the innermost table around it; None in the environment."""
        return next((self._lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self._lines), None)

    def at(self, path: TreePath) -> str:
        """Return where *path* stands: `FILE:LINE`."""
        line = self.line(path)
        return self.name if line is None else f"{self.name}:{line}"


class Merged:
    """Tables that are merged deeply: of a key that is set twice the later wins, and a note names both places."""

    def __init__(self, is_secret: Callable[[KeyPath], bool]) -> None:
        """Begin with nothing. *is_secret* tells where a table is a secret, which is replaced as a whole."""
        self.values: dict[str, Any] = {}
        self.notes: list[ConfigError] = []
        self._origins: dict[KeyPath, Origin] = {}
        self._is_secret = is_secret

    def add(self, tables: Mapping[str, Any], origin: Origin) -> None:
        """Merge *tables* over what there is."""
        self._merge(self.values, tables, (), origin)

    def origin(self, path: TreePath) -> Origin | None:
        """Return who set *path*, or else the innermost table around it first."""
        names = tuple(part for part in path if isinstance(part, str))
        return next(
            (self._origins[names[:end]] for end in range(len(names), 0, -1) if names[:end] in self._origins), None
        )

    def tell(self, path: TreePath, message: str) -> ConfigError:
        """Return *message* with the place of *path*."""
        origin = self.origin(path)
        if origin is None:
            return ConfigError("conf.d", None, dotted(path), message)
        return ConfigError(origin.name, origin.line(path), dotted(path), message)

    def _merge(self, into: dict[str, Any], new: Mapping[str, Any], path: KeyPath, origin: Origin) -> None:
        for name, value in new.items():
            here = (*path, name)
            is_table = isinstance(value, dict) and not self._is_secret(here)
            if name in into and not (is_table and isinstance(into[name], dict)):
                before = self._origins[here].at(here)
                self.notes.append(
                    ConfigError(origin.name, origin.line(here), dotted(here), f"replaces the value of {before}")
                )
                self._forget(here, into.pop(name))
            self._origins.setdefault(here, origin)
            if is_table:
                self._merge(into.setdefault(name, {}), value, here, origin)
            else:
                into[name] = value

    def _forget(self, path: KeyPath, value: object) -> None:
        self._origins.pop(path, None)  # nothing is kept of what stands in a secret
        for name, one in value.items() if isinstance(value, dict) else ():
            self._forget((*path, name), one)
