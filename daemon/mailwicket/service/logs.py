"""One fact a line: for people on a terminal and in the journal, JSON otherwise.

Control characters of mail never reach the terminal, and no secret that was revealed reaches any reader.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TextIO

from mailwicket.redact import REDACTOR, Redactor

GATHER_S: Final = 0.1
"""Lines of this time go out together: a write gives the interpreter's lock away, and a backlog has a line a mail."""


UNTOLD: Final = "a bug, a line of the log cannot be told: %s, line %s"

PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog(3), as the journal knows them; what is below is 7, debug."""


def set_up(level: str, log_format: str) -> None:
    """Send every log line to standard error; *log_format* is `auto`, `console` or `json`."""
    root = logging.getLogger()
    for before in root.handlers:
        before.close()
    root.handlers = [GatheringHandler(sys.stderr)]
    adjust(level, log_format)
    # The library formats whole literals and tokens for its debug log.
    logging.getLogger("aioimaplib").setLevel(logging.ERROR)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def adjust(level: str, log_format: str) -> None:
    """Write from now on what *level* lets through, as *log_format* says; see `set_up`."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    journal = leads_to_journal(sys.stderr, os.environ)
    for ours in (handler for handler in root.handlers if isinstance(handler, GatheringHandler)):
        ours.setFormatter(formatter(log_format, terminal=sys.stderr.isatty(), journal=journal))


def formatter(log_format: str, *, terminal: bool, journal: bool) -> logging.Formatter:
    """Return what formats lines for a *terminal*, the *journal* or something else.

    In the journal `auto` is text: who reads it at night reads `journalctl`. The journal has the time, and the level
    as its priority, so neither is told again; `json` stays what it is everywhere.
    """
    text = log_format == "console" or (log_format == "auto" and (terminal or journal))
    if journal:
        return JournalFormatter(TextFormatter() if text else JsonFormatter())
    return ConsoleFormatter() if text else JsonFormatter()


def leads_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether *stream* is the one that systemd connected to the journal (systemd.exec(5), `JOURNAL_STREAM`).

    The variable alone is no proof: somebody may have redirected the stream, or have started us from a service.
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def as_error(text: str) -> str:
    """Return *text* as it is to be written to standard error where no log is set up (any more): why we end."""
    return f"<{_priority(logging.ERROR)}>{text}" if leads_to_journal(sys.stderr, os.environ) else text


class GatheringHandler(logging.Handler):
    """Writes lines in order, from a thread of its own: a slow disk or reader of the log holds nobody up."""

    def __init__(self, stream: TextIO, redactor: Redactor = REDACTOR) -> None:
        """Write to *stream* what *redactor* left."""
        super().__init__()
        self._stream = stream
        self._redactor = redactor
        self._lines: list[str] = []
        self._writing = threading.Lock()
        self._wanted = threading.Event()
        self._urgent = threading.Event()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line; a warning or worse is not left to wait for others."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a bad line harms nobody, and its arguments may be anything
            record = logging.LogRecord(
                record.name, logging.ERROR, record.pathname, record.lineno, UNTOLD, (record.name, record.lineno), None
            )
            line = self.format(record)
        self._lines.append(self._redactor.clean(line))
        if record.levelno >= logging.WARNING:
            self._urgent.set()
        self._wanted.set()

    def flush(self) -> None:
        """Write what was gathered."""
        with self._writing:
            lines, self._lines = self._lines, []
            if lines:
                with suppress(OSError, ValueError):  # nobody reads any more
                    self._stream.write("\n".join(lines) + "\n")
                    self._stream.flush()

    def close(self) -> None:
        """Write the rest; called at exit by `logging` itself."""
        self.flush()
        super().close()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._urgent.wait(GATHER_S)
            self._wanted.clear()
            self._urgent.clear()
            self.flush()


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: `timestamp`, `level`, `logger`, `event`, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


class TextFormatter(logging.Formatter):
    """For a person: what happened."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        line = escaped(record.getMessage())
        if record.exc_info:
            trace = self.formatException(record.exc_info).split("\n")
            line = "\n".join([line, *map(escaped, trace)])
        return line


class ConsoleFormatter(TextFormatter):
    """For a person at a terminal: time and level before it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        return f"{_timestamp(record.created)} {record.levelname.lower():<8} {super().format(record)}"


class JournalFormatter(logging.Formatter):
    """sd-daemon(3): each line begins with its priority, those of a traceback too, which the journal keeps apart."""

    def __init__(self, lines: logging.Formatter) -> None:
        """Put priorities before what *lines* makes of a record."""
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines."""
        priority = _priority(record.levelno)
        return "\n".join(f"<{priority}>{line}" for line in self._lines.format(record).split("\n"))


def _priority(level: int) -> int:
    return next((number for least, number in PRIORITIES if level >= least), 7)


def escaped(text: str) -> str:
    """CWE-117: a line of ours is one line, and a terminal is never told what to do."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03}Z"
