"""`mailwicket reload`, `plan`, `poll`, `pause`, `resume`, `unblock`: what an admin asks of the running daemon."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwicket.cli.asking import door
from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import give_up, one_line

LAST = re.compile(r"last:\d{1,6}", re.ASCII)

Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
UnitName = Annotated[str, typer.Argument(metavar="UNIT", help='"incoming/NAME", or NAME of a mailbox.')]


def reload(conf: Conf = None, *, as_json: Json = False) -> None:
    """Have the daemon read conf.d and secrets again; exit 1 when conf.d has errors, and nothing was touched."""
    told = _asked(conf, "POST", "reload")
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _show(told, "nothing changed", "conf.d is refused, what ran runs on")
    raise typer.Exit(1 if told["errors"] else 0)


def plan(
    conf: Conf = None,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="last:N|DIR",
            help="Which of the last N mails would end otherwise; or compare with the conf.d in DIR, without a daemon.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a reload would start, stop and restart; exit 1 when conf.d has errors. Changes nothing."""
    if against is None or LAST.fullmatch(against):
        told = _asked(conf, "GET", "plan" if against is None else f"plan?against={against}")
    else:
        told = _compared(Path(against), conf)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _show(told, "a reload would change nothing", "a reload would refuse this conf.d")
        if "mails" in told:
            _show_mails(told["mails"])
    raise typer.Exit(1 if told["errors"] else 0)


def poll(unit: UnitName, conf: Conf = None) -> None:
    """Have a mailbox look for new mail now."""
    _act(conf, unit, "poll")


def pause(unit: UnitName, conf: Conf = None) -> None:
    """Hold a unit until `resume`, also over a restart of the daemon. Mail waits on its server."""
    _act(conf, unit, "pause")


def resume(unit: UnitName, conf: Conf = None) -> None:
    """Take a pause back."""
    _act(conf, unit, "resume")


def unblock(unit: UnitName, conf: Conf = None) -> None:
    """Try a blocked unit again: what blocked it is mended on its server."""
    _act(conf, unit, "unblock")


def _act(conf: Path | None, unit: str, action: str) -> None:
    from urllib.parse import quote

    name = unit if "/" in unit or unit == "backend" else f"incoming/{unit}"
    answer = door(conf).ask("POST", f"/api/v1/units/{quote(name)}/{action}")
    if not answer.is_good:
        give_up(f"{name}: {answer.problem}" if name not in answer.problem else answer.problem)
    typer.echo(f"{name} {answer.told['said']}")


def _asked(conf: Path | None, method: str, noun: str) -> dict[str, Any]:
    answer = door(conf).ask(method, f"/api/v1/{noun}")
    if "changes" not in answer.told:
        give_up(answer.problem)
    told: dict[str, Any] = answer.told
    return told


def _compared(against: Path, conf: Path | None) -> dict[str, Any]:
    """What a daemon that runs the conf.d in *against* would do with ours, without any daemon."""
    from mailwicket.cli.settings import loaded, settings_or_exit
    from mailwicket.service.plan import Plan, compare

    before = settings_or_exit(against, exit_code=1)
    after = loaded(conf)
    difference = compare(before, after.settings) if after.settings else Plan()
    errors, notes = list(map(str, after.errors)), list(map(str, after.notes))
    return {"generation": None, **difference.told(), "errors": errors, "notes": notes}


def _show_mails(mails: dict[str, Any]) -> None:
    typer.echo(f"of the last {mails['looked_at']} mails {len(mails['differ'])} would end otherwise")
    for one in mails["differ"]:
        typer.echo(f"  {one['id']}  {one['unit']}  {one_line(one['subject']) or '(no subject)'}")
        for key in sorted(one["before"].keys() | one["after"].keys()):
            before, after = one["before"].get(key), one["after"].get(key)
            if before != after:
                typer.echo(f"      {key}: {_word(before)} -> {_word(after)}")


def _word(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return one_line(words) or "none"


def _show(told: dict[str, Any], nothing: str, refused: str) -> None:
    for error in told["errors"]:
        typer.echo(error, err=True)
    for note in told["notes"]:
        typer.echo(f"note: {note}")
    if told["errors"]:
        typer.echo(refused, err=True)
        return
    for change in told["changes"]:
        because = f"  ({', '.join(change['keys'])})" if change["keys"] else ""
        typer.echo(f"{change['act']:<8} {change['unit']}{because}")
    for key in told["at_once"]:
        typer.echo(f"{'apply':<8} {key}")
    for key in told["after_restart"]:
        typer.echo(f"{'wait':<8} {key}  (counts when mailwicket is restarted)")
    for unit in told["retried"]:
        typer.echo(f"{'retry':<8} {unit}  (what blocked it lies on this machine)")
    if not (told["changes"] or told["at_once"] or told["after_restart"] or told["retried"]):
        typer.echo(nothing)
    elif told["changes"]:
        typer.echo(f"{told['kept']} other units are not touched")
