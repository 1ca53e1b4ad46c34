"""The double of Microsoft Graph reads as the original does: pages, rounds, ids, MIME; numbers are those of its list."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientError, ClientPayloadError
from tests.lab.graph import GraphError
from tests.lab.graph_client import DESK, IMMUTABLE, Client, mail, opened
from yarl import URL

DELTA = "mailFolders/inbox/messages/delta"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with opened() as one:
        yield one


# --- 1: paging


@pytest.mark.parametrize(
    ("prefer", "option", "sizes"),
    [("", "", [10, 2]), ("odata.maxpagesize=5", "", [5, 5, 2]), ("", "?$top=7", [7, 5]), ("", "?$top=12", [12])],
)
async def test_a_page_is_as_large_as_asked_for(client: Client, prefer: str, option: str, sizes: list[int]) -> None:
    for number in range(12):
        client.box.deliver(mail(number))
    pages = await client.pages(f"mailFolders/inbox/messages/delta{option}", prefer)
    assert [len(page["value"]) for page in pages] == sizes


async def test_links_are_absolute_and_opaque(client: Client) -> None:
    link = (await client.pages())[-1]["@odata.deltaLink"]
    assert link.startswith(client.lab.base)
    normal = str(URL(link))  # one that a library has escaped anew
    assert normal != link
    assert (await client.get(normal)).status == 400
    assert client.lab.delta.altered


async def test_a_page_may_be_empty_and_not_the_last(client: Client) -> None:
    client.lab.delta.manners.empty_pages = 2
    client.box.deliver(mail())
    assert [len(page["value"]) for page in await client.pages()] == [0, 0, 1]


async def test_a_plain_list_pages_as_well(client: Client) -> None:
    for number in range(12):
        client.box.deliver(mail(number))
    first = (await client.get("mailFolders/inbox/messages?$select=id")).body
    rest = (await client.get(first["@odata.nextLink"])).body
    assert (len(first["value"]), len(rest["value"])) == (10, 2)
    assert "@odata.nextLink" not in rest


# --- 2: delta


async def test_a_round_tells_what_was_added_changed_and_taken(client: Client) -> None:
    kept, read, moved, taken = (client.box.deliver(mail(number)) for number in range(4))
    link = (await client.pages())[-1]["@odata.deltaLink"]
    assert (await client.get(link, prefer=IMMUTABLE)).body["value"] == []
    new = client.box.deliver(mail(9))
    client.box.read(read)
    client.box.move(moved, client.box.folder("archive"))
    client.box.take(taken)
    rows = {row["id"]: row for row in (await client.pages(link))[-1]["value"]}
    assert set(rows) == {new.immutable_id, read.immutable_id, moved.immutable_id, taken.immutable_id}
    assert rows[moved.immutable_id]["@removed"] == {"reason": "changed"}
    assert rows[taken.immutable_id]["@removed"] == {"reason": "deleted"}
    assert kept.immutable_id not in rows


async def test_each_folder_has_rounds_of_its_own(client: Client) -> None:
    client.box.deliver(mail())
    junk = client.box.deliver(mail(2), "junkemail")
    (page,) = await client.pages("mailFolders/JunkEmail/messages/delta")
    assert [row["id"] for row in page["value"]] == [junk.immutable_id]


async def test_options_of_the_first_request_stay_in_the_token(client: Client) -> None:
    client.box.deliver(mail())
    link = (await client.pages(f"{DELTA}?$select=subject"))[-1]["@odata.deltaLink"]
    client.box.deliver(mail(2))
    (row,) = (await client.get(link, prefer=IMMUTABLE)).body["value"]
    assert row["subject"] == "Printer"
    assert "receivedDateTime" not in row


async def test_after_a_read_flag_changed_a_row_is_partial(client: Client) -> None:
    item = client.box.deliver(mail())
    link = (await client.pages(f"{DELTA}?$select=id,subject"))[-1]["@odata.deltaLink"]
    client.box.read(item)
    (row,) = (await client.get(link, prefer=IMMUTABLE)).body["value"]
    assert {name for name in row if "@" not in name} == {"id", "isRead", "parentFolderId"}
    client.lab.delta.manners.partial_rows = False
    (row,) = (await client.get(link, prefer=IMMUTABLE)).body["value"]
    assert row["subject"] == "Printer"


async def test_a_link_may_be_asked_again_and_answers_the_same(client: Client) -> None:
    for number in range(3):
        client.box.deliver(mail(number))
    first = (await client.get(DELTA, prefer=f"{IMMUTABLE}, odata.maxpagesize=1")).body
    twice = [(await client.get(first["@odata.nextLink"], prefer=IMMUTABLE)).body["value"] for _ in range(2)]
    assert twice[0] == twice[1]


async def test_rows_come_twice_again_and_in_any_order_where_told_to(client: Client) -> None:
    items = [client.box.deliver(mail(number)).immutable_id for number in range(6)]
    client.lab.delta.manners.duplicates = client.lab.delta.manners.shuffled = True
    (page,) = await client.pages(prefer=f"{IMMUTABLE}, odata.maxpagesize=50")
    told = [row["id"] for row in page["value"]]
    assert sorted(told) == sorted(items * 2)
    assert told[:6] != items
    client.lab.delta.manners.duplicates, client.lab.delta.manners.replays = False, 2
    again = (await client.get(page["@odata.deltaLink"], prefer=IMMUTABLE)).body["value"]
    assert {row["id"] for row in again} == set(items[-2:])


@pytest.mark.parametrize("now", [False, True])
async def test_what_comes_during_a_round_is_told_in_it_or_in_the_next(client: Client, now: bool) -> None:  # noqa: FBT001
    client.lab.delta.manners.sees_latecomers = now
    client.box.deliver(mail(1))
    client.box.deliver(mail(2))
    first = (await client.get(DELTA, prefer=f"{IMMUTABLE}, odata.maxpagesize=1")).body
    late = client.box.deliver(mail(3)).immutable_id
    pages = await client.pages(first["@odata.nextLink"])
    assert (late in {row["id"] for page in pages for row in page["value"]}) == now
    after = await client.pages(pages[-1]["@odata.deltaLink"])
    assert (late in {row["id"] for page in after for row in page["value"]}) != now


async def test_a_filter_bounds_the_first_round_and_its_number(client: Client) -> None:
    old = client.lab.clock.now() - client.lab.seconds(7200)
    client.box.deliver(mail(1), received=old)
    for number in range(3):
        client.box.deliver(mail(number + 2))
    since = (client.lab.clock.now() - client.lab.seconds(60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = f"{DELTA}?$filter=receivedDateTime%20ge%20{since}"
    assert len((await client.pages(place))[-1]["value"]) == 3
    client.lab.delta.manners.filtered_limit = 2
    assert len((await client.pages(place))[-1]["value"]) == 2


@pytest.mark.parametrize(
    "option",
    ["$filter=isRead%20eq%20false", "$orderby=subject", "$search=x", "$deltatoken=latest", "$top=0", "changeType=x"],
)
async def test_what_delta_does_not_support_is_refused(client: Client, option: str) -> None:
    assert (await client.get(f"{DELTA}?{option}")).status == 400
    client.lab.openapi.violations.clear()


# --- 3: death of tokens


async def test_links_die(client: Client) -> None:
    client.box.deliver(mail(1))
    client.box.deliver(mail(2))
    next_ = (await client.get(DELTA, prefer="odata.maxpagesize=1")).body["@odata.nextLink"]
    delta = (await client.pages())[-1]["@odata.deltaLink"]
    client.lab.delta.expire()
    for link in (next_, delta):
        gone = await client.get(link)
        assert (gone.status, gone.code) == (410, "SyncStateNotFound")
    place = {"Location": f"{client.lab.base}/users/{DESK}/{DELTA}?$deltatoken="}
    client.lab.delta.expire(GraphError(400, "syncStateNotFound", "words", place))
    gone = await client.get(delta)
    assert (gone.status, gone.code, gone.headers["Location"]) == (400, "syncStateNotFound", place["Location"])
    assert (await client.pages())[-1]["value"]


# --- 4: ids


async def test_ids_are_immutable_only_where_the_request_says_so(client: Client) -> None:
    item = client.box.deliver(mail())
    for prefer, wanted in ((IMMUTABLE, item.immutable_id), ("", item.rest_id)):
        got = await client.get(f"messages/{item.rest_id}", prefer=prefer)
        assert got.body["id"] == wanted
        assert got.headers.get("Preference-Applied") == ("IdType=ImmutableId" if prefer else None)


async def test_a_move_changes_the_id_unless_it_is_immutable(client: Client) -> None:
    item = client.box.deliver(mail())
    before, stays = item.rest_id, item.immutable_id
    moved = await client.post(f"messages/{before}/move", {"destinationId": "ARCHIVE"})
    assert moved.status == 201
    assert moved.body["id"] != before
    gone = await client.get(f"messages/{before}")
    assert (gone.status, gone.code) == (404, "ErrorItemNotFound")
    back = await client.post(f"messages/{stays}/move", {"DestinationId": "inbox"}, prefer=IMMUTABLE)
    assert back.body["id"] == stays
    assert (await client.get(f"messages/{stays}", prefer=IMMUTABLE)).status == 200


async def test_ids_differ_in_letter_case_alone_and_hold_odd_characters(client: Client) -> None:
    one, two = client.box.deliver(mail(1)).immutable_id, client.box.deliver(mail(2)).immutable_id
    assert one != two
    assert one.lower() == two.lower()
    assert all(sign in one for sign in "=-_")
    assert (await client.get(f"messages/{two}")).body["internetMessageId"] == "<2@example.com>"


# --- 5: $value


async def test_value_is_plain_text_with_the_header_block_of_exchange(client: Client) -> None:
    item = client.box.deliver(mail().replace(b"\r\n", b"\n"))
    got = await client.get(f"messages/{item.immutable_id}/$value")
    assert got.headers["Content-Type"] == "text/plain"
    assert got.headers["Transfer-Encoding"] == "chunked"
    assert got.content.startswith(b"Received: from ")
    assert b"\r\nAuthentication-Results: " in got.content
    assert got.content.count(b"\n") == got.content.count(b"\r\n")
    client.lab.manners.mime = "verbatim"
    assert (await client.get(f"messages/{item.immutable_id}/$value")).content == item.content


async def test_a_rebuilt_mail_says_the_same_in_other_bytes(client: Client) -> None:
    raw = (
        b"From: Ada <ada@example.com>\r\nTo: desk@example.org\r\nSubject: " + b"word " * 30 + b"\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b1"\r\n\r\npreamble\r\n'
        b"--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + "Käse\r\n".encode()
        + b'--b1\r\nContent-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment; filename="a.pdf"'
        b"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b1--\r\n"
    )
    item = client.box.deliver(raw)
    client.lab.manners.mime = "rebuilt"
    got = (await client.get(f"messages/{item.immutable_id}/$value")).content
    assert b"b1" not in got
    assert b"8bit" not in got
    read = email.message_from_bytes(got, policy=email.policy.default)
    text, file = read.iter_parts()
    assert text.get_content().strip() == "Käse"
    assert file.get_content() == b"\x00\x01\x02"
    assert read["Subject"].split() == ["word"] * 30


async def test_the_body_of_a_mail_may_be_slow_cut_off_or_huge(client: Client) -> None:
    place = f"messages/{client.box.deliver(mail() + b'x' * 9_000_000).immutable_id}/$value"
    assert len((await client.get(place)).content) > 9_000_000
    client.lab.faults.add("GET */$value", cut_after=2000)
    with pytest.raises(ClientPayloadError):
        await client.get(place)
    client.lab.faults.add("GET */$value", cut_after=3000, pace_s=0.01)
    with pytest.raises(ClientError):
        await client.get(place)


async def test_an_answer_may_be_packed_where_the_client_takes_it(client: Client) -> None:
    client.lab.manners.compressed = True
    place = f"messages/{client.box.deliver(mail() + bytes(1_000_000)).immutable_id}/$value"
    async with client.session.get(
        f"{client.lab.base}/users/{DESK}/{place}", headers={**client.headers, "Accept-Encoding": "gzip"}
    ) as got:
        assert got.headers["Content-Encoding"] == "gzip"
        assert len(await got.read()) > 1_000_000
    plain = await client.get(place, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


# --- faults of the wire


async def test_links_may_lead_elsewhere(client: Client) -> None:
    client.lab.delta.manners.link_origin = "https://graph.example.net"
    link = (await client.get(DELTA)).body["@odata.deltaLink"]
    assert link.startswith(f"https://graph.example.net/v1.0/users/{DESK}/mailFolders(")


async def test_somebody_acts_at_the_moment_of_a_request(client: Client) -> None:
    item = client.box.deliver(mail())
    client.lab.faults.add("GET */$value", does=lambda: client.box.move(item, client.box.folder("archive")))
    got = await client.get(f"messages/{item.rest_id}/$value")
    assert (got.status, got.code) == (404, "ErrorItemNotFound")


async def test_an_answer_may_be_any_bytes_or_lead_away(client: Client) -> None:
    client.lab.faults.add("GET */delta", body="{")
    assert (await client.get(DELTA)).content == b"{"
    client.lab.faults.add("GET */delta", status=302, headers={"Location": "https://example.net/"})
    got = await client.get(DELTA)
    assert (got.status, got.headers["Location"], got.content) == (302, "https://example.net/", b"")


async def test_faults_wait_for_their_request(client: Client) -> None:
    fault = client.lab.faults.add("GET */delta", status=500, after=1, times=2)
    told = [(await client.get(place)).status for place in (DELTA, "mailFolders/inbox", DELTA, DELTA, DELTA)]
    assert told == [200, 200, 500, 500, 200]
    assert fault.hit == 2


# --- 12: every answer


async def test_every_answer_names_the_request_and_says_more_than_is_known(client: Client) -> None:
    item = client.box.deliver(mail())
    asked = {"client-request-id": "canary-1"}
    for place, status in ((f"messages/{item.rest_id}", 200), ("messages/none", 404), ("nothing", 400)):
        got = await client.get(place, headers=asked)
        assert got.status == status
        assert got.headers["request-id"]
        assert got.headers["client-request-id"] == "canary-1"
        if status != 200:
            assert got.body["error"]["innerError"]["request-id"] == got.headers["request-id"]
        else:
            assert {"@odata.etag", "@odata.context", "aFieldOfTomorrow"} <= set(got.body)
    client.lab.openapi.violations.clear()


@pytest.mark.parametrize("name", ["inbox", "Inbox", "INBOX"])
async def test_well_known_names_go_in_any_letter_case(client: Client, name: str) -> None:
    assert (await client.get(f"mailFolders/{name}")).body["displayName"] == "Inbox"


async def test_folders_are_found_by_walking(client: Client) -> None:
    outer = client.box.add_folder("Büro")
    inner = client.box.add_folder("Offen", outer.id)
    top = (await client.get("mailFolders?$top=50")).body["value"]
    assert "Büro" in {one["displayName"] for one in top}
    below = (await client.get(f"mailFolders/{outer.id}/childFolders")).body["value"]
    assert [one["id"] for one in below] == [inner.id]
    assert (await client.get("mailFolders/nonsense")).status == 400


async def test_a_national_cloud_may_stand_below_a_path(client: Client) -> None:
    assert socket.gethostbyname("127.0.0.1") in client.lab.base
    async with opened(prefix="/gov") as other:
        other.box.deliver(mail())
        assert other.lab.base.endswith("/gov/v1.0")
        (page,) = await other.pages()
        assert len((await other.get(page["@odata.deltaLink"])).body["value"]) == 0
        stranger = await other.get(DELTA, headers=client.headers)
        assert (stranger.status, stranger.code) == (401, "InvalidAuthenticationToken")
