"""`mailwicket route TICKET`: by which outgoing server the mail of a ticket went, and why by no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from mailwicket.cli import books
from mailwicket.cli.run import Conf
from mailwicket.cli.table import Shown
from mailwicket.cli.terminal import one_line


def route(
    ticket: Annotated[int, typer.Argument(metavar="TICKET", help="The ticket's number.", min=1, max=2**63 - 1)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    conf: Conf = None,
) -> None:
    """Tell for every mail of a ticket why it went by its server: rules that lost, servers that were skipped, health."""
    from mailwicket.model import TicketNumber
    from mailwicket.store.outlist import routes

    number = TicketNumber(ticket)
    books.show(conf, lambda tx: {"ticket": ticket, "mails": routes(tx, number)}, _sheet, as_json=as_json)


def _sheet(told: Shown) -> Iterator[str]:
    """The lines of a ticket's mails for a person to read."""
    from mailwicket.cli.outbox import route_lines

    for mail in told["mails"]:
        to = one_line(", ".join(mail["to"]))
        instead = "" if mail["via"] == mail["meant"] else f" instead of outgoing/{mail['meant']}"
        yield f"mail {mail['id']} ({mail['event']}) to {to}: {mail['state']}, outgoing/{mail['via']}{instead}"
        yield from route_lines(mail["route"])
