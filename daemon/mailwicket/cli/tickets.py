"""`mailwicket tickets`: what the embedded desk holds. Reads the store itself, with or without a daemon."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, block, give_up, one_line
from mailwicket.errors import StoreError
from mailwicket.model import TicketNumber

app = typer.Typer(help="Tickets of the embedded desk. Works with and without a running daemon.", no_args_is_help=True)

Shown = dict[str, Any]

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs; its keys are a contract.")]

PIPE_WIDTH = 160  # columns, where no terminal says how many it has


@app.command("list")
def list_(
    *,
    every: Annotated[bool, typer.Option("--all", help="Also closed, merged and deleted tickets, and spam.")] = False,
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """List the open tickets by number; with --all the others too."""
    from mailwicket.backends.desk.reading import list_tickets

    state_dir = _state_dir(conf)
    if as_json and not _is_there(_database(state_dir)):
        tickets: list[Shown] = []
    else:
        with _reading(state_dir) as tx:
            tickets = list_tickets(tx, all=every)
    be_lenient()
    if as_json:
        print(json.dumps(tickets))
    elif tickets:
        print_table(tickets)
    else:
        print("no tickets" if every else "no open tickets (the others: --all)")


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="N", help="The ticket's number.", min=1, max=2**63 - 1)],
    *,
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Show one ticket with its entries, whatever its status."""
    from mailwicket.backends.desk.reading import show_ticket

    with _reading(_state_dir(conf)) as tx:
        ticket = show_ticket(tx, TicketNumber(number))
    if ticket is None:
        give_up(f"there is no ticket {number}")
    be_lenient()
    if as_json:
        print(json.dumps(ticket))
    else:
        for line in _sheet(ticket):
            print(line)


# --- where the tickets are


def _state_dir(conf: Path | None) -> Path:
    """Return the state directory that the configuration names, if its backend is the embedded desk."""
    from mailwicket.cli.settings import settings_or_exit

    settings = settings_or_exit(conf, exit_code=1)
    kind = settings.backend.type
    if kind != "desk":
        give_up(f'backend "{kind}" keeps its tickets elsewhere; this command shows those of the embedded desk')
    state_dir: Path = settings.daemon.state_dir
    if not _is_there(state_dir):
        give_up(f"no tickets: the state directory {state_dir} does not exist")
    return state_dir


def _database(state_dir: Path) -> Path:
    from mailwicket.store.database import FILE_NAME

    return state_dir / FILE_NAME


def _is_there(path: Path) -> bool:
    """Tell whether *path* exists; where that is hidden from this user, end with a line that says so."""
    try:
        return path.exists()
    except OSError as error:
        give_up(f"cannot read {path}: {error.strerror}")


@contextmanager
def _reading(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the store for reading what is committed at one moment; on failure end with a line that says why."""
    from mailwicket.store.database import open_reader

    path = _database(state_dir)
    if not _is_there(path):
        give_up(f"no tickets yet: the daemon has not run here, there is no {path}")
    try:
        with closing(open_reader(state_dir)) as connection:
            connection.execute("BEGIN")
            yield connection
    except StoreError as error:
        give_up(str(error))
    except sqlite3.Error as error:
        give_up(f"store {path}: {error}")


# --- how a person sees them

COLUMNS: Final[Mapping[str, Callable[[Shown], str]]] = {
    "No.": lambda ticket: str(ticket["number"]),
    "Status": lambda ticket: ticket["status"],
    "Subject": lambda ticket: one_line(ticket["subject"]),
    "Requester": lambda ticket: one_line(ticket["requester"]),
    "Group": lambda ticket: one_line(ticket["group"] or ""),
    "Entries": lambda ticket: str(ticket["entries"]),
    "Updated (UTC)": lambda ticket: _minute(ticket["updated"]),
}
SHRINKS: Final = ("Subject", "Requester", "Group")  # on a narrow terminal; half a number or half a time tells nothing


def print_table(tickets: Sequence[Shown], *, without: Collection[str] = ()) -> None:
    """Print *tickets* as `tickets list` does; columns that are named in *without*, or empty, are left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    cells: list[list[str]] = []
    for heading, cell in COLUMNS.items():
        column = [cell(ticket) for ticket in tickets]
        if heading not in without and any(column):
            justify: Any = "right" if heading in {"No.", "Entries"} else "left"
            table.add_column(heading, justify=justify, no_wrap=heading not in SHRINKS)
            cells.append(column)
    for row in zip(*cells, strict=True):
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))  # Text: mail is no markup
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def _sheet(ticket: Shown) -> Iterator[str]:
    """The lines of a ticket for a person to read."""
    yield f"#{ticket['number']}  {one_line(ticket['subject'])}"
    facts = {
        "status": ticket["status"],
        "requester": ticket["requester"],
        "cc": ", ".join(ticket["cc"]),
        **{key: ticket[key] for key in ("group", "category", "company", "assignee")},
        "created": f"{_minute(ticket['created'])} UTC",
        "updated": f"{_minute(ticket['updated'])} UTC",
    }
    yield from (f"{key:<10} {one_line(value)}" for key, value in facts.items() if value)
    for position, entry in enumerate(ticket["entries"], 1):
        yield ""
        seen_by = "" if entry["public"] else ", for technicians only"
        author = one_line(entry["author"] or "nobody named")
        marks = ", ".join([entry["reason"], *entry["flags"]])
        yield f"--- {position}. {entry['kind']} of {author}, {_minute(entry['received'])} UTC{seen_by} ({marks})"
        yield block(entry["text"]).strip("\n")
        for attachment in entry["attachments"]:
            how = "inline" if attachment["inline"] else "attached"
            name, kind = one_line(attachment["filename"] or "without a name"), one_line(attachment["content_type"])
            yield f"    [{how}] {name} ({kind}, {attachment['size']} bytes)"


def _minute(timestamp: str) -> str:
    return timestamp[:16].replace("T", " ")
