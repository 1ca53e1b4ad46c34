"""Names of a backup's own for raw files: what is reclaimed meanwhile stays readable until it is copied."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mailwicket.errors import ConflictError, MailwicketError

DIRECTORY: Final = "backup"
"""Below the state directory; empty but for the time of a backup."""


class Links:
    """Hard links to the raw files of a store, in a directory that is locked for one backup."""

    def __init__(self, state_dir: Path) -> None:
        """Link into `state_dir/backup`, which exists and is ours."""
        self.directory = state_dir / DIRECTORY
        self._raw = state_dir / "raw"

    def catch_all(self) -> None:
        """Link every raw file that is there now and was not linked before.

        Raises:
            OSError: they cannot be listed or linked.
        """
        if self._raw.is_dir():
            names = [path.name for path in self._raw.iterdir() if path.suffix in {".seg", ".eml"}]
            self.catch(name for name in names if not name.startswith("."))

    def catch(self, names: Iterable[str]) -> list[str]:
        """Link the raw files *names*; return those that there are not.

        Raises:
            OSError: they cannot be linked.
        """
        missing = []
        for name in names:
            try:
                os.link(self._raw / name, self.directory / name)
            except FileExistsError:
                continue
            except FileNotFoundError:
                missing.append(name)
        return missing


@contextmanager
def linked(state_dir: Path) -> Iterator[Links]:
    """Lend the directory for the time of one backup; it is empty before and after.

    Raises:
        ConflictError: another backup has it.
        MailwicketError: the state directory does not let us.
    """
    directory = state_dir / DIRECTORY
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:  # the daemon is to clear away what a death of ours leaves
            owner = state_dir.stat()
            os.chown(directory, owner.st_uid, owner.st_gid)
        lock = _locked(directory)
    except OSError as error:
        raise MailwicketError(f"{directory}: {error.strerror}; be root or the daemon's user") from error
    if lock is None:
        raise ConflictError(f"another backup of {state_dir} is under way")
    try:
        _clear(directory)
        yield Links(state_dir)
    finally:
        _clear(directory)
        os.close(lock)


def clear_left_over(state_dir: Path) -> None:
    """Let go of what a backup that died had linked: it is mail that was to be deleted."""
    with suppress(FileNotFoundError):
        directory = state_dir / DIRECTORY
        if (lock := _locked(directory)) is not None:
            _clear(directory)
            os.close(lock)


def _locked(directory: Path) -> int | None:
    """Return the held lock of *directory*; None while somebody else holds it."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _clear(directory: Path) -> None:
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()
