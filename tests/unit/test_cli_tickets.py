"""`mailwicket tickets`: what people and programs get to see, and what they are told when there is nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.contract.desks import BEN, Room, attachment, entry_draft, ticket_draft
from typer.testing import CliRunner, Result

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.cli.tickets import app, block, one_line
from mailwicket.model import IntakeKey, TicketChange, TicketStatus
from mailwicket.store.database import JOURNAL, migrate, open_writer

ORDERS = "\x1b[2Jgone\x1b]0;title\x07 \x9b31m \r\x08\x7f \N{RIGHT-TO-LEFT OVERRIDE}exe.txt"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.mkdir()
    return path


@pytest.fixture
def conf(tmp_path: Path, state_dir: Path) -> Path:
    directory = tmp_path / "conf.d"
    directory.mkdir()
    (directory / "00-daemon.toml").write_text(f'[daemon]\nstate_dir = "{state_dir}"\n', encoding="utf-8")
    return directory


@pytest.fixture
def desk(state_dir: Path) -> EmbeddedDesk:
    """A desk with an open ticket (two entries) and a closed one, left as a stopped daemon leaves it."""
    desk = EmbeddedDesk("desk", EmbeddedDesk.Config(), Room(state_dir))
    tx = open_writer(state_dir)
    migrate(tx, [JOURNAL, EmbeddedDesk.schema])
    hostile = entry_draft(text=f"first\n{ORDERS}\n[red]no markup[/red]", attachments=[attachment(filename=ORDERS)])
    first = desk.create_in(tx, ticket_draft(hostile, subject=f"Printer {ORDERS}", cc=[BEN]), IntakeKey("k1"))
    desk.append_in(tx, first, entry_draft(author=None, public=False, text="a secret"), IntakeKey("k2"))
    second = desk.create_in(tx, ticket_draft(subject="Old story"), IntakeKey("k3"))
    desk.change_in(tx, second, TicketChange(status=TicketStatus.CLOSED), IntakeKey("k4"))
    tx.close()
    return desk


def tickets(conf: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--conf", str(conf)])


def assert_no_order(text: str) -> None:
    """A terminal that shows *text* does nothing but show it."""
    assert [c for c in text if not c.isprintable() and c not in "\n\t"] == []


@pytest.mark.usefixtures("desk")
def test_a_list_shows_the_open_tickets(conf: Path) -> None:
    result = tickets(conf, "list")
    assert result.exit_code == 0
    assert "Printer" in result.stdout
    assert "ada@example.org" in result.stdout
    assert "Old story" not in result.stdout
    assert_no_order(result.stdout)


@pytest.mark.usefixtures("desk")
def test_on_a_narrow_terminal_words_are_cut_and_numbers_and_times_are_not(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwicket.cli.table.PIPE_WIDTH", 80)
    heading, _, row = (line.split() for line in tickets(conf, "list").stdout.splitlines()[1:4])
    assert heading == ["No.", "Status", "Subject", "Requester", "Entries", "Updated", "(UTC)"]
    assert [row[0], row[1], row[2], *row[-3:]] == ["1", "open", "Printer", "2", "2026-01-01", "09:00"]
    assert [word for word in row if word.endswith("…")] == row[-5:-3]


@pytest.mark.usefixtures("desk")
def test_all_lists_closed_tickets_too(conf: Path) -> None:
    assert "Old story" in tickets(conf, "list", "--all").stdout


def test_help_says_that_only_open_tickets_are_listed() -> None:
    text = CliRunner().invoke(app, ["list", "--help"], env={"COLUMNS": "200"}).stdout
    assert "open tickets" in text
    assert "--all" in text


@pytest.mark.usefixtures("desk")
def test_the_list_for_programs_is_one_array(conf: Path) -> None:
    result = tickets(conf, "list", "--all", "--json")
    listed = json.loads(result.stdout)
    assert [(ticket["number"], ticket["entries"], ticket["status"]) for ticket in listed] == [
        (1, 2, "open"),
        (2, 1, "closed"),
    ]
    assert listed[0]["subject"] == f"Printer {ORDERS}"
    assert_no_order(result.stdout)


@pytest.mark.usefixtures("desk")
def test_a_shown_ticket_can_be_read_and_gives_the_terminal_no_orders(conf: Path) -> None:
    result = tickets(conf, "show", "1")
    assert result.exit_code == 0
    for said in ("#1  Printer", "ada@example.org", "ben@example.net", "first", "[red]no markup[/red]", "a secret"):
        assert said in result.stdout
    assert "nobody named" in result.stdout
    assert "technicians only" in result.stdout
    assert "3 bytes" in result.stdout
    assert_no_order(result.stdout)


@pytest.mark.usefixtures("desk")
def test_a_closed_ticket_is_shown_without_being_asked_for_specially(conf: Path) -> None:
    result = tickets(conf, "show", "2", "--json")
    shown = json.loads(result.stdout)
    assert (shown["status"], shown["entries"][0]["text"]) == ("closed", "The printer is on fire.")


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("words", [("show", "3"), ("show", "3", "--json")])
def test_an_unknown_ticket_is_bad_news(conf: Path, words: tuple[str, ...]) -> None:
    result = tickets(conf, *words)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "mailwicket: there is no ticket 3\n")


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(("number", "status"), [("2", 0), ("0", 2), ("x", 2), (str(2**63 - 1), 1), (str(2**63), 2)])
def test_what_is_no_number_of_a_ticket_is_wrong_usage(conf: Path, number: str, status: int) -> None:
    assert tickets(conf, "show", number).exit_code == status


def test_a_desk_whose_tickets_are_all_closed_says_where_they_are(conf: Path, desk: EmbeddedDesk) -> None:
    state_dir = desk._files._directory.parent
    tx = open_writer(state_dir)
    tx.execute("UPDATE desk_ticket SET status = 'closed'")
    tx.close()
    result = tickets(conf, "list")
    assert (result.exit_code, result.stdout) == (0, "no open tickets (the others: --all)\n")


def test_it_works_beside_a_daemon_that_is_writing(conf: Path, desk: EmbeddedDesk, state_dir: Path) -> None:
    tx = open_writer(state_dir)
    tx.execute("BEGIN IMMEDIATE")
    desk.create_in(tx, ticket_draft(subject="Not yet committed"), IntakeKey("k9"))
    listed = json.loads(tickets(conf, "list", "--json").stdout)
    tx.execute("COMMIT")
    after = json.loads(tickets(conf, "list", "--json").stdout)
    tx.close()
    assert [ticket["number"] for ticket in listed] == [1]
    assert [ticket["number"] for ticket in after] == [1, 3]


@pytest.mark.usefixtures("desk")
def test_reading_leaves_the_database_as_it_was(conf: Path, state_dir: Path) -> None:
    before = (state_dir / "mailwicket.db").read_bytes()
    assert [tickets(conf, *words).exit_code for words in (("list",), ("show", "1"))] == [0, 0]
    assert (state_dir / "mailwicket.db").read_bytes() == before


def test_before_the_first_run_there_are_no_tickets_yet(conf: Path, state_dir: Path) -> None:
    line = f"mailwicket: no tickets yet: the daemon has not run here, there is no {state_dir}/mailwicket.db\n"
    for words in (("list",), ("show", "1"), ("show", "1", "--json")):
        result = tickets(conf, *words)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", line)
    result = tickets(conf, "list", "--json")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert list(state_dir.iterdir()) == []


def test_a_state_directory_that_is_not_there_is_bad_news_for_programs_too(conf: Path, state_dir: Path) -> None:
    state_dir.rmdir()
    for words in (("list",), ("list", "--json"), ("show", "1")):
        result = tickets(conf, *words)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"mailwicket: no tickets: the state directory {state_dir} does not exist\n"


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("show", "1")])
def test_a_place_that_cannot_be_looked_at_is_told_in_a_line(conf: Path, words: tuple[str, ...]) -> None:
    nowhere = "/" + "x" * 300
    (conf / "00-daemon.toml").write_text(f'[daemon]\nstate_dir = "{nowhere}"\n', encoding="utf-8")
    result = tickets(conf, *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"mailwicket: cannot read {nowhere}: File name too long\n"


def test_tickets_that_another_backend_keeps_are_not_looked_for_here(
    conf: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = SimpleNamespace(daemon=SimpleNamespace(state_dir=state_dir), backend=SimpleNamespace(type="elsewhere"))
    found = SimpleNamespace(settings=elsewhere, errors=())
    monkeypatch.setattr("mailwicket.cli.settings.loaded", lambda *_: found)
    result = tickets(conf, "list", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'backend "elsewhere" keeps its tickets elsewhere' in result.stderr


def test_a_file_that_is_no_database_is_named(conf: Path, state_dir: Path) -> None:
    (state_dir / "mailwicket.db").write_bytes(b"no database at all, but long enough to be looked at " * 100)
    result = tickets(conf, "list")
    assert result.exit_code == 1
    assert f"store {state_dir}/mailwicket.db: file is not a database" in result.stderr


def test_a_store_without_the_desks_tables_is_told_in_a_line(conf: Path, state_dir: Path) -> None:
    tx = open_writer(state_dir)
    migrate(tx, [JOURNAL])
    tx.close()
    result = tickets(conf, "list")
    assert result.exit_code == 1
    assert result.stderr == f"mailwicket: store {state_dir}/mailwicket.db: no such table: desk_cc\n"


def test_a_broken_configuration_is_told_with_file_and_line(conf: Path) -> None:
    (conf / "10-broken.toml").write_text("[daemon]\nstate_dri = 1\n", encoding="utf-8")
    result = tickets(conf, "list")
    assert result.exit_code == 1
    assert "10-broken.toml:2: daemon.state_dri" in result.stderr


@pytest.mark.usefixtures("desk")
def test_a_reader_who_leaves_early_gets_no_traceback(conf: Path, state_dir: Path) -> None:
    desk = EmbeddedDesk("desk", EmbeddedDesk.Config(), Room(state_dir))
    tx = open_writer(state_dir)
    tx.execute("BEGIN")
    for n in range(3000):
        desk.create_in(tx, ticket_draft(), IntakeKey(f"many {n}"))
    tx.execute("COMMIT")
    tx.close()
    for words in (["list"], ["list", "--json"]):
        command = [sys.executable, "-c", "from mailwicket.cli.tickets import app; app()", *words, "--conf", str(conf)]
        reading, writing = os.pipe()
        with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE) as process:
            os.close(writing)
            os.read(reading, 10)
            os.close(reading)
            _, errors = process.communicate(timeout=60)
        assert errors == b""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc", "a b c"),
        ("\x1b[31mred", "\N{SYMBOL FOR ESCAPE}[31mred"),
        ("\x9b31m \x7f", "\ufffd31m \ufffd"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}txt.exe", "\ufffdtxt.exe"),
        ("a\N{LINE SEPARATOR}b\N{NO-BREAK SPACE}c", "a b c"),
        ("\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}", "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}"),
        ("Gr\u00fc\u00dfe \u65e5\u672c", "Gr\u00fc\u00dfe \u65e5\u672c"),
    ],
)
def test_text_for_one_line_shows_what_would_give_orders(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_text_of_several_lines_keeps_its_lines_and_tabs() -> None:
    assert block("a\tb\r\n c\n\x0cd\re\n") == "a\tb\n c\n\N{SYMBOL FOR FORM FEED}d\N{SYMBOL FOR CARRIAGE RETURN}e\n"
