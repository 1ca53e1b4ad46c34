"""What was sent long ago gives its words back; how it went stays."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.fakes import FakeDesk
from tests.flow.test_outbox_kills import ROOT
from tests.postoffice import PostOffice
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.errors import ConflictError
from mailwicket.flow import reclaim as module
from mailwicket.flow.reclaim import Reclaim
from mailwicket.model import AttachmentPlace, MessageId, Sha256
from mailwicket.net.attachments import AttachmentFiles
from mailwicket.store import attempts, outbox, outlist
from mailwicket.store.attempts import Attempt
from mailwicket.store.outbox import File, OutboxId
from mailwicket.store.outlist import Anew
from mailwicket.store.raw import RawPlace
from mailwicket.store.store import Store

SHA = Sha256("a" * 64)
KEEP = timedelta(days=90)
CONTENTS = (b"named", b"alone", b"again")


class Attic:
    """An outbox whose mails were sent, refused and cancelled; one waits."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.office = PostOffice(directory)
        self.office.clock.now = datetime.now(UTC)
        self.store: Store = self.office.store

    async def fill(self) -> None:
        office = self.office
        told = {"html": "<p>Words.</p>", "references": [MessageId("q@example.com")], "in_reply_to": MessageId("q@x.y")}
        files = [File("a.txt", "text/plain", SHA)]
        await office.queue(*(office.draft(files=files, **told) for _ in range(4)))

        def settle(tx: Any) -> None:
            attempts.note_sent(tx, {OutboxId(1): None}, office.clock())
            mail = outbox.find(tx, OutboxId(2))
            assert mail is not None
            attempt = Attempt("main", "refused", office.clock(), "550 no such user")
            attempts.note_attempt(tx, mail, attempt, office.clock())
            outlist.cancel(tx, OutboxId(3), office.clock())
            for number in (1, 2, 3, 4):
                sent_as = office.board.sent_as(outbox.find(tx, OutboxId(number)), "main")  # type: ignore[arg-type]
                outbox.keep_raw(tx, OutboxId(number), sent_as, b"raw")

        await self.store.write(settle)

    async def live(self, days: int) -> None:
        """Let so many days pass, with a restart in each week: none of it looks like a leap of the clock."""
        for day in (*range(0, days, 6), days):
            await self.later(day)

    async def later(self, days: float) -> None:
        clock = lambda: self.office.clock() + timedelta(days=days)  # noqa: E731 - short
        await Reclaim(self.store, FakeDesk(), KEEP, timedelta(days=30), clock).once()

    def shown(self, number: int) -> dict[str, Any]:
        return self.store.read(lambda tx: outlist.shown(tx, OutboxId(number)))

    def reclaimed(self) -> list[int]:
        return [one["id"] for one in self.office.rows() if one["reclaimed"]]

    def raws(self) -> list[int]:
        rows = self.store.read(lambda tx: tx.execute("SELECT outbox_id FROM outbox_raw").fetchall())
        return [number for (number,) in rows]


@pytest.fixture
async def attic(tmp_path: Path) -> AsyncIterator[Attic]:
    one = Attic(tmp_path)
    await one.fill()
    yield one
    await one.store.close()


async def test_the_words_of_what_is_settled_go_with_raw_mail_of_its_age_and_what_waits_keeps_them(attic: Attic) -> None:
    await attic.live(89)
    assert (attic.reclaimed(), attic.raws()) == ([], [1, 2, 3, 4])
    await attic.later(91)
    assert (attic.reclaimed(), attic.raws()) == ([1, 2, 3], [4])
    letter = "SELECT letter FROM outbox WHERE outbox_id = 1"
    kept = attic.store.read(lambda tx: tx.execute(letter).fetchone()[0])
    assert kept == (
        '{"to":[[null,"ann@example.com"]],"subject":"Mail 1","files":[{"name":"a.txt","type":"text/plain","sha256":"'
        + SHA
        + '"}]}'
    )


async def test_what_is_reclaimed_still_tells_its_story(attic: Attic) -> None:
    before = [attic.shown(number) for number in (1, 2, 3)]
    await attic.live(91)
    for one in before:
        after = attic.shown(one["id"])
        assert {**after, "text": one["text"], "reclaimed": False} == one
        assert (after["text"], after["reclaimed"]) == ("", True)
    assert attic.shown(2)["attempts_made"][0]["outcome"] == "refused 550 no such user"
    conf = attic.directory / "conf.d"
    conf.mkdir()
    (conf / "a.toml").write_text(f"[daemon]\nstate_dir = '{attic.directory}/state'\n")
    shown = CliRunner().invoke(app, ["outbox", "show", "2", "--conf", str(conf)])
    assert "what it said is kept no more (store.raw_keep_days)" in shown.stdout
    assert "550 no such user" in shown.stdout


