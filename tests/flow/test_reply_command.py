"""`mailwicket tickets reply`: by the running daemon, into its outbox."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.flow.test_at_the_desk import BOXES, PEOPLE, QUESTION, TESS, audited, run, take, told
from tests.lab.daemon import Daemon
from tests.lab.processes import until
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.cli.asking import UnixConnection
from mailwicket.flow.uploads import FILES_MAX_BYTES

SERVER = {"server": "127.0.0.1", "port": 9, "security": "none", "authentication": False}
SERVERS = {
    "outgoing.main": {**SERVER, "email": "support@example.net", "primary": True, "sender_name": "{technician}, Help"},
    "outgoing.second": {**SERVER, "email": "second@example.net"},
}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose servers are never reached: what it sends waits."""
    one = Daemon(tmp_path / "lab", BOXES, **PEOPLE, **SERVERS)
    take(one, QUESTION)
    yield one
    one.end()


def test_a_technician_replies_by_command_with_text_from_anywhere_and_files(daemon: Daemon, tmp_path: Path) -> None:
    plan = tmp_path / "plan.pdf"
    plan.write_bytes(b"%PDF-1.7\n")
    line = "ticket 1 has a reply, which goes to ann@example.org, ben@example.org\n"
    assert run(daemon, "tickets", "reply", "1", "Is it *still* burning?", "--by", TESS).stdout == line
    assert run(daemon, "tickets", "reply", "1", "--by", TESS, text="And now?\n").stdout == line
    assert run(daemon, "tickets", "reply", "1", "-", "--attach", str(plan), text="See there.").stdout == line
    entries = told(daemon, "tickets", "show", "1")["entries"][1:]
    assert [(one["kind"], one["public"], one["author"], one["text"]) for one in entries] == [
        ("reply", True, TESS, "Is it *still* burning?"),
        ("reply", True, TESS, "And now?"),
        ("reply", True, None, "See there."),
    ]
    assert [(one["filename"], one["content_type"], one["size"]) for one in entries[2]["attachments"]] == [
        ("plan.pdf", "application/pdf", 9)
    ]
    mails = [one for one in told(daemon, "outbox", "list") if one["event"] == "technician_replied"]
    assert [(one["ticket"], one["to"], one["cc"], one["from"]) for one in mails] == [
        (1, ["ann@example.org"], ["ben@example.org"], "support@example.net")
    ] * 3
    assert [one for one in audited(daemon) if one[0] != "import"] == [("ticket.reply", "1")] * 3
    shown = told(daemon, "tickets", "reply", "1", "For programs.", "--by", TESS)
    assert shown["sent_to"] == ["ann@example.org", "ben@example.org"]


def test_a_user_chooses_the_server_only_where_he_may(daemon: Daemon) -> None:
    words = ("tickets", "reply", "1", "By the other.", "--by", TESS, "--outgoing")
    refused = run(daemon, *words, "second")
    assert (refused.exit_code, refused.stdout) == (1, "")
    said = "nobody may choose the outgoing server: preferences.allow_choosing_outgoing is off"
    assert refused.stderr == f"mailwicket: {said}\n"
    daemon.configure(BOXES, **PEOPLE, **SERVERS, preferences={"allow_choosing_outgoing": True})
    assert run(daemon, "reload").exit_code == 0
    assert run(daemon, *words, "second").exit_code == 0
    assert "there are: main, second" in run(daemon, *words, "nowhere").stderr
    (mail,) = [one for one in told(daemon, "outbox", "list") if one["event"] == "technician_replied"]
    assert (mail["via"], mail["from"]) == ("second", "second@example.net")
    details = [row["detail"] for row in told(daemon, "audit") if row["action"] == "ticket.reply"]
    assert details == [{"by": TESS, "outgoing": "second"}]
    assert len(told(daemon, "tickets", "show", "1")["entries"]) == 2


def test_what_cannot_be_sent_is_told_in_a_line_before_anything_is_done(daemon: Daemon, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(FILES_MAX_BYTES + 1)
    for words, line in {
        ("x", "--attach", str(tmp_path / "gone")): f"cannot read {tmp_path / 'gone'}: No such file or directory",
        ("x", "--attach", str(tmp_path)): f"cannot read {tmp_path}: Is a directory",
        ("x", "--attach", str(large)): f"at most {FILES_MAX_BYTES} go with a mail, all together",
        (" ",): "a reply without words",
        ("x", "--by", "eve@example.org"): "eve@example.org is no technician of the directory",
    }.items():
        refused = run(daemon, "tickets", "reply", "1", *words)
        assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
        assert line in refused.stderr
    noise = CliRunner().invoke(app, ["tickets", "reply", "1", "--conf", str(daemon.conf)], input=b"\xff\xfe")
    assert (noise.exit_code, noise.stderr.count("\n")) == (1, 1)
    assert "is no text in UTF-8" in noise.stderr
    assert "there is no ticket 9" in run(daemon, "tickets", "reply", "9", "x").stderr
    assert [one["event"] for one in told(daemon, "outbox", "list")].count("technician_replied") == 0
    assert len(told(daemon, "tickets", "show", "1")["entries"]) == 1


def test_the_route_is_listed(daemon: Daemon) -> None:
    routes = {(one["method"], one["path"]): one["does"] for one in json.loads(daemon.get("/api/v1/"))}
    assert "Answer requester and CCs" in routes["POST", "/api/v1/tickets/{number}/reply"]


def post(daemon: Daemon, key: str) -> tuple[int, Any]:
    """Reply as a program does that tries until it is answered."""
    body = json.dumps({"text": "Once.", "by": TESS, "attachments": [{"filename": "a.txt", "content": "QQ=="}]})
    with closing(UnixConnection(str(daemon.socket))) as connection:
        connection.request("POST", "/api/v1/tickets/1/reply", body, {"Idempotency-Key": key})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_a_death_amid_a_reply_leaves_all_of_it_or_nothing_and_asking_again_sends_it_once(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    daemon.start("desk.appended:1:die")
    until(daemon.answers, 30, 0.01, "the daemon's answer")
    with pytest.raises((http.client.HTTPException, OSError)):
        post(daemon, "4711")
    assert daemon.died()
    counts = "SELECT (SELECT count(*) FROM desk_entry WHERE kind = 'reply'), count(*) FROM outbox WHERE event = ?"
    assert daemon.ask(counts, "technician_replied") == [(0, 0)]
    daemon.start_and_answer()
    status, first = post(daemon, "4711")
    assert (status, first["sent_to"]) == (200, ["ann@example.org", "ben@example.org"])
    daemon.kill()
    daemon.start_and_answer()
    assert post(daemon, "4711") == (200, first)
    assert daemon.ask(counts, "technician_replied") == [(1, 1)]
