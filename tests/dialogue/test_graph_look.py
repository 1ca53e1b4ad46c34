"""Looking into a folder at Graph: every habit of its delta queries, and nothing is lost or taken for another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contract.sources import USER, GraphBench, graph_bench
from tests.contract.test_sources import look_all, mail, raws
from tests.dialogue.graph import FakeBearer, Say, said, scripted
from tests.lab.graph import GraphError

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.graph.failure import SyncLostError, UnsureError
from mailwicket.net.machine import Machine
from mailwicket.sources import _graph_cursor, graph
from mailwicket.sources._graph_config import Graph
from mailwicket.sources.graph import GraphFolder, GraphSource


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[GraphBench]:
    async with graph_bench(tmp_path) as running:
        yield running


def small_pages(bench: GraphBench, mails: int = 2, **changes: Any) -> GraphSource:
    source = bench.source(**changes)
    source._memory.page_mails = mails
    return source


HABITS: list[dict[str, Any]] = [
    {},
    {"shuffled": True},
    {"duplicates": True},
    {"replays": 5},
    {"empty_pages": 2},
    {"sees_latecomers": True},
    {"first_round_removals": True},
    {"partial_rows": False},
    {"shuffled": True, "duplicates": True, "replays": 9, "empty_pages": 1, "sees_latecomers": True},
]


@pytest.mark.parametrize("habits", HABITS, ids=lambda habits: "+".join(habits) or "plain")
async def test_whatever_the_habits_of_its_rounds_each_mail_is_told(bench: GraphBench, habits: dict[str, Any]) -> None:
    for name, value in habits.items():
        setattr(bench.lab.delta.manners, name, value)
    box = bench.lab.mailbox(USER)
    items = [box.deliver(mail(number)) for number in range(7)]
    box.take(box.deliver(mail(99)))
    async with small_pages(bench).connect() as mailbox:
        told: set[str] = set()
        cursor: str | None = None
        for number in range(4):
            refs, cursor = await look_all(mailbox, cursor)
            told |= {ref.remote_id for ref in refs}
            box.read(items[number])
            items.append(box.deliver(mail(100 + number)))
        refs, cursor = await look_all(mailbox, cursor)
        told |= {ref.remote_id for ref in refs}
    assert told == {item.immutable_id for item in items}
    assert bench.lab.delta.altered == [], "links go back byte for byte"
    assert all('IdType="ImmutableId"' in one.headers["Prefer"] for one in bench.lab.requests)


async def test_of_a_page_the_oldest_mail_comes_first(bench: GraphBench) -> None:
    bench.lab.delta.manners.shuffled = True
    now = datetime.now(UTC).replace(microsecond=0)
    for hours in (3, 9, 1, 7, 5):
        bench.lab.mailbox(USER).deliver(mail(hours), received=now - timedelta(hours=hours))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
    assert [ref.received_at for ref in refs] == [now - timedelta(hours=hours) for hours in (9, 7, 5, 3, 1)]


async def test_a_page_is_noted_before_the_next_is_asked_for(bench: GraphBench) -> None:
    await bench.deliver(*(mail(number) for number in range(5)))
    async with small_pages(bench).connect() as mailbox:
        first = await mailbox.look(None)
    assert (len(first.refs), first.more) == (2, True)
    async with small_pages(bench).connect() as mailbox:  # as after a death
        rest, _ = await look_all(mailbox, first.cursor)
    assert len({ref.remote_id for ref in [*first.refs, *rest]}) == 5
    assert len(rest) == 3


async def test_ids_that_differ_in_letter_case_alone_are_two_mails(bench: GraphBench) -> None:
    await bench.deliver(mail(1), mail(2))
    async with bench.source().connect() as mailbox:
        refs, _ = await look_all(mailbox)
        assert refs[0].remote_id.casefold() == refs[1].remote_id.casefold()
        assert await raws(mailbox, refs) == [mail(1), mail(2)]


# --- what the server forgets


DEATHS = [(410, "SyncStateNotFound"), (410, "resyncRequired"), (400, "syncStateNotFound"), (404, "SYNCSTATENOTFOUND")]


@pytest.mark.parametrize(("status", "code"), DEATHS)
@pytest.mark.parametrize("in_mid_round", [True, False])
async def test_a_forgotten_state_has_all_looked_at_anew(
    bench: GraphBench, status: int, code: str, *, in_mid_round: bool
) -> None:
    await bench.deliver(*(mail(number) for number in range(5)))
    async with small_pages(bench).connect() as mailbox:
        if in_mid_round:
            look = await mailbox.look(None)
            told, cursor = {ref.remote_id for ref in look.refs}, look.cursor
        else:
            refs, cursor = await look_all(mailbox)
            told = {ref.remote_id for ref in refs}
        bench.lab.delta.expire(GraphError(status, code, "Forgotten."))
        await bench.deliver(mail(9))
        again, cursor = await look_all(mailbox, cursor)
        assert told | {ref.remote_id for ref in again} == await bench.untouched()
        await bench.deliver(mail(10))
        assert len((await look_all(mailbox, cursor))[0]) == 1, "and goes on from there"


async def test_a_server_that_forgets_at_once_is_left_alone_for_a_while(bench: GraphBench) -> None:
    bench.lab.faults.add("GET */delta", status=410, code="SyncStateNotFound", times=9)
    async with bench.source().connect() as mailbox:
        with pytest.raises(SyncLostError):
            await look_all(mailbox)


async def test_after_a_forgotten_state_what_lay_there_first_is_still_left_alone(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    long_ago = datetime.now(UTC) - timedelta(days=90)
    box.deliver(mail(1), received=long_ago)
    box.deliver(mail(2))
    async with bench.source(start_from="now").connect() as mailbox:
        assert (await look_all(mailbox))[0] == []
        _, cursor = await look_all(mailbox)
        new = box.deliver(mail(3))
        bench.lab.delta.expire()
        refs, _ = await look_all(mailbox, cursor)
    assert [ref.remote_id for ref in refs] == [new.immutable_id]


# --- from now on


async def test_marks_on_what_lay_there_make_no_ticket(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    olds = [box.deliver(mail(1), received=datetime.now(UTC) - timedelta(days=3)), box.deliver(mail(2))]
    async with bench.source(start_from="now").connect() as mailbox:
        _, cursor = await look_all(mailbox)
    for old in olds:
        box.read(old)
    async with bench.source(start_from="now").connect() as mailbox:  # nothing is remembered
        refs, cursor = await look_all(mailbox, cursor)
    assert refs == []


@pytest.mark.parametrize("after", ["read", "partial", "forgotten"])
async def test_what_is_moved_in_later_is_taken_however_old_it_is(bench: GraphBench, after: str) -> None:
    box = bench.lab.mailbox(USER)
    long_ago = datetime.now(UTC) - timedelta(days=30)
    stays, moves = box.deliver(mail(1), received=long_ago), box.deliver(mail(2), "archive", received=long_ago)
    async with bench.source(start_from="now").connect() as mailbox:
        _, cursor = await look_all(mailbox)
    box.move(moves, box.folder("inbox"))
    box.read(stays)
    bench.lab.delta.manners.partial_rows = after == "partial"
    if after == "forgotten":
        bench.lab.delta.expire()
    async with bench.source(start_from="now").connect() as mailbox:
        refs, _ = await look_all(mailbox, cursor)
    assert [ref.remote_id for ref in refs] == [moves.immutable_id]


async def test_of_very_many_mails_that_lie_there_the_date_decides(
    bench: GraphBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_graph_cursor, "OLD_MAX", 3)
    box = bench.lab.mailbox(USER)
    items = [box.deliver(mail(number)) for number in range(5)]
    async with small_pages(bench, start_from="now").connect() as mailbox:
        refs, cursor = await look_all(mailbox)
        assert (refs, len(cursor) < 1000) == ([], True)
        box.read(items[0])
        new = box.deliver(mail(9), received=datetime.now(UTC) + timedelta(seconds=2))
        refs, _ = await look_all(mailbox, cursor)
    assert [ref.remote_id for ref in refs] == [new.immutable_id]


async def test_a_look_without_news_changes_nothing_for_an_hour(
    bench: GraphBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.deliver(mail(1))
    async with bench.source().connect() as mailbox:
        _, cursor = await look_all(mailbox)
        for _ in range(3):
            look = await mailbox.look(cursor)
            assert (look.refs, look.cursor, look.more) == ((), cursor, False)
        asked = [one.path for one in bench.lab.asked(ending="/delta")]
        assert len(set(asked)) == len(asked), "each goes on from the last one"
        await bench.deliver(mail(2))
        assert len((await mailbox.look(cursor)).refs) == 1
        assert len((await mailbox.look(cursor)).refs) == 1, "as when the store did not take it"
    async with bench.source().connect() as mailbox:
        assert len((await mailbox.look(cursor)).refs) == 1, "nor after a restart is it lost"
    monkeypatch.setattr(graph, "LINK_S", -1)
    async with bench.source().connect() as mailbox:
        _, cursor = await look_all(mailbox)
        assert (await mailbox.look(cursor)).cursor != cursor


async def test_a_mail_that_comes_while_the_folder_is_walked_through_is_taken(bench: GraphBench) -> None:
    bench.lab.delta.manners.sees_latecomers = True
    await bench.deliver(*(mail(number) for number in range(6)))
    async with small_pages(bench, start_from="now").connect() as mailbox:
        look = await mailbox.look(None)
        late = bench.lab.mailbox(USER).deliver(mail(9), received=datetime.now(UTC) + timedelta(seconds=2))
        refs, _ = await look_all(mailbox, look.cursor)
    assert look.more
    assert [ref.remote_id for ref in refs] == [late.immutable_id]


async def test_a_date_takes_what_came_on_that_day_or_later(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    box.deliver(mail(1), received=datetime(2026, 1, 30, 23, 59, 59, tzinfo=UTC))
    first = box.deliver(mail(2), received=datetime(2026, 1, 31, tzinfo=UTC))
    async with bench.source(start_from="2026-01-31").connect() as mailbox:
        refs, _ = await look_all(mailbox)
    assert [ref.remote_id for ref in refs] == [first.immutable_id]
    assert refs[0].received_at == datetime(2026, 1, 31, tzinfo=UTC)


# --- where to look


async def test_a_folder_is_found_by_the_names_that_people_see(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    sub = box.add_folder("Support", "inbox")
    odd = box.add_folder("A/B")
    box.add_folder("support", "inbox")
    box.deliver(mail(1), sub.id)
    box.deliver(mail(2), odd.id)
    for name, expected in (("Inbox/Support", mail(1)), ("iNBOX/Support", mail(1)), ("a/b", mail(2))):
        async with bench.source(folder=name).connect() as mailbox:
            assert await raws(mailbox, (await look_all(mailbox))[0]) == [expected]


async def test_many_folders_come_in_pages(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    for number in range(230):
        box.add_folder(f"Folder {number}")
    async with bench.source(folder="Folder 229").connect() as mailbox:
        assert (await look_all(mailbox))[0] == []


@pytest.mark.parametrize("name", ["JunkEmail", "ARCHIVE", "junkemail"])
async def test_a_well_known_folder_has_its_name_in_any_language(bench: GraphBench, name: str) -> None:
    bench.lab.mailbox(USER).folder(name).display_name = "Irgendwas"
    async with bench.source(folder=name).connect() as mailbox:
        assert (await look_all(mailbox))[0] == []


async def test_another_folder_in_the_configuration_begins_anew(bench: GraphBench) -> None:
    bench.lab.mailbox(USER).deliver(mail(1), "archive")
    async with bench.source().connect() as mailbox:
        _, cursor = await look_all(mailbox)
    async with bench.source(folder="archive", start_from="now").connect() as mailbox:
        refs, _ = await look_all(mailbox, cursor)
    assert refs == []


async def test_a_folder_that_was_made_anew_is_the_same_to_people(bench: GraphBench) -> None:
    box = bench.lab.mailbox(USER)
    old = box.add_folder("Support")
    async with bench.source(folder="Support", start_from="now").connect() as mailbox:
        _, cursor = await look_all(mailbox)
    del box.folders[old.id]
    box.deliver(mail(1), box.add_folder("Support").id)
    async with bench.source(folder="Support", start_from="now").connect() as mailbox:
        refs, _ = await look_all(mailbox, cursor)
        assert await raws(mailbox, refs) == [mail(1)]


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"uidvalidity":1}', '{"folder":"inbox"}', "7"])
async def test_a_cursor_of_another_protocol_counts_for_nothing(bench: GraphBench, cursor: str) -> None:
    await bench.deliver(mail(1))
    async with bench.source().connect() as mailbox:
        assert len((await look_all(mailbox, cursor))[0]) == 1


async def test_a_server_that_was_named_otherwise_before_begins_its_round_anew(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    async with bench.source().connect() as mailbox:
        _, cursor = await look_all(mailbox)
        moved = cursor.replace(bench.lab.origin, "https://graph.microsoft.com")
        assert len((await look_all(mailbox, moved))[0]) == 1


# --- whose mailbox


@pytest.mark.parametrize(
    ("traits", "permissions", "reason"),
    [
        ({"licensed": False}, None, "mailbox_unknown"),
        ({"in_app_scope": False}, None, "mailbox_refused"),
        ({}, ["Mail.Send"], "mailbox_refused"),
    ],
)
async def test_a_mailbox_that_does_not_open_blocks_the_unit(
    bench: GraphBench, traits: dict[str, Any], permissions: list[str] | None, reason: str
) -> None:
    bench.lab.mailbox(USER, **traits)
    bench.lab.tokens.accept("another-token", application=True, permissions=permissions)
    with pytest.raises(BlockedError) as caught:
        async with bench.source(password="another-token").connect():
            pass
    assert caught.value.reason == reason
    assert USER in str(caught.value)


async def test_a_shared_mailbox_opens_with_the_token_of_who_may(bench: GraphBench) -> None:
    bench.lab.mailbox("shared@example.org", full_access={USER}).deliver(mail(1))
    async with bench.source(username="shared@example.org").connect() as mailbox:
        assert len((await look_all(mailbox))[0]) == 1
    bench.lab.mailbox("closed@example.org")
    with pytest.raises(BlockedError, match="full access"):
        async with bench.source(username="closed@example.org").connect():
            pass


async def test_me_is_the_mailbox_of_who_signed_in(bench: GraphBench) -> None:
    await bench.deliver(mail(1))
    async with bench.source(username="me").connect() as mailbox:
        assert len((await look_all(mailbox))[0]) == 1
    bench.lab.tokens.accept("app-token", application=True)
    with pytest.raises(BlockedError, match="set username"):
        async with bench.source(username="me", password="app-token").connect():
            pass


# --- a server that is slow, or odd


async def test_a_server_that_takes_too_long_over_a_page_is_asked_for_half(bench: GraphBench) -> None:
    bench.lab.faults.busy("GET */delta", status=504, times=2)
    source = bench.source()
    for _ in range(2):
        async with source.connect() as mailbox:
            with pytest.raises(UnsureError):
                await mailbox.look(None)
    async with source.connect() as mailbox:
        await mailbox.look(None)
    asked = [one.headers["Prefer"].partition(",")[0] for one in bench.lab.asked(ending="/delta")]
    assert asked == [f"odata.maxpagesize={size}" for size in (500, 250, 125)]


async def test_a_pause_outlasts_the_connection(bench: GraphBench) -> None:
    bench.lab.faults.throttled("GET */delta", retry_after=30)
    source = bench.source()
    for _ in range(2):
        with pytest.raises(TransientError) as caught:
            async with source.connect() as mailbox:
                await mailbox.look(None)
        assert caught.value.reason == "throttled"
    assert bench.lab.throttling.early == 0


async def scripted_look(say: Say, tmp_path: Path) -> None:
    async with scripted(said(200, {"id": "f" * 40}), said(200, {"id": "f" * 40}), say) as script:
        machine: Any = Machine(tmp_path)
        machine.tokens = None
        server = {"server": "127.0.0.1", "port": script.port, "security": "none", "oauth": "office"}
        source = GraphSource("office", Graph.model_validate({"email": USER, **server}), machine)
        source._access._bearer = FakeBearer()
        async with source.connect() as mailbox:
            assert isinstance(mailbox, GraphFolder)
            await mailbox.look(None)


@pytest.mark.parametrize(
    ("page", "kind", "words"),
    [
        ({"value": [], "@odata.nextLink": "https://evil.example/x"}, BlockedError, "another server"),
        ({"value": [], "@odata.deltaLink": "http://127.0.0.1@evil.example/"}, BlockedError, "another server"),
        ({"value": []}, TransientError, "leads on"),
        ({"value": None}, TransientError, "no page"),
        ([], TransientError, "no page"),
        ({"value": [1, {}, {"id": 7}, {"id": ""}]}, TransientError, "leads on"),
    ],
)
async def test_a_page_that_makes_no_sense_is_not_taken(
    tmp_path: Path, page: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await scripted_look(said(200, page), tmp_path)


async def test_half_a_character_names_no_mail(bench: GraphBench) -> None:
    page = {"value": [{"id": "\ud800"}], "@odata.deltaLink": f"{bench.lab.base}/users/x/delta"}
    bench.lab.faults.add("GET */delta", body=json.dumps(page))
    async with bench.source(start_from="all").connect() as mailbox:
        assert not (await mailbox.look(None)).refs


async def test_folders_that_are_no_list_are_asked_for_again(bench: GraphBench) -> None:
    bench.lab.faults.add("GET */mailFolders", body='{"value": 5}')
    with pytest.raises(TransientError, match="no list of folders"):
        async with bench.source(folder="Support").connect():
            raise AssertionError
