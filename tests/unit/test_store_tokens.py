"""The safe: nothing in clear, a key of its own, and always one of the two: what was before, or what is new."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from mailwicket.errors import BlockedError, StoreError
from mailwicket.store.store import Store
from mailwicket.store.tokens import KEY_FILE, SCHEMA, TokenSafe

CANARY = "canary-token-4711"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path, [SCHEMA])
    yield store
    await store.close()


def files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


async def test_what_is_kept_is_read_again_also_after_a_restart(tmp_path: Path, store: Store) -> None:
    assert await TokenSafe(tmp_path, store).load("office") is None
    assert not (tmp_path / KEY_FILE).exists()
    safe = TokenSafe(tmp_path, store)
    await safe.save("office", CANARY)
    await safe.save("office", CANARY + "2")
    await safe.save("home", "other")
    again = TokenSafe(tmp_path, store)
    assert (await again.load("office"), await again.load("home")) == (CANARY + "2", "other")


async def test_nothing_of_it_is_on_disk_in_clear_and_the_key_is_its_owners_alone(tmp_path: Path, store: Store) -> None:
    await TokenSafe(tmp_path, store).save("office", CANARY)
    key = tmp_path / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    for path, content in files(tmp_path).items():
        assert CANARY.encode() not in content, path
        assert path == key or key.read_bytes() not in content, path


async def test_the_same_text_is_never_sealed_the_same_way(tmp_path: Path, store: Store) -> None:
    safe = TokenSafe(tmp_path, store)
    sealed = set()
    for _ in range(3):
        await safe.save("office", CANARY)
        sealed.add(store.read(lambda tx: tx.execute("SELECT sealed FROM oauth_grant").fetchone()[0]))
    assert len(sealed) == 3


async def test_rows_cannot_be_swapped_nor_bytes_changed(tmp_path: Path, store: Store) -> None:
    safe = TokenSafe(tmp_path, store)
    await safe.save("office", CANARY)
    await store.write(lambda tx: tx.execute("UPDATE oauth_grant SET name = 'home'"))
    with pytest.raises(BlockedError, match="is another") as caught:
        await safe.load("home")
    assert caught.value.reason == "needs_sign_in"
    await store.write(lambda tx: tx.execute("UPDATE oauth_grant SET name = 'office', sealed = x'00'"))
    with pytest.raises(BlockedError):
        await safe.load("office")


async def test_a_lost_key_means_to_sign_in_again_and_a_new_sign_in_makes_a_new_one(
    tmp_path: Path, store: Store
) -> None:
    await TokenSafe(tmp_path, store).save("office", CANARY)
    (tmp_path / KEY_FILE).unlink()
    safe = TokenSafe(tmp_path, store)
    with pytest.raises(BlockedError, match='is gone; "mailwicket oauth login office"'):
        await safe.load("office")
    await safe.save("office", "new")
    assert await safe.load("office") == "new"


async def test_a_key_that_is_none_is_not_replaced(tmp_path: Path, store: Store) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(StoreError, match="holds no key"):
        await TokenSafe(tmp_path, store).save("office", CANARY)
    assert (tmp_path / KEY_FILE).read_bytes() == b"short"


async def test_a_key_that_others_may_read_is_closed(tmp_path: Path, store: Store) -> None:
    await TokenSafe(tmp_path, store).save("office", CANARY)
    (tmp_path / KEY_FILE).chmod(0o644)
    assert await TokenSafe(tmp_path, store).load("office") == CANARY
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


async def test_what_a_death_left_of_a_key_is_no_key(tmp_path: Path, store: Store) -> None:
    (tmp_path / f"{KEY_FILE}.part").write_bytes(b"half")
    await TokenSafe(tmp_path, store).save("office", CANARY)
    assert [path.name for path in files(tmp_path) if path.name.startswith("tokens")] == [KEY_FILE]
    assert await TokenSafe(tmp_path, store).load("office") == CANARY


async def test_a_store_that_was_made_before_gets_the_table(tmp_path: Path) -> None:
    await Store(tmp_path).close()
    await Store(tmp_path, [SCHEMA]).close()
    with closing(sqlite3.connect(tmp_path / "mailwicket.db")) as database:
        assert database.execute("SELECT count(*) FROM oauth_grant").fetchone() == (0,)
