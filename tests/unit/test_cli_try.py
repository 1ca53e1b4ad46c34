"""`mailwicket try`: a decision before it is one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conf import Conf
from typer.testing import CliRunner, Result

from mailwicket.cli import app

CONF = """
[daemon]
state_dir = "{state}"
[incoming.support]
email = "support@example.org"
server = "imap.example.org"
password = "canary-4711"
group = "first"
[incoming.sales]
email = "sales@example.org"
server = "imap.example.org"
password = "canary-4711"
group = "second"
[incoming.sales.filter]
type = "ignore"
keywords = ["lottery"]
"""
MAIL = b"From: Ann <ann@example.com>\nTo: sales@example.org\nSubject: Re: Hello\n\nIs anybody there?\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    made = Conf(tmp_path)
    made.write(CONF.format(state=tmp_path / "state"))
    return made.directory


def tried(conf: Path, *arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["try", "--conf", str(conf), *arguments], input=stdin)


def test_a_sample_tells_what_would_become_of_it_and_why(conf: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(MAIL)
    ended = tried(conf, str(file))
    assert ended.exit_code == 0
    assert f"{file}: created, a new ticket, by incoming/sales\n" in ended.stdout
    assert "  group:      second\n" in ended.stdout
    assert "  thread? cites nothing\n" in ended.stdout


def test_programs_get_a_line_a_file_and_a_bad_file_stops_nothing(conf: Path, tmp_path: Path) -> None:
    ended = tried(conf, "--json", str(tmp_path / "none.eml"), "-", stdin=MAIL.replace(b"there", b"in the lottery"))
    bad, good = map(json.loads, ended.stdout.splitlines())
    assert (ended.exit_code, bad["error"], good["reason"]) == (1, "no such file or directory", "filter_ignored")
    assert {"rule": "filter", "answer": "filter_ignored: keywords: lottery"} in good["trace"]


def test_the_mailbox_can_be_chosen_and_must_be_one(conf: Path) -> None:
    told = json.loads(tried(conf, "--json", "--unit", "incoming/support", "-", stdin=MAIL).stdout)
    assert (told["unit"], told["group"]) == ("incoming/support", "second")  # it is at home where it is addressed to
    ended = tried(conf, "--unit", "nobody", "-", stdin=MAIL)
    assert (ended.exit_code, "there is no mailbox nobody; there are: support, sales" in ended.output) == (2, True)


def test_nothing_is_made_by_trying(conf: Path, tmp_path: Path) -> None:
    tried(conf, "-", stdin=MAIL)
    assert not (tmp_path / "state").exists()
