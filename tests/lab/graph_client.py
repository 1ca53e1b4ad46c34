"""A client that asks the double of Graph as plainly as can be, so that the double itself is what is tested."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from tests.lab.graph import Lab, serving
from tests.lab.graph.mailboxes import Mailbox

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


class Plain:
    """Asks for one mailbox at one base, as plainly as can be."""

    def __init__(self, session: ClientSession, base: str, token: str, address: str) -> None:
        self.session = session
        self.base = base
        self.address = address
        self.headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, place: str, *, prefer: str = "", **options: Any) -> Got:
        url = place if place.startswith("http") else f"{self.base}/users/{self.address}/{place}"
        headers = self.headers | ({"Prefer": prefer} if prefer else {}) | options.pop("headers", {})
        wire = URL(url, encoded=True)
        if "json" in options:
            headers = {"Content-Type": "application/json"} | headers
            options["data"] = json.dumps(options.pop("json")).encode()
        if "data" in options:
            options["data"] = BytesIO(options["data"])  # aiohttp warns of many bytes in one piece
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


class Client(Plain):
    """Asks the double, and has it at hand."""

    def __init__(self, lab: Lab, session: ClientSession) -> None:
        super().__init__(session, lab.base, lab.tokens.accept(), DESK)
        self.lab = lab
        self.box: Mailbox = lab.mailbox(DESK)


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Client]:
    async with serving(**options) as lab, ClientSession() as session:
        yield Client(lab, session)
