"""One fact a line: for people on a terminal, JSON otherwise. Control characters of mail never reach the terminal."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from contextlib import suppress
from typing import Final, TextIO

GATHER_S: Final = 0.1
"""Lines of this time go out together: a write gives the interpreter's lock away, and a backlog has a line a mail."""


def set_up(level: str, log_format: str) -> None:
    """Send every log line to standard error; *log_format* is `auto`, `console` or `json`."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    root = logging.getLogger()
    for before in root.handlers:
        before.close()
    handler = GatheringHandler(sys.stderr)
    handler.setFormatter(ConsoleFormatter() if console else JsonFormatter())
    root.handlers = [handler]
    root.setLevel(level.upper())
    # The library formats whole literals and tokens for its debug log.
    logging.getLogger("aioimaplib").setLevel(logging.ERROR)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class GatheringHandler(logging.Handler):
    """Writes lines in order, from a thread of its own: a slow disk or reader of the log holds nobody up."""

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*."""
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []
        self._writing = threading.Lock()
        self._wanted = threading.Event()
        self._urgent = threading.Event()
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take one line; a warning or worse is not left to wait for others."""
        try:
            self._lines.append(self.format(record))
        except Exception:  # noqa: BLE001 - logging's own convention: a bad line harms nobody
            self.handleError(record)
            return
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


class ConsoleFormatter(logging.Formatter):
    """For a person: time, level, what happened."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        line = f"{_timestamp(record.created)} {record.levelname.lower():<8} {escaped(record.getMessage())}"
        if record.exc_info:
            trace = self.formatException(record.exc_info).split("\n")
            line = "\n".join([line, *map(escaped, trace)])
        return line


def escaped(text: str) -> str:
    """CWE-117: a line of ours is one line, and a terminal is never told what to do."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03}Z"
