"""The double of Microsoft Graph does what is known of the original, each habit when it is told to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.lab.graph import Lab, serving
from tests.lab.graph.mailboxes import Mailbox
from yarl import URL

DESK = "desk@example.org"
IMMUTABLE = 'IdType="ImmutableId"'
ADA = {"emailAddress": {"address": "ada@example.com", "name": "Ada"}}


def mail(number: int = 1, subject: str = "Printer", sender: str = "ada@example.com", to: str = DESK) -> bytes:
    head = f"From: Ada <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{number}@example.com>\r\n"
    return f"{head}Date: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\nIt burns.\r\n".encode()


@dataclass
class Got:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class Client:
    """Asks as plainly as can be."""

    def __init__(self, lab: Lab, session: ClientSession) -> None:
        self.lab = lab
        self.session = session
        self.box: Mailbox = lab.mailbox(DESK)
        self.headers = {"Authorization": f"Bearer {lab.tokens.accept()}"}

    async def ask(self, method: str, place: str, *, prefer: str = "", **options: Any) -> Got:
        url = place if place.startswith("http") else f"{self.lab.base}/users/{DESK}/{place}"
        headers = self.headers | ({"Prefer": prefer} if prefer else {}) | options.pop("headers", {})
        wire = URL(url, encoded=True)
        async with self.session.request(method, wire, headers=headers, allow_redirects=False, **options) as answer:
            return Got(answer.status, answer.headers, await answer.read())

    async def get(self, place: str, **options: Any) -> Got:
        return await self.ask("GET", place, **options)

    async def post(self, place: str, told: Any = None, **options: Any) -> Got:
        return await self.ask("POST", place, **({} if told is None else {"json": told}), **options)

    async def pages(self, place: str = "mailFolders/inbox/messages/delta", prefer: str = IMMUTABLE) -> list[Any]:
        """A whole round, the last page with its deltaLink."""
        pages = [(await self.get(place, prefer=prefer)).body]
        while link := pages[-1].get("@odata.nextLink"):
            assert "@odata.deltaLink" not in pages[-1]
            pages.append((await self.get(link, prefer=prefer)).body)
        assert "@odata.deltaLink" in pages[-1]
        return pages


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Client]:
    async with serving(**options) as lab, ClientSession() as session:
        yield Client(lab, session)


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
