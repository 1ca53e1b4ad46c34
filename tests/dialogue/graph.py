"""A Graph that says what it is told to, over real HTTP; for a whole one see tests/lab/graph."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import Place
from mailwicket.net.lanes import Lanes

TOKEN = "token.canary-0815"
MAILBOX = "desk@example.org"
BRISK = Deadlines(answer_s=0.6)

Say = Callable[[web.Request], Awaitable[web.StreamResponse]]


def said(status: int = 200, body: Any = None, **headers: str) -> Say:
    """One JSON answer."""

    async def say(_: web.Request) -> web.StreamResponse:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status) if body is None else web.json_response(body, status=status, headers=fields)

    return say


def refused(status: int, code: str, **headers: str) -> Say:
    """One error, in Graph's form."""
    return said(status, {"error": {"code": code, "message": "Said so."}}, **headers)


@dataclass
class Heard:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Script:
    """Answers in order; the last one again and again."""

    answers: list[Say]
    port: int = 0
    heard: list[Heard] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        say = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.heard.append(Heard(request.method, request.raw_path, request.headers, content))
        return await say(request)


class FakeBearer:
    """Tokens in order; each is new once the one before was refused."""

    def __init__(self) -> None:
        self.is_fresh = False
        self.left_s = 3600.0
        self.invalidated = 0

    async def token(self) -> str:
        return f"{TOKEN}-{self.invalidated}"

    def challenged(self, claims: str) -> None:
        self.claims = claims

    def invalidate(self) -> None:
        self.invalidated += 1


@asynccontextmanager
async def scripted(*answers: Say) -> AsyncIterator[Script]:
    """Serve *answers* on loopback."""
    script = Script(list(answers))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        script.port = runner.addresses[0][1]
        yield script
    finally:
        await runner.cleanup()


@asynccontextmanager
async def mailbox(
    script: Script, bearer: FakeBearer | None = None, deadlines: Deadlines = BRISK, lanes: Lanes | None = None
) -> AsyncIterator[GraphMailbox]:
    """The client under test, at *script*."""
    place = Place.at("127.0.0.1", script.port, MAILBOX, encrypted=False)
    lane = (lanes or Lanes()).lane("graph", "app", MAILBOX)
    tls: Any = None
    made = GraphMailbox(place, "office", bearer or FakeBearer(), lane, tls, None, deadlines)
    try:
        yield made
    finally:
        await made.close()
