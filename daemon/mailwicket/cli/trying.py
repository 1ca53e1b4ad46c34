"""`mailwicket try FILE...`: the whole decision on a sample mail, with its trace; changes nothing."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, give_up, one_line

STDIN = "-"

Json = Annotated[bool, typer.Option("--json", help="One line of JSON for each file.")]


def try_(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help='A mail; "-" is standard input.')],
    conf: Conf = None,
    *,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="NAME", help="The mailbox that it comes by; else the one that it names."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what would become of a mail that came now, by this configuration and store; exit 1 for a bad file."""
    from mailwicket.cli.settings import settings_or_exit

    settings = settings_or_exit(conf, exit_code=1)
    name = None if unit is None else unit.removeprefix("incoming/")
    if name is not None and name not in settings.incoming:
        give_up(f"there is no mailbox {name}; there are: {', '.join(settings.incoming) or 'none'}", 2)
    be_lenient()
    bad = False
    for file in files:
        try:
            told = {"file": file, **_tried(settings, file, name)}
        except OSError as error:
            bad = True
            told = {"file": file, "error": (error.strerror or str(error)).lower()}
        if as_json:
            print(json.dumps(told, ensure_ascii=False), flush=True)
        else:
            for line in _sheet(told):
                print(line)
    raise typer.Exit(1 if bad else 0)


def _tried(settings: Any, file: str, name: str | None) -> dict[str, Any]:  # noqa: ANN401 - typer's commands import late
    from datetime import UTC, datetime

    from mailwicket.flow.configured import policy_of
    from mailwicket.flow.whatif import outcome_of, steps, told
    from mailwicket.mail.parse import parse
    from mailwicket.mail.token import Keyring
    from mailwicket.rules.decide import Arrival
    from mailwicket.store.keys import known_keys

    mail = parse(sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes())
    now = datetime.now(UTC)
    with closing(_store(settings.daemon.state_dir)) as tx:
        policy = policy_of(settings, known_keys(tx) or Keyring([b"\0" * 32]))
        named = (policy.own.source(one.address) for one in (*mail.to, *mail.cc))
        source = name or next((one for one in named if one is not None), None) or next(iter(settings.incoming), "")
        outcome = outcome_of(tx, policy, mail, Arrival(source, now, now))
    return {"unit": f"incoming/{source}", **told(outcome), "trace": steps(outcome)}


def _store(state_dir: Path) -> Any:  # noqa: ANN401 - a connection, of a module that is imported late
    """Open what the daemon keeps, for reading; an empty one in memory where there is none yet."""
    import sqlite3

    from mailwicket.errors import StoreError
    from mailwicket.store.database import FILE_NAME, JOURNAL, migrate, open_reader

    try:
        if (state_dir / FILE_NAME).exists():
            return open_reader(state_dir)
    except StoreError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"cannot read {state_dir}: {error.strerror}")
    empty = sqlite3.connect(":memory:", isolation_level=None)
    migrate(empty, (JOURNAL,))
    return empty


def _sheet(told: dict[str, Any]) -> list[str]:
    """The lines for a person to read."""
    if "error" in told:
        return [f"{one_line(told['file'])}: {told['error']}"]
    where = {None: "no ticket", "new": "a new ticket"}.get(told["ticket"], f"ticket {told['ticket']}")
    lines = [f"{one_line(told['file'])}: {told['reason']}, {where}, by {told['unit']}"]
    shown = ("requester", "subject", "cc", "followers", "group", "category", "company", "linked_to", "flags", "adds_cc")
    for key in shown:
        value = told.get(key)
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"  {key + ':':<11} {one_line(text)}")
    lines += [f"  {one_line(step['rule'])}? {one_line(step['answer'])}" for step in told["trace"]]
    return lines
