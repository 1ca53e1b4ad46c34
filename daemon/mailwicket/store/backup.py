"""One file that holds the whole store at one moment: a tar that plain `tar -x` turns back into a state directory.

In it: `backup.json` (of what and when), the database, every raw file that its rows name as far as they name it,
the attachments that outlived their raw mail, and last `SHA256SUMS` over all of it. Not in it: conf.d and secrets.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from mailwicket import __version__
from mailwicket.durable import sync_directory
from mailwicket.errors import ConflictError, MailwicketError
from mailwicket.store.archive import Archive
from mailwicket.store.database import FILE_NAME
from mailwicket.store.links import Links, linked
from mailwicket.store.snapshot import Snapshot, take
from mailwicket.timestamp import timestamp

FORMAT: Final = 1
DESCRIPTION: Final = "backup.json"
ATTACHMENTS: Final = "attachments"

Told = Callable[[str, int, int], None]
"""What is done, bytes done of it, bytes in all."""


@dataclass
class Backup:
    """A backup that was made."""

    path: Path
    made_at: str
    size_bytes: int = 0
    mails: int = 0
    faults: list[str] = field(default_factory=list)
    """What is missing or spoilt, and is so in the store itself."""


def back_up(state_dir: Path, path: Path, now: datetime, told: Told = lambda _what, _done, _all: None) -> Backup:
    """Write the store below *state_dir* to *path*, which must not exist yet. Blocking; beside a running daemon, too.

    Raises:
        ConflictError: *path* is there already, or another backup is under way.
        StoreError: the database is damaged or does not answer.
        MailwicketError: there is no store, or the disk refuses. Nothing is left behind, whatever is raised.
    """
    if not (state_dir / FILE_NAME).exists():
        raise MailwicketError(f"there is no store in {state_dir}: nothing to back up")
    done = Backup(path, timestamp(now))
    try:
        with _part(path) as fd, linked(state_dir) as links, _scratch(path) as copy:
            snapshot = take(state_dir, links, copy, lambda some, most: told("database", some, most))
            done.mails = snapshot.mails
            done.faults += [f"raw/{name} is named by the journal and is not there" for name in snapshot.missing]
            content = _Content(state_dir, links, copy, snapshot)
            whole = content.size_bytes()
            archive = Archive(fd, path.parent, state_dir.stat(), lambda some: told("files", some, whole))
            try:
                _fill(archive, content, done)
            finally:
                archive.close()
            done.size_bytes = archive.size_bytes
    except (OSError, EOFError) as error:
        raise _refused(path, error) from error
    return done


def _refused(path: Path, error: OSError | EOFError) -> MailwicketError:
    if isinstance(error, EOFError) or error.errno is None:
        return MailwicketError(f"no backup was written: {error}")
    where = f"{error.filename}: " if error.filename and str(error.filename) != f"{path}.part" else f"{path}: "
    full = "; the disk of the backup has no room" if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
    return MailwicketError(f"{where}{error.strerror}; no backup was written{full}")


# --- what is in it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Content:
    """The members, and where their bytes are."""

    state_dir: Path
    links: Links
    copy: Path
    snapshot: Snapshot

    def attachments(self) -> Iterator[tuple[str, Path]]:
        """Yield every attachment that is complete, by name and place."""
        top = self.state_dir / ATTACHMENTS
        for shelf in sorted(top.iterdir()) if top.is_dir() else ():
            for path in sorted(shelf.iterdir()):
                if not path.name.startswith("."):
                    yield f"{ATTACHMENTS}/{shelf.name}/{path.name}", path

    def size_bytes(self) -> int:
        """Return how much there is to copy."""
        attachments = sum(path.stat().st_size for _, path in self.attachments())
        return self.copy.stat().st_size + sum(self.snapshot.files.values()) + attachments

    def description(self, made_at: str) -> Mapping[str, object]:
        """Return what a person wants to know first."""
        one = self.snapshot
        return {
            "format": FORMAT,
            "mailwicket": __version__,
            "sqlite": sqlite3.sqlite_version,
            "instance": one.instance,
            "schemas": dict(one.schemas),
            "made_at": made_at,
            "mails": one.mails,
            "raw_files": len(one.files),
            "missing": list(one.missing),
        }


def _fill(archive: Archive, content: _Content, done: Backup) -> None:
    archive.add_bytes(DESCRIPTION, (json.dumps(content.description(done.made_at), indent=2) + "\n").encode())
    archive.add_file(FILE_NAME, content.copy, content.copy.stat().st_size)
    archive.add_bytes(f"{FILE_NAME}-wal", b"")  # a log of another database that lies there must not be played into this
    archive.add_directory("raw")
    for name, end in content.snapshot.files.items():
        source = content.links.directory / name
        if (there := source.stat().st_size) < end:
            done.faults.append(f"raw/{name} has {there} bytes, the journal names {end}")
        archive.add_file(f"raw/{name}", source, min(there, end))
    shelf = ""
    for name, path in content.attachments():
        if shelf != (shelf := name.rpartition("/")[0]):
            archive.add_directory(shelf)
        if archive.add_file(name, path, path.stat().st_size) != path.name:
            done.faults.append(f"{name} does not hold what its name says")
    archive.finish()


# --- the file -------------------------------------------------------------------------------------------------------


@contextmanager
def _part(path: Path) -> Iterator[int]:
    """Lend a file to write to; it gets its name *path* if all goes well, and goes if not."""
    _refuse_to_replace(path)
    part = path.with_name(f"{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(f"{part} is being written by another backup") from error
        try:
            os.fchmod(fd, 0o600)
            os.ftruncate(fd, 0)  # a backup that was killed may have left it
            yield fd
            _refuse_to_replace(path)  # it may have come meanwhile
            part.rename(path)
            sync_directory(path.parent)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    finally:
        os.close(fd)


def _refuse_to_replace(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ConflictError(f"{path} is there already; a backup replaces nothing")


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """Lend an empty file beside *path* for the copy of the database; it goes in any case."""
    copy = path.with_name(f"{path.name}.db.part")
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield copy
    finally:
        copy.unlink(missing_ok=True)
