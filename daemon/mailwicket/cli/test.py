"""`mailwicket test`: the staged test of connections. Changes nothing, needs no daemon."""

from __future__ import annotations

import dataclasses
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, give_up, one_line

if TYPE_CHECKING:
    from mailwicket.config.incoming import Incoming
    from mailwicket.model import ConnectionReport
    from mailwicket.net.machine import BringsTokens

KIND: Final = "incoming/"
STYLES: Final = {"ok": "green", "failed": "bold red", "skipped": "dim"}


def run_test(
    units: Annotated[
        list[str] | None, typer.Argument(metavar="[UNIT...]", help="incoming/NAME or NAME; none is all of them.")
    ] = None,
    conf: Conf = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Test connections stage by stage, from the password to one mail that is read; nothing is changed.

    Disabled units are tested, too, and conf.d need not be loaded by a daemon. Exit 1 when a stage failed.
    """
    from mailwicket.cli.settings import loaded
    from mailwicket.config.mistake import printable

    be_lenient()
    result = loaded(conf)
    for error in result.errors:
        typer.echo(str(error), err=True)
    known = result.merged.values.get("incoming", {})
    chosen = [unit.removeprefix(KIND) for unit in units or sorted(result.incoming)]
    unknown = [name for name in chosen if name not in (known if isinstance(known, dict) else {})]
    if unknown and (result.settings is not None or known):
        for name in unknown:
            if name == "backend":
                print('mailwicket: the backend is not tested; "mailwicket status" tells how it is', file=sys.stderr)
            else:
                print(f"mailwicket: no unit {KIND}{printable(name)}{_nearest(name, known)}", file=sys.stderr)
        raise typer.Exit(2)
    ready = {name: result.incoming[name] for name in dict.fromkeys(chosen) if name in result.incoming}
    if not ready:
        what = "no unit whose table is good" if result.errors else "conf.d has no [incoming.NAME]"
        give_up(f"{what}: nothing was tested")
    with ExitStack() as stack:
        tokens = None
        if result.settings is not None and any(one.auth == "oauth" for one in ready.values()):
            from mailwicket.cli.bearing import CliTokens
            from mailwicket.cli.signing import signing

            tokens = CliTokens(stack.enter_context(signing(conf)), result.settings)
        reports = report(ready, tokens, quiet=as_json)
    if as_json:
        print(json.dumps([_as_json(one) for one in reports], ensure_ascii=False))
    else:
        show(reports)
    good = all(one.ok for one in reports) and not result.errors
    raise typer.Exit(0 if good else 1)


def _nearest(name: str, known: Mapping[str, object]) -> str:
    from mailwicket.config.mistake import printable

    near = difflib.get_close_matches(name.casefold(), known, 1)
    if near:
        return f" (nearest: {KIND}{printable(near[0])})"
    return f"; there are: {', '.join(KIND + printable(one) for one in sorted(known)[:5])}" if known else ""


def report(
    units: Mapping[str, Incoming], tokens: BringsTokens | None = None, *, quiet: bool = False
) -> Sequence[ConnectionReport]:
    """Test *units*, those that log in with a token by *tokens*; on a terminal tell what is under way."""
    import anyio
    from rich.console import Console

    from mailwicket.config.plugins import installed
    from mailwicket.net.machine import Machine
    from mailwicket.service.trial import Candidate, try_connections

    sources = installed().sources
    machine = Machine(Path("/nonexistent"))  # a test keeps nothing
    machine.tokens = tokens
    candidates = [
        Candidate(f"{KIND}{name}", f"{unit.server}:{unit.port}", sources[unit.protocol](name, unit, machine))
        for name, unit in units.items()
    ]
    with Console(stderr=True, quiet=quiet).status("Testing") as status:  # on a terminal alone

        def tell(unit: str, stage: str) -> None:
            status.update(f"Testing {unit}: {stage}")

        return anyio.run(try_connections, candidates, tell)


def _as_json(one: ConnectionReport) -> dict[str, object]:
    return {
        "unit": one.unit,
        "server": one.server,
        "ok": one.ok,
        "stages": [dataclasses.asdict(stage) for stage in one.stages],
    }


def show(reports: Sequence[ConnectionReport]) -> None:
    """Print *reports* for a person: one line a stage, what to do below one that failed."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    for number, one in enumerate(reports):
        console.print(Text("\n" * bool(number) + f"{one.unit}  {one.server}", "bold"))
        for stage in one.stages:
            taken = "" if stage.state == "skipped" else f"{stage.ms} ms"
            line = Text(f"  {stage.state:8}", STYLES[stage.state])
            line.append(f" {stage.name:13} {taken:>8}  {one_line(stage.detail)}", "none")
            line.rstrip()
            console.print(line)
            if stage.fix:
                console.print(Text(f"  {'':8} fix: {one_line(stage.fix)}", "yellow"))
