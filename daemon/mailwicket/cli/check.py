"""`mailwicket check`: every error of the configuration at once, offline."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mailwicket.cli.run import Conf


def check(
    conf: Conf = None, *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Tell every error of conf.d with file, line and nearest key; exit 1 when there is one."""
    from mailwicket.cli.settings import loaded

    result = loaded(conf)
    if as_json:
        rows = {
            "errors": [_row(error) for error in result.errors],
            "notes": [_row(note) for note in result.notes],
        }
        typer.echo(json.dumps({"ok": not result.errors, **rows}, ensure_ascii=False))
    else:
        for error in result.errors:
            typer.echo(str(error), err=True)
        for note in result.notes:
            typer.echo(f"note: {note}")
        if result.settings is not None:
            units, desk = len(result.settings.incoming), result.settings.backend.type
            typer.echo(f"conf.d: {result.files} files, {units} incoming, backend {desk}: good")
    raise typer.Exit(1 if result.errors else 0)


def _row(error: object) -> dict[str, object]:
    return {name: getattr(error, name) for name in ("file", "line", "key", "message")}
