"""From kept bytes to what a mail says: few mails in a thread, many in a process of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio.to_thread

from mailwicket.failpoint import ENVIRON, failpoint
from mailwicket.flow.reader import Job, Unreadable, read_all, receive, send
from mailwicket.model import IntakeId, Mail, Reason, Step
from mailwicket.rules.decide import Quarantine
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Kept
from mailwicket.store.raw import disk_error
from mailwicket.store.store import Store

log = logging.getLogger(__name__)

ATTEMPTS_MAX: Final = 2
"""A mail that was in hand at so many deaths or failures is parked; see `store.inhand`."""

MANY_MAILS: Final = 20
MANY_BYTES: Final = 512 * 1024
"""From so much on reading is handed over: less is read sooner than it is told to another process."""

PATIENCE_S: Final = 120
"""A batch of a few MiB is read within a second; a reader that does not answer is ended."""

IDLE_S: Final = 60.0
"""So long without a backlog, and the process is let go."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kept mail to decide, with its bytes if they are in memory."""

    kept: Kept
    raw: bytes | bytearray | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What a kept mail says, or why it is parked unread."""

    kept: Kept
    mail: Mail | None
    unread: Quarantine | None = None


class ReaderDiedError(Exception):
    """The process that was reading is gone."""


class Reading:
    """Reads the kept mails of all sources; the process is shared, and who finds it busy reads in a thread."""

    def __init__(self, store: Store) -> None:
        """Read what *store* keeps. Starts nothing yet."""
        self._store = store
        self._process: _ReaderProcess | None = None
        self._busy = False
        self._let_go: asyncio.TimerHandle | None = None

    async def read(self, batch: Sequence[Work], slot: Slot) -> list[Read]:
        """Read *batch* in order; what a mail contains never makes this raise.

        Raises:
            StoreError: our disk.
        """
        attempts = {work.kept.intake_id: work.kept.attempts for work in batch}
        apart = True
        while True:
            jobs = [
                Job(work.kept.intake_id, work.kept.raw, work.raw)
                for work in batch
                if attempts[work.kept.intake_id] < ATTEMPTS_MAX
            ]
            try:
                found = await self._read(jobs, slot, apart=apart)
            except ReaderDiedError as error:
                apart = await self._count_attempt(slot, attempts, error)
                continue
            except OSError as error:
                raise disk_error(self._store.raw.directory, error) from error
            said = dict(zip((job.intake_id for job in jobs), found, strict=True))
            return [_told(work.kept, said.get(work.kept.intake_id), attempts[work.kept.intake_id]) for work in batch]

    async def _read(self, jobs: Sequence[Job], slot: Slot, *, apart: bool) -> list[Mail | Unreadable]:
        many = len(jobs) >= MANY_MAILS or sum(job.place.length for job in jobs) >= MANY_BYTES
        if self._busy or not (many and apart):
            return await anyio.to_thread.run_sync(read_all, jobs, self._store.raw, slot)
        self._busy = True
        if self._let_go is not None:
            self._let_go.cancel()
        try:
            if self._process is None:
                self._process = await anyio.to_thread.run_sync(_started, self._store)
            return await anyio.to_thread.run_sync(self._process.read, [replace(job, raw=None) for job in jobs], slot)
        except ReaderDiedError:
            self.close()
            raise
        finally:
            self._busy = False
            self._let_go = asyncio.get_running_loop().call_later(IDLE_S, self.close)

    async def _count_attempt(self, slot: Slot, attempts: dict[IntakeId, int], error: ReaderDiedError) -> bool:
        """Count the reader's death against the mail that it had in hand; False if it had none."""
        culprit = slot.held
        slot.put_down()
        if culprit is None:
            log.error("a reader died: %s; its mails are read here", error)
            return False
        log.error("a reader died intake=%s: %s; its mails are read again", culprit, error)
        attempts[culprit] += 1
        await self._store.write(lambda tx: journal.count_attempts(tx, [culprit]))
        return True

    def close(self) -> None:
        """End the process, if there is one."""
        if self._let_go is not None:
            self._let_go.cancel()
        if self._process is not None:
            self._process.end()
            self._process = None


def _started(store: Store) -> _ReaderProcess:
    try:
        return _ReaderProcess(store)
    except OSError as error:
        raise ReaderDiedError(f"it could not be started: {error.strerror}") from error


def _told(kept: Kept, said: Mail | Unreadable | None, attempts: int) -> Read:
    if isinstance(said, Mail):
        return Read(kept, said)
    if said is None:
        step = Step("attempts", f"{attempts} died or failed with this mail in hand")
        return Read(kept, None, Quarantine(Reason.FAILED_REPEATEDLY, [step]))
    log.error("mail unreadable intake=%s\n%s", kept.intake_id, said.trace)
    return Read(kept, None, Quarantine(Reason.UNPARSEABLE, [Step("read", f"{said.error} while it was read")]))


class _ReaderProcess:
    """A running `flow.reader` and the socket to it."""

    def __init__(self, store: Store) -> None:
        self._channel, theirs = socket.socketpair()
        # A socket with a timeout of Python's own would not wait for all of a message in one call.
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE_S, 0))
        command = [sys.executable, "-m", "mailwicket.flow.reader", str(theirs.fileno())]
        where = [str(store.raw.directory.parent), str(store.in_hand.path)]
        environ = {n: value for n, value in os.environ.items() if n != ENVIRON or value.startswith("reader.")}
        try:
            self._child = subprocess.Popen(  # noqa: S603 - ourselves
                [*command, *where], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environ
            )
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()

    def read(self, jobs: Sequence[Job], slot: Slot) -> list[Mail | Unreadable]:
        """Have *jobs* read there. Blocking.

        Raises:
            ReaderDiedError: it did not answer; *slot* tells what it had in hand.
            OSError: our disk.
        """
        try:
            send(self._channel, (slot.offset, jobs))
            failpoint("intake.reading")
            answer: Any = receive(self._channel)
        except (OSError, EOFError) as error:
            raise ReaderDiedError(str(error) or "it closed the socket") from error
        if isinstance(answer, OSError):
            raise answer
        found: list[Mail | Unreadable] = answer
        return found

    def end(self) -> None:
        """Close the socket, by which it ends; or end it."""
        self._channel.close()
        self._child.kill()
        self._child.wait()
