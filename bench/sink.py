"""Postfix's smtp-sink, which takes every mail and forgets it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOOLS = Path(__file__).parents[1] / ".tools" / "postfix"
START_S = 5


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Run one and lend its port."""
    program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or str(TOOLS / "smtp-sink")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "LD_LIBRARY_PATH": str(TOOLS)}
    who = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, *who, f"127.0.0.1:{port}", "1000"], env=environ) as process:
        try:
            _await(port)
            yield port
        finally:
            process.terminate()


def _await(port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
