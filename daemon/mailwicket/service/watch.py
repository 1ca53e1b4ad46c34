"""Tells when a directory's files may have changed, whatever an editor, a package manager or Kubernetes does to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from watchfiles import awatch

log = logging.getLogger(__name__)

STEP_MS: Final = 100
"""How often the library's thread looks at what the kernel told it: each look takes the interpreter's lock."""

SWEEP_S: Final = 2.0
"""The kernel does not tell of a directory that is replaced, nor of a file that a link in it points to: look as well."""

Signature = tuple[tuple[str, int, int, int], ...]


class Watch:
    """Watches the directory, not its files: a watch on a file ends with the first rename over it."""

    def __init__(self, directory: Path, on_change: Callable[[], None]) -> None:
        """Call *on_change* on the event loop whenever something in *directory* may be new. Also when nothing is."""
        self._directory = directory
        self._on_change = on_change

    async def run(self) -> None:
        """Watch until cancelled; a directory that goes away is waited for."""
        known = await self._signature()
        while True:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen)
                directory = known[:1]
                while known[:1] == directory:
                    await anyio.sleep(SWEEP_S)
                    now = await self._signature()
                    if now != known:
                        known = now
                        self._on_change()
                tasks.cancel_scope.cancel()  # it is another directory now: listen to that one

    async def _listen(self) -> None:
        """Hear the kernel's events as long as there are any to be had."""
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_set_when_cancelled, stop)  # the library's thread sees this within a step, else after 5 s
            while True:
                try:
                    watched = awatch(
                        self._directory, watch_filter=None, step=STEP_MS, debounce=STEP_MS, stop_event=stop
                    )
                    async for _ in watched:
                        self._on_change()
                except (OSError, RuntimeError) as error:  # gone, or no more watches: the sweep goes on by itself
                    log.debug("conf.d cannot be watched: %s", error)
                await anyio.sleep(SWEEP_S)

    async def _signature(self) -> Signature:
        return await anyio.to_thread.run_sync(signature_of, self._directory)


async def _set_when_cancelled(stop: anyio.Event) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


def signature_of(directory: Path) -> Signature:
    """Return what tells by metadata whether *directory*, first, or its files are others. Blocking.

    Links are followed: they lead to files that the kernel does not tell of.
    """
    try:
        stat = directory.stat()
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
    except OSError:
        return ()
    return ((str(directory), stat.st_dev, stat.st_ino, 0), *map(_signature_of_file, paths))


def _signature_of_file(path: Path) -> tuple[str, int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return path.name, 0, 0, 0
    return path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns
