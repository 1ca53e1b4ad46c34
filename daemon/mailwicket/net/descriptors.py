"""Files and sockets that the process may still open: connections leave some for the store, the log and the admin."""

from __future__ import annotations

import errno
import os
import resource
from typing import Final

from mailwicket.errors import is_shortage

KEPT_BACK: Final = 24
"""For raw files and directories, a reader's process, a few requests of the admin, names that are looked up."""

KEPT_BACK_SHARE: Final = 3
"""Of few descriptors no more than a third."""


class TooManyFilesError(OSError):
    """No connection may be opened: the store needs what descriptors are left."""

    def __init__(self, limit: int) -> None:
        """*limit* is what the system grants."""
        super().__init__(
            errno.EMFILE,
            f"too many open files: of {limit} that the system allows, the last {_kept_back(limit)} are not for "
            "connections; raise LimitNOFILE (systemd) or ulimit -n, at run time with prlimit --nofile",
        )


def limit_now() -> int:
    """Return how many descriptors the process may have; it may be changed from outside at any time."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def check(number: int) -> None:
    """Say whether a connection may have the new descriptor *number*: the system gives out the lowest free one.

    Raises:
        TooManyFilesError: those below are taken, and what is left is kept back.
    """
    limit = limit_now()
    if number >= limit - _kept_back(limit):
        raise TooManyFilesError(limit)


def check_room() -> None:
    """Say whether a connection could be opened now, before anything is spent on it.

    Raises:
        TooManyFilesError: it could not.
    """
    try:
        number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if not is_shortage(error):
            raise
        raise TooManyFilesError(limit_now()) from error
    os.close(number)
    check(number)


def has_room() -> bool:
    """Tell whether a connection could be opened now."""
    try:
        check_room()
    except TooManyFilesError:
        return False
    return True


def _kept_back(limit: int) -> int:
    return min(KEPT_BACK, limit // KEPT_BACK_SHARE)
