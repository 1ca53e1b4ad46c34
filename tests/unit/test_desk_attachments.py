"""Attachments: spans of the raw mail first, files of their own before that is reclaimed."""

from __future__ import annotations

import errno
import hashlib
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.desks import Room, attachment, entry_draft, ticket_draft
from tests.stores import desk_tables

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.errors import PermanentError, StoreError
from mailwicket.model import AttachmentPlace, IntakeKey, Sha256
from mailwicket.net import attachments as module

FIRE = b"a picture of fire"
RAW, OTHER_RAW = Sha256("aa" * 32), Sha256("bb" * 32)


def sha256(content: bytes) -> Sha256:
    return Sha256(hashlib.sha256(content).hexdigest())


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    with desk_tables() as connection:
        yield connection


@pytest.fixture
def desk(tmp_path: Path) -> EmbeddedDesk:
    return EmbeddedDesk("desk", EmbeddedDesk.Config(), Room(tmp_path))


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def create(desk: EmbeddedDesk, tx: sqlite3.Connection, raw: Sha256, *attachments: Any) -> None:
    entry = entry_draft(raw_sha256=raw, attachments=attachments)
    desk.create_in(tx, ticket_draft(entry), IntakeKey(f"{raw} {len(attachments)}"))


def test_the_places_of_a_mails_attachments_are_told_in_order(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    one = attachment(sha256=sha256(b"1"), span=(900, 904), encoding="base64")
    two = attachment(sha256=sha256(b"2"), span=(100, 101), encoding="7bit")
    create(desk, tx, RAW, one, two)
    create(desk, tx, OTHER_RAW, attachment(sha256=sha256(b"3")))
    assert desk.wanted(tx, RAW) == [
        AttachmentPlace(sha256(b"1"), (900, 904), "base64"),
        AttachmentPlace(sha256(b"2"), (100, 101), "7bit"),
    ]


def test_a_mail_without_attachments_is_not_needed(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    create(desk, tx, RAW)
    assert desk.wanted(tx, RAW) == []
    assert desk.wanted(tx, OTHER_RAW) == []


def test_an_equal_content_is_wanted_once_and_once_kept_by_no_mail(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    twin = attachment(sha256=sha256(FIRE))
    create(desk, tx, RAW, twin, twin)
    create(desk, tx, OTHER_RAW, twin)
    assert [place.sha256 for place in desk.wanted(tx, RAW)] == [sha256(FIRE)]
    desk.keep(sha256(FIRE), FIRE)
    assert (desk.wanted(tx, RAW), desk.wanted(tx, OTHER_RAW)) == ([], [])


def test_a_kept_file_holds_the_content_and_is_for_its_owner_only(desk: EmbeddedDesk, tmp_path: Path) -> None:
    desk.keep(sha256(FIRE), FIRE)
    digest = sha256(FIRE)
    assert files(tmp_path) == [f"attachments/{digest[:2]}/{digest}"]
    path = tmp_path / "attachments" / digest[:2] / digest
    assert path.read_bytes() == FIRE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_kept_is_not_written_again(desk: EmbeddedDesk, tmp_path: Path) -> None:
    desk.keep(sha256(FIRE), FIRE)
    (path,) = (tmp_path / name for name in files(tmp_path))
    before = path.stat()
    desk.keep(sha256(FIRE), FIRE)
    assert path.stat().st_ino == before.st_ino


def test_empty_content_is_content(desk: EmbeddedDesk, tx: sqlite3.Connection) -> None:
    create(desk, tx, RAW, attachment(sha256=sha256(b""), span=(50, 50), size=0))
    desk.keep(sha256(b""), b"")
    assert desk.wanted(tx, RAW) == []


def test_content_that_is_not_what_the_hash_names_is_refused(desk: EmbeddedDesk, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=sha256(FIRE)):
        desk.keep(sha256(FIRE), FIRE[:-1])
    assert files(tmp_path) == []


@pytest.mark.parametrize("failing_sync", [1, 2], ids=["of the file", "of its directory"])
def test_a_refused_sync_leaves_no_file_under_the_final_name(
    desk: EmbeddedDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_sync: int
) -> None:
    (tmp_path / "attachments" / sha256(FIRE)[:2]).mkdir(parents=True)
    syncs = iter(range(1, 9))

    def full(_fd: int) -> None:
        if next(syncs) == failing_sync:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module.os, "fsync", full)
        with pytest.raises(StoreError, match="No space left on device") as caught:
            desk.keep(sha256(FIRE), FIRE)
    assert caught.value.reason == "disk_full"
    assert files(tmp_path) == []
    desk.keep(sha256(FIRE), FIRE)
    assert len(files(tmp_path)) == 1


def test_what_a_crash_left_behind_is_written_over(desk: EmbeddedDesk, tmp_path: Path) -> None:
    directory = tmp_path / "attachments" / sha256(FIRE)[:2]
    directory.mkdir(parents=True)
    (directory / f".{sha256(FIRE)}").write_bytes(b"torn, and longer than the whole content will be")
    desk.keep(sha256(FIRE), FIRE)
    assert [path.name for path in directory.iterdir()] == [sha256(FIRE)]
    assert (directory / sha256(FIRE)).read_bytes() == FIRE


def test_the_file_is_synced_before_and_its_directory_after_it_gets_its_name(
    desk: EmbeddedDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "attachments" / sha256(FIRE)[:2]
    directory.mkdir(parents=True)
    steps: list[tuple[str, bool]] = []
    sync = module.os.fsync

    def watched(fd: int) -> None:
        kind = "directory" if stat.S_ISDIR(module.os.fstat(fd).st_mode) else "file"
        steps.append((kind, (directory / sha256(FIRE)).exists()))
        sync(fd)

    monkeypatch.setattr(module.os, "fsync", watched)
    desk.keep(sha256(FIRE), FIRE)
    assert steps == [("file", False), ("directory", True)]


def test_threads_that_keep_the_same_content_do_not_tear_it(desk: EmbeddedDesk, tmp_path: Path) -> None:
    content = FIRE * 50_000
    failures: list[BaseException] = []

    def keep() -> None:
        try:
            desk.keep(sha256(content), content)
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (name,) = files(tmp_path)
    assert (tmp_path / name).read_bytes() == content
