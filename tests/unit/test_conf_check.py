"""`mailwicket check`, and what other commands do with a configuration that is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conf import CANARY, NOTHING_SENT, UNIT, Conf
from typer.testing import CliRunner, Result

from mailwicket.cli import app


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


def invoke(conf: Conf, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--conf", str(conf.directory)])


def test_a_good_configuration_is_told_in_a_line(conf: Conf) -> None:
    conf.write(UNIT)
    ended = invoke(conf, "check")
    assert (ended.exit_code, ended.output) == (
        0,
        f"{NOTHING_SENT}conf.d: 1 files, 1 incoming, 0 outgoing, backend desk: good\n",
    )


def test_a_secret_that_cannot_be_had_is_a_note_and_no_error(conf: Conf) -> None:
    conf.write(UNIT.replace('"canary-4711"', f'{{ file = "/nowhere/{CANARY}" }}'))
    message = "its file cannot be read: No such file or directory"
    ended = invoke(conf, "check")
    assert ended.exit_code == 0
    assert ended.stdout.splitlines()[0] == f"note: conf.d/10-test.toml:4: incoming.support.password: {message}"
    told = json.loads(invoke(conf, "check", "--json").stdout)
    note = {"file": "conf.d/10-test.toml", "line": 4, "key": "incoming.support.password", "message": message}
    told["notes"] = [one for one in told["notes"] if one["key"] != "outgoing"]
    assert told == {"ok": True, "errors": [], "notes": [note]}


def test_check_does_not_run_commands_of_a_configuration_with_errors(conf: Conf, tmp_path: Path) -> None:
    conf.write(UNIT.replace('"canary-4711"', f'{{ command = ["touch", "{tmp_path}/ran"] }}') + "x = 1\n")
    assert invoke(conf, "check").exit_code == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("variable", ["/nowhere", None])
def test_the_directory_comes_from_the_variable_where_no_option_names_one(conf: Conf, variable: str | None) -> None:
    conf.write(UNIT)
    ended = CliRunner().invoke(app, ["check"], env={"MAILWICKET_CONF": variable or str(conf.directory)})
    assert ended.exit_code == (1 if variable else 0)
    assert ended.stderr == ("/nowhere: cannot be read: No such file or directory\n" if variable else "")


@pytest.mark.parametrize(("command", "code"), [(["run"], 78), (["tickets", "list"], 1)])
def test_other_commands_print_every_error_and_say_no(conf: Conf, command: list[str], code: int) -> None:
    conf.write(f"[daemon]\nlog_level = '{CANARY}'\n[http]\nlisten = []\nx = 1\n")
    ended = invoke(conf, *command)
    errors = invoke(conf, "check").stderr
    assert (ended.exit_code, ended.stderr) == (code, errors)
    assert errors.count("\n") == 3


def test_a_terminal_that_cannot_show_a_character_is_no_reason_to_fail(conf: Conf) -> None:
    conf.write("'ł' = 1\n")
    conf.write("'ł' = 2\n", "20-b.toml")
    ended = subprocess.run(
        [sys.executable, "-m", "mailwicket", "check", "--conf", str(conf.directory)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert ended.stdout == b'note: conf.d/20-b.toml:1: "?": replaces the value of conf.d/10-test.toml:1\n'
    assert ended.stderr.startswith(b'conf.d/20-b.toml:1: "\\u0142": unknown key')
