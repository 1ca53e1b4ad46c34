"""What people do at the desk and in quarantine, by command: audited, and killed amid it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.fakes import mail
from tests.lab.daemon import Daemon
from tests.lab.ledger import close_books
from tests.lab.processes import until
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.cli.asking import Answer

CANARY = "canary-4711"
BOX = {"email": "support@example.net", "server": "127.0.0.1", "port": 9, "security": "none", "password": CANARY}
BOXES = {"support": {**BOX, "group": "first line", "enabled": False}}
TESS, TOM = "tess@example.net", "tom@example.net"
PEOPLE = {f'technician."{who}"': {"groups": ["first line"]} for who in (TESS, TOM)}
IGNORED = {"incoming.support.filter": {"type": "ignore", "domains": ["example.com"]}}
QUESTION = mail("Printer on fire", cc="ben@example.org", message_id="q@example.org")
SPAM = mail("Cheap watches", f"Buy {CANARY} now.\r\n", "Spam <spam@example.com>", message_id="spam@example.com")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with one mailbox, whose server is never asked."""
    one = Daemon(tmp_path / "lab", BOXES, **PEOPLE, **IGNORED)
    yield one
    one.end()


def run(daemon: Daemon, *words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [*words, "--conf", str(daemon.conf)], input=text)


def told(daemon: Daemon, *words: str) -> Any:
    result = run(daemon, *words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def take(daemon: Daemon, *raws: bytes) -> None:
    """Start the daemon and hand *raws* over, as if they had come to the mailbox."""
    if daemon.process is None or daemon.process.poll() is not None:
        daemon.start_and_answer()
    for number, raw in enumerate(raws):
        path = daemon.directory / f"{number}.eml"
        path.write_bytes(raw)
        assert run(daemon, "import", str(path), "--unit", "support").exit_code == 0


def let_in(daemon: Daemon) -> None:
    """Take the filter away."""
    daemon.configure(BOXES, **PEOPLE)
    if daemon.process is not None and daemon.process.poll() is None:
        assert run(daemon, "reload").exit_code == 0


def audited(daemon: Daemon) -> list[tuple[str, str]]:
    return [(row["action"], row["object"]) for row in told(daemon, "audit") if row["action"] != "config.load"]


# --- tickets


def test_a_ticket_is_noted_assigned_closed_and_reopened_by_command(daemon: Daemon) -> None:
    take(daemon, QUESTION)
    assert (
        run(daemon, "tickets", "note", "1", "-", "--by", TESS, text="Called her.\n").stdout
        == "ticket 1 has another note\n"
    )
    assert run(daemon, "tickets", "assign", "1", TOM).stdout == f"ticket 1 is assigned to {TOM}\n"
    closed = told(daemon, "tickets", "close", "1", "--by", TOM)
    assert (closed["status"], closed["assignee"], closed["group"]) == ("closed", TOM, "first line")
    refused = run(daemon, "tickets", "close", "1", "99")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines() == [
        "mailwicket: ticket 1 is closed: it cannot be closed",
        "mailwicket: there is no ticket 99",
    ]
    assert run(daemon, "tickets", "reopen", "1").exit_code == 0
    assert run(daemon, "tickets", "assign", "1", "--nobody").stdout == "ticket 1 is assigned to nobody\n"
    shown = told(daemon, "tickets", "show", "1")
    assert (shown["status"], shown["assignee"]) == ("open", None)
    note = shown["entries"][1]
    assert (note["kind"], note["public"], note["author"], note["text"]) == ("note", False, TESS, "Called her.\n")
    assert "--- 2. note of tess@example.net" in run(daemon, "tickets", "show", "1").stdout
    actions = ["note", "assign", "close", "reopen", "assign"]
    assert audited(daemon) == [("import", "incoming/support"), *((f"ticket.{one}", "1") for one in actions)]


def test_tickets_are_merged_marked_as_spam_deleted_and_lose_a_cc(daemon: Daemon) -> None:
    take(daemon, QUESTION, mail("Printer again", author="Cleo <cleo@example.org>", message_id="p@example.org"))
    assert told(daemon, "tickets", "remove-cc", "1", "Ben@example.org")["cc"] == []
    assert run(daemon, "tickets", "merge", "2", "1").stdout == "ticket 2 is merged into ticket 1\n"
    assert told(daemon, "tickets", "show", "1")["cc"] == ["cleo@example.org"]
    assert "would be merged into itself" in run(daemon, "tickets", "merge", "1", "1").stderr
    assert run(daemon, "tickets", "spam", "1").exit_code == 0
    assert run(daemon, "tickets", "delete", "1").exit_code == 0
    assert told(daemon, "tickets", "list") == []
    assert [one["status"] for one in told(daemon, "tickets", "list", "--all")] == ["deleted", "merged"]


def test_a_new_ticket_is_at_home_in_its_mailbox_and_its_answers_find_it(daemon: Daemon) -> None:
    daemon.start_and_answer()
    words = (
        "tickets",
        "new",
        "Chair  broken",
        "It\nwobbles.",
        "--requester",
        "Ada <ada@example.org>",
        "--cc",
        "ben@example.org",
    )
    assert run(daemon, *words, "--unit", "support", "--by", TESS).stdout == "1\n"
    shown = told(daemon, "tickets", "show", "1")
    assert (shown["subject"], shown["requester"], shown["cc"]) == (
        "Chair broken",
        "ada@example.org",
        ["ben@example.org"],
    )
    assert (shown["group"], shown["entries"][0]["text"], shown["message_ids"]) == ("first line", "It\nwobbles.", [])
    for wrong, line in {
        ("--requester", "support@example.net"): "is one of our own addresses",
        ("--requester", "nobody"): "an address is wanted",
        ("--requester", "ada@example.org", "--unit", "sales"): "there is no mailbox sales; there are: support",
        ("--requester", "ada@example.org", "--by", "eve@example.org"): "is no technician of the directory",
    }.items():
        refused = run(daemon, "tickets", "new", "x", "y", *wrong)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert line in refused.stderr
    assert len(told(daemon, "tickets", "list")) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("tickets", "close", "1"),
        ("tickets", "new", "x", "y", "--requester", "ada@example.org"),
        ("quarantine", "retry", "1"),
        ("quarantine", "retry", "--all"),
        ("quarantine", "drop", "1"),
    ],
)
def test_without_a_daemon_what_acts_says_so_in_a_line(daemon: Daemon, words: tuple[str, ...]) -> None:
    result = run(daemon, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"mailwicket: no answer at {daemon.socket} (")
    assert result.stderr.endswith("); is the daemon running?\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words", [("tickets", "assign", "1"), ("quarantine", "retry"), ("quarantine", "retry", "1", "--all")]
)
def test_what_says_too_little_or_too_much_is_wrong_usage(daemon: Daemon, words: tuple[str, ...]) -> None:
    assert run(daemon, *words).exit_code == 2


