"""Log lines: one fact, one line, and nothing of a mail that acts on a terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab.processes import until

from mailwicket.cli.run import CONFIG_EXIT
from mailwicket.config.secret import Secret
from mailwicket.redact import REDACTED, Redactor
from mailwicket.service import logs
from mailwicket.service.logs import ConsoleFormatter, GatheringHandler, JsonFormatter, formatter, leads_to_journal


@pytest.fixture
def said() -> Iterator[tuple[logging.Logger, io.StringIO, GatheringHandler]]:
    stream = io.StringIO()
    handler = GatheringHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("mailwicket.test", logging.INFO)  # noqa: LOG001 - one that no other test sees
    logger.addHandler(handler)
    yield logger, stream, handler
    handler.close()


Said = tuple[logging.Logger, io.StringIO, GatheringHandler]


def lines(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_gathered_and_written_in_order(said: Said) -> None:
    logger, stream, _ = said
    for number in range(1000):
        logger.info("mail done intake=%s", number)
    until(lambda: len(lines(stream)) == 1000, 5)
    assert [line["event"] for line in lines(stream)] == [f"mail done intake={number}" for number in range(1000)]


def test_a_warning_goes_out_at_once_behind_all_that_was_before_it(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    logger, stream, _ = said
    monkeypatch.setattr(logs, "GATHER_S", 3600)
    logger.info("before")
    logger.warning("now")
    until(lambda: len(lines(stream)) == 2, 5)
    assert [(line["level"], line["event"]) for line in lines(stream)] == [("info", "before"), ("warning", "now")]


def test_what_is_left_is_written_at_the_end(said: Said) -> None:
    logger, stream, handler = said
    logger.info("last words")
    handler.close()
    assert [line["event"] for line in lines(stream)] == ["last words"]


def test_a_line_that_cannot_be_formatted_is_told_without_its_arguments_and_harms_no_other(
    said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    logger, stream, handler = said
    logger.info("%d mails", "canary-4711")
    logger.warning("and on")
    handler.flush()
    first, second = lines(stream)
    assert (first["level"], second["event"]) == ("error", "and on")
    assert first["event"].startswith("a bug, a line of the log cannot be told: mailwicket.test, line ")
    assert "canary" not in stream.getvalue()
    assert capsys.readouterr() == ("", "")


HOSTILE = "Re: x\r\nroot: fake line\x1b[2J\u2028next\u202egpj.exe\x00"


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
def test_a_hostile_subject_stays_on_its_line_and_moves_no_cursor(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("mailwicket", logging.INFO, "", 0, "subject=%s", (HOSTILE,), None)
    line = formatter.format(record)
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
def test_a_traceback_is_told_with_the_line_and_is_harmless_too(formatter: logging.Formatter) -> None:
    try:
        int("\x1b[31m")
    except ValueError as error:
        record = logging.LogRecord(
            "mailwicket", logging.ERROR, "", 0, "a bug", (), (type(error), error, error.__traceback__)
        )
    line = formatter.format(record)
    assert "ValueError: invalid literal" in line
    assert "\x1b" not in line


# --- the journal


def record(level: int, text: str, *values: object, trace: BaseException | None = None) -> logging.LogRecord:
    info = None if trace is None else (type(trace), trace, trace.__traceback__)
    return logging.LogRecord("mailwicket", level, "", 0, text, values, info)


def caught(words: str) -> ValueError:
    try:
        raise ValueError(words)  # noqa: TRY301 - so it has a traceback
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
        (logging.INFO + 1, 6),
    ],
)
def test_a_line_for_the_journal_begins_with_its_priority_and_tells_neither_time_nor_level(
    level: int, priority: int
) -> None:
    line = formatter("auto", terminal=False, journal=True).format(record(level, "mail done intake=%s", 7))
    assert line == f"<{priority}>mail done intake=7"


def test_each_line_of_a_traceback_has_the_priority_in_the_journal() -> None:
    error = caught("first\nsecond\x1b[2J\n<0>third")
    line = formatter("auto", terminal=False, journal=True).format(record(logging.ERROR, "a bug", trace=error))
    told = line.split("\n")
    assert told[:2] == ["<3>a bug", "<3>Traceback (most recent call last):"]
    assert told[-3:] == ["<3>ValueError: first", "<3>second\\x1b[2J", "<3><0>third"]
    assert all(one.startswith("<3>") and one.isprintable() for one in told)


def test_a_hostile_subject_cannot_choose_a_priority() -> None:
    line = formatter("auto", terminal=False, journal=True).format(record(logging.INFO, "%s", "<0>x\n<0>panic"))
    assert line == "<6><0>x\\n<0>panic"


def test_json_in_the_journal_is_the_same_json_behind_its_priority() -> None:
    one = record(logging.WARNING, "slow", trace=caught("x"))
    told = formatter("json", terminal=False, journal=True).format(one)
    assert told == "<4>" + formatter("json", terminal=False, journal=False).format(one)
    assert json.loads(told[3:])["level"] == "warning"


@pytest.mark.parametrize(
    ("log_format", "terminal", "journal", "line"),
    [
        ("auto", True, False, "console"),
        ("auto", False, False, "json"),
        ("console", False, False, "console"),
        ("json", True, False, "json"),
        ("console", False, True, "text"),
    ],
)
def test_who_reads_decides_the_form_where_the_configuration_does_not(
    log_format: str, *, terminal: bool, journal: bool, line: str
) -> None:
    told = formatter(log_format, terminal=terminal, journal=journal).format(record(logging.INFO, "hello"))
    forms = {"json": told.startswith("{"), "console": told.endswith("Z info     hello"), "text": told == "<6>hello"}
    assert [name for name, holds in forms.items() if holds] == [line]


def test_the_journal_is_recognized_by_the_stream_and_not_by_the_variable_alone(tmp_path: Path) -> None:
    with (tmp_path / "one").open("w") as one, (tmp_path / "other").open("w") as other:
        found = os.fstat(one.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert leads_to_journal(one, environ)
        assert not leads_to_journal(other, environ), "redirected"
        assert not leads_to_journal(one, {}), "not started by systemd"
        assert not leads_to_journal(one, {"JOURNAL_STREAM": "nonsense"})
    assert not leads_to_journal(one, environ), "closed"
    assert not leads_to_journal(io.StringIO(), environ)


def test_a_daemon_whose_errors_go_to_the_journal_writes_priorities() -> None:
    """As systemd does it: the stream is connected first, its numbers are put into the environment."""
    ours, theirs = socket.socketpair()
    found = os.fstat(theirs.fileno())
    program = (
        "import logging; from mailwicket.service.logs import set_up; set_up('info', 'auto'); "
        "logging.getLogger('x').warning('told'); logging.getLogger('x').info('more')"
    )
    environ = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    with ours, theirs:
        subprocess.run([sys.executable, "-c", program], stderr=theirs, env=environ, check=True, timeout=60)
        assert ours.recv(4096) == b"<4>told\n<6>more\n"


def test_why_a_daemon_does_not_start_is_an_error_in_the_journal(tmp_path: Path) -> None:
    (tmp_path / "10-incoming.toml").write_text("[incoming.box]\n")
    ours, theirs = socket.socketpair()
    found = os.fstat(theirs.fileno())
    environ = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    command = [sys.executable, "-m", "mailwicket", "run", "--conf", str(tmp_path)]
    with ours, theirs:
        assert subprocess.run(command, stderr=theirs, env=environ, check=False, timeout=60).returncode == CONFIG_EXIT
        told = ours.recv(65536).decode().splitlines()
    assert told
    assert all(line.startswith("<3>") for line in told), told


# --- secrets


@pytest.mark.parametrize("log_format", ["console", "json"])
@pytest.mark.parametrize("journal", [False, True])
def test_a_secret_is_taken_out_of_lines_and_tracebacks(log_format: str, *, journal: bool) -> None:
    stream, redactor = io.StringIO(), Redactor()
    redactor.learn("canary-4711")
    handler = GatheringHandler(stream, redactor)
    handler.setFormatter(formatter(log_format, terminal=False, journal=journal))
    error = caught("LOGIN desk canary-4711")
    handler.emit(record(logging.ERROR, "refused canary-4711 of %s", "canary-4711", trace=error))
    handler.close()
    assert "canary" not in stream.getvalue()
    assert stream.getvalue().count(REDACTED) >= 3
    assert "LOGIN desk [redacted]" in stream.getvalue()


def test_what_a_secret_reveals_no_log_line_tells(said: Said) -> None:
    logger, stream, handler = said
    logger.info("before: %s", "canary-of-the-log-0815")
    assert Secret("canary-of-the-log-0815").reveal() == "canary-of-the-log-0815"
    logger.info("after: %s", "canary-of-the-log-0815")
    handler.flush()
    assert [line["event"] for line in lines(stream)] == ["before: canary-of-the-log-0815", "after: [redacted]"]
