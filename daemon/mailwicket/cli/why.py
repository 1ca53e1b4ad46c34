"""`mailwicket why`: the recorded trace of mails. Reads the store itself, with or without a daemon."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.storeroom import reading, state_dir_of
from mailwicket.cli.terminal import be_lenient, give_up, one_line


def why(
    of: Annotated[
        str,
        typer.Argument(metavar="TICKET | MESSAGE-ID", help="A ticket's number, or the id of a mail, parked or not."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One array, an object a mail.")] = False,
    conf: Conf = None,
) -> None:
    """Tell why each mail of a ticket, or each that bears a Message-ID, ended as it did; exit 1 where there is none."""
    from mailwicket.store.trail import of_message, of_ticket

    asked = of.strip().removeprefix("#")
    is_number = asked.isascii() and asked.isdigit() and 0 < int(asked[:20]) < 2**63
    with reading(state_dir_of(conf, "mail"), "mail") as tx:
        found = of_ticket(tx, int(asked)) if is_number else of_message(tx, asked.removeprefix("<").removesuffix(">"))
    if not found:
        give_up(
            f"no mail of a ticket {asked} is recorded" if is_number else f"no mail with the id {one_line(of)} is known"
        )
    be_lenient()
    if as_json:
        print(json.dumps(found))
        return
    for position, mail in enumerate(found):
        if position:
            print()
        for line in _sheet(mail):
            print(one_line(line) if not line.startswith("  ") else f"  {one_line(line)}")


def _sheet(mail: dict[str, Any]) -> list[str]:
    """The lines of a mail for a person to read."""
    where = "parked" if mail["parked"] else f"ticket {mail['ticket']}" if mail["ticket"] else "no ticket"
    flags = f" ({', '.join(mail['flags'])})" if mail["flags"] else ""
    times = ", ".join(f"{key} {mail[key][:19]}Z" for key in ("received", "seen", "fetched", "decided") if mail[key])
    return [
        f"mail {mail['id']} <{mail['message_id'] or 'no id'}> by {mail['unit']}",
        f"{mail['reason']}{flags}, {where}",
        times,
        *(f"  {step['rule']}: {step['answer']}" for step in mail["steps"]),
    ]
