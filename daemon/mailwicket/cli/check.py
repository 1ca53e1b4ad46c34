"""`mailwicket check`: every error of the configuration at once, offline."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from mailwicket.cli.run import Conf


def check(
    conf: Conf = None, *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Tell every error of conf.d with file, line and nearest key; exit 1 when there is one."""
    from mailwicket.cli.settings import loaded
    from mailwicket.cli.terminal import be_lenient
    from mailwicket.config.exposed import unresolved

    be_lenient()
    result = loaded(conf)
    settings, errors = result.settings, result.errors
    notes = [*result.notes, *(unresolved(settings, result.merged) if settings else ())]
    if as_json:
        rows = {"errors": list(map(dataclasses.asdict, errors)), "notes": list(map(dataclasses.asdict, notes))}
        typer.echo(json.dumps({"ok": not errors, **rows}, ensure_ascii=False))
    else:
        for error in errors:
            typer.echo(str(error), err=True)
        for note in notes:
            typer.echo(f"note: {note}")
        if settings is not None:
            units, desk = len(settings.incoming), settings.backend.type
            typer.echo(f"conf.d: {result.files} files, {units} incoming, backend {desk}: good")
    raise typer.Exit(1 if errors else 0)
