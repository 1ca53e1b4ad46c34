"""What the process takes of the machine, arranged before the work begins."""

from __future__ import annotations

import gc
import logging
import resource
from typing import Final

log = logging.getLogger(__name__)

PER_MAILBOX: Final = 1
"""File descriptors of a mailbox that idles; two for a moment while its name is tried at two addresses."""

BESIDES: Final = 128
"""Database, raw mail, a large mail on disk, the endpoint and who asks it, threads' pipes: measured 30, with room."""


def arrange(mailboxes: int) -> None:
    """Take all descriptors that we may have, and say so if they are too few; keep what is there out of collections.

    A collection that walks through all modules and configuration holds up the event loop for 60 ms.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = mailboxes * PER_MAILBOX + BESIDES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        log.warning(
            "%s mailboxes need about %s open files and the limit is %s: some will not connect; "
            "raise it (systemd: LimitNOFILE=)",
            mailboxes, wanted, hard,
        )  # fmt: skip
    gc.freeze()
