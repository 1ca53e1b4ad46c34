"""Every scenario of tests/rehearsals plays as it says: the sentences of the specification, one file each."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailwicket.cli.settings import load_with
from mailwicket.config.plugins import installed
from mailwicket.rehearsal.play import play
from mailwicket.rehearsal.scenario import read

SCENARIOS = sorted((Path(__file__).parent.parent / "rehearsals").glob("*.toml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_plays_as_it_says(path: Path) -> None:
    result = play(read(path), None, lambda directory: load_with(installed(), directory, {}))
    assert result.error is None
    assert [(step.number, step.differences) for step in result.steps if step.differences] == []
