"""A disk that hangs and a database that somebody holds raise nothing: the store tells all the same."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import anyio
import pytest

from mailwicket.diskwait import DISK, DiskWait
from mailwicket.errors import StoreError
from mailwicket.store import store as store_module
from mailwicket.store.store import Store


def test_the_oldest_write_that_has_not_returned_is_told() -> None:
    waits = DiskWait()
    assert waits.longest() == (0.0, "")
    with waits.of("raw"):
        with waits.of("the database"):
            assert waits.longest()[1] == "raw"
        assert waits.longest()[0] > 0
    assert waits.longest() == (0.0, "")
    with pytest.raises(OSError, match="full"), waits.of("raw"):
        raise OSError("full")
    assert waits.longest() == (0.0, "")


async def test_the_store_tells_of_a_lock_and_of_a_disk_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "TELL_S", 0.2)
    store = Store(tmp_path)
    assert store.trouble() is None
    other = sqlite3.connect(tmp_path / "mailwicket.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.write, lambda tx: tx.execute("INSERT INTO held_unit VALUES ('a', 'now')"))
        trouble = await told(store)
        assert (trouble.reason, str(trouble)) == (
            "store_locked",
            "store database: another process holds it (database is locked)",
        )
        other.execute("ROLLBACK")
    assert store.trouble() is None
    hanging = threading.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.write, lambda _: hanging.wait(10))
        trouble = await told(store)
        assert (trouble.reason, str(trouble)) == (
            "disk_hangs",
            "store: the disk does not answer, the database waits to be written",
        )
        hanging.set()
    assert DISK.longest() == (0.0, "")
    other.close()
    await store.close()


async def told(store: Store) -> StoreError:
    with anyio.fail_after(5):
        while (trouble := store.trouble()) is None:  # noqa: ASYNC110 - what hangs has no event
            await anyio.sleep(0.01)
    return trouble