async def test_the_same_cause_queues_it_no_second_time_and_it_cannot_be_tried_again(attic: Attic) -> None:
    await attic.live(91)
    known = attic.shown(2)["message_id"]
    (queued,) = await attic.office.queue(attic.office.draft(cause="test-2/technician_replied/requester"))
    assert (queued.is_new, queued.message_id) == (False, known)
    with pytest.raises(ConflictError) as refused:
        await attic.store.write(
            lambda tx: outlist.retry(tx, OutboxId(2), attic.office.clock(), Anew("main", {}, ["main"]))
        )
    assert str(refused.value) == "mail 2 is failed since long ago: what it said is kept no more"


async def test_a_raw_file_stays_that_a_mail_which_waits_takes_a_file_from(attic: Attic) -> None:
    raw = RawPlace("20200101-000001.seg", 0, 10, SHA)
    file = File("a.txt", "text/plain", SHA, None, raw, AttachmentPlace(SHA, (0, 5), "7bit"))
    await attic.office.queue(attic.office.draft(files=[file]))
    paths = [attic.store.raw.directory / name for name in ("20200101-000001.seg", "20200101-000002.seg")]
    for path in paths:
        path.touch()
    await attic.later(0)
    assert [path.exists() for path in paths] == [True, False]
    await attic.store.write(lambda tx: outlist.cancel(tx, OutboxId(5), attic.office.clock()))
    await attic.later(0.1)
    assert [path.exists() for path in paths] == [False, False]


async def test_what_went_along_goes_when_no_letter_names_it_unless_it_was_kept_again(attic: Attic) -> None:
    files = AttachmentFiles(attic.directory / "attachments")
    named, alone, again = (Sha256(hashlib.sha256(content).hexdigest()) for content in CONTENTS)
    for sha256, content in zip((named, alone, again), CONTENTS, strict=True):
        files.keep(sha256, content)
        os.utime(files.path(sha256), (0, 0))
    await attic.office.queue(attic.office.draft(files=[File("a.txt", "text/plain", named)]))
    files.keep(again, CONTENTS[2])

    async def later(days: int) -> list[bool]:
        clock = lambda: attic.office.clock() + timedelta(days=days)  # noqa: E731 - short
        await Reclaim(attic.store, FakeDesk(), KEEP, timedelta(days=30), clock, files=files).once()
        return [files.has(sha256) for sha256 in (named, alone, again)]

    assert await later(0) == [True, False, True]
    await attic.store.write(lambda tx: outlist.cancel(tx, OutboxId(5), attic.office.clock()))
    await attic.live(89)
    assert await later(91) == [False, False, False]
    files.discard(alone, attic.office.clock())
    assert list((attic.directory / "attachments").glob("*/*")) == []


@pytest.mark.parametrize("point", ["commit.before", "commit.after"])
async def test_a_death_amid_it_leaves_each_mail_whole_or_reclaimed_and_the_next_run_does_the_rest(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LETTERS_AT_ONCE", 3)
    attic = Attic(tmp_path)
    await attic.office.queue(*(attic.office.draft() for _ in range(8)))
    numbers = {OutboxId(number): None for number in range(1, 9)}
    await attic.store.write(lambda tx: attempts.note_sent(tx, numbers, attic.office.clock()))
    await attic.live(88)
    await attic.store.close()

    async def live(death: str) -> int:
        environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'daemon'}:{ROOT}", "MAILWICKET_FAILPOINT": death}
        command = [sys.executable, "-m", "tests.lab.reclaimer", str(tmp_path / "state"), "92"]
        return (await anyio.run_process(command, env=environ, check=False, stderr=subprocess.DEVNULL)).returncode

    assert await live(f"{point}:3:die") == -9  # noting the clock is the first
    attic.store = Store(tmp_path / "state")
    attic.office.store = attic.store
    words = "SELECT reclaimed, count(*), sum(letter LIKE '%Words%') FROM outbox GROUP BY reclaimed ORDER BY reclaimed"
    rows = attic.store.read(lambda tx: tx.execute(words).fetchall())
    done = 3 if point == "commit.before" else 6
    assert rows == [(0, 8 - done, 8 - done), (1, done, 0)]
    await attic.store.close()
    assert await live("") == 0
    attic.store = Store(tmp_path / "state")
    assert attic.store.read(lambda tx: tx.execute(words).fetchall()) == [(1, 8, 0)]
    await attic.store.close()
