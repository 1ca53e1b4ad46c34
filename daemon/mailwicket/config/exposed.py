"""Secrets of a configuration that everybody may read; secrets and certificates that cannot be had."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from mailwicket.config.locate import TreePath
from mailwicket.config.merge import Merged
from mailwicket.config.mistake import ConfigError
from mailwicket.config.secret import Secret
from mailwicket.config.settings import BackendChoice, Settings

AT_ONCE: Final = 8
"""So many secrets are read at a time: commands may take seconds each."""


CERTIFICATES: Final = ("tls_certificate", "tls_key", "ca_file", "certificate")


def secrets(value: object, path: TreePath = ()) -> Iterator[tuple[TreePath, Secret]]:
    """Yield every secret in *value*, a table or what stands in one, with its path."""
    match value:
        case Secret():
            yield path, value
        case BackendChoice():
            yield from secrets(value.keys, path)
        case BaseModel():
            for name in type(value).model_fields:
                yield from secrets(getattr(value, name), (*path, name))
        case Mapping():
            for name, one in value.items():
                yield from secrets(one, (*path, name))
        case list() | tuple():
            for index, one in enumerate(value):
                yield from secrets(one, (*path, index))


def _files(settings: Settings) -> Iterator[tuple[TreePath, Path]]:
    """Yield every file with certificates or a key, with its path in the configuration."""
    tables: dict[TreePath, BaseModel] = {("http",): settings.http, ("backend",): settings.backend.keys}
    tables |= {("incoming", name): table for name, table in settings.incoming.items()}
    tables |= {("outgoing", name): table for name, table in settings.outgoing.items()}
    tables |= {("oauth", name): table for name, table in settings.oauth.items()}
    for path, table in tables.items():
        for key in CERTIFICATES:
            if isinstance(file := getattr(table, key, None), Path):
                yield (*path, key), file


def exposed(settings: Settings, merged: Merged) -> Iterator[ConfigError]:
    """Yield a note for each secret in a file that is readable for others. Asks for the files' modes alone."""
    for path, secret in secrets(settings):
        origin = merged.origin(path)
        if secret.form == "literal" and origin is not None and _is_open(origin.path):
            yield merged.tell(path, 'everybody may read this file; chmod o-r, or {file = "PATH"}')
        elif _is_open(secret.path):
            yield merged.tell(path, f"everybody may read its {secret.form}; chmod o-r")
    if _is_open(settings.http.tls_key):
        yield merged.tell(("http", "tls_key"), "everybody may read its file; chmod o-r")


def unresolved(settings: Settings, merged: Merged) -> Iterator[ConfigError]:
    """Yield a note for each secret and each certificate that cannot be had now. Reads files and runs commands."""
    found = list(secrets(settings))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = pool.map(Secret.problem, (secret for _, secret in found))
        for (path, _), problem in zip(found, problems, strict=True):
            if problem is not None:
                yield merged.tell(path, problem)
    for path, file in _files(settings):
        try:
            file.open("rb").close()
        except (OSError, ValueError) as error:
            yield merged.tell(path, f"cannot be read now: {getattr(error, 'strerror', None) or error}")


def _is_open(path: Path | None) -> bool:
    try:
        return path is not None and bool(path.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False
