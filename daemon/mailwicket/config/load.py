"""Load conf.d: read, merge, validate, and say every error at once with file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from mailwicket.config.exposed import exposed
from mailwicket.config.incoming import Incoming
from mailwicket.config.merge import Merged
from mailwicket.config.mistake import ConfigError
from mailwicket.config.oauth import OAuth
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.proxy import Proxy
from mailwicket.config.read import Reading
from mailwicket.config.settings import Settings
from mailwicket.config.tables import Tables
from mailwicket.config.validate import Validation


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read: settings, or why there are none."""

    settings: Settings | None
    errors: tuple[ConfigError, ...]
    notes: tuple[ConfigError, ...]
    fingerprint: str
    """Another one when a file changed, came or went; what environment and secrets hold is not in it."""
    files: int
    incoming: Mapping[str, Incoming]
    """The mailboxes whose own tables are good, also where others are not and there are no settings."""
    hashes: Mapping[str, str]
    """SHA-256 of each file that could be read, by its name."""
    outgoing: Mapping[str, Outgoing]
    """The same of the servers that send."""
    applications: Mapping[str, OAuth] = field(repr=False)
    """The same of what they log in by."""
    proxies: Mapping[str, Proxy] = field(repr=False)
    """The same of the ways there."""
    merged: Merged = field(repr=False)
    """Where each key stands. Holds secrets."""


def load(
    directory: Path,
    environ: Mapping[str, str],
    *,
    backends: Mapping[str, type[BaseModel]],
    sources: Mapping[str, type[BaseModel]],
    senders: Mapping[str, type[BaseModel]],
) -> Loaded:
    """Read *directory* and `MAILWICKET__*` of *environ*; never raises for what stands there.

    *backends*, *sources* and *senders* are the models of the installed adapters' keys; a source's extends `Incoming`,
    a sender's `Outgoing`. Errors in what can be read are told even when a file cannot be read.
    """
    tables = Tables(
        backends,
        {name: model for name, model in sources.items() if issubclass(model, Incoming)},
        {name: model for name, model in senders.items() if issubclass(model, Outgoing)},
    )
    reading = Reading(tables)
    reading.directory(directory)
    reading.environment(environ)
    validation = Validation(reading.merged, tables, environ, whole=not reading.errors)
    settings = validation.settings()
    errors = reading.in_order([*reading.errors, *validation.errors])
    notes = [*reading.merged.notes, *validation.notes, *(exposed(settings, reading.merged) if settings else ())]
    return Loaded(
        None if errors else settings,
        errors,
        reading.in_order(notes),
        reading.fingerprint,
        reading.files,
        validation.incoming,
        reading.hashes,
        validation.outgoing,
        validation.applications,
        validation.proxies,
        reading.merged,
    )
