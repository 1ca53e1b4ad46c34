"""`mailwicket status`: how the running daemon is. Exit 0 well, 1 warning, 2 critical, 3 no answer."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwicket.cli.run import Conf

CRITICAL_STATES = {"blocked"}
WARNING_STATES = {"waiting", "paused", "stopped"}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the daemon's unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def status(
    conf: Conf = None, *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Tell how the running daemon is; exit 0 well, 1 warning, 2 critical, 3 no answer."""
    from mailwicket.cli.settings import settings_or_exit

    settings = settings_or_exit(conf, exit_code=3)
    sockets = [address.removeprefix("unix:") for address in settings.http.listen if address.startswith("unix:")]
    if not sockets:
        typer.echo('mailwicket: [http] listen has no "unix:PATH": there is no socket to ask the daemon by', err=True)
        raise typer.Exit(3)
    try:
        told = _ask(sockets[0], "/api/v1/status")
    except (OSError, http.client.HTTPException, ValueError) as error:
        typer.echo(f"mailwicket: no answer at {sockets[0]} ({error}); is the daemon running?", err=True)
        raise typer.Exit(3) from error
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _show(told)
    raise typer.Exit(severity(told))


def severity(told: dict[str, Any]) -> int:
    """0 well, 1 warning, 2 critical."""
    # Between two tries at a server that is down a unit is "starting", with the reason of the last.
    states = {"waiting" if unit["state"] == "starting" and unit["reason"] else unit["state"] for unit in told["units"]}
    if states & CRITICAL_STATES or not told["store"]["ok"] or not told["backend"]["ok"]:
        return 2
    return 1 if states & WARNING_STATES or told["quarantine"] else 0


def _ask(path: str, route: str) -> dict[str, Any]:
    connection = _UnixConnection(str(Path(path)))
    try:
        connection.request("GET", route)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
    finally:
        connection.close()
    return told


def _show(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table("unit", "server", "state", "reason", "backlog", "last success", "next try")
    for unit in told["units"]:
        cells = (unit["name"], unit["server"], unit["state"], unit["reason"], unit["backlog"], unit["last_success"])
        table.add_row(*(Text(str(cell if cell is not None else "-")) for cell in (*cells, unit["next_try"])))
    console.print(table)
    for unit in told["units"]:
        if unit["said"]:
            console.print(Text(f"{unit['name']}: {unit['said']}"))
    store = "good" if told["store"]["ok"] else told["store"]["error"]
    console.print(Text(f"store: {store}   backend: {told['backend']['name']}   quarantine: {told['quarantine']}"))
