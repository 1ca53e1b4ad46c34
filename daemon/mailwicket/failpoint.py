"""Named places where a test may let the daemon die or its disk fail.

Every commit, network write, file write, sync and rename passes one. Armed by the environment
only (`MAILWICKET_FAILPOINT=NAME:HIT:ACTION`, HIT counted from 1); otherwise a call is one comparison.
Actions: `die` (SIGKILL to ourselves, as a power-off of the process), `eio`, `enospc`, `emfile`, `hang`.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from typing import Final

NAMES: Final = (
    "commit.before",  # the writer's transaction is complete, COMMIT not yet called
    "commit.after",  # COMMIT returned, nobody was told yet
    "segment.write",  # before a batch of raw mails is written
    "segment.sync",  # written, not yet synced
    "segment.synced",  # synced, no row names it yet
    "raw.rename",  # before a large or parked mail gets its final name
    "segment.unlink",  # before a segment or file of its own is reclaimed
    "spool.write",  # before a slice of a large mail is written
    "spool.sync",  # all slices written, not yet synced
    "spool.rename",  # synced, before it gets its final name
    "intake.looked",  # refs were found, nothing noted
    "intake.fetched",  # a batch is in memory, nothing kept
    "intake.in_hand",  # a mail is in hand, about to be read: a death here is counted against it
    "intake.reading",  # a batch was handed to the reader's process
    "reader.in_hand",  # in that process, a mail in hand: a death there is counted against it, and the daemon lives
    "intake.parsed",  # parsed, nothing decided
    "intake.decided",  # inside the transaction that decides, rows written
    "intake.committed",  # tickets are committed, the server's copies untouched
    "intake.settled",  # the server's copies changed, the rows do not say so yet
    "quarantine.decided",  # inside the transaction that decides a parked mail anew, everything written
    "quarantine.retried",  # that is committed; neither its server's copy nor who asked knows
    "desk.created",  # inside the transaction: a ticket was written
    "desk.appended",  # inside the transaction: an entry was written
    "outbox.claimed",  # mails are somebody's, none was begun
    "outbox.submitted",  # the server has the mail, no row says so
    "outbox.noted",  # the row says so
    "tokens.received",  # a server gave a token, perhaps a new refresh token, and nothing is written yet
    "imap.send",  # before any command leaves for the server
    "pop3.send",  # the same, over POP3
    "graph.send",  # before a request leaves for Microsoft Graph
)

ENVIRON: Final = "MAILWICKET_FAILPOINT"
ERRNOS: Final = {"eio": errno.EIO, "enospc": errno.ENOSPC, "emfile": errno.EMFILE}


class _Armed:
    """One armed failpoint and how often it was passed."""

    def __init__(self, spec: str) -> None:
        self.name, hit, self.action = spec.split(":")
        if self.name not in NAMES or self.action not in {"die", "hang", *ERRNOS}:
            raise ValueError(f"MAILWICKET_FAILPOINT: no such failpoint or action: {spec}")
        self.hit = int(hit)
        self.passed = 0
        self.lock = threading.Lock()

    def reached(self) -> bool:
        with self.lock:
            self.passed += 1
            return self.hit in (0, self.passed)


_armed: _Armed | None = None
if _spec := os.environ.get(ENVIRON):
    _armed = _Armed(_spec)


def failpoint(name: str) -> None:
    """Pass the place *name*: nothing happens unless the environment armed it.

    Raises:
        OSError: the armed action is a disk's or descriptor's failure.
    """
    if _armed is None or _armed.name != name or not _armed.reached():
        return
    if _armed.action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if _armed.action == "hang":
        time.sleep(3600)
    number = ERRNOS[_armed.action]
    raise OSError(number, os.strerror(number))
