"""The audit: a chain in which no byte can be changed, and no row cut out or put in, without being found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mailwicket.cli import app
from mailwicket.store import audit, journal
from mailwicket.store.audit import Deed
from mailwicket.store.database import JOURNAL, migrate, open_writer

FIELDS = ("at", "actor", "action", "object", "detail", "hash")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "00.toml").write_text(f'[daemon]\nstate_dir = "{tmp_path}"\n', encoding="utf-8")
    return tmp_path / "conf.d"


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A store with five rows, its triggers taken off: who changes the file by himself meets none."""
    with closing(open_writer(tmp_path)) as connection:
        migrate(connection, [JOURNAL])
        journal.instance(connection, "5b1c0ffee123")
        for n in range(1, 6):
            deed = Deed("uid 1000", "ticket.close", str(n), {"by": "ada@example.org", "note": "Größe"})
            audit.note(connection, deed, f"2026-01-0{n}T09:00:00.000000Z")
        yield connection


def unguarded(tx: sqlite3.Connection) -> sqlite3.Connection:
    tx.execute("DROP TRIGGER audit_is_never_changed")
    tx.execute("DROP TRIGGER audit_is_never_cut")
    return tx


def run(conf: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["audit", *words, "--conf", str(conf)])


def test_an_untouched_record_is_whole(tx: sqlite3.Connection) -> None:
    verdict = audit.verify(tx)
    (last,) = tx.execute("SELECT hash FROM audit WHERE audit_id = 5").fetchone()
    assert (verdict.rows, verdict.hash, verdict.bad) == (5, last, None)
    tx.execute("UPDATE instance SET instance = 'another'")
    assert audit.verify(tx).bad == 1


def test_an_empty_record_is_whole(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path)) as tx:
        migrate(tx, [JOURNAL])
        journal.instance(tx, "5b1c0ffee123")
        assert audit.verify(tx) == audit.Verdict(0, "")


@pytest.mark.parametrize("statement", ["UPDATE audit SET at = ''", "DELETE FROM audit WHERE audit_id = 5"])
def test_the_database_itself_only_appends(tx: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only appended to"):
        tx.execute(statement)
    assert audit.verify(tx).bad is None


def test_every_flipped_byte_is_found(tx: sqlite3.Connection) -> None:
    unguarded(tx)
    flipped = 0
    for field in FIELDS:
        (stored,) = tx.execute(f"SELECT CAST({field} AS BLOB) FROM audit WHERE audit_id = 3").fetchone()
        for place in range(len(stored)):
            for bit in (0, 5, 7):
                wrong = bytearray(stored)
                wrong[place] ^= 1 << bit
                tx.execute(f"UPDATE audit SET {field} = CAST(? AS TEXT) WHERE audit_id = 3", (bytes(wrong),))
                assert audit.verify(tx).bad == 3, (field, place, bit)
                flipped += 1
        tx.execute(f"UPDATE audit SET {field} = CAST(? AS TEXT) WHERE audit_id = 3", (stored,))
    assert flipped > 300
    assert audit.verify(tx).bad is None


@pytest.mark.parametrize("row", [1, 2, 3, 4, 5])
def test_a_row_that_is_cut_out_is_found(tx: sqlite3.Connection, row: int) -> None:
    unguarded(tx).execute("DELETE FROM audit WHERE audit_id = ?", (row,))
    assert audit.verify(tx).bad == row
    tx.execute("UPDATE audit SET audit_id = audit_id - 1 WHERE audit_id > ?", (row,))
    assert audit.verify(tx).bad == row


def test_a_record_that_is_emptied_is_found(tx: sqlite3.Connection) -> None:
    unguarded(tx).execute("DELETE FROM audit")
    assert audit.verify(tx).bad == 1
    tx.execute("DELETE FROM audit_head")
    assert audit.verify(tx).bad == 1


@pytest.mark.parametrize("row", [1, 3, 6])
def test_a_row_that_is_put_in_is_found(tx: sqlite3.Connection, row: int) -> None:
    unguarded(tx)
    for number in range(5, row - 1, -1):
        tx.execute("UPDATE audit SET audit_id = ? WHERE audit_id = ?", (number + 1, number))
    columns = "audit_id, at, actor, action, object, detail, hash"
    copied = f"INSERT INTO audit ({columns}) SELECT ?, at, actor, action, object, detail, hash FROM audit LIMIT 1"
    tx.execute(copied, (row,))
    assert audit.verify(tx).bad is not None
    assert audit.verify(tx).bad in {row, row + 1}


def test_a_row_that_somebody_chained_himself_is_found_by_the_head(tx: sqlite3.Connection) -> None:
    head = tx.execute("SELECT audit_id, hash FROM audit_head").fetchone()
    audit.note(tx, Deed("uid 0", "ticket.delete", "7"), "2026-01-07T09:00:00.000000Z")
    assert audit.verify(tx).bad is None
    tx.execute("UPDATE audit_head SET audit_id = ?, hash = ?", head)
    assert (audit.verify(tx).bad, audit.verify(tx).rows) == (6, 5)


@pytest.mark.parametrize(
    "meddling",
    [
        "DELETE FROM audit_head",
        "UPDATE audit_head SET audit_id = 3, hash = (SELECT hash FROM audit WHERE audit_id = 3)",
        "DELETE FROM audit WHERE audit_id = 5",
        "INSERT INTO audit SELECT audit_id + 7, at, actor, action, object, detail, hash FROM audit WHERE audit_id = 5",
    ],
)
def test_a_record_that_somebody_meddled_with_goes_on_and_stays_broken(tx: sqlite3.Connection, meddling: str) -> None:
    unguarded(tx).execute(meddling)
    bad = audit.verify(tx).bad
    assert bad is not None
    for _ in range(3):
        audit.note(tx, Deed("uid 0", "unit.pause", "incoming/box"), "2026-01-08T09:00:00.000000Z")
        assert audit.verify(tx).bad is not None


def test_who_chained_a_row_himself_is_found_after_others_followed(tx: sqlite3.Connection) -> None:
    head = tx.execute("SELECT audit_id, hash FROM audit_head").fetchone()
    audit.note(tx, Deed("uid 0", "ticket.delete", "7"), "2026-01-07T09:00:00.000000Z")
    tx.execute("UPDATE audit_head SET audit_id = ?, hash = ?", head)
    audit.note(tx, Deed("uid 0", "unit.pause", "incoming/box"), "2026-01-08T09:00:00.000000Z")
    assert audit.verify(tx).bad == 7


@pytest.mark.usefixtures("tx")
def test_the_command_shows_who_did_what_when_and_since_when(conf: Path) -> None:
    lines = run(conf).stdout.splitlines()
    assert len(lines) == 5
    assert lines[0] == "2026-01-01T09:00:00Z  uid 1000  ticket.close  1  by=ada@example.org, note=Größe"
    assert [row["object"] for row in json.loads(run(conf, "--json", "--since", "2026-01-04").stdout)] == ["4", "5"]
    assert len(run(conf, "--since", "2026-01-04T10:30:00+02:00").stdout.splitlines()) == 2
    assert run(conf, "--since", "2027-01-01").stdout == "nothing is recorded since 2027-01-01\n"
    refused = run(conf, "--since", "yesterday")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_the_command_verifies(conf: Path, tx: sqlite3.Connection) -> None:
    good = run(conf, "verify")
    assert (good.exit_code, good.stdout[:31]) == (0, "5 rows are as they were written")
    assert json.loads(run(conf, "verify", "--json").stdout)["rows"] == 5
    before = CliRunner().invoke(app, ["audit", "--conf", str(conf), "--json", "verify"])
    assert json.loads(before.stdout)["rows"] == 5
    unguarded(tx).execute("UPDATE audit SET actor = 'uid 0' WHERE audit_id = 4")
    bad = run(conf, "verify")
    assert (bad.exit_code, bad.stdout) == (1, "")
    assert bad.stderr.startswith("mailwicket: the audit is broken at row 4: ")
    told = run(conf, "verify", "--json")
    assert (told.exit_code, json.loads(told.stdout)["bad"]) == (1, 4)


@pytest.mark.usefixtures("tx")
def test_what_is_no_text_any_more_is_shown_all_the_same(conf: Path, tx: sqlite3.Connection) -> None:
    unguarded(tx).execute("UPDATE audit SET detail = CAST(x'ff7b' AS TEXT), actor = CAST(x'1b5bff' AS TEXT)")
    shown = run(conf)
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert run(conf, "verify").exit_code == 1
