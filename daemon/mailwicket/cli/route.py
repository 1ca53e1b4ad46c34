"""`mailwicket route TICKET`: by which outgoing server the mail of a ticket went, and why by no other."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, give_up, one_line


def route(
    ticket: Annotated[int, typer.Argument(metavar="TICKET", help="The ticket's number.", min=1, max=2**63 - 1)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    conf: Conf = None,
) -> None:
    """Tell for every mail of a ticket why it went by its server: rules that lost, servers that were skipped, health."""
    from mailwicket.cli.books import reading
    from mailwicket.cli.outbox import route_lines
    from mailwicket.cli.settings import settings_or_exit
    from mailwicket.errors import UnknownError
    from mailwicket.model import TicketNumber
    from mailwicket.store.outlist import routes

    with reading(settings_or_exit(conf, exit_code=1)) as tx:
        try:
            mails = routes(tx, TicketNumber(ticket))
        except UnknownError as error:
            give_up(str(error))
    be_lenient()
    if as_json:
        print(json.dumps({"ticket": ticket, "mails": mails}, ensure_ascii=False))
        return
    for mail in mails:
        to = one_line(", ".join(mail["to"]))
        instead = "" if mail["via"] == mail["meant"] else f" instead of outgoing/{mail['meant']}"
        print(f"mail {mail['id']} ({mail['event']}) to {to}: {mail['state']}, outgoing/{mail['via']}{instead}")
        for line in route_lines(mail["route"]):
            print(line)
