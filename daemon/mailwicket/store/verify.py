"""Is a backup whole? Every sum, the structure of its database, and the bytes of every mail that this names."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from mailwicket.errors import MailwicketError
from mailwicket.store.archive import BLOCK_BYTES, SLICE_BYTES, SUMS
from mailwicket.store.backup import DESCRIPTION, FORMAT, Told
from mailwicket.store.database import FILE_NAME
from mailwicket.store.journal import SQL
from mailwicket.store.snapshot import integrity, unchanging

NAMES: Final = re.compile(
    rf"{re.escape(DESCRIPTION)}|{re.escape(FILE_NAME)}(-wal)?|raw(/[\w.-]+)?|attachments/\w\w(/\w+)?|{SUMS}", re.ASCII
)
"""Whatever else is in an archive was not put there by us, and may lead out of the state directory."""

FAULTS_MAX: Final = 20


@dataclass
class Verdict:
    """What was found."""

    description: dict[str, Any] = field(default_factory=dict)
    mails: int = 0
    """Whose bytes are as the journal says."""
    faults: list[str] = field(default_factory=list)
    """The first of them."""

    def fault(self, line: str) -> None:
        """Note what is wrong; a thousand lines would say no more than twenty."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(line)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the bytes of a member stand in the archive."""

    offset: int
    size: int


def verify(path: Path, told: Told = lambda _what, _done, _all: None) -> Verdict:
    """Read the backup at *path* from end to end. Blocking; needs room for its database beside it, or in TMPDIR.

    Raises:
        MailwicketError: it cannot be read, or is no backup at all.
    """
    verdict = Verdict()
    try:
        with path.open("rb") as file:
            _verify(file, path, verdict, told)
    except OSError as error:
        raise MailwicketError(f"{error.filename or path}: {error.strerror}") from error
    except sqlite3.DatabaseError as error:
        verdict.fault(f"{FILE_NAME}: {error}")
    return verdict


def _verify(file: IO[bytes], path: Path, verdict: Verdict, told: Told) -> None:
    sums = _sums(file, verdict)
    if sums is None:
        return
    size = os.fstat(file.fileno()).st_size
    listed = _listed(file, sums)
    places: dict[str, _Place] = {}
    for name, place in _members(file):
        if not NAMES.fullmatch(name):
            verdict.fault(f"{name!r} does not belong into a backup")
        if place.size >= 0 and name != SUMS:
            if next(listed, None) != (name, _digest(file, place)):
                verdict.fault(f"{name} is not as {SUMS} says")
            if not name.startswith("attachments/"):
                places[name] = place
        told("files", place.offset + place.size, size)
    for name, _ in listed:
        verdict.fault(f"{name} is missing")
    if DESCRIPTION in places:
        verdict.description = _description(_bytes(file, places[DESCRIPTION]), verdict)
    if FILE_NAME in places:
        _verify_database(file, path.parent, places, verdict)


def _sums(file: IO[bytes], verdict: Verdict) -> _Place | None:
    """Return where the sums stand, if the archive was written to its end."""
    last = None
    try:
        for member in _members(file):
            last = member
    except tarfile.TarError as error:
        verdict.fault(f"it is cut off, or no backup: {error}")
        return None
    if last is None or last[0] != SUMS:
        verdict.fault(f"its last member is not {SUMS}: it is cut off, or no backup")
        return None
    return last[1]


def _description(content: bytes, verdict: Verdict) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(content)
    except ValueError:
        verdict.fault(f"{DESCRIPTION} cannot be read")
        return {}
    if told.get("format") != FORMAT:
        verdict.fault(f"its format is {told.get('format')}, this mailwicket knows {FORMAT}")
    return told


def _verify_database(file: IO[bytes], beside: Path, places: Mapping[str, _Place], verdict: Verdict) -> None:
    room = beside if os.access(beside, os.W_OK) else None
    with tempfile.NamedTemporaryFile(dir=room, prefix=".mailwicket-verify-") as copy:
        for piece in _pieces(file, places[FILE_NAME]):
            copy.write(piece)
        copy.flush()
        for line in integrity(Path(copy.name)):
            verdict.fault(f"{FILE_NAME}: {line}")
        with closing(unchanging(Path(copy.name))) as connection:
            _verify_mails(file, connection, places, verdict)


def _verify_mails(
    file: IO[bytes], connection: sqlite3.Connection, places: Mapping[str, _Place], verdict: Verdict
) -> None:
    """Compare the bytes of every mail with its row: a sum of a file says nothing of what was spoilt before."""
    spoilt: Counter[str] = Counter()
    for _, name, offset, length, sha256 in connection.execute(SQL.kept_mails):
        within = places.get(f"raw/{name}")
        if within is None or offset + length > within.size:
            spoilt[f"raw/{name}: missing are the bytes of mails:"] += 1
        elif _digest(file, _Place(within.offset + offset, length)) != sha256:
            spoilt[f"raw/{name}: not as they came are mails:"] += 1
        else:
            verdict.mails += 1
    for line, count in spoilt.items():
        verdict.fault(f"{line} {count}")


# --- reading a tar --------------------------------------------------------------------------------------------------


def _members(file: IO[bytes]) -> Iterator[tuple[str, _Place]]:
    """Yield name and place of every member; the size of a directory is -1.

    Raises:
        tarfile.TarError: the archive is cut off, or none.
    """
    file.seek(0)
    size = os.fstat(file.fileno()).st_size
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # it would remember all of them
            end = member.offset_data + member.size
            if end > size:
                raise tarfile.ReadError(f"{member.name} ends behind the end of the file")
            yield member.name, _Place(member.offset_data, member.size if member.isreg() else -1)
    if archive.offset + BLOCK_BYTES > size:
        raise tarfile.ReadError("its end is missing")


def _pieces(file: IO[bytes], place: _Place) -> Iterator[bytes]:
    done = 0
    while done < place.size:
        piece = os.pread(file.fileno(), min(SLICE_BYTES, place.size - done), place.offset + done)
        if not piece:
            return
        done += len(piece)
        yield piece


def _bytes(file: IO[bytes], place: _Place) -> bytes:
    return b"".join(_pieces(file, place))


def _digest(file: IO[bytes], place: _Place) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(file, place):
        digest.update(piece)
    return digest.hexdigest()


def _listed(file: IO[bytes], sums: _Place) -> Iterator[tuple[str, str]]:
    """Yield name and SHA-256 of what was put in, in that order."""
    rest = b""
    for piece in _pieces(file, sums):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            digest, _, name = line.decode("utf-8", "replace").partition("  ")
            yield name, digest
