"""From kept bytes to what a mail says: few mails in a thread, many in a process of their own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio.to_thread

from mailwicket.failpoint import ENVIRON, failpoint
from mailwicket.flow.reader import PATIENCE_S, Job, Unreadable, read_all, receive, send
from mailwicket.model import IntakeId, Mail, Reason, Sha256, Step
from mailwicket.rules.outcome import Quarantine
from mailwicket.store import journal
from mailwicket.store.inhand import Slot
from mailwicket.store.journal import Kept
from mailwicket.store.raw import RawPlace, disk_error
from mailwicket.store.store import Store

log = logging.getLogger(__name__)

ATTEMPTS_MAX: Final = 2
"""A mail that was in hand at so many deaths or failures is parked; see `store.inhand`."""

MANY_MAILS: Final = 20
MANY_BYTES: Final = 512 * 1024
"""From so much on reading is handed over: less is read sooner than it is told to another process."""

DISTRUST_S: Final = 600
"""So long no process is tried after one died for a reason that is no mail's."""

PLAIN: Final = Job(IntakeId(0), RawPlace("", 0, 0, Sha256("")), b"From: somebody@example.org\r\n\r\nHello\r\n")

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
    dkim: bool | None = None
    """Whether a signature of its author's domain holds; None: not looked at, or nothing to look at."""
    replayed: bool = False
    """It was parked before: a person asked to decide it again."""


class ReaderDiedError(Exception):
    """The process that was reading is gone."""


class Reading:
    """Reads the kept mails of all sources; the process is shared, and who finds it busy reads in a thread."""

    def __init__(self, store: Store) -> None:
        """Read what *store* keeps. Starts nothing yet."""
        self._store = store
        self._process: _ReaderProcess | None = None
        self._busy = False
        self._closed = False
        self._let_go: asyncio.TimerHandle | None = None
        self._distrusted_until = 0.0

    async def read(self, batch: Sequence[Work], slot: Slot) -> list[Read]:
        """Read *batch* in order; what a mail contains never makes this raise.

        Raises:
            StoreError: our disk.
        """
        jobs = [Job(one.kept.intake_id, one.kept.raw, one.raw) for one in batch if one.kept.attempts < ATTEMPTS_MAX]
        said: dict[IntakeId, Mail | Unreadable | None] = {}
        try:
            while jobs:
                try:
                    found = await self._read(jobs, slot)
                except ReaderDiedError as error:
                    if (suspect := await self._suspect(jobs, slot, error)) is not None:
                        said[suspect.intake_id] = await self._try_alone(suspect, slot)
                        jobs.remove(suspect)
                    continue
                said |= zip((job.intake_id for job in jobs), found, strict=True)
                break
        except OSError as error:
            raise disk_error(self._store.raw.directory, error) from error
        return [_told(work.kept, said.get(work.kept.intake_id)) for work in batch]

    async def read_alone(self, work: Work, slot: Slot) -> Read:
        """Read a mail in a process for it alone: whatever it does there ends nobody else's work.

        Raises:
            StoreError: our disk.
        """
        job = Job(work.kept.intake_id, work.kept.raw)
        try:
            process = await anyio.to_thread.run_sync(_started, self._store)
            try:
                (found,) = await anyio.to_thread.run_sync(process.read, [job], slot)
            finally:
                process.end()
        except ReaderDiedError as error:
            log.error("a reader died intake=%s: %s", job.intake_id, error)  # noqa: TRY400 - no bug of ours
            found = None
        except OSError as error:
            raise disk_error(self._store.raw.directory, error) from error
        finally:
            slot.put_down()
        return _told(work.kept, found)

    async def _read(self, jobs: Sequence[Job], slot: Slot) -> list[Mail | Unreadable]:
        many = len(jobs) >= MANY_MAILS or sum(job.place.length for job in jobs) >= MANY_BYTES
        trusted = time.monotonic() >= self._distrusted_until
        if self._busy or not (many and trusted):
            return await anyio.to_thread.run_sync(read_all, jobs, self._store.raw, slot)
        return await self._read_apart([replace(job, raw=None) for job in jobs], slot)

    async def _read_apart(self, jobs: Sequence[Job], slot: Slot) -> list[Mail | Unreadable]:
        self._busy = True
        self._stay()
        try:
            if self._process is None:
                self._process = await anyio.to_thread.run_sync(_started, self._store)
            return await anyio.to_thread.run_sync(self._process.read, jobs, slot)
        except ReaderDiedError:
            self._end_process()
            raise
        finally:
            self._busy = False
            if not self._closed:
                self._let_go = asyncio.get_running_loop().call_later(IDLE_S, self._end_process)

    # --- when a reader dies

    async def _suspect(self, jobs: Sequence[Job], slot: Slot, error: ReaderDiedError) -> Job | None:
        """Return the job that a reader died over, its death counted; None where no mail is to blame.

        A reader that dies over a plain mail, too, dies of something else: nothing is counted, and mails are read here.
        """
        if self._closed:
            await anyio.sleep_forever()  # we ended it ourselves, and are being cancelled
        held = slot.held
        slot.put_down()
        suspect = next((job for job in jobs if job.intake_id == held), None)
        if suspect is None or not await self._reads_a_plain_mail(slot):
            log.error("a reader died: %s; for %s s mails are read in the daemon itself", error, DISTRUST_S)
            self._distrusted_until = time.monotonic() + DISTRUST_S
            return None
        log.error("a reader died intake=%s: %s; that mail is tried once more, alone", held, error)
        await self._store.write(lambda tx: journal.count_attempts(tx, [suspect.intake_id]))
        return suspect

    async def _try_alone(self, suspect: Job, slot: Slot) -> Mail | Unreadable | None:
        """Return what the mail says; None when a second reader died over it."""
        try:
            (found,) = await self._read_apart([replace(suspect, raw=None)], slot)
        except ReaderDiedError as error:
            if self._closed:
                await anyio.sleep_forever()
            slot.put_down()
            log.error("a reader died intake=%s: %s; it is parked", suspect.intake_id, error)  # noqa: TRY400 - no bug of ours
            await self._store.write(lambda tx: journal.count_attempts(tx, [suspect.intake_id]))
            return None
        return found

    async def _reads_a_plain_mail(self, slot: Slot) -> bool:
        try:
            await self._read_apart([PLAIN], slot)
        except ReaderDiedError:
            return False
        return True

    # --- the process

    def close(self) -> None:
        """End the process, if there is one, even in the middle of a batch: nobody is to wait for it."""
        self._closed = True
        self._end_process()

    def _stay(self) -> None:
        if self._let_go is not None:
            self._let_go.cancel()

    def _end_process(self) -> None:
        self._stay()
        if self._process is not None:
            self._process.end()
            self._process = None


