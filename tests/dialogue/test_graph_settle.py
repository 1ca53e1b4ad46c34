"""What becomes of the copies at Graph."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.sources import USER, GraphBench, graph_bench
from tests.contract.test_sources import look_all, mail

from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import Settlement


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[GraphBench]:
    async with graph_bench(tmp_path) as running:
        await running.deliver(mail(1), mail(2), mail(3))
        yield running


def places(bench: GraphBench) -> list[tuple[str, bool]]:
    """Folder and read mark of each mail, as they were laid in."""
    box = bench.lab.mailbox(USER)
    items = sorted(box.messages(), key=lambda item: item.subject)
    return [(box.folders[item.folder_id].display_name, item.is_read) for item in items]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("seen", ("Inbox", True)),
        ("leave", ("Inbox", False)),
        ("delete", ("Deleted Items", False)),
        ("move:Done", ("Done", False)),
        ("move:archive", ("Archive", False)),
        ("move:Inbox/Deep", ("Deep", False)),
    ],
)
async def test_a_settled_mail_is_where_it_is_to_be_however_often(
    bench: GraphBench, after: str, expected: tuple[str, bool]
) -> None:
    bench.lab.mailbox(USER).add_folder("Deep", "inbox")
    async with bench.source(after=after).connect() as mailbox:
        refs, _ = await look_all(mailbox)
    first = next(ref for ref in refs if bench.lab.mailbox(USER).message(ref.remote_id).subject == "mail 1")
    for _ in range(2):  # as after a death
        async with bench.source(after=after).connect() as mailbox:
            await mailbox.settle([Settlement(first)])
    assert places(bench) == [expected, ("Inbox", False), ("Inbox", False)]


async def test_a_mail_of_which_we_hold_the_header_alone_is_never_deleted(bench: GraphBench) -> None:
    async with bench.source(after="delete").connect() as mailbox:
        refs, _ = await look_all(mailbox)
        await mailbox.settle([Settlement(refs[0], headers_only=True), Settlement(refs[1])])
    assert sorted(places(bench)) == [("Deleted Items", False), ("Inbox", False), ("Inbox", True)]


async def test_a_mail_that_is_gone_is_passed_over(bench: GraphBench) -> None:
    for after in ("seen", "move:Done"):
        async with bench.source(after=after).connect() as mailbox:
            refs, _ = await look_all(mailbox)
            await bench.remove(refs[0].remote_id)
            await mailbox.settle([Settlement(ref) for ref in refs])
    assert places(bench) == [("Done", True)]


async def test_a_folder_that_is_gone_is_no_mail_that_is_gone(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    done = next(one for one in box.folders.values() if one.display_name == "Done")
    async with bench.source(after="move:Done").connect() as mailbox:
        refs, _ = await look_all(mailbox)
        await mailbox.settle([Settlement(refs[0])])
        del box.folders[done.id]
        with pytest.raises(BlockedError, match="Done") as caught:
            await mailbox.settle([Settlement(refs[1])])
        assert caught.value.reason == "folder_unknown"
        box.add_folder("Done")
        await mailbox.settle([Settlement(refs[1])])
    item = box.message(refs[1].remote_id)
    assert box.folders[item.folder_id].display_name == "Done"


async def test_a_folder_to_move_to_that_was_never_there_blocks_the_unit(bench: GraphBench) -> None:
    async with bench.source(after="move:Nowhere").connect() as mailbox:
        refs, _ = await look_all(mailbox)
        with pytest.raises(BlockedError, match="Nowhere") as caught:
            await mailbox.settle([Settlement(refs[0])])
    assert caught.value.reason == "folder_unknown"


async def test_a_pause_in_the_middle_leaves_the_rest_for_later(bench: GraphBench) -> None:
    bench.lab.faults.throttled("PATCH *", retry_after=1)
    bench.lab.faults.waiting[0].after = 1
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        with pytest.raises(TransientError) as caught:
            await mailbox.settle([Settlement(ref) for ref in refs])
    assert caught.value.reason == "throttled"
    assert [is_read for _, is_read in places(bench)].count(True) == 1


async def test_an_answer_that_got_lost_changes_nothing_about_the_end(bench: GraphBench) -> None:
    bench.lab.faults.lost_answer("POST */move")
    source = bench.source(after="move:Done")
    async with source.connect() as mailbox:
        refs, _ = await look_all(mailbox)
        with pytest.raises(TransientError):
            await mailbox.settle([Settlement(refs[0])])
    async with source.connect() as mailbox:
        await mailbox.settle([Settlement(refs[0])])
    assert sorted(place for place, _ in places(bench)) == ["Done", "Inbox", "Inbox"]


async def test_what_may_not_be_changed_blocks_the_unit_and_names_the_permission(bench: GraphBench) -> None:
    bench.lab.tokens.accept("reads-alone", user=USER, permissions=["Mail.Read"])
    async with bench.source(password="reads-alone").connect() as mailbox:
        refs, _ = await look_all(mailbox)
        with pytest.raises(BlockedError, match=r"Mail\.ReadWrite") as caught:
            await mailbox.settle([Settlement(refs[0])])
    assert caught.value.reason == "mailbox_refused"
