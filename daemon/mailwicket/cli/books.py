"""Reading the store itself, with or without a running daemon."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mailwicket.cli.terminal import give_up

if TYPE_CHECKING:  # reading a configuration takes longer than printing help
    from mailwicket.config.settings import Settings


@contextmanager
def reading(settings: Settings) -> Iterator[sqlite3.Connection]:
    """Open the store of *settings* for what is committed at one moment; on failure end with a line that says why."""
    from mailwicket.errors import StoreError
    from mailwicket.store.database import FILE_NAME, open_reader

    path: Path = settings.daemon.state_dir / FILE_NAME
    try:
        if not path.exists():
            give_up(f"nothing yet: the daemon has not run here, there is no {path}")
        with closing(open_reader(settings.daemon.state_dir)) as connection:
            connection.execute("BEGIN")
            yield connection
    except OSError as error:
        give_up(f"cannot read {path}: {error.strerror}")
    except StoreError as error:
        give_up(str(error))
    except sqlite3.Error as error:
        give_up(f"store {path}: {error}")
