"""Gmail's ways: folders are labels, the trash has a name in every language, and a move to it may end the session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dialogue.server import opened, scripted
from tests.dialogue.test_imap_settle import done, settle

from mailwicket.errors import TransientError

GMAIL = "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS ENABLE MOVE CONDSTORE ESEARCH"
FOLDERS = r"""
    C: LIST "" "*"
    S: * LIST (\HasNoChildren) "/" "INBOX"
    S: * LIST (\HasChildren \Noselect) "/" "[Gmail]"
    S: * LIST (\All \HasNoChildren) "/" "[Gmail]/Alle Nachrichten"
    S: * LIST (\HasNoChildren \Trash) "/" "[Gmail]/M&APw-ll"
    S: $ OK Success
"""
MOVE = 'UID MOVE 3:4 "[Gmail]/M&APw-ll"'


async def test_what_is_deleted_goes_to_the_trash_whatever_its_name(tmp_path: Path) -> None:
    script = opened(GMAIL) + FOLDERS + "C: *\nS: * 1 EXPUNGE\nS: * 1 EXPUNGE\nS: $ OK [COPYUID 9 3:4 1:2] (Success)"
    assert await settle(tmp_path, script, "delete", done(3, 4)) == [MOVE]


async def test_nothing_is_asked_for_where_nothing_is_deleted(tmp_path: Path) -> None:
    script = opened(GMAIL) + "C: *\nS: $ OK"
    assert await settle(tmp_path, script, "delete", done(3, headers_only=True)) == [
        r"UID STORE 3 +FLAGS.SILENT (\Seen)"
    ]


async def test_without_a_trash_the_label_is_taken_off(tmp_path: Path) -> None:
    hidden = FOLDERS.replace(r" \Trash", "")
    script = opened(GMAIL) + hidden + "C: *\nS: * 1 EXPUNGE\nS: $ OK\nC: *\nS: $ OK"  # auto-expunge acts at once
    assert await settle(tmp_path, script, "delete", done(3)) == [
        r"UID STORE 3 +FLAGS.SILENT (\Deleted)",
        "UID EXPUNGE 3",
    ]


async def test_a_session_that_ends_behind_a_move_has_moved(tmp_path: Path) -> None:
    script = opened(GMAIL) + FOLDERS + "C: *\nS: * 1 EXPUNGE\nS: $ OK\nS: * BYE Session expired\nX: close"
    assert await settle(tmp_path, script, "delete", done(3, 4)) == [MOVE]


@pytest.mark.parametrize("ends", ["S: * BYE Session expired\nX: close", "X: close"])
async def test_a_session_that_ends_within_a_move_is_followed_by_another_try(tmp_path: Path, ends: str) -> None:
    """By then the mails may be gone: a UID that is gone is passed over (RFC 9051 6.4.9)."""
    cut = opened(GMAIL) + FOLDERS + f"C: *\nS: * 1 EXPUNGE\n{ends}"
    again = opened(GMAIL) + FOLDERS + "C: *\nS: $ OK (Success)"
    async with scripted(cut, again) as server:
        source = server.source(tmp_path, after="delete")
        with pytest.raises(TransientError):
            async with source.connect() as mailbox:
                await mailbox.settle(done(3, 4))
        async with source.connect() as mailbox:
            await mailbox.settle(done(3, 4))
    assert [line.partition(" ")[2] for line in server.lines if " MOVE " in line] == [MOVE, MOVE]
