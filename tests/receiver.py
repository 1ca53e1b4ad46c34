"""A receiver of webhooks as somebody may write one: checks signatures, honours keys, keeps tickets; and may fail."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.lab.processes import free_ports

SECRET = "canary-4711-secret"
FRESH_S = 300
LARGEST_BYTES = 64 * 1024 * 1024

Hook = Callable[[dict[str, Any]], Awaitable[web.StreamResponse | None]]


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    at: float
    """By the monotonic clock."""
    body: dict[str, Any]
    headers: dict[str, str]
    path: str


class Refused(Exception):  # noqa: N818 - not a failure: an answer
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


async def nothing_special(_body: dict[str, Any]) -> web.StreamResponse | None:
    return None


class Receiver:
    """Keeps tickets in memory. `before` and `after` may answer instead: before or after it acted."""

    def __init__(self, directory: Path, secret: str = SECRET) -> None:
        self.secret = secret
        self.ca_file = directory / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        self.tls = authority.issue_cert("localhost", "127.0.0.1")
        (self.port,) = free_ports(1)
        self.before: Hook = nothing_special
        self.after: Hook = nothing_special
        self.asked: list[Asked] = []
        self.tickets: dict[int, dict[str, Any]] = {}
        self.effects: dict[str, int] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/hook/canary-path?token=canary-query"

    def keys(self, **more: Any) -> dict[str, Any]:
        """`[backend]` for this receiver, without its type."""
        return {
            "url": self.url,
            "secret": self.secret,
            "allow_private": True,
            "ca_file": str(self.ca_file),
            **more,
        }

    # --- whether it listens

    async def listen(self, *, encrypted: bool = True) -> None:
        app = web.Application(client_max_size=LARGEST_BYTES)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        tls = None
        if encrypted:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.configure_cert(tls)
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls, reuse_address=True).start()

    async def hang_up(self) -> None:
        """Refuse connections, and end those that are."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- what it does

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        try:
            self._check(request, content)
            body = json.loads(content)
            self.asked.append(Asked(time.monotonic(), body, dict(request.headers), request.path_qs))
            if (instead := await self.before(body)) is not None:
                return instead
            number = self.act(body)
            if (instead := await self.after(body)) is not None:
                return instead
        except Refused as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        return web.json_response({"ticket": number})

    def _check(self, request: web.Request, content: bytes) -> None:
        stamp = request.headers.get("Mailwicket-Timestamp", "0")
        mac = hmac.new(self.secret.encode(), stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
        fresh = abs(time.time() - int(stamp)) < FRESH_S
        if not (fresh and hmac.compare_digest(f"v1={mac}", request.headers.get("Mailwicket-Signature", ""))):
            raise Refused(401, "bad signature")

    def act(self, body: dict[str, Any]) -> int | None:
        """Do what is asked once for each key."""
        key, kind = body["key"], body["type"]
        if kind == "effect.find" or key in self.effects:
            return self.effects.get(key)
        if kind == "ticket.create":
            number = len(self.tickets) + 1
            self.tickets[number] = {**body, "status": "open", "cc": [], "links": [], "entries": [body["entry"]]}
            self._copy(number, body["cc"])
        else:
            number = body["ticket"]
            if number not in self.tickets:
                raise Refused(404, f"there is no ticket {number}")
            self._add(number, body)
        self.effects[key] = number
        return number

    def _add(self, number: int, body: dict[str, Any]) -> None:
        ticket = self.tickets[number]
        if body["type"] == "ticket.append":
            ticket["entries"].append(body["entry"])
            return
        if body["linked_to"] is not None and body["linked_to"] not in self.tickets:
            raise Refused(422, f"there is no ticket {body['linked_to']}")
        ticket["status"] = body["status"] or ticket["status"]
        self._copy(number, body["add_cc"])

    def _copy(self, number: int, people: list[dict[str, str]]) -> None:
        cc = self.tickets[number]["cc"]
        cc += dict.fromkeys(one["address"].casefold() for one in people if one["address"].casefold() not in cc)

    def shown(self, number: int) -> dict[str, Any]:
        """A ticket as `tickets show --json` has it."""
        ticket = self.tickets[number]
        entries = [
            {**one, "author": None if one["author"] is None else one["author"]["address"]} for one in ticket["entries"]
        ]
        ids = [one["message_id"] for one in entries if one["message_id"] is not None]
        requester = ticket["requester"]["address"]
        return {**ticket, "number": number, "requester": requester, "entries": entries, "message_ids": ids}


async def hangs(_body: dict[str, Any]) -> web.StreamResponse | None:
    await asyncio.sleep(3600)
    return None


def answers(status: int, content: object = None, **headers: str) -> Hook:
    """Answer always the same: JSON, or text as a proxy writes it."""

    async def answer(_body: dict[str, Any]) -> web.StreamResponse:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is None or isinstance(content, str):
            return web.Response(status=status, text=content or "<html>Bad gateway</html>", headers=told)
        return web.json_response(content, status=status, headers=told)

    return answer


@asynccontextmanager
async def receiving(directory: Path, *, encrypted: bool = True) -> AsyncIterator[Receiver]:
    """Run a receiver on this loop."""
    receiver = Receiver(directory)
    await receiver.listen(encrypted=encrypted)
    try:
        yield receiver
    finally:
        await receiver.hang_up()


@contextmanager
def receiving_apart(directory: Path) -> Iterator[tuple[Receiver, BlockingPortal]]:
    """Run a receiver in a thread: for tests that wait for processes. What changes it goes through the portal."""
    receiver = Receiver(directory)
    with start_blocking_portal() as portal:
        portal.call(receiver.listen)
        try:
            yield receiver, portal
        finally:
            portal.call(receiver.hang_up)
