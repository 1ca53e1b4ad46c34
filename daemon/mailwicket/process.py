"""The daemon as a process: its signals, and a stop that takes no longer than it may."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from mailwicket.app import Daemon

log = logging.getLogger(__name__)

GRACE_S: Final = 5
"""So much longer than for ourselves systemd is to wait for our end."""


async def run_until_signalled(daemon: Daemon) -> None:
    """Run *daemon* until SIGTERM or SIGINT, then stop in order within `stop_timeout_s`; SIGHUP reloads."""
    patience = Patience(daemon)
    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(_serve_signals, tasks, daemon, patience)  # who is answered may stop us, in order
            await daemon.run()
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is to be read again any more
        with anyio.CancelScope(shield=True):
            await daemon.close()
        patience.end()
        log.info("mailwicket stopped")


class Patience:
    """Ends the process when an orderly stop takes longer than `stop_timeout_s`."""

    def __init__(self, daemon: Daemon) -> None:
        """Watch the stop of *daemon*; it begins later."""
        self._daemon = daemon
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """The stop begins now."""
        if self._timer is None:
            self._timer = threading.Timer(self._daemon.settings.daemon.stop_timeout_s, self._give_up)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """It came to its end in time."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        """A thread hangs in a system call: end all the same, and let no mail be blamed for that."""
        log.error("not stopped within stop_timeout_s; what was begun goes on at the next start")
        self._daemon.store.in_hand.put_all_down()
        logging.shutdown()
        os._exit(1)


async def _serve_signals(
    tasks: TaskGroup, daemon: Daemon, patience: Patience, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP:
                daemon.request_reload()
            else:
                log.info("stopping signal=%s", signal.Signals(number).name)
                daemon.notifier.stopping(daemon.settings.daemon.stop_timeout_s + GRACE_S)
                patience.begin()
                tasks.cancel_scope.cancel()
