"""What the store holds of one noun, for commands that work with and without a running daemon."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailwicket.cli import storeroom
from mailwicket.cli.table import Shown
from mailwicket.cli.terminal import be_lenient, give_up
from mailwicket.errors import UnknownError


@contextmanager
def reading(conf: Path | None) -> Iterator[sqlite3.Connection]:
    """Open the store that *conf* names for what is committed at one moment; failing, end with a line that says why."""
    from mailwicket.cli.settings import settings_or_exit

    with storeroom.reading(settings_or_exit(conf, exit_code=1).daemon.state_dir) as tx:
        yield tx


def show(
    conf: Path | None,
    look: Callable[[sqlite3.Connection], Shown],
    sheet: Callable[[Shown], Iterable[str]],
    *,
    as_json: bool,
) -> None:
    """Print what *look* finds in the store that *conf* names, as JSON or by the lines of its *sheet*.

    Where *look* finds nothing (UnknownError) the command ends with what it says.
    """
    with reading(conf) as tx:
        try:
            found = look(tx)
        except UnknownError as error:
            give_up(str(error))
    be_lenient()
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for line in sheet(found):
            print(line)
