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
    """Tell every error of conf.d with file, line and nearest key, then what is odd in it; exit 1 on an error."""
    from mailwicket.cli.settings import loaded
    from mailwicket.cli.terminal import be_lenient
    from mailwicket.config.exposed import unresolved
    from mailwicket.flow.topology import remarks

    be_lenient()
    result = loaded(conf)
    settings, errors = result.settings, result.errors
    notes = list(result.notes)
    if settings is not None:
        notes += unresolved(settings, result.merged)
        notes += (result.merged.tell(path, words) for path, words in remarks(settings))
    if as_json:
        rows = {"errors": list(map(dataclasses.asdict, errors)), "notes": list(map(dataclasses.asdict, notes))}
        typer.echo(json.dumps({"ok": not errors, **rows}, ensure_ascii=False))
    else:
        for error in errors:
            typer.echo(str(error), err=True)
        for note in notes:
            typer.echo(f"note: {note}")
        if settings is not None:
            units = f"{len(settings.incoming)} incoming, {len(settings.outgoing)} outgoing"
            typer.echo(f"conf.d: {result.files} files, {units}, backend {settings.backend.type}: good")
    raise typer.Exit(1 if errors else 0)
