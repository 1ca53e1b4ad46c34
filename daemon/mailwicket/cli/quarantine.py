"""`mailwicket quarantine`: the mails that wait for a person. Looking reads the store; deciding asks the daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mailwicket.cli.asking import Door, ask_each, door
from mailwicket.cli.run import Conf
from mailwicket.cli.storeroom import database, is_there, reading, state_dir_of
from mailwicket.cli.table import Shown, Table
from mailwicket.cli.terminal import be_lenient, block, give_up, minute, one_line
from mailwicket.model import IntakeId

if TYPE_CHECKING:
    from mailwicket.store.quarantine import Parked

app = typer.Typer(
    help="Mails that wait for a person: list, show and export read the store, retry and drop ask the daemon.",
    no_args_is_help=True,
)

ROUTE: Final = "/api/v1/quarantine"
USAGE: Final = 2
OUT: Final = 503
"""RFC 9110 15.6.4: desk or disk being out is no mail's fault: the rest would wait for them one after the other."""


Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs; its keys are a contract.")]
Id = Annotated[int, typer.Argument(metavar="ID", help="As the list has it.", min=1, max=2**63 - 1)]
Reason = Annotated[str, typer.Option("--reason", metavar="R", help="Those that were parked for this reason.")]


@app.command("list")
def list_(*, reason: Reason = "", as_json: Json = False, conf: Conf = None) -> None:
    """List the parked mails, the oldest first."""
    from mailwicket.store.parked import listed
    from mailwicket.store.quarantine import all_parked

    state_dir = state_dir_of(conf, "quarantine")
    mails: Sequence[Shown] = []
    if not as_json or is_there(database(state_dir)):
        with reading(state_dir, "quarantine") as tx:
            parked = [one for one in all_parked(tx) if reason in {"", one.reason.value}]
            mails = listed(parked, state_dir / "raw")
    be_lenient()
    if as_json:
        print(json.dumps(mails))
    elif mails:
        TABLE.show(mails)
    else:
        print(f"nothing is parked for {reason}" if reason else "nothing is parked")


@app.command("show")
def show(number: Id, *, as_json: Json = False, conf: Conf = None) -> None:
    """Show one mail: why it is parked, its header, what it says."""
    from mailwicket.store.parked import shown

    state_dir, parked = _parked(conf, number)
    told = shown(parked, state_dir / "raw")
    be_lenient()
    if as_json:
        print(json.dumps(told))
        return
    for key in ("id", "reason", "unit", "received", "parked", "message_id", "from", "to", "subject", "attachments"):
        value = ", ".join(told[key]) if isinstance(told[key], list) else told[key]
        if value:
            print(f"{key:<11} {one_line(str(value))}")
    print("\ndecided so:")
    for rule, answer in told["trace"]:
        print(f"  {one_line(rule)}: {one_line(answer)}")
    print(f"\n{block(told['headers'])}\n")
    text = "" if told["raw_is_there"] else "(its bytes are gone)"
    print(block(told["text"] if told["text"] is not None else text or "(it cannot be read)").strip("\n"))


@app.command("export")
def export(
    number: Id,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help='"-" is standard output; else ID.eml.')] = "",
    *,
    conf: Conf = None,
) -> None:
    """Write a mail to a file, byte by byte as it came; a file that there is is left alone."""
    from mailwicket.store.raw import read_raw

    state_dir, parked = _parked(conf, number)
    try:
        raw = read_raw(state_dir / "raw", parked.kept.raw)
        if file == "-":
            sys.stdout.buffer.write(raw)
            return
        path = Path(file or f"{number}.eml")
        with path.open("xb") as target:
            target.write(raw)
    except OSError as error:
        give_up(f"mail {number}: {error.filename or 'standard output'}: {error.strerror}")
    print(f"{path}: {len(raw)} bytes")


@app.command("retry")
def retry(  # noqa: PLR0913 - options of a command
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID...]", min=1, max=2**63 - 1)] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every parked mail.")] = False,
    reason: Reason = "",
    dry: Annotated[bool, typer.Option("--dry-run", help="Tell what would become of each; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a mail, one line each.")] = False,
    conf: Conf = None,
) -> None:
    """Decide mails again by today's configuration, the oldest first; exit 1 when one is not parked or cannot be."""
    if sum((bool(numbers), every, bool(reason))) != 1:
        give_up("retry wants IDs, or --all, or --reason R", USAGE)
    be_lenient()
    daemon = door(conf)
    chosen = numbers or _chosen(daemon, reason)
    body = {"dry_run": True} if dry else {}
    if not chosen and not as_json:
        print("nothing is parked" + (f" for {reason}" if reason else ""))

    def line(_: int, told: Shown) -> str:
        return _became(told, dry=dry)

    ask_each(daemon, f"{ROUTE}/{{}}/retry", chosen, body, line, as_json=as_json, ends_at=OUT)


@app.command("drop")
def drop(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...", min=1, max=2**63 - 1)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a mail, one line each.")] = False,
    conf: Conf = None,
) -> None:
    """Give mails up. Their bytes stay in the store for `raw_keep_days`, as those of any mail; they are not listed."""
    be_lenient()

    def line(number: int, _: Shown) -> str:
        return f"mail {number} is dropped"

    ask_each(door(conf), f"{ROUTE}/{{}}/drop", numbers, {}, line, as_json=as_json, ends_at=OUT)


def _chosen(daemon: Door, reason: str) -> list[int]:
    answer = daemon.ask("GET", ROUTE)
    if not answer.is_good:
        give_up(one_line(answer.problem))
    return [mail["id"] for mail in answer.told if reason in {"", mail["reason"]}]


def _became(told: Shown, *, dry: bool) -> str:
    where = f", ticket {told['ticket']}" if told["ticket"] else ""
    if told["parked"]:
        verb = "would stay" if dry else "stays"
        return f"mail {told['id']} {verb} parked: {told['reason']}"
    verb = "would be" if dry else "is"
    new = ", a new ticket" if dry and told["opens"] else where
    return f"mail {told['id']} {verb} {told['reason']}{new}"


def _parked(conf: Path | None, number: int) -> tuple[Path, Parked]:
    from mailwicket.store.quarantine import parked

    state_dir = state_dir_of(conf, "quarantine")
    with reading(state_dir, "quarantine") as tx:
        found = parked(tx, IntakeId(number))
    if found is None:
        give_up(f"mail {number} is not parked")
    return state_dir, found


TABLE: Final = Table(
    cells={
        "ID": lambda mail: str(mail["id"]),
        "Reason": lambda mail: mail["reason"],
        "Received (UTC)": lambda mail: minute(mail["received"]),
        "Unit": lambda mail: mail["unit"],
        "From": lambda mail: one_line(mail["from"] or ""),
        "Subject": lambda mail: one_line(mail["subject"]),
    },
    numbers=("ID",),
    shrinks=("From", "Subject"),
)
