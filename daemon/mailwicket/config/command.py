"""A command of the admin's whose output is a secret: bounded in time and in bytes, without a shell."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its status, negative for a signal, and what it wrote."""

    status: int
    output: bytes = field(repr=False)


def run(command: Sequence[str], *, limit_bytes: int, limit_s: float) -> Ended:
    """Run *command* and return its standard output, cut after *limit_bytes*, where it is stopped.

    It gets no input and no terminal, and nobody sees its error output: that may hold what nobody may see.
    One that is stopped ends with all that it started, as far as those stayed in its session.

    Raises:
        TimeoutError: it, or one that has its output, did not end within *limit_s* seconds.
        OSError, ValueError: it cannot be started.
    """
    deadline = time.monotonic() + limit_s
    with subprocess.Popen(  # noqa: S603 - the admin's own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            output = _read(process, limit_bytes, deadline)
            if len(output) == limit_bytes:
                return Ended(0, output)
            return Ended(process.wait(max(0, deadline - time.monotonic())), output)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes], limit_bytes: int, deadline: float) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    pipe = process.stdout.fileno()
    poll = select.poll()  # select() takes no file number above 1023
    poll.register(pipe, select.POLLIN)
    output = b""
    while len(output) < limit_bytes:
        if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        got = os.read(pipe, limit_bytes - len(output))
        if not got:
            break
        output += got
    return output
