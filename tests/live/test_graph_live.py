"""One set of claims about Graph, held against the double in every run and against Microsoft on demand.

    MAILWICKET_LIVE_MAILBOX=test@example.org MAILWICKET_LIVE_TENANT=... MAILWICKET_LIVE_CLIENT_ID=... \
        MAILWICKET_LIVE_CLIENT_SECRET=... python -m pytest -m live tests/live

In place of the last three, MAILWICKET_LIVE_TOKEN may hold an access token; MAILWICKET_LIVE_BASE and
MAILWICKET_LIVE_LOGIN name another cloud. It needs Mail.ReadWrite and Mail.Send on a mailbox that nobody uses: mails are
sent from it to itself, and all that was made is deleted. What fails there and holds here is a fault of the double.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from aiohttp import ClientSession

from tests.lab.graph import serving
from tests.lab.graph_client import IMMUTABLE, Got, Plain

DELTA = "mailFolders/inbox/messages/delta"
PLAIN = {"Content-Type": "text/plain"}
LARGE = 3_500_000
SLICE = 2_000_000


def told(name: str, default: str = "") -> str:
    return os.environ.get(f"MAILWICKET_LIVE_{name}", default)


class Claims(Plain):
    """A client that cleans up."""

    application: bool = True
    patience_s: float = 120.0
    pause_s: float = 3.0

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.mark = secrets.token_hex(6)

    def raw(self, number: int = 1, *more: str) -> bytes:
        lines = [
            f"From: {self.address}",
            f"To: {self.address}",
            f"Subject: mailwicket {self.mark} {number}",
            f"Message-ID: {self.message_id(number)}",
            "Date: Mon, 2 Mar 2026 10:00:00 +0000",
            *more,
            "",
            "It burns.",
            "",
        ]
        return "\r\n".join(lines).encode()

    def message_id(self, number: int) -> str:
        return f"<mw-{self.mark}-{number}@example.org>"

    async def draft(self, number: int = 1, *more: str) -> dict[str, Any]:
        got = await self.ask(
            "POST", "messages", data=base64.b64encode(self.raw(number, *more)), headers=PLAIN, prefer=IMMUTABLE
        )
        assert got.status == 201, got.content
        return dict(got.body)

    async def found(self, place: str, **options: Any) -> Got:
        """What is there at last, as something that was sent."""
        with anyio.fail_after(self.patience_s):
            while True:
                got = await self.ask("GET", place, prefer=IMMUTABLE, **options)
                if got.status != 404 and not got.body.get("isDraft"):
                    assert got.status == 200, got.content
                    return got
                await anyio.sleep(self.pause_s)

    async def rounds(self, link: str) -> tuple[list[dict[str, Any]], str]:
        """All rows of a round, and where the next one starts."""
        rows: list[dict[str, Any]] = []
        while True:
            got = await self.ask("GET", link, prefer=f"odata.maxpagesize=50, {IMMUTABLE}")
            assert got.status == 200, got.content
            rows += got.body["value"]
            assert ("@odata.nextLink" in got.body) != ("@odata.deltaLink" in got.body)
            if "@odata.deltaLink" in got.body:
                return rows, got.body["@odata.deltaLink"]
            link = got.body["@odata.nextLink"]

    async def reported(self, link: str, name: str) -> tuple[dict[str, Any], str]:
        """The row about *name*, which may take a while, and the link after it."""
        with anyio.fail_after(self.patience_s):
            while True:
                rows, link = await self.rounds(link)
                for row in rows:
                    if row["id"] == name:
                        return row, link
                await anyio.sleep(self.pause_s)

    async def clean(self) -> None:
        for folder in ("inbox", "drafts", "sentitems", "archive", "deleteditems"):
            place = f"mailFolders/{folder}/messages?$select=id,subject&$top=50"
            for row in (await self.ask("GET", place, prefer=IMMUTABLE)).body["value"]:
                if self.mark in (row["subject"] or ""):
                    await self.ask("POST", f"messages/{row['id']}/permanentDelete", prefer=IMMUTABLE)


@pytest.fixture(params=["double", pytest.param("live", marks=pytest.mark.live)])
async def graph(request: pytest.FixtureRequest) -> AsyncIterator[Claims]:
    async with ClientSession() as session:
        if request.param == "double":
            async with serving() as lab:
                address = lab.mailbox().address
                lab.sending.copy_delay_s = lab.delta.manners.delay_s = 0.03
                claims = Claims(session, lab.base, lab.tokens.accept(application=True), address)
                claims.pause_s, claims.patience_s = 0.01, 5.0
                yield claims
            return
        if not told("MAILBOX"):
            pytest.skip("MAILWICKET_LIVE_MAILBOX is not set")
        base = told("BASE", "https://graph.microsoft.com/v1.0")
        claims = Claims(session, base, told("TOKEN") or await _token(session, base), told("MAILBOX"))
        claims.application = not told("TOKEN")
        yield claims
        await claims.clean()


async def _token(session: ClientSession, base: str) -> str:
    url = urlsplit(base)
    form = {
        "grant_type": "client_credentials",
        "client_id": told("CLIENT_ID"),
        "client_secret": told("CLIENT_SECRET"),
        "scope": f"{url.scheme}://{url.netloc}/.default",
    }
    login = told("LOGIN", "https://login.microsoftonline.com")
    async with session.post(f"{login}/{told('TENANT')}/oauth2/v2.0/token", data=form) as answer:
        assert answer.status == 200, "no token was given"
        return str((await answer.json())["access_token"])


# --- ids and drafts


async def test_an_immutable_id_stays_when_a_message_moves(graph: Claims) -> None:
    name = (await graph.draft())["id"]
    plain = (await graph.ask("GET", f"messages/{name}")).body["id"]
    assert plain != name
    moved = await graph.ask("POST", f"messages/{name}/move", json={"destinationId": "archive"}, prefer=IMMUTABLE)
    assert (moved.status, moved.body["id"]) == (201, name)
    assert "ImmutableId" in moved.headers["Preference-Applied"]
    gone = await graph.ask("GET", f"messages/{plain}")
    assert (gone.status, gone.code) == (404, "ErrorItemNotFound")


async def test_a_draft_keeps_the_message_id_of_its_mime_and_another_can_be_set(graph: Claims) -> None:
    made = await graph.draft()
    assert made["internetMessageId"] == graph.message_id(1)
    told_ = {"internetMessageId": graph.message_id(2)}
    got = await graph.ask("PATCH", f"messages/{made['id']}", json=told_, prefer=IMMUTABLE)
    assert (got.status, got.body["internetMessageId"]) == (200, graph.message_id(2))


async def test_a_draft_that_was_sent_is_found_under_its_immutable_id_and_arrives_with_its_headers(
    graph: Claims,
) -> None:
    _, link = await graph.rounds(f"{DELTA}?$select=id,internetMessageId")
    name = (await graph.draft(1, f"In-Reply-To: {graph.message_id(9)}"))["id"]
    got = await graph.ask("POST", f"messages/{name}/send", prefer=IMMUTABLE)
    assert (got.status, got.content) == (202, b"")
    filed = (await graph.found(f"messages/{name}")).body
    assert (filed["id"], filed["internetMessageId"]) == (name, graph.message_id(1))
    sent = (await graph.ask("GET", "mailFolders/SentItems")).body["id"]
    assert filed["parentFolderId"] == sent
    with anyio.fail_after(graph.patience_s):
        here: list[str] = []
        while not here:
            rows, link = await graph.rounds(link)
            here = [row["id"] for row in rows if row.get("internetMessageId") == graph.message_id(1)]
            await anyio.sleep(graph.pause_s)
    value = await graph.ask("GET", f"messages/{here[0]}/$value", prefer=IMMUTABLE)
    assert value.headers["Content-Type"].startswith("text/plain")
    assert f"In-Reply-To: {graph.message_id(9)}".encode() in value.content
    assert value.content.count(b"\n") == value.content.count(b"\r\n")


async def test_a_large_file_goes_in_slices_to_another_host(graph: Claims) -> None:
    name = (await graph.draft())["id"]
    item = {"attachmentType": "file", "name": "a.bin", "size": LARGE}
    place = f"messages/{name}/attachments/createUploadSession"
    got = await graph.ask("POST", place, json={"AttachmentItem": item}, prefer=IMMUTABLE)
    assert got.status == 201, got.content
    url = got.body["uploadUrl"]
    assert urlsplit(url).netloc != urlsplit(graph.base).netloc
    graph_headers, graph.headers = graph.headers, {}
    try:
        for start in range(0, LARGE, SLICE):
            end = min(start + SLICE, LARGE)
            ranged = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes {start}-{end - 1}/{LARGE}"}
            got = await graph.ask("PUT", url, data=bytes(end - start), headers=ranged)
            assert got.status == (201 if end == LARGE else 200), got.content
    finally:
        graph.headers = graph_headers
    assert got.headers["Location"]
    (shown,) = (await graph.ask("GET", f"messages/{name}/attachments?$select=id,name,size")).body["value"]
    assert shown["name"] == "a.bin"


# --- delta


async def test_changes_are_reported_by_immutable_id_and_links_are_on_the_same_host(graph: Claims) -> None:
    _, link = await graph.rounds(f"{DELTA}?$select=id,isRead")
    assert urlsplit(link)[:2] == urlsplit(graph.base)[:2]
    name = (await graph.draft())["id"]
    await graph.ask("POST", f"messages/{name}/move", json={"destinationId": "inbox"}, prefer=IMMUTABLE)
    _, link = await graph.reported(link, name)
    was = (await graph.ask("GET", f"messages/{name}?$select=isRead", prefer=IMMUTABLE)).body["isRead"]
    await graph.ask("PATCH", f"messages/{name}", json={"isRead": not was}, prefer=IMMUTABLE)
    row, link = await graph.reported(link, name)
    assert row["isRead"] is not was
    got = await graph.ask("DELETE", f"messages/{name}", prefer=IMMUTABLE)
    assert (got.status, got.content) == (204, b"")
    row, _ = await graph.reported(link, name)
    assert row["@removed"]["reason"] in {"changed", "deleted"}


async def test_mail_that_is_filed_into_a_folder_counts_as_created_there(graph: Claims) -> None:
    """Not documented."""
    _, link = await graph.rounds(f"{DELTA}?$select=id&changeType=created")
    name = (await graph.draft())["id"]
    await graph.ask("POST", f"messages/{name}/move", json={"destinationId": "inbox"}, prefer=IMMUTABLE)
    row, _ = await graph.reported(link, name)
    assert "@removed" not in row


# --- refusals


async def test_who_is_unknown_or_asks_wrongly_is_told_so_by_a_code(graph: Claims) -> None:
    domain = graph.address.rpartition("@")[2]
    nobody = await graph.ask("GET", f"{graph.base}/users/nobody-{graph.mark}@{domain}/{DELTA}")
    assert (nobody.status, nobody.code in {"ErrorInvalidUser", "Request_ResourceNotFound"}) == (404, True)
    bad = await graph.ask("POST", "sendMail", data=b"*****", headers=PLAIN)
    assert (bad.status, bad.code) == (400, "ErrorMimeContentInvalidBase64String")
    place = "messages?$filter=isRead%20eq%20false&$orderby=receivedDateTime&$top=1"
    slow = await graph.ask("GET", place)
    assert (slow.status, slow.code) == (400, "InefficientFilter")
    strange = await graph.ask("GET", DELTA, headers={"Authorization": "Bearer x"})
    assert (strange.status, strange.code) == (401, "InvalidAuthenticationToken")
    assert strange.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_application_has_no_me(graph: Claims) -> None:
    """Not documented."""
    if not graph.application:
        pytest.skip("the token is a user's")
    got = await graph.ask("GET", f"{graph.base}/me/{DELTA}")
    assert got.status == 400


async def test_a_link_that_is_asked_again_answers_again(graph: Claims) -> None:
    _, link = await graph.rounds(f"{DELTA}?$select=id")
    for _ in range(2):
        rows, _ = await graph.rounds(link)
        assert isinstance(rows, list)
