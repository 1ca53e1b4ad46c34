"""Reads kept mails: in a thread of the daemon, or as a process of its own, `python -m mailwicket.flow.reader`.

The process exists because reading is most of the work on a backlog and the interpreter runs one thread at a time:
there the event loop and the writer go on meanwhile, and a mail that kills its reader kills nothing else. It gets
places of raw mails, not their bytes, and imports little, so that it is there within 0.1 s.
"""

from __future__ import annotations

import pickle
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mailwicket.failpoint import failpoint
from mailwicket.mail.parse import parse
from mailwicket.model import IntakeId, Mail
from mailwicket.store.inhand import Slot
from mailwicket.store.raw import RawPlace, RawStore

PATIENCE_S: Final = 120
"""A batch of a few MiB is read within a second; a reader that hangs ends itself."""

HEADING: Final = struct.Struct("<Q")
"""Before each message on the socket: its length in bytes."""


@dataclass(frozen=True, slots=True)
class Job:
    """One kept mail to read, with its bytes if they are in memory."""

    intake_id: IntakeId
    place: RawPlace
    raw: bytes | bytearray | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a mail cannot be read: a mistake of the reader's that this mail brought to light."""

    error: str
    trace: str


def read_all(jobs: Sequence[Job], raw: RawStore, slot: Slot, *, apart: bool = False) -> list[Mail | Unreadable]:
    """Read the mails of *jobs* in order. Blocking. *apart*: in a process of its own.

    Never raises for what a mail contains.

    Raises:
        OSError: our disk, not a mail.
    """
    found: list[Mail | Unreadable] = []
    for job in jobs:
        slot.take(job.intake_id)
        failpoint("reader.in_hand") if apart else failpoint("intake.in_hand")
        try:
            found.append(_read(job, raw))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a mail must never stop the ones behind it
            found.append(Unreadable(type(error).__name__, traceback.format_exc()))
    slot.put_down()
    return found


def _read(job: Job, raw: RawStore) -> Mail:
    if job.raw is not None:
        return parse(job.raw)
    if job.place.file.endswith(".seg"):
        return parse(raw.read(job.place))
    with raw.map(job.place) as mapped:
        return parse(mapped)


# --- the process ----------------------------------------------------------------------------------------------------


def send(channel: socket.socket, message: object) -> None:
    """Send *message* to the other end. Blocking."""
    told = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    channel.sendall(HEADING.pack(len(told)) + told)


def receive(channel: socket.socket) -> Any:  # noqa: ANN401 - whatever the other end sent; both ends are ours
    """Wait for a message. Blocking, and in one system call: each one more would have to win the interpreter back.

    Raises:
        EOFError: the other end is gone.
    """
    (length,) = HEADING.unpack(_exactly(channel, HEADING.size))
    return pickle.loads(_exactly(channel, length))  # noqa: S301 - from our own process, over a socket that nobody else has


def _exactly(channel: socket.socket, length: int) -> bytearray:
    told = bytearray(length)
    missing = memoryview(told)
    while missing:  # once, unless a signal or a debugger comes between
        received = channel.recv_into(missing, 0, socket.MSG_WAITALL)
        if not received:
            raise EOFError
        missing = missing[received:]
    return told


def main(fd: int, state_dir: Path, in_hand: Path) -> None:
    """Answer every list of jobs with what they say, until the daemon is gone."""
    for number in (signal.SIGTERM, signal.SIGINT):  # systemd and Ctrl-C mean the daemon; the end of the socket means us
        signal.signal(number, signal.SIG_IGN)
    raw = RawStore(state_dir)
    channel = socket.socket(fileno=fd)
    while True:
        try:
            offset, jobs = receive(channel)
        except (EOFError, ConnectionError):
            return
        signal.alarm(PATIENCE_S)
        try:
            answer: object = read_all(jobs, raw, Slot.of_file(in_hand, offset), apart=True)
        except OSError as error:
            answer = error
        signal.alarm(0)
        try:
            send(channel, answer)
        except ConnectionError:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
