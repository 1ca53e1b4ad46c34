"""`mailwicket test` as a command: which units, what is printed, which exit status."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.conf import CANARY, Conf
from typer.testing import CliRunner, Result

from mailwicket.cli import app
from mailwicket.cli.test import mailbox_for, show
from mailwicket.config.incoming import Incoming
from mailwicket.config.outgoing import Outgoing
from mailwicket.stages import ConnectionReport, Stage, StageState


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


@pytest.fixture
def unit() -> str:
    """A mailbox on a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"""
[incoming.NAME]
email = "NAME@example.org"
server = "127.0.0.1"
port = {port}
security = "none"
password = "{CANARY}"
"""


def invoke(conf: Conf, *words: str) -> Result:
    ended = CliRunner().invoke(app, ["test", *words, "--conf", str(conf.directory)])
    assert CANARY not in ended.output
    return ended


def test_all_units_are_tested_also_those_that_are_not_enabled(conf: Conf, unit: str) -> None:
    conf.write(unit.replace("NAME", "office") + unit.replace("NAME", "archive") + "enabled = false\n")
    ended = invoke(conf, "--json")
    told = json.loads(ended.stdout)
    assert ended.exit_code == 1
    assert [one["unit"] for one in told] == ["incoming/archive", "incoming/office"]
    for one in told:
        assert one["ok"] is False
        assert [(stage["name"], stage["state"]) for stage in one["stages"]] == [
            ("configuration", "ok"),
            ("dns", "ok"),
            ("tcp", "failed"),
            *((name, "skipped") for name in ("greeting", "auth", "folder", "after", "read")),
        ]
        assert all(set(stage) == {"name", "state", "ms", "detail", "fix"} for stage in one["stages"])


@pytest.mark.parametrize("name", ["office", "incoming/office"])
def test_a_unit_is_named_with_or_without_its_kind(conf: Conf, unit: str, name: str) -> None:
    conf.write(unit.replace("NAME", "office") + unit.replace("NAME", "archive"))
    told = json.loads(invoke(conf, name, name, "--json").stdout)
    assert [one["unit"] for one in told] == ["incoming/office"]


def test_a_person_reads_a_line_a_stage_and_what_to_do(conf: Conf, unit: str) -> None:
    conf.write(unit.replace("NAME", "office"))
    lines = invoke(conf).stdout.splitlines()
    assert lines[0].startswith("incoming/office  127.0.0.1:")
    assert lines[1].split()[:2] == ["ok", "configuration"]
    assert lines[3].split()[:2] == ["failed", "tcp"]
    assert lines[3].endswith("Connection refused")
    assert lines[4].strip().startswith("fix: nobody listens there")
    assert lines[5] == "  skipped  greeting"
    assert len(lines) == 10


def test_an_unknown_unit_is_told_with_the_nearest_and_nothing_is_tested(conf: Conf, unit: str) -> None:
    conf.write(unit.replace("NAME", "office") + unit.replace("NAME", "archive"))
    ended = invoke(conf, "offce", "incoming/xyz", "office")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "mailwicket: no unit incoming/offce (nearest: incoming/office)",
        "mailwicket: no unit incoming/xyz; there are: incoming/archive, incoming/office",
    ]


def test_good_tables_are_tested_although_others_are_not_good(conf: Conf, unit: str) -> None:
    conf.write(unit.replace("NAME", "office") + unit.replace("NAME", "bad") + f'pasword = "{CANARY}"\n')
    ended = invoke(conf, "--json")
    assert ended.exit_code == 1
    assert [one["unit"] for one in json.loads(ended.stdout)] == ["incoming/office"]
    assert "incoming.bad.pasword: unknown key" in ended.stderr
    alone = invoke(conf, "bad")
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert alone.stderr.endswith("mailwicket: no unit whose table is good: nothing was tested\n")


def test_a_configuration_without_mailboxes_has_nothing_to_test(conf: Conf) -> None:
    conf.write("[daemon]\n")
    ended = invoke(conf)
    assert (ended.exit_code, ended.stderr) == (
        1,
        "mailwicket: conf.d has no [incoming.NAME] or [outgoing.NAME]: nothing was tested\n",
    )
    assert invoke(conf, "office").exit_code == 2


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["test", "office", "--conf", str(tmp_path / "nowhere")])
    assert ended.exit_code == 1
    assert "nowhere: cannot be read" in ended.stderr


