"""How long this machine lets a process wait that wants to run: what the daemon's event loop cannot be blamed for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


class Stall:
    """The machine's own worst so far; known when the watching is over."""

    worst_s = 0.0


@contextmanager
def watched() -> Iterator[Stall]:
    """Measure beside the daemon what a process that does nothing else is late by, in the same way."""
    stall = Stall()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(mortal([sys.executable, "-S", "-c", CONTROL]), **pipes) as control:  # type: ignore[call-overload]
        try:
            yield stall
        finally:
            told, _ = control.communicate(b"\n", timeout=10)
            stall.worst_s = float(told)
