"""`mailwicket audit`: what admins did and which configurations were loaded. Reads the store itself."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Annotated, Any

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.storeroom import reading, state_dir_of
from mailwicket.cli.terminal import be_lenient, give_up, one_line

app = typer.Typer(help="What admins did and which configurations were loaded, each row chained to the one before.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]

USAGE = 2


@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", metavar="T", help="From that moment on: RFC 3339, or a day; UTC where not said.")
    ] = "",
    as_json: Json = False,
    conf: Conf = None,
) -> None:
    """Show the record, the oldest first."""
    if context.invoked_subcommand is not None:
        context.obj = as_json, conf  # what stands before the subcommand holds for it, too
        return
    from mailwicket.store.audit import rows

    moment = _moment(since) if since else ""
    with reading(state_dir_of(conf, "audit"), "audit") as tx:
        found = rows(tx, moment)
    be_lenient()
    if as_json:
        print(json.dumps(found))
        return
    for row in found:
        print(_line(row))
    if not found:
        print("nothing is recorded" + (f" since {since}" if since else ""))


@app.command("verify")
def verify(context: typer.Context, *, as_json: Json = False, conf: Conf = None) -> None:
    """Walk the chain of hashes; exit 1 with the first row that was changed, cut out or put in."""
    json_before, conf_before = context.obj
    as_json, conf = as_json or json_before, conf or conf_before
    from mailwicket.store.audit import verify as walk

    with reading(state_dir_of(conf, "audit"), "audit") as tx:
        verdict = walk(tx)
    if as_json:
        print(json.dumps(verdict.told()))
    elif verdict.bad is None:
        print(f"{verdict.rows} rows are as they were written; the last hash is {verdict.hash or '-'}")
    if verdict.bad is not None:
        if not as_json:
            give_up(f"the audit is broken at row {verdict.bad}: {verdict.why}; {verdict.rows} rows before it are good")
        raise typer.Exit(1)


def _moment(text: str) -> str:
    """Return RFC 3339's *text*, or a day, as the store writes moments."""
    from mailwicket.timestamp import moment_of, timestamp

    try:
        return timestamp(moment_of(text, UTC))
    except ValueError:
        give_up("--since wants RFC 3339, as 2026-01-31T09:00:00Z, or a day", USAGE)


def _line(row: dict[str, Any]) -> str:
    detail = ", ".join(f"{key}={_told(value)}" for key, value in row["detail"].items() if value not in ("", [], None))
    words = [row["at"][:19] + "Z", row["actor"], row["action"], row["object"], detail]
    return "  ".join(one_line(word) for word in words if word)


def _told(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