# --- quarantine


def test_parked_mail_is_listed_shown_and_exported_with_and_without_the_daemon(daemon: Daemon, tmp_path: Path) -> None:
    assert run(daemon, "quarantine", "list").exit_code == 1
    daemon.state_dir.mkdir()
    assert told(daemon, "quarantine", "list") == []
    take(daemon, QUESTION, SPAM)
    for runs in (True, False):
        (line,) = told(daemon, "quarantine", "list")
        assert (line["id"], line["reason"], line["unit"]) == (2, "filter_ignored", "incoming/support")
        assert (line["message_id"], line["from"]) == ("spam@example.com", "Spam <spam@example.com>")
        assert "Cheap watches" in run(daemon, "quarantine", "list").stdout
        assert run(daemon, "quarantine", "list", "--reason", "no_sender").stdout == "nothing is parked for no_sender\n"
        shown = run(daemon, "quarantine", "show", "2").stdout
        assert all(words in shown for words in ("filter", "From: Spam <spam@example.com>", f"Buy {CANARY} now."))
        assert run(daemon, "quarantine", "export", "2", "-").stdout_bytes == SPAM
        target = tmp_path / f"{runs}.eml"
        assert run(daemon, "quarantine", "export", "2", str(target)).exit_code == 0
        assert target.read_bytes() == SPAM
        again = run(daemon, "quarantine", "export", "2", str(target))
        assert (again.exit_code, again.stderr) == (1, f"mailwicket: mail 2: {target}: File exists\n")
        assert run(daemon, "quarantine", "show", "1").stderr == "mailwicket: mail 1 is not parked\n"
        if runs:
            assert daemon.stop() == 0


def test_parked_mail_is_retried_by_todays_configuration_once(daemon: Daemon) -> None:
    take(daemon, SPAM, mail("x", author="other@example.com", message_id="o@example.com"))
    assert run(daemon, "quarantine", "retry", "1").stdout == "mail 1 stays parked: filter_ignored\n"
    let_in(daemon)
    foreseen = run(daemon, "quarantine", "retry", "--reason", "filter_ignored", "--dry-run").stdout.splitlines()
    assert foreseen == [f"mail {n} would be created, a new ticket" for n in (1, 2)]
    assert len(told(daemon, "quarantine", "list")) == 2
    assert run(daemon, "quarantine", "retry", "--all").stdout.splitlines() == [
        "mail 1 is created, ticket 1",
        "mail 2 is created, ticket 2",
    ]
    again = run(daemon, "quarantine", "retry", "1")
    assert (again.exit_code, again.stderr) == (1, "mailwicket: mail 1 is not parked\n")
    assert run(daemon, "quarantine", "retry", "--all").stdout == "nothing is parked\n"
    assert daemon.ask("SELECT DISTINCT state FROM intake") == [("settled",)]
    assert daemon.ask('SELECT DISTINCT "group" FROM desk_ticket') == [("first line",)]


