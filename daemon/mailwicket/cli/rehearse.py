"""`mailwicket rehearse`: scenarios played through the real rules, compared with what is expected of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mailwicket.cli.run import Conf
from mailwicket.cli.terminal import be_lenient, one_line

Json = Annotated[bool, typer.Option("--json", help="One line of JSON for each scenario.")]


def rehearse(
    files: Annotated[list[Path], typer.Argument(metavar="SCENARIO.toml...", help="What is played.")],
    conf: Conf = None,
    *,
    as_json: Json = False,
) -> None:
    """Play scenarios in memory: no network, no daemon, nothing kept. Exit 1: a difference; 2: a broken scenario."""
    from mailwicket.cli.settings import load_with
    from mailwicket.config.plugins import installed
    from mailwicket.rehearsal.play import Result, play
    from mailwicket.rehearsal.scenario import ScenarioError, read

    plugins = installed()
    results: list[Result] = []
    be_lenient()
    for file in files:
        try:
            with _errors_only():
                result = play(read(file), conf, lambda directory: load_with(plugins, directory, {}))
        except ScenarioError as error:
            result = Result(str(file), error=str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must not keep the other scenarios from being played
            result = Result(str(file), error=f"cannot be played, which is a fault of mailwicket: {error!r}")
        results.append(result)
        _show_json(result) if as_json else _show(result)
    broken = any(result.error is not None for result in results)
    raise typer.Exit(2 if broken else 0 if all(result.passed for result in results) else 1)


@contextmanager
def _errors_only() -> Iterator[None]:
    """Keep the log to errors: what the daemon would warn of is told by the outcome of a step."""
    log = logging.getLogger("mailwicket")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _show_json(result: object) -> None:
    from mailwicket.rehearsal.play import Result

    assert isinstance(result, Result)  # noqa: S101 - typer's commands import late
    told: dict[str, object] = {"scenario": result.scenario, "passed": result.passed, "steps": []}
    if result.error is not None:
        told["error"] = result.error
    told["steps"] = [
        {
            "step": step.number,
            "outcome": step.outcome,
            "differences": [
                {"key": one.key, "expected": one.expected, "actual": one.actual} for one in step.differences
            ],
        }
        for step in result.steps
    ]
    print(json.dumps(told, ensure_ascii=False, default=str), flush=True)


def _show(result: object) -> None:
    from mailwicket.rehearsal.play import Result

    assert isinstance(result, Result)  # noqa: S101 - as above
    name = one_line(result.scenario)
    if result.error is not None:
        print(f"{name}: cannot be played: {one_line(result.error)}")
    elif result.passed:
        print(f"{name}: as expected, {len(result.steps)} steps")
    for step in result.steps:
        for one in step.differences:
            print(f"{name}: step {step.number}: {one.key}: expected {one.expected!r}, actual {one.actual!r}")
