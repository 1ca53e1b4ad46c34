"""The tables of all files and of the environment as one, and where each key of them stands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
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

    def __init__(self, is_secret: Callable[[KeyPath], bool], appended: Collection[str] = ()) -> None:
        """Begin with nothing.

        *is_secret* tells where a table is a secret, which is replaced as a whole; the arrays *appended* of all files
        are one, in the order of the files.
        """
        self.values: dict[str, Any] = {}
        self.notes: list[ConfigError] = []
        self._origins: dict[KeyPath, Origin] = {}
        self._is_secret = is_secret
        self._appended: dict[str, list[tuple[Origin, int]]] = {name: [] for name in appended}
        """Where each item of such an array stands: in which file, as which of its own."""

    def add(self, tables: Mapping[str, Any], origin: Origin) -> None:
        """Merge *tables* over what there is."""
        rest = dict(tables)
        if origin.path is not None:  # the environment stands over the files
            for name in self._appended.keys() & tables.keys():
                if isinstance(tables[name], list) and isinstance(self.values.get(name, []), list):
                    self._append(name, rest.pop(name), origin)
        self._merge(self.values, rest, (), origin)

    def _append(self, name: str, items: Sequence[Any], origin: Origin) -> None:
        self._origins.setdefault((name,), origin)
        self.values[name] = [*self.values.get(name, ()), *items]
        self._appended[name] += [(origin, number) for number in range(len(items))]

    def _item(self, path: TreePath) -> tuple[Origin, TreePath] | None:
        """Return the file of an item of an appended array, and its path there."""
        match path:
            case (str(name), int(number), *rest) if number < len(self._appended.get(name, ())):
                origin, own = self._appended[name][number]
                return origin, (name, own, *rest)
        return None

    def origin(self, path: TreePath) -> Origin | None:
        """Return who set *path*, or else the innermost table around it first."""
        if (item := self._item(path)) is not None:
            return item[0]
        names = tuple(part for part in path if isinstance(part, str))
        return next(
            (self._origins[names[:end]] for end in range(len(names), 0, -1) if names[:end] in self._origins), None
        )

    def tell(self, path: TreePath, message: str) -> ConfigError:
        """Return *message* with the place of *path*; of a list of tables, which bear no names, it says which one."""
        origin = self.origin(path)
        if len(path) > 1 and path[0] in self._appended and isinstance(path[1], int):
            message = f"table {path[1] + 1}: {message}"
        if (item := self._item(path)) is not None:
            return ConfigError(item[0].name, item[0].line(item[1]), dotted(path), message)
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
        if len(path) == 1 and path[0] in self._appended:
            self._appended[path[0]].clear()
        self._origins.pop(path, None)  # nothing is kept of what stands in a secret
        for name, one in value.items() if isinstance(value, dict) else ():
            self._forget((*path, name), one)