def test_mail_of_a_mailbox_that_is_gone_and_of_none_is_retried_too(daemon: Daemon) -> None:
    take(daemon, SPAM)
    path = daemon.directory / "nobody.eml"
    path.write_bytes(mail("x", author="nobody", message_id="n@example.org"))
    assert run(daemon, "import", str(path)).exit_code == 0
    assert [one["unit"] for one in told(daemon, "quarantine", "list")] == ["incoming/support", "incoming/(import)"]
    daemon.configure({"other": {**BOX, "email": "other@example.net", "enabled": False}})
    assert run(daemon, "reload").exit_code == 0
    assert run(daemon, "quarantine", "retry", "--all").stdout.splitlines() == [
        "mail 1 is created, ticket 1",
        "mail 2 stays parked: no_sender",
    ]


def test_a_backend_that_is_out_ends_a_retry_of_many(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Out:
        def ask(self, method: str, route: str, _body: object = None) -> Answer:
            asked.append(f"{method} {route}")
            if method == "GET":
                return Answer(200, [{"id": n, "reason": "no_sender"} for n in (3, 5, 7)])
            status = 409 if "/3/" in route else 503
            return Answer(status, {"detail": "bytes are gone" if status == 409 else "the backend does not answer"})

    monkeypatch.setattr("mailwicket.cli.quarantine.door", lambda _conf: Out())
    result = run(daemon, "quarantine", "retry", "--all")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "mailwicket: bytes are gone\nmailwicket: the backend does not answer\n"
    retries = [f"POST /api/v1/quarantine/{n}/retry" for n in (3, 5)]
    assert asked == ["GET /api/v1/quarantine", *retries]


def test_a_dropped_mail_is_recorded(daemon: Daemon) -> None:
    take(daemon, SPAM)
    assert run(daemon, "quarantine", "drop", "1").stdout == "mail 1 is dropped\n"
    assert run(daemon, "quarantine", "drop", "1").exit_code == 1
    assert told(daemon, "quarantine", "list") == []
    assert audited(daemon)[-1] == ("quarantine.drop", "1")
    assert daemon.ask("SELECT reason FROM intake") == [("dropped_by_admin",)]


# --- why


def test_why_tells_the_trace_of_every_mail_of_a_ticket_and_of_a_parked_one_by_its_id(daemon: Daemon) -> None:
    stranger = mail(
        "Re: Printer on fire", author="eve@example.org", message_id="e@example.org", in_reply_to="q@example.org"
    )
    take(daemon, QUESTION, stranger, SPAM)
    assert daemon.stop() == 0
    first, second = told(daemon, "why", "1")
    assert told(daemon, "why", "#1") == [first, second]
    assert (first["reason"], first["unit"], first["ticket"], first["parked"]) == (
        "created",
        "incoming/support",
        1,
        False,
    )
    assert (second["reason"], second["flags"]) == ("collaboration_stranger", ["stranger"])
    assert all(first[key].endswith("Z") for key in ("seen", "fetched", "decided"))
    assert [set(step) for step in first["steps"]] == [{"rule", "answer"}] * len(first["steps"])
    for words in ("spam@example.com", "<spam@example.com>"):
        (parked,) = told(daemon, "why", words)
        assert (parked["reason"], parked["parked"], parked["ticket"]) == ("filter_ignored", True, None)
    lines = run(daemon, "why", "1").stdout.splitlines()
    assert lines[0] == "mail 1 <q@example.org> by incoming/support"
    assert "collaboration_stranger (stranger), ticket 1" in lines
    for words, line in {
        "7": "mailwicket: no mail of a ticket 7 is recorded\n",
        "nobody@example.org": "mailwicket: no mail with the id nobody@example.org is known\n",
        "9" * 30: f"mailwicket: no mail with the id {'9' * 30} is known\n",
    }.items():
        refused = run(daemon, "why", words)
        assert (refused.exit_code, refused.stdout, refused.stderr) == (1, "", line)


def test_why_tells_that_a_mail_was_replayed(daemon: Daemon) -> None:
    take(daemon, SPAM)
    let_in(daemon)
    assert run(daemon, "quarantine", "retry", "1").exit_code == 0
    (found,) = told(daemon, "why", "spam@example.com")
    assert (found["reason"], found["ticket"], found["parked"]) == ("created", 1, False)
    assert found["steps"][0] == {"rule": "quarantine", "answer": "replayed"}


# --- a death amid it


def passed_before(daemon: Daemon, name: str) -> int:
    """How often a daemon that only starts passes *name*."""
    return {"commit.before": 1, "commit.after": 1}.get(name, 0)


@pytest.mark.parametrize(
    "name",
    ["intake.in_hand", "desk.created", "quarantine.decided", "commit.before", "commit.after", "quarantine.retried"],
)
def test_a_death_amid_a_retry_loses_and_doubles_nothing(daemon: Daemon, name: str) -> None:
    take(daemon, SPAM, QUESTION)
    assert daemon.stop() == 0
    let_in(daemon)
    daemon.start(f"{name}:{1 + passed_before(daemon, name)}:die")
    until(daemon.answers, 30, 0.01, "the daemon's answer")
    until(lambda: len(told(daemon, "audit")) >= 4, 10, 0.02, "the record of the start")
    assert run(daemon, "quarantine", "retry", "1").exit_code == 1
    assert daemon.died()
    done = name in {"commit.after", "quarantine.retried"}
    assert daemon.ask("SELECT count(*) FROM desk_ticket") == [(2 if done else 1,)]
    assert len(told(daemon, "quarantine", "list")) == (0 if done else 1)
    daemon.start_and_answer()
    again = run(daemon, "quarantine", "retry", "1")
    assert again.exit_code == (1 if done else 0), again.stderr
    assert daemon.stop() == 0
    books = close_books(daemon.state_dir, [SPAM, QUESTION])
    assert books.balanced, str(books)
    assert books.parked == 0
    assert [one for one in audited(daemon) if one[0] == "quarantine.retry"] == [("quarantine.retry", "1")]
    assert run(daemon, "audit", "verify").exit_code == 0
    assert daemon.ask("SELECT attempts FROM intake") == [(0,), (0,)]


# --- the audit


def test_the_audit_tells_of_loads_and_of_admins_and_never_of_secrets_or_text(daemon: Daemon) -> None:
    take(daemon, SPAM)
    for words in (("note", "1", CANARY), ("new", CANARY, CANARY, "--requester", "ada@example.org")):
        run(daemon, "tickets", *words)
    for action in ("pause", "resume", "poll", "unblock"):
        run(daemon, action, "backend")
    daemon.configure({"support": {**BOX, "password": f"another-{CANARY}", "enabled": True, "poll_s": 3600}}, **PEOPLE)
    assert run(daemon, "reload").exit_code == 0
    for action in ("pause", "resume", "poll"):
        run(daemon, action, "support")
    (daemon.conf / "20-wrong.toml").write_text(f"[daemon]\nstate_dirr = '{CANARY}'\n")
    assert run(daemon, "reload").exit_code == 1
    rows = json.loads(daemon.get("/api/v1/audit"))
    (daemon.conf / "20-wrong.toml").unlink()
    me = f"uid {os.getuid()}"
    assert [row["actor"] for row in rows[:2]] == ["start", me]
    loads = [row for row in rows if row["action"] == "config.load"]
    assert {"10-test.toml"} == set(loads[0]["detail"]["files"])
    applied = next(row for row in loads[1:] if row["detail"]["outcome"] == "applied" and row["detail"].get("changes"))
    assert applied["detail"]["changes"] == [{"unit": "incoming/support", "act": "start", "keys": []}]
    assert loads[-1]["detail"]["outcome"] == "refused"
    assert "20-wrong.toml:2: daemon.state_dirr: unknown key" in loads[-1]["detail"]["errors"][0]
    units = [row["action"] for row in rows if row["object"] == "incoming/support" and row["action"] != "import"]
    assert units == ["unit.pause", "unit.resume", "unit.poll"]
    assert CANARY not in json.dumps(rows)
    assert CANARY not in json.dumps(daemon.ask("SELECT * FROM audit"))
    assert run(daemon, "audit", "verify").exit_code == 0


def test_api_and_command_tell_the_same(daemon: Daemon) -> None:
    take(daemon, QUESTION, SPAM)
    for noun in ("tickets", "quarantine", "audit"):
        assert json.loads(daemon.get(f"/api/v1/{noun}")) == told(daemon, noun, *(["list"] if noun != "audit" else []))
    assert json.loads(daemon.get("/api/v1/tickets/1")) == told(daemon, "tickets", "show", "1")
    assert json.loads(daemon.get("/api/v1/quarantine/2")) == told(daemon, "quarantine", "show", "2")
    assert daemon.get("/api/v1/quarantine/2/raw") == SPAM
    assert json.loads(daemon.get("/api/v1/audit/verify")) == told(daemon, "audit", "verify")
