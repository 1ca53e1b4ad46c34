"""The commands, one file a group: parse arguments, call the floors below, print.

Exit status: 0 good, 1 bad news, 2 usage; `status` 0 to 3; `run` 75 (already running) and 78 (configuration).
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailwicket import __version__
from mailwicket.cli import (
    announce,
    audit,
    backup,
    check,
    control,
    demo,
    desk,
    explain,
    importing,
    init,
    oauth,
    outbox,
    quarantine,
    rehearse,
    route,
    run,
    status,
    test,
    trying,
    why,
)

app = typer.Typer(
    name="mailwicket",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("init")(init.init)
app.command("check")(check.check)
for command in (control.plan, control.reload, control.poll, control.pause, control.resume, control.unblock):
    app.command(command.__name__)(command)
app.command("explain")(explain.explain)
app.command("try")(trying.try_)
app.command("rehearse")(rehearse.rehearse)
app.command("status")(status.status)
app.command("test")(test.run_test)
app.command("demo")(demo.demo)
app.command("why")(why.why)
app.command("backup")(backup.backup)
app.command("import")(importing.import_)
app.add_typer(desk.app, name="tickets")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(audit.app, name="audit")
app.command("route")(route.route)
app.add_typer(outbox.app, name="outbox")
app.add_typer(oauth.app, name="oauth")
app.command("announce")(announce.announce)
app.add_typer(announce.app, name="announcements")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mailwicket {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Tell the version.")
    ] = False,
) -> None:
    """The email channel of a service desk: support mailboxes in, tickets out."""


def main() -> None:
    """Run the command line."""
    app()
