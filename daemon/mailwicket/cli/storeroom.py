"""The store, read by a command itself: with or without a running daemon."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import typer

from mailwicket.cli.terminal import give_up
from mailwicket.errors import StoreError


def is_there(path: Path) -> bool:
    """Tell whether *path* exists; where that is hidden from this user, end with a line that says so."""
    try:
        return path.exists()
    except OSError as error:
        give_up(f"cannot read {path}: {error.strerror}")


def state_dir_of(conf: Path | None, what: str) -> Path:
    """Return the state directory that the configuration names; *what* is there none of, where it does not exist.

    A configuration with errors names it, too, if that much of it can be read: who mends it wants to look.
    """
    from mailwicket.cli.settings import loaded

    result = loaded(conf)
    for error in result.errors:
        print(error, file=sys.stderr)
    state_dir = result.settings.daemon.state_dir if result.settings else _named(result.merged.values)
    if state_dir is None:
        raise typer.Exit(1)
    if not is_there(state_dir):
        give_up(f"no {what}: the state directory {state_dir} does not exist")
    return state_dir


def _named(values: Mapping[str, Any]) -> Path | None:
    """Return the state directory of tables that are no whole configuration; no default: another file may name it."""
    daemon = values.get("daemon")
    told = daemon.get("state_dir") if isinstance(daemon, dict) else None
    return Path(told) if isinstance(told, str) and told.startswith("/") else None


def database(state_dir: Path) -> Path:
    """Return where the database is, if there is one."""
    from mailwicket.store.database import FILE_NAME

    return state_dir / FILE_NAME


@contextmanager
def reading(state_dir: Path, what: str = "") -> Iterator[sqlite3.Connection]:
    """Open the store for reading what is committed at one moment; on failure end with a line that says why.

    *what* is there none of, where the daemon has not run yet; unsaid: nothing is there.
    """
    from mailwicket.store.database import open_reader

    path = database(state_dir)
    if not is_there(path):
        give_up(f"{f'no {what}' if what else 'nothing'} yet: the daemon has not run here, there is no {path}")
    try:
        with closing(open_reader(state_dir)) as connection:
            connection.execute("BEGIN")
            yield connection
    except StoreError as error:
        give_up(str(error))
    except sqlite3.Error as error:
        give_up(f"store {path}: {error}")
