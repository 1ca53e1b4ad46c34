"""`mailwicket outbox`: what is to be sent and what became of it. Reads the store itself; the daemon acts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from mailwicket.cli.asking import door
from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, block, give_up, one_line

app = typer.Typer(help="Mail that the desk sends. Works with and without a running daemon.", no_args_is_help=True)

Shown = dict[str, Any]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs; its keys are a contract.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="The mail's number in the outbox.", min=1, max=2**63 - 1)]
PIPE_WIDTH: Final = 160
LISTED_MAX: Final = 10_000


@app.command("list")
def list_(
    *,
    every: Annotated[
        bool | None,
        typer.Option("--all/--open", help="Also what is sent or cancelled, or not. JSON has it by default."),
    ] = None,
    ticket: Annotated[int | None, typer.Option("--ticket", metavar="N", help="Only of this ticket.", min=1)] = None,
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """List the mails that wait or failed, the newest last; with --all, and as JSON, the newest 10,000 of all."""
    from mailwicket.cli.books import reading
    from mailwicket.cli.settings import settings_or_exit
    from mailwicket.model import TicketNumber
    from mailwicket.store.outlist import count_paused, listed

    with reading(settings_or_exit(conf, exit_code=1)) as tx:
        number = None if ticket is None else TicketNumber(ticket)
        mails = listed(tx, every=as_json if every is None else every, ticket=number, limit=LISTED_MAX)
        stopped = count_paused(tx)
    be_lenient()
    if as_json:
        print(json.dumps(mails, ensure_ascii=False))
    elif mails:
        _print_table(mails)
    else:
        print("no mail" if every else "no mail waits, none failed (the others: --all)")
    if stopped and not as_json:
        print(f"to {stopped} address{'es' if stopped > 1 else ''} nothing is sent: mailwicket outbox paused")


@app.command("show")
def show(number: Number, *, as_json: Json = False, conf: Conf = None) -> None:
    """Show one mail: its words, how it stands with each recipient, every attempt, and why it goes by its server."""
    from mailwicket.cli.books import reading
    from mailwicket.cli.settings import settings_or_exit
    from mailwicket.errors import UnknownError
    from mailwicket.store.outbox import OutboxId
    from mailwicket.store.outlist import shown

    with reading(settings_or_exit(conf, exit_code=1)) as tx:
        try:
            mail = shown(tx, OutboxId(number))
        except UnknownError as error:
            give_up(str(error))
    be_lenient()
    if as_json:
        print(json.dumps(mail, ensure_ascii=False))
    else:
        for line in _sheet(mail):
            print(line)


@app.command("retry")
def retry(number: Number, *, conf: Conf = None) -> None:
    """Try a mail again now, by the server that today's configuration names. One that failed gets five days more."""
    _act(conf, number, "retry")


@app.command("cancel")
def cancel(number: Number, *, conf: Conf = None) -> None:
    """Have a mail that waits not sent."""
    _act(conf, number, "cancel")


@app.command("paused")
def paused(*, as_json: Json = False, conf: Conf = None) -> None:
    """List the addresses to which nothing is sent: five mails in a row were refused for good."""
    from mailwicket.cli.books import reading
    from mailwicket.cli.settings import settings_or_exit
    from mailwicket.store import outlist

    with reading(settings_or_exit(conf, exit_code=1)) as tx:
        found = outlist.paused(tx)
    be_lenient()
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    for one in found:
        print(f"{one_line(one['address'])}  since {_minute(one['since'])} UTC: {one['why']}")
    if not found:
        print("no address is paused")


@app.command("unpause")
def unpause(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The address.")], *, conf: Conf = None
) -> None:
    """Have mail sent to an address again."""
    from urllib.parse import quote

    answer = door(conf).ask("DELETE", f"/api/v1/outbox/paused/{quote(address, safe='@')}")
    if not answer.is_good:
        give_up(answer.problem)
    print(f"mail is sent to {one_line(address)} again")


def _act(conf: Conf, number: int, action: str) -> None:
    answer = door(conf).ask("POST", f"/api/v1/outbox/{number}/{action}")
    if not answer.is_good:
        give_up(answer.problem)
    print(f"mail {number} {answer.told['said']}")


# --- how a person sees them

COLUMNS: Final[Mapping[str, Callable[[Shown], str]]] = {
    "Id": lambda mail: str(mail["id"]),
    "Ticket": lambda mail: str(mail["ticket"] or ""),
    "State": lambda mail: mail["state"] + (" (uncertain)" if mail["uncertain"] else ""),
    "Event": lambda mail: mail["event"],
    "To": lambda mail: one_line(", ".join([*mail["to"], *mail["cc"]])),
    "Via": lambda mail: mail["via"] or "",
    "Tries": lambda mail: str(mail["attempts"] or ""),
    "Next try (UTC)": lambda mail: _minute(mail["next_attempt"] or ""),
    "Subject": lambda mail: one_line(mail["subject"]),
}
SHRINKS: Final = ("To", "Subject")


def _print_table(mails: Sequence[Shown]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    cells: list[list[str]] = []
    for heading, cell in COLUMNS.items():
        column = [cell(mail) for mail in mails]
        if any(column):
            justify: Any = "right" if heading in {"Id", "Ticket", "Tries"} else "left"
            table.add_column(heading, justify=justify, no_wrap=heading not in SHRINKS)
            cells.append(column)
    for row in zip(*cells, strict=True):
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in row))
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def _sheet(mail: Shown) -> Iterator[str]:
    """The lines of a mail for a person to read."""
    yield f"mail {mail['id']}  {one_line(mail['subject'])}"
    facts = {
        "state": mail["state"] + (", may have arrived: only the same server is asked" if mail["uncertain"] else ""),
        "ticket": str(mail["ticket"] or ""),
        "event": mail["event"],
        "from": mail["from"] or "",
        "via": mail["via"] or "",
        "queued": f"{_minute(mail['queued'])} UTC",
        "next try": f"{_minute(mail['next_attempt'])} UTC" if mail["next_attempt"] else "",
        "id": mail["message_id"],
    }
    yield from (f"{key:<10} {one_line(value)}" for key, value in facts.items() if value)
    yield ""
    for one in mail["recipients"]:
        told = f": {one_line(one['told'])}" if one["told"] else ""
        yield f"  {one['state']:<8} {one_line(one['address'])}{told}"
    for one in mail["attempts_made"]:
        yield f"  {_minute(one['at'])} UTC by {one['via']}: {one_line(one['outcome'])}"
    yield ""
    yield "what it said is kept no more (store.raw_keep_days)" if mail["reclaimed"] else block(mail["text"]).strip("\n")
    if mail["route"]:
        yield ""
        yield from route_lines(mail["route"])


def route_lines(route: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a decision: who was asked in which order, and what became of it."""
    for number, one in enumerate(route["candidates"], 1):
        what = f"{one['by']} {one['rule']}" if one["rule"] else one["by"]
        server = f" -> outgoing/{one['outgoing']}" if one["outgoing"] else ""
        yield f"  {number}. {one_line(what)}{server}: {one['verdict'].replace('_', ' ')}, {one_line(one['why'])}"
    if route.get("failover"):
        yield f"  outgoing/{route['meant']} did not work then: it was to go by outgoing/{route['via']}"


def _minute(timestamp: str) -> str:
    return timestamp[:16].replace("T", " ")
