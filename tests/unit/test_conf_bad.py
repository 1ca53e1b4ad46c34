"""Every mistake of tests/bad_conf is told completely, and no text value with it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.conf import CANARY, Conf
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.config.incoming import Incoming
from mailwicket.config.keys import keys_of
from mailwicket.config.mistake import dotted
from mailwicket.config.notification import Notification
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.tables import NAMES, PLAIN

BAD = Path(__file__).parents[1] / "bad_conf"
CASES = sorted(path.name for path in BAD.iterdir() if path.is_dir())


class Case:
    def __init__(self, name: str, tmp_path: Path) -> None:
        self.conf = Conf(tmp_path)
        for path in (BAD / name).glob("*.toml"):
            self.conf.write(path.read_bytes(), path.name)
        environ = BAD / name / "environ"
        lines = environ.read_text().splitlines() if environ.exists() else []
        self.environ = dict(line.split("=", 1) for line in lines)
        self.expected = (BAD / name / "expected").read_text().splitlines()
        self.errors = [line for line in self.expected if not line.startswith("note: ")]
        self.notes = [line for line in self.expected if line.startswith("note: ")]


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_with_every_line_and_no_value(name: str, tmp_path: Path) -> None:
    case = Case(name, tmp_path)
    assert case.conf.lines(case.environ) == case.expected
    assert CANARY not in repr(case.conf.read(case.environ))


@pytest.mark.parametrize("name", CASES)
def test_check_prints_the_same_as_json(name: str, tmp_path: Path) -> None:
    case = Case(name, tmp_path)
    ended = CliRunner().invoke(app, ["check", "--json", "--conf", str(case.conf.directory)], env=case.environ)
    told = json.loads(ended.stdout)
    assert [_line(one) for one in told["errors"]] == case.errors
    assert [f"note: {_line(one)}" for one in told["notes"]][: len(case.notes)] == case.notes
    assert told["ok"] is not bool(case.errors)
    assert ended.exit_code == (1 if case.errors else 0)
    assert CANARY not in ended.output


def test_check_as_a_process_tells_errors_and_notes_apart(tmp_path: Path) -> None:
    case = Case("environment-wrong-values", tmp_path)
    environ = {**os.environ, **case.environ, "MAILWICKET_CONF": str(case.conf.directory)}
    command = [sys.executable, "-m", "mailwicket", "check"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.splitlines(), ended.stdout.splitlines()) == (1, case.errors, case.notes)


def _line(told: dict[str, object]) -> str:
    assert set(told) == {"file", "line", "key", "message"}
    where = told["file"] if told["line"] is None else f"{told['file']}:{told['line']}"
    return ": ".join(str(part) for part in (where, told["key"], told["message"]) if part != "")


SHAPES = ('"{}"', '[["{}"]]', '{{ file = "{}", x = 1 }}', '[{{ x = "{}" }}]', "'''{}\n'''")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("table", [*PLAIN, "backend", "incoming.x", "outgoing.x", "notification.closed"])
def test_text_behind_any_key_right_or_mistyped_is_never_told(table: str, shape: str, tmp_path: Path) -> None:
    own = {"outgoing.x": Outgoing, "notification.closed": Notification}
    model: type[BaseModel] = PLAIN.get(table, own.get(table, Incoming))
    value = shape.format(CANARY)
    conf = Conf(tmp_path)
    for name in [*keys_of(model), "type"]:
        written = "".join(f"{key} = {value}\n" for key in (name, f"{name}x", name.upper(), name[1:]))
        conf.write(f"[{table}]\n{written}")
        loaded = conf.read({f"MAILWICKET__{table.replace('.', '__').upper()}__{name.upper()}X": value})
        assert loaded.errors
        assert CANARY not in repr(loaded), name


def test_a_directory_of_a_toml_files_name_is_told(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    (conf.directory / "10-x.toml").mkdir()
    assert conf.lines() == ["conf.d/10-x.toml: is no file"]


def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    os.mkfifo(conf.directory / "10-x.toml")
    assert conf.lines() == ["conf.d/10-x.toml: is no file"]


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    (conf.directory / "10-x.toml").symlink_to("nothing")
    assert conf.lines() == ["conf.d/10-x.toml: cannot be read: No such file or directory"]


@pytest.fixture
def nobody() -> Iterator[Conf]:
    """A conf.d that is read by somebody else: root may read everything."""
    with TemporaryDirectory() as directory:
        conf = Conf(Path(directory))
        for passed in (Path(directory), conf.directory):
            passed.chmod(0o755)
        conf.lines()  # what Python loads only now lies where nobody may read
        root = os.geteuid()
        yield conf
        os.seteuid(root)


def test_a_file_that_may_not_be_read_is_told(nobody: Conf) -> None:
    nobody.write("[daemon]\nstop_timeout_s = 0\n", "00-a.toml", 0o644)
    nobody.write("[daemon]\n", mode=0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    assert nobody.lines() == [
        "conf.d/00-a.toml:2: daemon.stop_timeout_s: 0 is too small; seconds, 1 to 3600 (default 10)",
        "conf.d/10-test.toml: cannot be read: Permission denied",
    ]


def test_an_empty_directory_and_a_missing_one_are_told(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    assert conf.lines() == [f"{conf.directory}: holds no *.toml file"]
    conf.directory.rmdir()
    assert conf.lines() == [f"{conf.directory}: cannot be read: No such file or directory"]


def test_names_that_are_no_utf_8_or_give_orders_to_a_terminal_are_told_harmlessly(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    for name in (b"\xff.toml", b"\x1b[2J\n.toml"):
        Path(os.fsdecode(os.path.join(os.fsencode(conf.directory), name))).write_text("x = 1\n")  # noqa: PTH118 - bytes
    told = conf.lines({"MAILWICKET__\udcff": "1"})
    known = f"unknown key; known here: {', '.join(sorted(NAMES))}"
    assert told == [
        f"conf.d/\\udcff.toml:1: x: {known}",
        f'environment MAILWICKET__\\udcff: "\\udcff": {known}',
        "note: conf.d/\\udcff.toml:1: x: replaces the value of conf.d/\\x1b[2J\\n.toml:1",
    ]
    assert "\n".join(told).encode()


def test_a_name_of_the_environment_that_is_too_long_is_told(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    conf.write("[daemon]\n")
    name = "MAILWICKET__" + "__".join(["X"] * 3000)
    assert conf.lines({name: "1"})[0] == f"environment {name}: is nested too deeply"


@given(st.text(min_size=1, max_size=8))
@settings(max_examples=60)
def test_a_table_that_stands_twice_is_named_as_toml_names_it(name: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(one):08x}" for one in name) + '"'
    with TemporaryDirectory() as directory:
        conf = Conf(Path(directory))
        conf.write(f"[a.{quoted}]\n[a.{quoted}]\n")
        assert conf.lines() == [f"conf.d/10-test.toml:2: is no TOML: cannot declare [{dotted(('a', name))}] twice"]
        conf.write(f"[a]\nx = {{ {quoted} = 1, {quoted} = 1 }}\n")
        assert conf.lines()[0].startswith("conf.d/10-test.toml:2: is no TOML: ")


WORDS = st.sampled_from(
    [
        *"[]{}=.,#\n\n\n\"' ",
        "[incoming.a]\n",
        "[http]\n",
        "[outgoing.b]\n",
        "[[outgoing_rule]]\n",
        "all",
        "outgoing",
        "field",
        "email",
        "password",
        "listen",
        "poll_s",
        "file",
        "5",
        '"x"',
        "[[",
    ]
)


@given(st.one_of(st.lists(WORDS, max_size=25).map("".join), st.text(max_size=20)))
@settings(max_examples=150)
def test_whatever_stands_in_a_file_is_told_and_never_raises(text: str) -> None:
    with TemporaryDirectory() as directory:
        conf = Conf(Path(directory))
        conf.write(text.encode("utf-8", "surrogatepass"))
        environ = {"MAILWICKET__INCOMING__A__EMAIL": text, "MAILWICKET__" + text: text}
        told = conf.lines(environ)
        assert all(re.match(r"(note: )?(conf.d|environment) ?.*: ", line) for line in told)
        assert "\n" not in "".join(told)
