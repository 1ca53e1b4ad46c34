"""Log lines: one fact, one line, and nothing of a mail that acts on a terminal."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from tests.lab.processes import until

from mailwicket.service import logs
from mailwicket.service.logs import ConsoleFormatter, GatheringHandler, JsonFormatter


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


def test_a_line_that_cannot_be_formatted_harms_no_other(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    logger, stream, handler = said
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.info("%d mails", "no number")
    logger.warning("and on")
    handler.flush()
    told = [line["event"] for line in lines(stream)]
    assert told[0].startswith("a bug, a line of the log cannot be told: ")
    assert told[1:] == ["and on"]


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
