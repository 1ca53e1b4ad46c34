"""What is being handed over, in a file beside the database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.fakes import NOON

from mailwicket.outgoing import RecipientStatus
from mailwicket.store import slips
from mailwicket.store.attempts import Attempt
from mailwicket.store.outbox import OutboxId, SentAs
from mailwicket.store.slips import Slips

AS = SentAs("desk@example.org", "Désk", None, "")
SENT = Attempt("main", "sent", NOON, "", {"ann@example.com": RecipientStatus(250, "2.0.0 ok")})


def test_what_began_and_ended_is_found_again_and_what_began_only_is_told_apart(tmp_path: Path) -> None:
    slip, _ = Slips(tmp_path).open("main", 0)
    for number in (1, 2):
        slip.begin(OutboxId(number), AS)
    slip.end(OutboxId(1), SENT)
    slip.flush()
    (left, empty) = Slips(tmp_path).left("main")
    assert (left.server, left.is_believed) == ("main", True)
    assert left.begun == {2: AS}
    assert left.ended == [(1, replace(SENT, sent_as=AS))]
    assert (empty.begun, empty.ended) == ({}, [])


def test_how_one_ended_is_written_with_what_begins_next(tmp_path: Path) -> None:
    slip, _ = Slips(tmp_path).open("main", 0)
    slip.begin(OutboxId(1), AS)
    slip.end(OutboxId(1), SENT)
    assert Slips(tmp_path).left("main")[0].begun == {1: AS}
    slip.begin(OutboxId(2), AS)
    (left, _) = Slips(tmp_path).left("main")
    assert ([mail for mail, _ in left.ended], left.begun) == ([1], {2: AS})
    slip.end(OutboxId(2), SENT)
    slip.clear()
    slip.flush()
    assert Slips(tmp_path).left("main")[0].ended == []


def test_a_torn_last_line_was_not_said(tmp_path: Path) -> None:
    slip, _ = Slips(tmp_path).open("main", 0)
    slip.begin(OutboxId(1), AS)
    path = tmp_path / "slips" / "main.0a"
    path.write_bytes(path.read_bytes() + b'["end",1,["se')
    (left, _) = Slips(tmp_path).left("main")
    assert (left.begun, left.ended) == ({1: AS}, [])


def test_what_is_cleared_is_not_found_and_what_follows_is(tmp_path: Path) -> None:
    slip, _ = Slips(tmp_path).open("main", 0)
    slip.begin(OutboxId(1), AS)
    slip.clear()
    slip.begin(OutboxId(2), AS)
    assert Slips(tmp_path).left("main")[0].begun == {2: AS}


def test_after_a_death_of_the_machine_slips_are_not_believed(tmp_path: Path, monkeypatch: object) -> None:
    Slips(tmp_path).open("main", 0)
    other = tmp_path / "boot"
    other.write_text("another-boot\n")
    before, slips.BOOT_ID = slips.BOOT_ID, other  # type: ignore[misc]
    try:
        assert not any(one.is_believed for one in Slips(tmp_path).left("main"))
    finally:
        slips.BOOT_ID = before  # type: ignore[misc]


def test_servers_of_like_names_have_slips_of_their_own(tmp_path: Path) -> None:
    one = Slips(tmp_path)
    one.open("main", 0)
    one.open("main-2", 1)
    assert one.servers() == ["main", "main-2"]
    one.clear("main")
    assert one.servers() == ["main-2"]