def test_words_of_a_server_give_no_orders_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show([ConnectionReport("incoming/x", "s:1", [Stage("tls", StageState.FAILED, 1, "\x1b[2J[bold]", "a\nb")])])
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[bold]" in told
    assert "fix: a b" in told


# --- servers that send


@pytest.fixture
def sender(unit: str) -> str:
    return unit.replace("incoming.NAME", "outgoing.NAME")


def test_servers_that_send_are_tested_with_the_others_also_disabled_ones(conf: Conf, unit: str, sender: str) -> None:
    conf.write(
        unit.replace("NAME", "office")
        + sender.replace("NAME", "office")
        + sender.replace("NAME", "old")
        + "enabled = false\n"
    )
    told = json.loads(invoke(conf, "--json").stdout)
    assert [one["unit"] for one in told] == ["incoming/office", "outgoing/office", "outgoing/old"]
    assert [stage["name"] for stage in told[1]["stages"]] == [
        "configuration",
        "dns",
        "tcp",
        "greeting",
        "auth",
        "sender",
    ]
    assert told[1]["stages"][2]["state"] == "failed"
    told = json.loads(invoke(conf, "office", "--json").stdout)
    assert [one["unit"] for one in told] == ["incoming/office", "outgoing/office"]
    told = json.loads(invoke(conf, "outgoing/office", "--json").stdout)
    assert [one["unit"] for one in told] == ["outgoing/office"]
    assert invoke(conf, "outgoing/offce").stderr == "mailwicket: no unit outgoing/offce (nearest: outgoing/office)\n"


def test_what_is_to_be_sent_has_stages_of_its_own(conf: Conf, unit: str, sender: str) -> None:
    conf.write(unit.replace("NAME", "office") + sender.replace("NAME", "main"))
    (told,) = json.loads(invoke(conf, "main", "--json", "--send-to", "ada@example.com", "--roundtrip").stdout)
    assert [stage["name"] for stage in told["stages"]][-4:] == ["sender", "send", "mailbox", "roundtrip"]


def test_nothing_is_sent_where_it_cannot_be(conf: Conf, unit: str, sender: str) -> None:
    conf.write(unit.replace("NAME", "office"))
    ended = invoke(conf, "--send-to", "ada@example.com")
    assert (ended.exit_code, ended.stderr) == (2, "mailwicket: there is no outgoing server to send by\n")
    assert invoke(conf, "--send-to", "ada").exit_code == 2
    conf.write(sender.replace("NAME", "main"))
    ended = invoke(conf, "--roundtrip")
    assert ended.exit_code == 2
    assert "outgoing/main: no mailbox to wait in" in ended.stderr
    conf.write(unit.replace("NAME", "office") + sender.replace("NAME", "off") + "enabled = false\n")
    assert invoke(conf, "--roundtrip").exit_code == 2, "a disabled one sends only where it is named"


def mailbox(email: str, *aliases: str, **keys: bool) -> Incoming:
    return Incoming.model_validate({"email": email, "server": "s", "password": "x", "aliases": aliases, **keys})


@pytest.mark.parametrize(
    ("reply_to", "address"),
    [(None, "two@example.org"), ("HELP@example.org", "HELP@example.org"), ("elsewhere@example.net", "two@example.org")],
)
def test_a_mail_comes_back_where_answers_to_its_server_arrive(reply_to: str | None, address: str) -> None:
    boxes = {"one": mailbox("one@example.org", "help@example.org", primary=True), "two": mailbox("two@example.org")}
    server = Outgoing(email="two@example.org", server="s", reply_to=reply_to)
    found = mailbox_for(server, boxes)
    assert found is not None
    assert found[2] == address
    assert found[1] is boxes[found[0]]


def test_else_it_comes_back_to_the_primary_mailbox() -> None:
    server = Outgoing(email="x@example.net", server="s")
    boxes = {"one": mailbox("one@example.org"), "two": mailbox("two@example.org", primary=True)}
    assert mailbox_for(server, boxes) == ("two", boxes["two"], "two@example.org")
    assert mailbox_for(server, {"one": boxes["one"]}) == ("one", boxes["one"], "one@example.org")
    assert mailbox_for(server, {"one": boxes["one"], "three": mailbox("three@example.org")}) is None
    assert mailbox_for(server, {"off": mailbox("x@example.net", enabled=False)}) is None
