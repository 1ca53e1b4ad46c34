"""`mailwicket status`: what a person sees at a glance, and what monitoring reads from the exit status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conf import Conf
from tests.fakes import NOON, report
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.cli.status import duration, severity, sheet
from mailwicket.service.units import Unit, UnitState

REFUSED = ("conf.d/10.toml:3: incoming.box.pasword: unknown key (nearest known key: password)",)


def unit(state: UnitState, reason: str | None = None, said: str | None = None, name: str = "incoming/box") -> Unit:
    one = Unit(name, "imap.example.org:993")
    one.become(state, reason, said)
    return one


@pytest.mark.parametrize(
    ("units", "changes", "expected"),
    [
        ([unit(UnitState.RUNNING)], {}, 0),
        ([unit(UnitState.RUNNING), unit(UnitState.STOPPED, "disabled")], {}, 0),
        ([unit(UnitState.STARTING)], {}, 0),
        ([unit(UnitState.STARTING, "timeout", "silent")], {}, 1),
        ([unit(UnitState.WAITING, "timeout", "silent")], {}, 1),
        ([unit(UnitState.PAUSED, "by_admin")], {}, 1),
        ([unit(UnitState.RUNNING)], {"parked": 1}, 1),
        ([unit(UnitState.RUNNING)], {"errors": REFUSED, "refused_since": NOON - timedelta(minutes=9)}, 1),
        ([unit(UnitState.RUNNING)], {"errors": REFUSED, "refused_since": NOON - timedelta(minutes=10)}, 2),
        ([unit(UnitState.RUNNING), unit(UnitState.BLOCKED, "login_refused", "no")], {}, 2),
        ([unit(UnitState.RUNNING, "disk_full", "no room")], {}, 2),
        ([unit(UnitState.WAITING, "backend_down", "503")], {}, 2),
        ([unit(UnitState.RUNNING)], {"desk": unit(UnitState.WAITING, "backend_down", "503", "backend")}, 2),
        ([], {}, 0),
    ],
)
def test_the_exit_status_is_0_well_1_warning_2_critical(
    units: list[Unit], changes: dict[str, Any], expected: int
) -> None:
    assert severity(dict(report(*units, **changes).status()), NOON) == expected


def dangling(directory: Path) -> None:
    (directory / "conf.d" / ".#10.toml").symlink_to("somebody@example.org.4711")  # as Emacs locks a file


def a_directory(directory: Path) -> None:
    (directory / "conf.d" / "20.toml").mkdir()


def forbidden(directory: Path) -> None:
    (directory / "conf.d" / "20.toml").symlink_to("/proc/1/mem")  # root may open that, and not read it


@pytest.mark.parametrize("spoil", [dangling, a_directory, forbidden])
def test_beside_a_file_that_cannot_be_read_the_daemon_is_asked_all_the_same(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    Conf(tmp_path).write(f"[http]\nlisten = ['unix:{tmp_path}/admin.sock']\nnonsense = 1\n")
    spoil(tmp_path)
    said = CliRunner().invoke(app, ["status", "--conf", str(tmp_path / "conf.d")])
    assert said.exit_code == 3
    assert f"no answer at {tmp_path}/admin.sock" in said.output
    assert said.output.count("\n") == 1


def test_without_a_conf_d_it_is_3_too(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["status", "--conf", str(tmp_path / "nowhere")])
    assert said.exit_code == 3
    assert "Usage" not in said.output


def test_a_person_sees_state_age_backlog_next_try_and_the_servers_words_in_80_columns() -> None:
    well = unit(UnitState.RUNNING, name="incoming/a-mailbox-with-a-name")
    well.since = NOON - timedelta(days=3)
    well.last_success = NOON - timedelta(seconds=12)
    bad = unit(UnitState.WAITING, "unreachable", "imap.example.org:993 is not reachable: Connection refused")
    bad.since, bad.next_try, bad.backlog_mails = NOON - timedelta(minutes=5), NOON + timedelta(seconds=40), 1234
    lines = sheet(dict(report(well, bad, errors=REFUSED, refused_since=NOON).status()), NOON)
    assert lines[:5] == [
        "mailwicket 1.0: warning, configuration 1",
        "",
        "unit                            state        for  backlog  all done  next try",
        "incoming/a-mailbox-with-a-name  running      3 d        0      12 s          ",
        "incoming/box                    waiting    5 min     1234     never   in 40 s",
    ]
    assert max(map(len, lines[:5])) <= 80
    assert "incoming/box: unreachable: imap.example.org:993 is not reachable: Connection refused" in lines
    assert f"conf.d is refused, what ran runs on: {REFUSED[0]}" in lines
    assert lines[-1] == "store: good   backend desk: good   quarantine: 0"


def test_nothing_that_a_server_said_moves_the_cursor() -> None:
    bad = unit(UnitState.BLOCKED, "login_refused", "\x1b[2Jno\r\nmailwicket: all is well")
    text = "\n".join(sheet(dict(report(bad).status()), datetime.now(UTC)))
    assert "\x1b" not in text
    assert "\nmailwicket: all is well" not in text


def test_durations_are_told_in_their_largest_unit() -> None:
    told = [duration(seconds) for seconds in (0, 59.9, 60, 3599, 3600, 86_399, 86_400, 40 * 86_400)]
    assert told == ["0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "40 d"]
