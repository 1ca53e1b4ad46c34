"""A listening socket when no descriptor is left: the event loop says so 128 times a second, with a traceback each."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from mailwicket.errors import is_shortage

log = logging.getLogger(__name__)

BACKLOG: Final = 32
"""Connections that wait to be taken. asyncio tries and fails so often in a row; a few admins and a scraper ask us."""

SILENCE_S: Final = 60.0


class ShortageHandler:
    """Handles what the event loop has to say: a shortage of descriptors in one line a minute, all else as before."""

    def __init__(self) -> None:
        """Nothing was said."""
        self._silent_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take a *context* of `loop.call_exception_handler`."""
        if not is_shortage(context.get("exception")):
            loop.default_exception_handler(context)
        elif loop.time() >= self._silent_until:
            self._silent_until = loop.time() + SILENCE_S
            log.error("http: too many open files, requests wait; raise LimitNOFILE (systemd) or ulimit -n")
