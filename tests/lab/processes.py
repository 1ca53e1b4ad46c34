"""Processes that a test starts and never leaves behind."""

from __future__ import annotations

import random
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

PORTS = (10_240, 32_768)
"""Below those that Linux takes for connections that go out (`ip_local_port_range`)."""


def mortal(command: Sequence[str]) -> list[str]:
    """Return *command* such that it ends when the process that started it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else list(command)


def until(holds: Callable[[], object], limit_s: float, pause_s: float = 0.02, what: str = "it") -> None:
    """Return when *holds* answers yes.

    Raises:
        TimeoutError: not within *limit_s*.
    """
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {limit_s:g} s")
        time.sleep(pause_s)


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody has at the moment, and that the kernel gives to nobody who asks for any."""
    chance = random.SystemRandom()  # other processes look for ports at the same time
    found: set[int] = set()
    while len(found) < count:
        port = chance.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return list(found)


def greets(port: int, words: bytes) -> bool:
    """Tell whether a server at a loopback port greets with *words*: the listener of one that died does not."""
    with socket.socket() as probe:
        probe.settimeout(5)
        try:
            probe.connect(("127.0.0.1", port))
            return probe.recv(512).startswith(words)
        except OSError:
            return False


@contextmanager
def silent_port() -> Iterator[int]:
    """Hold a loopback port that answers no attempt to connect: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(server.getsockname())
        time.sleep(0.05)
        yield int(server.getsockname()[1])


def side_by_side(jobs: Sequence[Callable[[], None]], at_once: int = 2) -> None:
    """Run *jobs*, *at_once* of them at a time: what waits for a process to start waits for two.

    Raises:
        ExceptionGroup: what went wrong, after all of them ended.
    """
    with ThreadPoolExecutor(at_once) as threads:
        running = [threads.submit(job) for job in jobs]
    failures = [error for error in (job.exception() for job in running) if error is not None]
    if failures:
        raise BaseExceptionGroup("side by side", failures)
