"""What becomes of the server's copies, on servers that can much and little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.dialogue.server import opened, scripted

from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import MailRef, Settlement


def done(*uids: int, epoch: str = "7", headers_only: bool = False) -> list[Settlement]:
    return [Settlement(MailRef("INBOX", epoch, str(uid), 5, None), headers_only=headers_only) for uid in uids]


async def settle(tmp_path: Path, script: str, after: str, settlements: Sequence[Settlement]) -> list[str]:
    async with scripted(script) as server:
        async with server.source(tmp_path, after=after).connect() as mailbox:
            await mailbox.settle(settlements)
        return [line.partition(" ")[2] for line in server.lines if " UID " in line or " CREATE " in line]


async def test_seen_sets_the_flag_and_asks_for_no_answer(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: $ OK"
    assert await settle(tmp_path, script, "seen", done(3, 4, 9)) == [r"UID STORE 3:4,9 +FLAGS.SILENT (\Seen)"]


async def test_leave_changes_nothing(tmp_path: Path) -> None:
    script = opened().replace("READ-WRITE", "READ-ONLY")
    assert await settle(tmp_path, script, "leave", done(3)) == []


async def test_old_numbers_settle_nothing(tmp_path: Path) -> None:
    assert await settle(tmp_path, opened(), "delete", done(3, epoch="6")) == []
    assert await settle(tmp_path, opened(), "seen", []) == []


async def test_delete_expunges_just_what_was_settled(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: $ OK\nC: *\nS: * 1 EXPUNGE\nS: $ OK"
    lines = await settle(tmp_path, script, "delete", done(3, 4))
    assert lines == [r"UID STORE 3:4 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 3:4"]


async def test_without_uidplus_nothing_is_expunged_that_others_may_have_flagged(tmp_path: Path) -> None:
    script = opened("IMAP4rev1") + "C: *\nS: $ OK"
    assert await settle(tmp_path, script, "delete", done(3)) == [r"UID STORE 3 +FLAGS.SILENT (\Deleted)"]


async def test_a_mail_of_which_we_hold_the_headers_alone_is_not_deleted(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: $ OK\n" * 3
    lines = await settle(tmp_path, script, "delete", [*done(3), *done(4, headers_only=True)])
    assert lines == [
        r"UID STORE 4 +FLAGS.SILENT (\Seen)",
        r"UID STORE 3 +FLAGS.SILENT (\Deleted)",
        "UID EXPUNGE 3",
    ]


async def test_move_moves(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: * OK [COPYUID 1 3 1] moved\nS: * 1 EXPUNGE\nS: $ OK"
    assert await settle(tmp_path, script, "move:Erl\u00e9digt", done(3)) == ['UID MOVE 3 "Erl&AOk-digt"']


async def test_a_missing_folder_is_created_once(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: $ NO [TRYCREATE] no such folder\nC: *\nS: $ OK\nC: *\nS: $ OK"
    lines = await settle(tmp_path, script, "move:Done", done(3))
    assert lines == ['UID MOVE 3 "Done"', 'CREATE "Done"', 'UID MOVE 3 "Done"']


async def test_a_folder_that_cannot_be_created_blocks_the_unit(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: $ NO [TRYCREATE] no such folder\nC: *\nS: $ NO not here"
    with pytest.raises(BlockedError, match=r'has no folder Done and does not create it \("not here"\)') as caught:
        await settle(tmp_path, script, "move:Done", done(3))
    assert caught.value.reason == "folder_unknown"


async def test_without_move_a_copy_is_made_of_what_is_not_copied_yet(tmp_path: Path) -> None:
    script = opened("IMAP4rev1 UIDPLUS") + "C: *\nS: * SEARCH 4\nS: $ OK\n" + "C: *\nS: $ OK\n" * 3
    lines = await settle(tmp_path, script, "move:Done", done(3, 4))
    assert lines == [
        "UID SEARCH UID 3:4 UNDELETED",
        'UID COPY 4 "Done"',
        r"UID STORE 4 +FLAGS.SILENT (\Deleted)",
        "UID EXPUNGE 4",
    ]


async def test_without_move_nobody_elses_mail_is_touched_whatever_a_search_names(tmp_path: Path) -> None:
    script = opened("IMAP4rev1 UIDPLUS") + "C: *\nS: * SEARCH 3 4 900 901\nS: $ OK\n" + "C: *\nS: $ OK\n" * 3
    lines = await settle(tmp_path, script, "move:Done", done(3, 4))
    assert lines[1:] == ['UID COPY 3:4 "Done"', r"UID STORE 3:4 +FLAGS.SILENT (\Deleted)", "UID EXPUNGE 3:4"]


async def test_without_move_a_search_that_cannot_be_read_moves_nothing(tmp_path: Path) -> None:
    script = opened("IMAP4rev1 UIDPLUS") + "C: *\nS: * SEARCH 3 x\nS: $ OK\n"
    with pytest.raises(TransientError, match="an answer to SEARCH with") as caught:
        await settle(tmp_path, script, "move:Done", done(3, 4))
    assert caught.value.reason == "server_said"


async def test_without_move_and_uidplus_the_original_stays_flagged(tmp_path: Path) -> None:
    script = opened("IMAP4rev1") + "C: *\nS: * SEARCH 3\nS: $ OK\n" + "C: *\nS: $ OK\n" * 2
    lines = await settle(tmp_path, script, "move:Done", done(3))
    assert lines[-1] == r"UID STORE 3 +FLAGS.SILENT (\Deleted)"


async def test_many_mails_are_settled_in_lines_of_bounded_length(tmp_path: Path) -> None:
    script = opened() + "C: *\nS: $ OK\n" * 5
    lines = await settle(tmp_path, script, "seen", done(*range(1_000_000_001, 1_000_002_000, 2)))
    assert len(lines) == 5
    assert max(map(len, lines)) < 8192


async def test_a_missing_right_blocks_the_unit_and_any_other_refusal_does_not(tmp_path: Path) -> None:
    with pytest.raises(BlockedError, match="does not allow STORE"):
        await settle(tmp_path, opened() + "C: *\nS: $ NO [NOPERM] you may not", "seen", done(3))
    with pytest.raises(BlockedError, match='does not allow MOVE to Done \\("\\[CANNOT\\] not there"\\)'):
        await settle(tmp_path, opened() + "C: *\nS: $ NO [CANNOT] not there", "move:Done", done(3))
    with pytest.raises(TransientError, match='answered STORE with NO \\("busy"\\)'):
        await settle(tmp_path, opened() + "C: *\nS: $ NO busy", "seen", done(3))
