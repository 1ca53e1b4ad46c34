"""What several commands need first: the configuration, or its errors and an exit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import typer

from mailwicket.config.load import Loaded, load
from mailwicket.config.mistake import ConfigError, printable
from mailwicket.config.plugins import Plugins, installed
from mailwicket.config.settings import Settings
from mailwicket.config.where import conf_dir


def loaded(conf: Path | None) -> Loaded:
    """Read the configuration with every installed adapter's keys; plug-ins that are left out are notes."""
    return load_with(installed(), conf_dir(conf, os.environ))


def load_with(plugins: Plugins, directory: Path, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read the configuration in *directory* and *environ* with the keys of *plugins*."""
    result = load(
        directory,
        environ,
        backends={name: adapter.Config for name, adapter in plugins.backends.items()},
        sources={name: adapter.Config for name, adapter in plugins.sources.items()},
        senders={name: adapter.Config for name, adapter in plugins.senders.items()},
    )
    left_out = [
        ConfigError(f"plug-in {printable(one.name)}", None, "", f"is left out: {printable(one.why)}")
        for one in plugins.broken
    ]
    return replace(result, notes=(*left_out, *result.notes))


def settings_or_exit(conf: Path | None, *, exit_code: int) -> Settings:
    """Return the configuration, or print every error of it and exit with *exit_code*."""
    result = loaded(conf)
    if result.settings is None:
        for error in result.errors:
            typer.echo(str(error), err=True)
        raise typer.Exit(exit_code)
    return result.settings
