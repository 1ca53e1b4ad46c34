"""Host names to addresses, in a few threads of our own: getaddrinfo(3) cannot be cancelled, so nobody waits with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohappyeyeballs import AddrInfoType

THREADS_MAX: Final = 8
"""So many names are looked up at a time, whatever hangs."""

DOUBTFUL_MAX: Final = 6
"""Of these so many for names that were not found quickly before: the others are for those that were."""

SLOW_S: Final = 1.0
"""A resolver asks its second server after five seconds (resolv.conf(5)); one that is well answers in a fraction."""

REMEMBERED: Final = 1000
"""Names whose speed is remembered; a configuration has fewer."""

QUICK, UNKNOWN, SLOW = range(3)

Lookup = Callable[[str], Sequence[AddrInfoType]]
"""Answers as getaddrinfo does, or raises OSError. Blocking."""


def _ask_the_system(host: str) -> Sequence[AddrInfoType]:
    return socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)


@dataclass(eq=False, slots=True)
class _Job:
    """One name that is being looked up, and who waits for it."""

    host: str
    speed: int
    waiting: set[asyncio.Future[Any]] = field(default_factory=set)
    runs: bool = False


class Names:
    """Looks names up; the same name at the same time once. Serves any event loop of the process.

    A lookup that nobody waits for any more is forgotten: at once while it queues, when it ends while it runs. Its
    thread holds up neither a stop nor the end of the process.
    """

    def __init__(self, lookup: Lookup = _ask_the_system) -> None:
        """Ask *lookup*, in at most THREADS_MAX threads that end when there is nothing to ask."""
        self._lookup = lookup
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._queue: list[_Job] = []
        self._threads = 0
        self._doubtful = 0
        self._speeds: dict[str, int] = {}

    async def addresses(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """Return where *host* listens on TCP *port*, best first (RFC 6724). The caller sets the deadline.

        Raises:
            OSError: there is no such name, or nobody can tell; in the system's words.
        """
        with contextlib.suppress(OSError, UnicodeError):  # an address needs no thread
            return socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            )
        waiter = asyncio.get_running_loop().create_future()
        job = self._join(host, waiter)
        try:
            found, failure = await waiter
        finally:
            self._leave(job, waiter)
        if failure is not None:
            raise type(failure)(*failure.args)  # one of its own for each who waits
        return [(*rest, (address[0], port, *address[2:])) for *rest, address in found]

    def _join(self, host: str, waiter: asyncio.Future[Any]) -> _Job:
        with self._lock:
            job = self._jobs.get(host)
            if job is None:
                job = self._jobs[host] = _Job(host, self._speeds.get(host, UNKNOWN))
                self._queue.append(job)
            job.waiting.add(waiter)
            if not job.runs and self._threads < THREADS_MAX and self._may_run(job):
                with contextlib.suppress(RuntimeError):  # no thread can be had now: the next who comes tries again
                    threading.Thread(target=self._work, name="mailwicket-dns", daemon=True).start()
                    self._threads += 1
            return job

    def _leave(self, job: _Job, waiter: asyncio.Future[Any]) -> None:
        with self._lock:
            job.waiting.discard(waiter)
            if job.waiting or self._jobs.get(job.host) is not job:
                return
            if job.runs:
                self._remember(job.host, SLOW)  # nobody had the patience
            else:
                del self._jobs[job.host]
                self._queue.remove(job)

    def _may_run(self, job: _Job) -> bool:
        return job.speed == QUICK or self._doubtful < DOUBTFUL_MAX

    def _remember(self, host: str, speed: int) -> None:
        if len(self._speeds) >= REMEMBERED:
            self._speeds.clear()
        self._speeds[host] = speed

    # --- in the threads ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._next()) is not None:
            begun_at = time.monotonic()
            outcome = self._answer(job.host)
            self._end(job, outcome, time.monotonic() - begun_at)

    def _next(self) -> _Job | None:
        """Take the job that is likely to end soonest, the oldest among equals; None ends the thread."""
        with self._lock:
            ready = [job for job in self._queue if self._may_run(job)]
            if not ready:
                self._threads -= 1
                return None
            job = min(ready, key=lambda one: one.speed)
            self._queue.remove(job)
            self._doubtful += job.speed != QUICK
            job.runs = True
            return job

    def _answer(self, host: str) -> tuple[Sequence[AddrInfoType], OSError | None]:
        try:
            found = self._lookup(host)
        except OSError as error:
            return (), error
        except UnicodeError:  # of Python's own IDNA, which comes before the system is asked
            return (), socket.gaierror(socket.EAI_NONAME, "no name that DNS can hold")
        except Exception as error:  # noqa: BLE001 - a thread that died would be missing for ever
            return (), socket.gaierror(socket.EAI_FAIL, f"{type(error).__name__} in the resolver")
        return (found, None) if found else ((), socket.gaierror(socket.EAI_NONAME, "the name has no address"))

    def _end(self, job: _Job, outcome: tuple[Sequence[AddrInfoType], OSError | None], taken_s: float) -> None:
        with self._lock:
            del self._jobs[job.host]
            self._doubtful -= job.speed != QUICK
            self._remember(job.host, QUICK if taken_s < SLOW_S else SLOW)
            waiting = list(job.waiting)
        for waiter in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                waiter.get_loop().call_soon_threadsafe(_tell, waiter, outcome)


def _tell(waiter: asyncio.Future[Any], outcome: tuple[Sequence[AddrInfoType], OSError | None]) -> None:
    if not waiter.done():
        waiter.set_result(outcome)


SYSTEM: Final = Names()
"""The one of this process: its bound on threads is for all."""
