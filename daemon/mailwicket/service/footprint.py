"""What the process takes of the machine, and when it tidies up."""

from __future__ import annotations

import gc
import logging
import resource
from typing import Final

import anyio

log = logging.getLogger(__name__)

FILES_BESIDE: Final = 128
"""Open files beside one for each mailbox: database, raw mail, the endpoint, a process that reads. Measured: 30."""

YOUNG_OBJECTS: Final = 5_000
"""A collection looks through so many new objects at a time: 2 ms."""

SETTLED_S: Final = 60.0
"""So long after the start what lives is taken to live on."""


def arrange(mailboxes: int) -> None:
    """Have enough open files and few collections; call it when all is imported and made.

    Every object that lives is walked through by a full collection: with a thousand mailboxes 0.1 s, in which the event
    loop stands still. So what the program itself consists of is left out from now on.
    """
    _take_files(mailboxes)
    gc.set_threshold(YOUNG_OBJECTS, 50, 20)
    gc.freeze()


async def settle() -> None:
    """Leave out of collections what the mailboxes hold, too, once they have connected."""
    await anyio.sleep(SETTLED_S)
    gc.freeze()


def _take_files(mailboxes: int) -> None:
    """Raise the limit of open files as far as we may; say so if that is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = mailboxes + FILES_BESIDE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        log.warning(
            "%s mailboxes want %s open files, and %s are allowed: some will not connect until the limit is raised "
            "(systemd: LimitNOFILE=)", mailboxes, wanted, hard,
        )  # fmt: skip
