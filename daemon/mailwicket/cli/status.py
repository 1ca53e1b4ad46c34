"""`mailwicket status`: how the running daemon is. Exit 0 well, 1 warning, 2 critical, 3 no answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from mailwicket.cli.asking import NO_ANSWER, door
from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import give_up, one_line

CRITICAL_STATES: Final = {"blocked"}
WARNING_STATES: Final = {"waiting", "paused"}

REFUSED_CRITICAL_S: Final = 600
"""A conf.d that is refused for so long is nobody's work in progress any more."""

WORDS: Final = ("good", "warning", "critical")


def status(
    conf: Conf = None, *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Tell how the running daemon is; exit 0 well, 1 warning, 2 critical, 3 no answer."""
    answer = door(conf, exit_code=NO_ANSWER).ask("GET", "/api/v1/status")
    if not answer.is_good:
        give_up(answer.problem, NO_ANSWER)
    now = datetime.now(UTC)
    if as_json:
        typer.echo(json.dumps(answer.told, ensure_ascii=False))
    else:
        for line in sheet(answer.told, now):
            typer.echo(line)
    raise typer.Exit(severity(answer.told, now))


def severity(told: dict[str, Any], now: datetime) -> int:
    """0 well, 1 warning, 2 critical."""
    # Between two tries at a server that is down a unit is "starting", with the reason of the last.
    states = {"waiting" if unit["state"] == "starting" and unit["reason"] else unit["state"] for unit in told["units"]}
    refused_s = _age_s(told["config"]["since"], now) or 0.0
    if states & CRITICAL_STATES or not (told["store"]["ok"] and told["backend"]["ok"]):
        return 2
    if not told["config"]["ok"] and refused_s >= REFUSED_CRITICAL_S:
        return 2
    warned = states & WARNING_STATES or told["quarantine"] or told["alerts"] or not told["config"]["ok"]
    return 1 if warned else 0


def sheet(told: dict[str, Any], now: datetime) -> list[str]:
    """The lines for a person: the verdict, a line a unit, then what is wrong in its own words."""
    units = told["units"]
    name_columns = max([len(unit["name"]) for unit in units] + [len("unit")])
    lines = [
        f"mailwicket {told['version']}: {WORDS[severity(told, now)]}, configuration {told['generation']}",
        "",
        f"{'unit':<{name_columns}}  {'state':<9} {'for':>6} {'backlog':>8} {'all done':>9} {'next try':>9}",
    ]
    for unit in units:
        cells = (_ago(unit["since"], now), str(unit["backlog"]), _ago(unit["last_success"], now))
        lines.append(
            f"{unit['name']:<{name_columns}}  {unit['state']:<9} {cells[0]:>6} {cells[1]:>8} {cells[2]:>9} "
            f"{_in(unit['next_try'], now):>9}"
        )
    lines.append("")
    lines += [f"{unit['name']}: {unit['reason']}: {one_line(unit['said'])}" for unit in units if unit["said"]]
    lines += [f"conf.d is refused, what ran runs on: {error}" for error in told["config"]["errors"]]
    lines += [f"{one['severity']} for {_ago(one['since'], now)}: {one['said']}; {one['do']}" for one in told["alerts"]]
    if paused := told["outbox"].get("paused", 0):
        lines.append(f"to {paused} address{'es' if paused > 1 else ''} nothing is sent: mailwicket outbox paused")
    lines += [f"{key} counts when mailwicket is restarted" for key in told["config"]["after_restart"]]
    store = "good" if told["store"]["ok"] else told["store"]["error"]
    backend = "good" if told["backend"]["ok"] else told["backend"]["error"]
    lines.append(f"store: {store}   backend {told['backend']['name']}: {backend}   quarantine: {told['quarantine']}")
    return lines


def _age_s(moment: str | None, now: datetime) -> float | None:
    return None if moment is None else (now - datetime.fromisoformat(moment)).total_seconds()


def _ago(moment: str | None, now: datetime) -> str:
    age_s = _age_s(moment, now)
    return "never" if age_s is None else duration(max(0.0, age_s))


def _in(moment: str | None, now: datetime) -> str:
    age_s = _age_s(moment, now)
    return "" if age_s is None else f"in {duration(max(0.0, -age_s))}"


def duration(seconds: float) -> str:
    """Return *seconds* in the largest unit that is not 0, rounded down: a glance is enough."""
    for name, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size_s:
            return f"{int(seconds // size_s)} {name}"
    return f"{int(seconds)} s"
