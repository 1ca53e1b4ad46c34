"""How late the daemon's event loop was, less what this machine lets any process wait that wants to run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.daemon import Daemon
from tests.lab.processes import mortal

PERIOD_S = 0.025  # as in service.looplag
CONTROL = f"""
import select, sys, time
worst = 0.0
while not select.select([sys.stdin], [], [], 0)[0]:
    due = time.monotonic() + {PERIOD_S}
    time.sleep({PERIOD_S})
    worst = max(worst, time.monotonic() - due)
print(worst)
"""
FAULT_LAG_S = 0.1
STANDSTILL_S = 0.5
ALONE = "PYTEST_XDIST_WORKER" not in os.environ  # no other test runs beside this one


@contextmanager
def machine() -> Iterator[list[float]]:
    """Measure what a process that does nothing else is late by; the one figure is there when this is over."""
    worst: list[float] = []
    command = mortal([sys.executable, "-S", "-c", CONTROL])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as control:
        try:
            yield worst
        finally:
            told, _ = control.communicate(b"\n", timeout=10)
            worst.append(float(told))


@contextmanager
def lag_watched(daemon: Daemon, what: str) -> Iterator[None]:
    """See to it that the loop of a running daemon does not stand still at a fault inside.

    Where tests run one at a time it is never later than FAULT_LAG_S; beside others only a standstill fails one. What
    the machine lets a lone process wait it may let the loop wait twice: once who has the interpreter, and then the
    loop itself. A loop that was later before, at work on a busy machine, is only not to get worse.
    """
    before_s = daemon.metric("mailwicket_loop_lag_max_seconds")
    with machine() as worst:
        yield
        lag_s = daemon.metric("mailwicket_loop_lag_max_seconds")
    figures = ", ".join(f"{1000 * figure:.0f} ms {of}" for figure, of in ((before_s, "before"), (worst[0], "machine")))
    print(f"{what}: loop lag at most {1000 * lag_s:.0f} ms ({figures}; wanted below {1000 * FAULT_LAG_S:.0f})")
    limit_s = FAULT_LAG_S if ALONE else max(before_s, STANDSTILL_S)
    assert lag_s < limit_s + 2 * worst[0], f"the loop stood still for {lag_s:.3f} s"
