"""`mailwicket tickets list` and `show`: what the embedded desk holds. Reads the store, with or without a daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.storeroom import database, is_there, reading, state_dir_of
from mailwicket.cli.table import Shown, Table
from mailwicket.cli.terminal import be_lenient, block, give_up, minute, one_line
from mailwicket.model import TicketNumber

app = typer.Typer(
    help="Tickets of the embedded desk: list and show work with and without a running daemon, the others ask it.",
    no_args_is_help=True,
)


Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs; its keys are a contract.")]


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
    if as_json and not is_there(database(state_dir)):
        tickets: Sequence[Shown] = []
    else:
        with reading(state_dir, "tickets") as tx:
            tickets = list_tickets(tx, all=every)
    be_lenient()
    if as_json:
        print(json.dumps(tickets))
    elif tickets:
        TICKETS.show(tickets)
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

    with reading(_state_dir(conf), "tickets") as tx:
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
    from mailwicket.cli.settings import loaded

    settings = loaded(conf).settings
    kind = settings.backend.type if settings else "desk"  # of a broken one who knows: a look does no harm
    if kind != "desk":
        give_up(f'backend "{kind}" keeps its tickets elsewhere; this command shows those of the embedded desk')
    return state_dir_of(conf, "tickets")


# --- how a person sees them

TICKETS: Final = Table(
    cells={
        "No.": lambda ticket: str(ticket["number"]),
        "Status": lambda ticket: ticket["status"],
        "Subject": lambda ticket: one_line(ticket["subject"]),
        "Requester": lambda ticket: one_line(ticket["requester"]),
        "Group": lambda ticket: one_line(ticket["group"] or ""),
        "Entries": lambda ticket: str(ticket["entries"]),
        "Updated (UTC)": lambda ticket: minute(ticket["updated"]),
    },
    numbers=("No.", "Entries"),
    shrinks=("Subject", "Requester", "Group"),
)


def _sheet(ticket: Shown) -> Iterator[str]:
    """The lines of a ticket for a person to read."""
    yield f"#{ticket['number']}  {one_line(ticket['subject'])}"
    facts = {
        "status": ticket["status"],
        "requester": ticket["requester"],
        "cc": ", ".join(ticket["cc"]),
        **{key: ticket[key] for key in ("group", "category", "company", "assignee")},
        "created": f"{minute(ticket['created'])} UTC",
        "updated": f"{minute(ticket['updated'])} UTC",
    }
    yield from (f"{key:<10} {one_line(value)}" for key, value in facts.items() if value)
    for position, entry in enumerate(ticket["entries"], 1):
        yield ""
        seen_by = "" if entry["public"] else ", for technicians only"
        author = one_line(entry["author"] or "nobody named")
        marks = ", ".join([*([entry["reason"]] if entry["reason"] else []), *entry["flags"]])
        told = f" ({marks})" if marks else ""
        yield f"--- {position}. {entry['kind']} of {author}, {minute(entry['received'])} UTC{seen_by}{told}"
        yield block(entry["text"]).strip("\n")
        for attachment in entry["attachments"]:
            how = "inline" if attachment["inline"] else "attached"
            name, kind = one_line(attachment["filename"] or "without a name"), one_line(attachment["content_type"])
            yield f"    [{how}] {name} ({kind}, {attachment['size']} bytes)"
