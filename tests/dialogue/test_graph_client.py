"""What the client says to Graph, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import Any, cast

import anyio
import pytest
from aiohttp import web
from tests.dialogue.graph import TOKEN, FakeBearer, Say, mailbox, refused, said, scripted

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.graph.client import Deadlines, GraphMailbox, Value
from mailwicket.net.graph.failure import ItemGoneError, SyncLostError, UnsureError
from mailwicket.net.graph.place import Place
from mailwicket.net.lanes import Lanes


async def whole(value: Value) -> bytes:
    return b"".join([piece async for piece in value.pieces])


async def test_every_request_asks_for_immutable_ids_and_has_a_number_of_its_own() -> None:
    async with scripted(said(200, {"id": "x", "@odata.more": 1})) as script, mailbox(script) as graph:
        answer = await graph.call("GET", "mailFolders/inbox?$select=id", headers={"Prefer": "odata.maxpagesize=50"})
        await graph.call("POST", "messages/a%3D/move", json={"destinationId": "archive"}, wanted={200})
        await graph.follow(f"{graph.place.base}/users/x/delta?$skiptoken=a%2Bb%3d")
    assert answer.json["id"] == "x"
    got, posted, followed = script.heard
    assert got.target == "/v1.0/users/desk@example.org/mailFolders/inbox?$select=id"
    assert got.headers["Prefer"] == 'odata.maxpagesize=50, IdType="ImmutableId"'
    assert posted.target == "/v1.0/users/desk@example.org/messages/a%3D/move"
    assert (posted.headers["Content-Type"], posted.body) == ("application/json", b'{"destinationId":"archive"}')
    assert followed.target == "/v1.0/users/x/delta?$skiptoken=a%2Bb%3d", "byte for byte"
    assert all(one.headers["Prefer"].endswith('IdType="ImmutableId"') for one in script.heard)
    assert all(one.headers["Authorization"] == f"Bearer {TOKEN}-0" for one in script.heard)
    assert len({one.headers["client-request-id"] for one in script.heard}) == 3


async def test_no_token_goes_to_a_link_of_another_server() -> None:
    async with scripted(said(200, {})) as other, scripted(said(200, {})) as script, mailbox(script) as graph:
        with pytest.raises(BlockedError, match="another server"):
            await graph.follow(f"http://127.0.0.1:{other.port}/v1.0/x")
    assert (script.heard, other.heard) == ([], [])


async def test_a_redirect_is_not_followed() -> None:
    async with scripted(said(200, {})) as other:

        async def elsewhere(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"http://127.0.0.1:{other.port}/")

        async with scripted(elsewhere) as script, mailbox(script) as graph:
            with pytest.raises(BlockedError, match="redirect"):
                await graph.call("GET", "x")
    assert other.heard == []


async def test_a_refused_token_is_renewed_once_and_the_request_made_again() -> None:
    bearer = FakeBearer()
    async with (
        scripted(refused(401, "InvalidAuthenticationToken"), said(200, {"a": 1})) as script,
        mailbox(script, bearer) as graph,
    ):
        assert (await graph.call("POST", "x", json={"b": 2})).json == {"a": 1}
    assert [one.headers["Authorization"][-1] for one in script.heard] == ["0", "1"]
    assert [one.body for one in script.heard] == [b'{"b":2}'] * 2


async def test_a_second_refusal_of_the_token_asks_for_a_person_and_shows_no_token() -> None:
    bearer = FakeBearer()
    async with scripted(refused(401, "InvalidAuthenticationToken")) as script, mailbox(script, bearer) as graph:
        for ask in (graph.call("GET", "x"), graph.read_value("x", whole)):
            with pytest.raises(BlockedError) as caught:
                await ask
            assert caught.value.reason == "needs_sign_in"
            assert TOKEN not in str(caught.value)
    assert len(script.heard) == 4


async def test_claims_are_not_answered_with_another_token() -> None:
    asks = 'Bearer error="insufficient_claims", claims="eyJ"'
    async with scripted(refused(401, "InvalidAuthenticationToken", WWW_Authenticate=asks)) as script:
        bearer = FakeBearer()
        async with mailbox(script, bearer) as graph:
            with pytest.raises(BlockedError, match="conditional access"):
                await graph.call("GET", "x")
        assert (len(script.heard), bearer.claims) == (1, "eyJ"), "the next sign-in asks for them"


async def test_a_pause_is_kept_by_what_comes_after_and_by_others_of_the_mailbox() -> None:
    lanes = Lanes()
    async with (
        scripted(refused(429, "ApplicationThrottled", Retry_After="20"), said(200, {})) as script,
        mailbox(script, lanes=lanes) as inward,
        mailbox(script, lanes=lanes) as outward,
    ):
        for graph in (inward, inward, outward):
            with pytest.raises(TransientError) as caught:
                await graph.call("GET", "x")
            assert caught.value.reason == "throttled"
            assert caught.value.retry_after_s == pytest.approx(20, abs=1)
    assert len(script.heard) == 1, "each early retry counts against us"


async def test_ten_mailboxes_of_one_application_have_four_requests_under_way_and_each_has_one() -> None:
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def slow(request: web.Request) -> web.StreamResponse:
        names = "all", request.path.split("/")[3]
        under_way.update(names)
        most.update({name: max(0, under_way[name] - most[name]) for name in names})
        await asyncio.sleep(0.01)
        under_way.subtract(names)
        return web.json_response({})

    async def ask(graph: GraphMailbox) -> None:
        await graph.call("GET", "x")
        await graph.close()

    lanes = Lanes()
    async with scripted(slow) as script, anyio.create_task_group() as tasks:
        for number in range(10):
            place = Place.at("127.0.0.1", script.port, f"desk{number}@example.org", encrypted=False)
            for _ in range(2):  # what comes in and what goes out
                lane = lanes.lane(place.base, "app-1", place.mailbox)
                graph = GraphMailbox(place, "office", FakeBearer(), lane, cast("Any", None))
                tasks.start_soon(ask, graph)
    assert most.pop("all") == 4
    assert set(most.values()) == {1}


async def test_errors_are_of_the_table() -> None:
    answers = refused(404, "ErrorItemNotFound"), refused(410, "SyncStateNotFound")
    async with scripted(*answers) as script, mailbox(script) as graph:
        with pytest.raises(ItemGoneError, match="GET messages/x"):
            await graph.call("GET", "messages/x")
        with pytest.raises(SyncLostError):
            await graph.call("GET", "messages/x")


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x" * 10)
    request.transport.abort()
    return response


async def silent(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


async def gone(request: web.Request) -> web.StreamResponse:
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("say", [cut, silent, gone, refused(500, "x"), refused(504, "x")])
async def test_where_no_answer_came_nobody_knows_what_the_server_did(say: Say) -> None:
    async with scripted(say) as script, mailbox(script) as graph:
        with pytest.raises(UnsureError) as caught:
            await graph.call("POST", "messages/x/send", wanted={202})
    assert f"127.0.0.1:{script.port}" in str(caught.value)
    assert len(script.heard) == 1, "it is not asked again"


async def slow(_: web.Request) -> web.StreamResponse:
    """As where a long body goes over a thin line."""
    await asyncio.sleep(0.5)
    return web.json_response({})


@pytest.mark.parametrize(("size", "waits"), [(300_000, True), (1000, False)])
async def test_a_long_request_has_longer_as_its_line_may_be_thin(size: int, *, waits: bool) -> None:
    deadlines = Deadlines(answer_s=0.2, slowest_bytes_per_s=100_000)
    async with scripted(slow) as script, mailbox(script, deadlines=deadlines) as graph:
        if waits:
            assert (await graph.call("POST", "messages", body=b"x" * size)).status == 200
        else:
            with pytest.raises(UnsureError):
                await graph.call("POST", "messages", body=b"x" * size)


@pytest.mark.parametrize("say", [said(200, None), said(200, {"x": 1}), said(204, None)])
async def test_only_what_is_wanted_is_a_success(say: Say) -> None:
    async with scripted(say) as script, mailbox(script) as graph:
        with pytest.raises(TransientError):
            await graph.call("POST", "sendMail", wanted={202})


async def test_a_server_that_is_away_surely_did_nothing() -> None:
    async with scripted(said(200, {})) as script:
        pass
    async with mailbox(script) as graph:
        with pytest.raises(TransientError) as caught:
            await graph.call("POST", "x")
    assert type(caught.value) is TransientError
    assert caught.value.reason == "unreachable"


async def test_an_endless_answer_is_left() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b'"' + b"x" * 65_536)

    async with scripted(endless) as script, mailbox(script, deadlines=Deadlines(answer_s=10)) as graph:
        with pytest.raises(TransientError, match="more than"):
            await graph.call("GET", "x")


async def test_an_answer_that_is_no_json_is_no_answer() -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async with scripted(page) as script, mailbox(script) as graph:
        with pytest.raises(TransientError, match="no JSON"):
            await graph.call("GET", "x")


async def test_the_bytes_of_a_mail_come_as_they_are_and_may_be_left_early() -> None:
    async def mail(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(range(256)) * 4096, content_type="text/plain")

    async def first(value: Value) -> tuple[int, bool]:
        async for piece in value.pieces:
            return len(piece), value.is_marked
        raise AssertionError

    async with scripted(mail) as script, mailbox(script, deadlines=Deadlines()) as graph:
        assert await graph.read_value("messages/x/$value", whole) == bytes(range(256)) * 4096
        size, marked = await graph.read_value("messages/x/$value", first)
        assert await graph.read_value("messages/x/$value", whole) == bytes(range(256)) * 4096
    assert marked
    assert size > 0


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
async def test_an_answer_of_another_kind_is_not_taken_for_the_bytes_of_a_mail(kind: str) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"Subject: no mail\r\n\r\n", content_type=kind)

    async with scripted(page) as script, mailbox(script) as graph:
        with pytest.raises(UnsureError, match=f"with {kind}: no mail"):
            await graph.read_value("messages/x/$value", whole)


async def test_a_mail_that_drips_is_given_up() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"x")
            await asyncio.sleep(0.05)
        return response

    begun = time.perf_counter()
    async with scripted(drip) as script, mailbox(script) as graph:
        with pytest.raises(TransientError, match="of a mail"):
            await graph.read_value("x", whole)
    assert time.perf_counter() - begun < 3


@pytest.mark.parametrize("say", [cut, gone])
async def test_a_mail_that_is_cut_off_is_no_mail(say: Say) -> None:
    async with scripted(say) as script, mailbox(script) as graph:
        with pytest.raises(TransientError):
            await graph.read_value("x", whole)


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_body_whose_end_nobody_marks_is_told_as_such_where_it_could_be_marked(version: bytes) -> None:
    async def unmarked(request: web.Request) -> web.StreamResponse:
        request.transport.write(b"HTTP/%b 200 OK\r\nConnection: close\r\n\r\nSubject: x\r\n" % version)
        request.transport.close()
        return web.Response()

    async def look(value: Value) -> tuple[bytes, bool]:
        return await whole(value), value.is_marked

    async with scripted(unmarked) as script, mailbox(script) as graph:
        assert await graph.read_value("x", look) == (b"Subject: x\r\n", version == b"1.0")


async def test_an_upload_session_hears_no_token() -> None:
    async with scripted(said(200, {})) as script, scripted(said(201, {"a": 1})) as other, mailbox(script) as graph:
        url = f"http://127.0.0.1:{other.port}/upload?authtoken=a%2Fb"
        answer = await graph.upload(url, b"slice", {"Content-Range": "bytes 0-4/5"})
        with pytest.raises(BlockedError, match="not encrypted"):
            await graph.upload("http://outlook.example.com/x", b"slice", {})
    assert (answer.status, answer.json) == (201, {"a": 1})
    (heard,) = other.heard
    assert (heard.target, heard.body) == ("/upload?authtoken=a%2Fb", b"slice")
    assert "Authorization" not in heard.headers


async def test_a_request_is_cancelled_at_once() -> None:
    async with scripted(silent) as script, mailbox(script, deadlines=Deadlines()) as graph:
        begun = time.perf_counter()
        with anyio.move_on_after(0.1):
            await graph.call("GET", "x")
        assert time.perf_counter() - begun < 1


async def test_the_log_has_the_vendors_number_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(refused(404, "ErrorItemNotFound", request_id="aaaa-1111")) as script, mailbox(script) as graph:
        with pytest.raises(ItemGoneError):
            await graph.call("GET", "x")
    assert "request_id=aaaa-1111" in caplog.text
    assert TOKEN not in caplog.text
