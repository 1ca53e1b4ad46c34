"""The audit of what the house does: which keys changed, never what they hold; a full disk keeps nobody from acting."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from tests.conf import CANARY, UNIT, Conf
from tests.fakes import NOON

from mailwicket import failpoint as failpoints
from mailwicket.config.load import Loaded
from mailwicket.service.plan import compare
from mailwicket.service.record import Record
from mailwicket.service.reload import ConfDir, Reloaded
from mailwicket.store.audit import Deed
from mailwicket.store.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    one = Store(tmp_path / "state")
    yield one
    await one.close()


@pytest.fixture
async def record(store: Store) -> AsyncIterator[Record]:
    one = Record(store, lambda: NOON, patience_s=0.2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.run)
        yield one
        tasks.cancel_scope.cancel()


def read(conf: Conf, text: str) -> Loaded:
    conf.write(text)
    return conf.read()


async def test_a_start_names_every_file_by_its_hash(record: Record, tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    loaded = read(conf, UNIT)
    await record.started("1.0", ConfDir(conf.directory, conf.read, loaded.fingerprint, loaded.hashes))
    await record.started("1.0", None)
    first, second = await record.rows("")
    files = {"10-test.toml": hashlib.sha256(UNIT.encode()).hexdigest()}
    assert first["detail"] == {"files": files, "outcome": "applied", "version": "1.0"}
    assert (first["actor"], first["action"], first["object"]) == ("start", "config.load", str(conf.directory))
    assert second["detail"]["files"] == {}
    assert (await record.verify())["ok"]


async def test_a_reload_names_the_keys_that_changed_and_none_of_their_values(
    record: Record, store: Store, tmp_path: Path
) -> None:
    conf = Conf(tmp_path)
    before = read(conf, UNIT)
    after = read(
        conf,
        f"{UNIT.replace(CANARY, 'another-' + CANARY)}title = '{CANARY}'\n"
        f"[http]\nadmin_token = '{CANARY}'\n[technician.'tess@example.net']\nname = '{CANARY}'\n",
    )
    assert before.settings
    assert after.settings
    plan = compare(before.settings, after.settings)
    await record.reloaded("conf.d", "uid 0", after, Reloaded(2, plan))
    wrong = read(conf, f"{UNIT}pasword = '{CANARY}'\npoll_s = '{CANARY}'\n")
    await record.reloaded("conf.d", "signal", wrong, Reloaded(2, None, wrong.errors))
    applied, refused = (row["detail"] for row in await record.rows(""))
    assert applied["changes"] == [{"unit": "incoming/support", "act": "restart", "keys": ["title", "password"]}]
    assert applied["at_once"] == ["http.admin_token", 'technician."tess@example.net"']
    assert (refused["outcome"], len(refused["errors"])) == ("refused", 2)
    assert "changes" not in refused
    stored = store.read(lambda tx: tx.execute("SELECT * FROM audit").fetchall())
    assert CANARY not in json.dumps(stored)


async def test_many_errors_are_not_all_written_down(record: Record, tmp_path: Path) -> None:
    wrong = read(Conf(tmp_path), UNIT + "".join(f"wrong_{n} = 1\n" for n in range(50)))
    await record.reloaded("conf.d", "signal", wrong, Reloaded(1, None, wrong.errors))
    (row,) = await record.rows("")
    assert len(row["detail"]["errors"]) == 20


async def test_where_the_store_takes_no_writes_the_log_says_what_is_missing(
    record: Record, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed("commit.before:1:enospc"))
    await record.note(Deed("uid 0", "unit.pause", "incoming/support"))
    assert "not in the audit: uid 0 unit.pause incoming/support: store database: No space left" in caplog.text
    await record.imported("token", "support", 3)
    await record.imported("token", "", 2)
    assert [(row["object"], row["detail"]) for row in await record.rows("")] == [
        ("incoming/support", {"mails": 3}),
        ("", {"mails": 2}),
    ]


async def test_an_admin_does_not_wait_for_somebody_who_holds_the_database(record: Record, store: Store) -> None:
    await record.note(Deed("uid 0", "unit.pause", "incoming/one"))
    with closing(sqlite3.connect(store.raw.directory.parent / "mailwicket.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        for name in ("two", "three"):
            await record.note(Deed("uid 0", "unit.poll", f"incoming/{name}"))
        assert time.monotonic() - begun < 5
        assert len(await record.rows("")) == 1
        other.execute("ROLLBACK")
    await record.note(Deed("uid 0", "unit.resume", "incoming/one"))
    with anyio.fail_after(10):
        while len(rows := await record.rows("")) < 4:  # noqa: ASYNC110 - the database tells nobody
            await anyio.sleep(0.05)
    assert [row["object"] for row in rows] == [f"incoming/{name}" for name in ("one", "two", "three", "one")]


async def test_what_waits_when_the_daemon_stops_is_written_before_it_ends(store: Store) -> None:
    record = Record(store, lambda: NOON, patience_s=0.01)
    for name in ("one", "two"):
        await record.note(Deed("uid 0", "unit.poll", f"incoming/{name}"))
    assert await record.rows("") == []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await record.run()
    assert [row["object"] for row in await record.rows("")] == ["incoming/one", "incoming/two"]
