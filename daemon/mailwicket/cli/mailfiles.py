"""Mails in files: mbox, Maildir, one mail a file; in their order, each with where it stands, none in memory whole."""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mailwicket.mail.header import Header, moment
from mailwicket.mail.mbox import FIELD, Dialect, Text, is_folder_note, is_mbox, stretches, wire

LET_GO_BYTES: Final = 16 * 1024 * 1024
"""So much of a mapped file is in memory at most."""

HEAD_BYTES: Final = 64 * 1024

OLDEST_S: Final = 315532800  # 1980: a file's time before that is no time of receipt


@dataclass(frozen=True, slots=True)
class Found:
    """One mail in a file."""

    where: str
    """For a person: the file, and what in it."""
    received_at: datetime | None
    pieces: Callable[[], Iterator[bytes]]
    """Its bytes as they went over the wire, anew at each call; while the next mail is not asked for."""


@dataclass(frozen=True, slots=True)
class Missed:
    """What is no mail, or cannot be read."""

    where: str
    why: str
    is_fault: bool = True
    """False of what is left out on purpose."""


def mails(path: Path, dialect: Dialect, done: Callable[[int], None]) -> Iterator[Found | Missed]:
    """Yield the mails of *path* in the order of the file; of a directory, oldest first. *done* hears of bytes read."""
    try:
        if path.is_dir():
            yield from _of_directory(path, done)
        else:
            with _mapped(path) as text:
                if is_mbox(text):
                    yield from _of_mbox(path, text, dialect, done)
                else:
                    yield _of_file(path, text, path.stat().st_mtime)
                    done(len(text))
    except OSError as error:
        yield Missed(str(error.filename or path), error.strerror or str(error))


def size_bytes(path: Path) -> int:
    """Tell how much there is to read; 0 where that cannot be told."""
    try:
        files = _mails_of_directory(path) if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files)
    except OSError:
        return 0


# --- mbox -----------------------------------------------------------------------------------------------------------


def _of_mbox(path: Path, text: Text, dialect: Dialect, done: Callable[[int], None]) -> Iterator[Found | Missed]:
    let_go = 0
    for number, one in enumerate(stretches(text, dialect), 1):
        where = f"{path}: mail {number} at byte {one.heading}"
        if is_folder_note(text, one):
            yield Missed(where, "a note that a mail program keeps for itself", is_fault=False)
        elif one.first == one.end:
            yield Missed(where, "empty")
        else:
            received = one.received_at or _told_by_header(text, one.first)

            def pieces(first: int = one.first, end: int = one.end) -> Iterator[bytes]:
                return _frugal(text, wire(text, first, end, dialect))

            yield Found(where, _plausible(received), pieces)
        done(one.end - one.heading)
        if one.end - let_go > LET_GO_BYTES:
            let_go = one.end
            _let_go(text)


def _frugal(text: Text, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield *pieces*, and let go of what is mapped while they are many."""
    passed = 0
    for piece in pieces:
        passed += len(piece)
        if passed > LET_GO_BYTES:
            passed = 0
            _let_go(text)
        yield piece


def _let_go(text: Text) -> None:
    if isinstance(text, mmap.mmap):
        text.madvise(mmap.MADV_DONTNEED)


# --- directories ----------------------------------------------------------------------------------------------------


def _of_directory(path: Path, done: Callable[[int], None]) -> Iterator[Found | Missed]:
    files = _mails_of_directory(path)
    if not files:
        yield Missed(str(path), "no Maildir, and no *.eml in it")
    of_maildir = _is_maildir(path)
    for _, file in sorted((_received_s(file, of_maildir=of_maildir), file) for file in files):
        try:
            with _opened(file) as (text, mtime):
                yield _of_file(file, text, mtime, _delivered_s(file) if of_maildir else None)
                done(len(text))
        except OSError as error:
            yield Missed(str(file), error.strerror or str(error))


def _is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def _mails_of_directory(path: Path) -> list[Path]:
    if _is_maildir(path):  # tmp holds what is being delivered
        return [file for name in ("new", "cur") for file in (path / name).iterdir() if not file.name.startswith(".")]
    return [file for file in path.iterdir() if file.suffix.lower() == ".eml" and file.is_file()]


def _received_s(file: Path, *, of_maildir: bool) -> float:
    """What a directory is sorted by: an answer comes behind what it answers."""
    if of_maildir and (delivered := _delivered_s(file)) is not None:
        return delivered
    try:
        with file.open("rb") as opened:
            told = _told_by_header(opened.read(HEAD_BYTES), 0)
            return os.fstat(opened.fileno()).st_mtime if told is None else told.timestamp()
    except OSError:
        return 0.0  # told when it is its turn


def _delivered_s(file: Path) -> float | None:
    """The name of a file in a Maildir begins with the second of its delivery; copying does not change that."""
    second = file.name.partition(".")[0]
    return float(second) if second.isdecimal() and OLDEST_S < int(second) < time.time() + 86400 else None


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Text, float]]:
    """Map *file*; in a Maildir it may have been moved, or got other flags, since it was listed."""
    try:
        mtime = file.stat().st_mtime
    except FileNotFoundError:
        name = file.name.partition(":")[0]
        moved = [one for one in (file.parent.parent / "cur").glob("*") if one.name.partition(":")[0] == name]
        if not moved:
            raise
        file = moved[0]
        mtime = file.stat().st_mtime
    with _mapped(file) as text:
        yield text, mtime


# --- one mail -------------------------------------------------------------------------------------------------------


def _of_file(file: Path, text: Text, mtime_s: float, delivered_s: float | None = None) -> Found | Missed:
    if not len(text):
        return Missed(str(file), "empty")
    if FIELD.match(text[:HEAD_BYTES].lstrip(b"\r\n")) is None:
        return Missed(str(file), "neither an mbox nor a mail: its first line is no header field")
    received = _told_by_header(text, 0) if delivered_s is None else datetime.fromtimestamp(delivered_s, UTC)
    if received is None and mtime_s > OLDEST_S:
        received = datetime.fromtimestamp(mtime_s, UTC)
    return Found(str(file), _plausible(received), lambda: _frugal(text, wire(text, 0, len(text))))


def _told_by_header(text: Text, first: int) -> datetime | None:
    """Return when the last server received the mail at *first*; else when it was written, as it says."""
    head = text[first : first + HEAD_BYTES]
    header = Header(head.partition(b"\n\n")[0].partition(b"\r\n\r\n")[0])
    received = moment(header.get("received").rpartition(";")[2].strip()) if "received" in header else None
    return received or moment(header.get("date"))


def _plausible(received: datetime | None) -> datetime | None:
    """A mail that was received tomorrow was not."""
    if received is None or received.tzinfo is None or received > datetime.now(UTC):
        return None
    return received if received.timestamp() > OLDEST_S else None


@contextmanager
def _mapped(path: Path) -> Iterator[Text]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not os.fstat(fd).st_size:
            yield b""
            return
        try:
            mapped = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise OSError(errno.EINVAL, "cannot be mapped", str(path)) from error
    finally:
        os.close(fd)
    with mapped:
        yield mapped