def _started(store: Store) -> _ReaderProcess:
    try:
        return _ReaderProcess(store)
    except OSError as error:
        raise ReaderDiedError(f"it could not be started: {error.strerror}") from error


def _told(kept: Kept, said: Mail | Unreadable | None) -> Read:
    if isinstance(said, Mail):
        return Read(kept, said)
    if said is None:
        step = Step("attempts", f"{ATTEMPTS_MAX} died or failed with this mail in hand")
        return Read(kept, None, Quarantine(Reason.FAILED_REPEATEDLY, [step]))
    log.error("mail unreadable intake=%s\n%s", kept.intake_id, said.trace)
    return Read(kept, None, Quarantine(Reason.UNPARSEABLE, [Step("read", f"{said.error} while it was read")]))


class _ReaderProcess:
    """A running `flow.reader` and the socket to it."""

    def __init__(self, store: Store) -> None:
        self._channel, theirs = socket.socketpair()
        # A socket with a timeout of Python's own would not wait for all of a message in one call.
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE_S + 10, 0))
        # -P: nothing is imported from where the daemon happens to be started.
        command = [sys.executable, "-P", "-m", "mailwicket.flow.reader", str(theirs.fileno())]
        where = [str(store.raw.directory.parent), str(store.in_hand.path)]
        environ = {n: value for n, value in os.environ.items() if n != ENVIRON or value.startswith("reader.")}
        try:
            self._child = subprocess.Popen(  # noqa: S603 - ourselves
                [*command, *where],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environ,
                start_new_session=True,
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
