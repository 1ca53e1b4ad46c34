"""What systemd is told about us: ready, reloading, stopping, alive, and one line for `systemctl status`.

The protocol is sd_notify(3): datagrams of `NAME=value` lines to a unix socket. Twenty lines of our own, as the
package for it is unmaintained and libsystemd has no wheel.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Final

import anyio

from mailwicket.redact import REDACTOR
from mailwicket.service.logs import escaped

log = logging.getLogger(__name__)

BEAT_S: Final = 1.0
"""So often a status that changed is told, and what the socket did not take is tried again."""

STATUS_BYTES: Final = 1000
"""systemd drops a datagram above 4096 bytes (PIPE_BUF) as a whole."""

UNSENT_MAX: Final = 16
"""A socket that takes nothing for so many changes of state has nobody behind it."""


class Notifier:
    """Tells systemd, or nobody where we were not started by it. Never waits, never raises.

    A state that the socket does not take is told at the next beat of `keep_alive`, in order.
    """

    def __init__(self, environ: MutableMapping[str, str], pid: int | None = None) -> None:
        """Take what systemd left in *environ* out of it: a child that spoke to this socket would speak for us."""
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environ, os.getpid() if pid is None else pid)
        """Seconds between two signs of life, half of what systemd waits; None where it does not wait for any."""
        self._unsent: deque[str] = deque(maxlen=UNSENT_MAX)
        self._socket: socket.socket | None = None
        self._lost = False
        self._status = ""
        if self._address is None:
            self.watchdog_s = None

    def ready(self, status: str) -> None:
        """Started, or reloaded, with or without success: the service works as *status* says."""
        self._status = status
        self._tell(f"READY=1\n{_status(status)}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it. systemd 253 and later compare the time with that of their signal."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, limit_s: float) -> None:
        """The stop has begun and ends within *limit_s* seconds: more than the unit's `TimeoutStopSec` is granted."""
        self._status = "stopping"
        self._tell(f"STOPPING=1\n{_extension(limit_s)}\n{_status(self._status)}")

    def extend_timeout(self, limit_s: float) -> None:
        """Starting, reloading or stopping takes up to *limit_s* seconds from now on."""
        self._tell(_extension(limit_s))

    def status(self, text: str) -> None:
        """Say *text* in `systemctl status`, where it differs from what was said last."""
        if text != self._status:
            self._status = text
            self._tell(_status(text))

    def watchdog(self) -> None:
        """We are alive. Worth nothing later: not kept where the socket does not take it."""
        if self._address is not None and self._flushed():
            self._sent("WATCHDOG=1")

    def close(self) -> None:
        """Let the socket go; who tells something after that opens it anew."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def keep_alive(self, describe: Callable[[], str] | None = None) -> None:
        """Tell that the event loop turns, and what *describe* answers, until cancelled.

        Returns at once where nobody is told.
        """
        if self._address is None:
            return
        due = time.monotonic()
        beat_s = min(BEAT_S, self.watchdog_s or BEAT_S)
        while True:
            if self.watchdog_s is not None and time.monotonic() >= due:
                self.watchdog()
                due = time.monotonic() + self.watchdog_s - beat_s  # a beat early: half of the limit is the latest
            if describe is not None:
                self.status(describe())
            self._flushed()
            await anyio.sleep(beat_s)

    def _tell(self, message: str) -> None:
        if self._address is None:
            return
        if self._unsent and message.startswith("STATUS=") and self._unsent[-1].startswith("STATUS="):
            self._unsent.pop()  # only the latest is of interest
        self._unsent.append(message)
        self._flushed()

    def _flushed(self) -> bool:
        """Send what was not taken so far, in order; tell whether nothing is left."""
        while self._unsent and self._sent(self._unsent[0]):
            self._unsent.popleft()
        return not self._unsent

    def _sent(self, message: str) -> bool:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.settimeout(0)
            self._socket.sendto(message.encode("utf-8", "replace"), self._address or "")
        except OSError as error:  # full, or nobody is there: systemd starts itself anew at its own upgrade
            if not self._lost:
                log.warning("systemd does not listen (%s); it is told again every second", error.strerror or error)
            self._lost = True
            return False
        if self._lost:
            self._lost = False
            log.info("systemd listens again")
        return True


def _address(told: str) -> str | None:
    """Return the socket's address for Python; None where there is none that we can speak to."""
    if told.startswith("@"):
        return f"\0{told[1:]}"
    if told and not told.startswith("/"):
        log.warning("NOTIFY_SOCKET is of a kind that is not known here; systemd is told nothing")
        return None
    return told or None


def _watchdog_s(environ: MutableMapping[str, str], pid: int) -> float | None:
    """sd_watchdog_enabled(3): the limit, if it is ours to keep."""
    limit, whose = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not (limit.isascii() and limit.isdigit() and 0 < len(limit) < 20 and int(limit)) or whose not in {"", str(pid)}:
        return None
    return int(limit) / 2_000_000


def _status(text: str) -> str:
    """One line of printable text, without secrets, within the bounds of a datagram."""
    line = escaped(REDACTOR.clean(" ".join(text.split())))
    return "STATUS=" + line.encode("utf-8", "replace")[:STATUS_BYTES].decode("utf-8", "ignore")


def _extension(limit_s: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={round(limit_s * 1_000_000)}"
