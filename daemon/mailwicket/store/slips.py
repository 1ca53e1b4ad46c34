"""What is being handed to an outgoing server, in a file beside the database: a line when it begins, one when it ended.

The database is told of many mails at once, which costs one sync for all; until then these lines are what a daemon that
died leaves behind. They are written and not synced: a process that dies has written them all the same. After a death of
the whole machine they are not believed, and every mail that was claimed then may have been taken.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from mailwicket.outgoing import RecipientStatus
from mailwicket.store.attempts import Attempt
from mailwicket.store.outbox import OutboxId, SentAs
from mailwicket.store.raw import disk_error
from mailwicket.timestamp import timestamp

DIRECTORY: Final = "slips"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Slip:
    """One connection's file."""

    def __init__(self, path: Path, server: str, boot: str) -> None:
        """Begin the file *path* of a connection to *server*.

        Raises:
            StoreError: the disk refuses.
        """
        self._path = path
        self._lines: list[str] = []
        """Lines that wait for the next one."""
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise disk_error(path, error) from error
        self._heading = f"{_ENCODE([boot, server])}\n".encode()
        self._write(self._heading)

    def begin(self, mail: OutboxId, sent_as: SentAs) -> None:
        """Note that *mail* is handed over from now on.

        Raises:
            StoreError: the disk refuses.
        """
        self._lines.append(f'["begin",{mail},{_written(sent_as)}]')
        self.flush()

    def end(self, mail: OutboxId, attempt: Attempt) -> None:
        """Note how it ended; written with what begins next, or by `flush`.

        Whoever dies before has it begun and not ended: one mail, as it would be if he had died a moment earlier.
        """
        statuses = {address: [one.code, one.text, one.enhanced] for address, one in attempt.statuses.items()}
        told = [attempt.outcome, timestamp(attempt.next_attempt), attempt.said, statuses, attempt.counted]
        self._lines.append(_ENCODE(["end", mail, told]))

    def flush(self) -> None:
        """Write what is not written yet.

        Raises:
            StoreError: the disk refuses.
        """
        if self._lines:
            lines, self._lines = self._lines, []
            self._write("".join(f"{line}\n" for line in lines).encode())

    def clear(self) -> None:
        """The database knows it all."""
        self._lines.clear()
        with suppress(OSError):  # to be told twice changes nothing
            os.ftruncate(self._fd, len(self._heading))

    def close(self) -> None:
        """The connection is over; what is not cleared is found by who takes over."""
        os.close(self._fd)

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._fd, line)
        except OSError as error:
            raise disk_error(self._path, error) from error


@lru_cache(maxsize=32)
def _written(sent_as: SentAs) -> str:
    return _ENCODE(sent_as)


class Left:
    """What one file says that a daemon left behind."""

    def __init__(self, path: Path, boot: str) -> None:
        """Read *path*; a last line that is torn was not said."""
        self.server = ""
        self.begun: dict[OutboxId, SentAs] = {}
        """Mails of which nobody knows how it ended."""
        self.ended: list[tuple[OutboxId, Attempt]] = []
        self.is_believed = False
        """Whether the machine has run on since."""
        for position, told in enumerate(_lines(path)):
            if position == 0:
                self.is_believed, self.server = told[0] == boot, told[1]
            elif told[0] == "begin":
                self.begun[OutboxId(told[1])] = SentAs(*told[2])
            else:
                mail = OutboxId(told[1])
                attempt = replace(self._attempt(*told[2]), sent_as=self.begun.pop(mail, None))
                self.ended.append((mail, attempt))

    def _attempt(self, outcome: str, at: str, said: str, statuses: dict[str, list[Any]], counted: bool) -> Attempt:  # noqa: FBT001 - as it stands in the file
        found = {address: RecipientStatus(*told) for address, told in statuses.items()}
        return Attempt(self.server, outcome, datetime.fromisoformat(at), said, found, counted)


def _lines(path: Path) -> Iterator[list[Any]]:
    with suppress(ValueError, OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


class Slips:
    """The files of one store."""

    def __init__(self, state_dir: Path) -> None:
        """Keep them below *state_dir*.

        Raises:
            OSError: the disk refuses.
        """
        self._directory = state_dir / DIRECTORY
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._boot = ""
        with suppress(OSError):
            self._boot = BOOT_ID.read_text(encoding="ascii").strip()

    def open(self, server: str, number: int) -> tuple[Slip, Slip]:
        """Begin the files of the connection *number* to *server*: of the mails in hand, and of those before.

        Raises:
            StoreError: the disk refuses.
        """
        one, other = (Slip(self._directory / f"{server}.{number}{side}", server, self._boot) for side in "ab")
        return one, other

    def servers(self) -> list[str]:
        """Return the servers of which something is left."""
        return sorted({path.name.partition(".")[0] for path in self._directory.iterdir()})

    def left(self, server: str) -> list[Left]:
        """Return what somebody left behind who sent by *server*, the oldest batch first."""
        return [Left(path, self._boot) for path in self._of(server)]

    def clear(self, server: str) -> None:
        """The database knows it all."""
        for path in self._of(server):
            path.unlink(missing_ok=True)

    def _of(self, server: str) -> list[Path]:
        return sorted(self._directory.glob(f"{server}.*"))
