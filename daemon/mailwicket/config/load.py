"""Read conf.d: merge, validate, and say every error at once with file, line and key."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mailwicket.config.incoming import Incoming
from mailwicket.config.locate import KeyPath, lines_of
from mailwicket.config.settings import Settings

LEFTOVERS = ("~", ".bak", ".rpmnew", ".rpmsave", ".swp")
ENVIRON = "MAILWICKET__"


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One thing that is wrong, or worth a note, and where."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        """`FILE:LINE: KEY: what is wrong; what is allowed`."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read: settings, or why there are none."""

    settings: Settings | None
    errors: tuple[ConfigError, ...]
    notes: tuple[ConfigError, ...]
    fingerprint: str
    files: int


@dataclass
class _Merged:
    """The tables of all files together, and where each key stands."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, tuple[str, int | None]] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)
    notes: list[ConfigError] = field(default_factory=list)

    def add(self, file: str, tables: Mapping[str, Any], lines: Mapping[KeyPath, int]) -> None:
        self._merge(file, self.values, tables, (), lines)

    def _merge(
        self, file: str, into: dict[str, Any], new: Mapping[str, Any], path: KeyPath, lines: Mapping[KeyPath, int]
    ) -> None:
        for name, value in new.items():
            here = (*path, name)
            line = lines.get(here)
            if isinstance(value, dict) and isinstance(into.get(name, {}), dict) and not _is_secret(value):
                self.places.setdefault(here, (file, line))
                self._merge(file, into.setdefault(name, {}), value, here, lines)
                continue
            if name in into:
                before = ":".join(str(part) for part in self.places[here] if part is not None)
                self.notes.append(ConfigError(file, line, ".".join(here), f"replaces the value of {before}"))
            into[name] = value
            self.places[here] = (file, line)

    def where(self, path: KeyPath) -> tuple[str, int | None]:
        while path:
            if path in self.places and self.places[path][1] is not None:
                return self.places[path]
            path = path[:-1]
        return ("conf.d", None)


def _is_secret(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in {"credential", "file", "env", "command"}


def load(
    directory: Path,
    environ: Mapping[str, str],
    *,
    backends: Mapping[str, type[BaseModel]],
    sources: Mapping[str, type[BaseModel]],
) -> Loaded:
    """Read *directory* and `MAILWICKET__*` of *environ*; never raises for what stands there."""
    merged = _Merged()
    digest = hashlib.sha256()
    files = _files(directory, merged)
    for path in files:
        _read(path, directory.name, merged, digest)
    _read_environ(environ, merged)
    settings = None if merged.errors else _validate(merged, backends, sources)
    errors = tuple(merged.errors)
    return Loaded(None if errors else settings, errors, tuple(merged.notes), digest.hexdigest(), len(files))


def _files(directory: Path, merged: _Merged) -> list[Path]:
    try:
        found = [path for path in directory.iterdir() if _is_ours(path.name)]
    except OSError as error:
        merged.errors.append(ConfigError(str(directory), None, "", f"cannot be read: {error.strerror}"))
        return []
    if not found:
        merged.errors.append(ConfigError(str(directory), None, "", "holds no *.toml file"))
    return sorted(found, key=lambda path: path.name.encode())


def _is_ours(name: str) -> bool:
    return name.endswith(".toml") and not name.startswith(".") and not name.endswith(LEFTOVERS) and ".dpkg-" not in name


def _read(path: Path, directory: str, merged: _Merged, digest: Any) -> None:  # noqa: ANN401 - hashlib's object
    name = f"{directory}/{path.name}"
    raw, text = b"", ""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        merged.errors.append(ConfigError(name, None, "", f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        merged.errors.append(ConfigError(name, line, "", "is not UTF-8"))
    except tomllib.TOMLDecodeError as error:
        what, _, position = str(error).rpartition(" (at ")
        line_text = position.removeprefix("line ").split(",")[0].rstrip(")")
        line = int(line_text) if line_text.isdigit() else text.count("\n") + 1
        # The parser quotes nothing but a single character or a key; a value is never in its words.
        merged.errors.append(ConfigError(name, line, "", f"is no TOML: {what or error}"))
    else:
        digest.update(name.encode() + b"\0" + raw + b"\0")
        merged.add(name, tables, lines_of(text))


def _read_environ(environ: Mapping[str, str], merged: _Merged) -> None:
    for name in sorted(environ):
        if not name.startswith(ENVIRON):
            continue
        path = tuple(part.lower() for part in name.removeprefix(ENVIRON).split("__"))
        try:
            value = tomllib.loads(f"value = {environ[name]}")["value"]
        except tomllib.TOMLDecodeError:
            value = environ[name]
        tables: dict[str, Any] = {path[-1]: value}
        for part in reversed(path[:-1]):
            tables = {part: tables}
        merged.add(f"environment {name}", tables, {})
        merged.places[path] = (f"environment {name}", 0)


def _validate(
    merged: _Merged, backends: Mapping[str, type[BaseModel]], sources: Mapping[str, type[BaseModel]]
) -> Settings | None:
    values = dict(merged.values)
    values["backend"] = _backend(merged, values.pop("backend", {}), backends)
    incoming = values.get("incoming", {})
    if isinstance(incoming, dict):
        values["incoming"] = {name: _incoming(merged, name, keys, sources) for name, keys in incoming.items()}
        if any(unit is None for unit in values["incoming"].values()):
            values["incoming"] = {}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        _report(merged, error, ())
        return None
    _check_together(merged, settings)
    return settings


def _backend(merged: _Merged, keys: Any, backends: Mapping[str, type[BaseModel]]) -> Any:  # noqa: ANN401 - as written
    if not isinstance(keys, dict):
        _wrong(merged, ("backend",), "is no table")
        return None
    keys = dict(keys)
    kind = keys.pop("type", "desk")
    if not isinstance(kind, str) or kind not in backends:
        _wrong(merged, ("backend", "type"), f"is not installed; one of {', '.join(sorted(backends))}")
        return None
    try:
        return BackendChoice(kind, backends[kind].model_validate(keys))
    except ValidationError as error:
        _report(merged, error, ("backend",))
        return None


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """The kind of desk, and its own keys."""

    type: str
    keys: BaseModel


def _incoming(merged: _Merged, name: str, keys: Any, sources: Mapping[str, type[BaseModel]]) -> Incoming | None:  # noqa: ANN401 - as written
    path = ("incoming", name)
    if not isinstance(keys, dict):
        _wrong(merged, path, "is no table; [incoming.NAME]")
        return None
    kind = keys.get("protocol", "imap")
    if not isinstance(kind, str) or kind not in sources:
        _wrong(merged, (*path, "protocol"), f"is not installed; one of {', '.join(sorted(sources))}")
        return None
    try:
        unit = sources[kind].model_validate(keys)
    except ValidationError as error:
        _report(merged, error, path, sources[kind])
        return None
    return unit if isinstance(unit, Incoming) else None


def _check_together(merged: _Merged, settings: Settings) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for name, unit in settings.incoming.items():
        key = unit.server.casefold(), unit.username, unit.folder
        if unit.enabled and key in seen:
            _wrong(
                merged, ("incoming", name), f"is the same mailbox as incoming.{seen[key]}; every mail would come twice"
            )
        seen.setdefault(key, name)
        if unit.password is not None and unit.password.form == "literal":
            file, line = merged.where(("incoming", name, "password"))
            merged.notes.append(
                ConfigError(file, line, f"incoming.{name}.password", 'stands in the file; {file = "PATH"} is safer')
            )


def _wrong(merged: _Merged, path: KeyPath, message: str) -> None:
    file, line = merged.where(path)
    merged.errors.append(ConfigError(file, line, ".".join(path), message))


def _report(merged: _Merged, error: ValidationError, path: KeyPath, model: type[BaseModel] | None = None) -> None:
    for one in error.errors(include_input=False, include_url=False, include_context=True):
        location = tuple(str(part) for part in one["loc"] if not str(part).startswith(("literal", "date", "function-")))
        here = (*path, *location)
        message = one["msg"][:1].lower() + one["msg"][1:]
        if one["type"] == "extra_forbidden":
            known = _known_keys(here, model)
            near = difflib.get_close_matches(here[-1], known, 1)
            message = "unknown key; " + (
                f"nearest known key: {near[0]}" if near else f"known are {', '.join(sorted(known))}"
            )
        elif one["type"] == "missing":
            message = "is missing"
        _wrong(merged, here, message)


def _known_keys(path: KeyPath, model: type[BaseModel] | None) -> list[str]:
    if model is not None:
        return list(model.model_fields)
    found: Any = Settings
    for part in path[:-1]:
        annotation = found.model_fields[part].annotation if part in found.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return list(found.model_fields)
        found = annotation
    return list(found.model_fields)
