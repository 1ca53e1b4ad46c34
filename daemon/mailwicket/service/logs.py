"""One fact a line: for people on a terminal, JSON otherwise. Control characters of mail never reach the terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def set_up(level: str, log_format: str) -> None:
    """Send every log line to standard error; *log_format* is `auto`, `console` or `json`."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        _escape,
    ]
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=True)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # The library formats whole literals and tokens for its debug log.
    logging.getLogger("aioimaplib").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _escape(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """CWE-117: a line of ours is one line, and a terminal is never told what to do."""
    text = str(event["event"])
    if not text.isprintable():
        event["event"] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return event
