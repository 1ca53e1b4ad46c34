"""`mailwicket backup`: the whole store in one file, beside the running daemon or without it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailwicket.cli.run import Conf

if TYPE_CHECKING:  # what `--help` does not need is not imported for it
    from mailwicket.store.backup import Told


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written as FILE.part until it is whole; a tar.")],
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check an existing backup instead: sums, database, every mail.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    conf: Conf = None,
) -> None:
    """Write the store to FILE while the daemon runs; exit 1 when that fails or something is missing in it."""
    from mailwicket.cli.terminal import give_up
    from mailwicket.errors import MailwicketError

    try:
        with _progress() as shown:
            told = _stoppable(shown)
            answer = _verified(file, told) if verify else _written(file, conf, told)
    except MailwicketError as error:
        give_up(str(error))
    except KeyboardInterrupt:
        give_up("stopped; no backup was written" if not verify else "stopped")
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
    for fault in answer["faults"]:
        print(f"mailwicket: {file}: {fault}", file=sys.stderr)
    if not as_json:
        typer.echo(_line(answer, verify=verify))
    raise typer.Exit(1 if answer["faults"] else 0)


def _written(file: Path, conf: Path | None, told: Told) -> dict[str, Any]:
    from datetime import UTC, datetime

    from mailwicket.cli.settings import settings_or_exit
    from mailwicket.store.backup import back_up

    state_dir = settings_or_exit(conf, exit_code=1).daemon.state_dir
    done = back_up(state_dir, file, datetime.now(UTC), told)
    about = {"file": str(file), "made_at": done.made_at, "size_bytes": done.size_bytes, "mails": done.mails}
    return {**about, "faults": done.faults}


def _verified(file: Path, told: Told) -> dict[str, Any]:
    from mailwicket.store.verify import verify

    found = verify(file, told)
    about = {"file": str(file), "made_at": found.description.get("made_at"), "mails_checked": found.mails}
    return {**about, "backup": found.description, "faults": found.faults}


def _line(answer: dict[str, Any], *, verify: bool) -> str:
    if not verify:
        said = f"{answer['mails']} mails known, {answer['size_bytes'] / 1e6:.1f} MB, as of {answer['made_at']}"
        return f"{answer['file']}: {said}" + ("; written, but not all of it was there" if answer["faults"] else "")
    if answer["faults"]:
        return f"{answer['file']}: damaged"
    return f"{answer['file']}: good; {answer['mails_checked']} mails as they came, as of {answer['made_at']}"


@contextmanager
def _progress() -> Iterator[Told]:
    """Show how far it is on a terminal, and nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, whole: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=whole)
            shown.update(tasks[what], completed=done, total=whole)

        yield told


def _stoppable(shown: Told) -> Told:
    """Return *shown* such that it ends the work, between two steps of it, once a signal came; a second one at once."""
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)

    def told(what: str, done: int, whole: int) -> None:
        if came:
            raise KeyboardInterrupt
        shown(what, done, whole)

    return told
