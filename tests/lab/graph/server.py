"""The double on the wire: two origins on loopback, from the request line to the last byte of an answer."""

from __future__ import annotations

import contextlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import anyio
from aiohttp import web
from anyio.from_thread import start_blocking_portal

from tests.lab.graph import control, odata
from tests.lab.graph.access import checked
from tests.lab.graph.ask import Answer, Ask, Grant
from tests.lab.graph.faults import Fault
from tests.lab.graph.lab import Asked, Lab
from tests.lab.graph.mailboxes import Mailbox
from tests.lab.graph.problem import GraphError, bad_request
from tests.lab.graph.routes import LINKS, Route, route, split

VERSION = "v1.0"
LARGEST_REQUEST = 200 << 20


class _CutError(Exception):
    """The connection was cut on purpose."""


@dataclass
class _Incoming:
    """A request that was read."""

    request: web.Request
    content: bytes
    fault: Fault
    turn: contextlib.ExitStack
    """Left when the last byte of the answer is out."""

    @property
    def path(self) -> str:
        return self.request.raw_path.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        return list(self.request.query.items())


Handler = Callable[[_Incoming], Awaitable[Answer]]


class _Front:
    """What stands before Graph's handlers."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    async def graph(self, request: web.Request) -> web.StreamResponse:
        return await self._exchange(request, self._graph)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        return await self._exchange(request, self._upload)

    async def _exchange(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """From a request to its answer, whatever goes wrong between."""
        with self.lab.wire.answering():
            return await self._answered(request, handler)

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        lab = self.lab
        lab.clock.run_due()
        content = await request.read()
        ids = {"request-id": str(uuid.uuid4())}
        if told := request.headers.get("client-request-id"):
            ids["client-request-id"] = told
        fault = lab.faults.take(f"{request.method} {self._below(request)}")
        with contextlib.ExitStack() as turn:
            fault.does()
            if fault.drop == "before":
                answer = Answer(0)
            else:
                answer = await self._handled(_Incoming(request, content, fault, turn), handler, ids)
            headers = {key: value for key, value in request.headers.items() if key.lower() != "authorization"}
            lab.requests.append(Asked(request.method, request.raw_path, headers, content, answer.status))
            fault.answered()
            await anyio.sleep(fault.answer_delay_s)
            with contextlib.suppress(_CutError, ConnectionError):
                if not fault.drop:
                    return await self._send(request, answer, ids, fault)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _handled(self, incoming: _Incoming, handler: Handler, ids: dict[str, str]) -> Answer:
        lab, fault = self.lab, incoming.fault
        if fault.held_s:
            with lab.wire.holding():
                await lab.clock.passes(fault.held_s)
        try:
            answer = await handler(incoming)
        except GraphError as error:
            answer = _refusal(error, ids, fault)
        except Exception as error:
            lab.crashes.append(error)
            raise
        return answer if fault.body is None else Answer(answer.status, content=fault.body.encode())

    def _below(self, request: web.Request) -> str:
        """The path that faults are matched with."""
        return request.raw_path.partition("?")[0].removeprefix(self.lab.prefix).removeprefix(f"/{VERSION}")

    # --- Graph ------------------------------------------------------------------------------------------------------

    async def _graph(self, incoming: _Incoming) -> Answer:
        lab, request, fault = self.lab, incoming.request, incoming.fault
        version, *parts = split(incoming.path.removeprefix(lab.prefix)) or [""]
        if version != VERSION:
            raise bad_request(f"Invalid version: {version}")
        is_me = parts[:1] == ["me"]
        described = ["users", *parts] if is_me else parts
        lab.openapi.request(request.method, described, incoming.query, request.headers, incoming.content)
        if fault.html and (error := fault.error()):
            raise error  # a gateway's, which looks at no token
        grant = self._grant(incoming)
        user = grant.user if is_me else "".join(parts[1:2])
        incoming.turn.enter_context(lab.throttling.turn((grant.app, user.lower())))
        await anyio.sleep(fault.delay_s + lab.manners.latency_s)
        if error := fault.error():
            if fault.status == 429 and fault.retry_after is not None:
                lab.throttling.hold((grant.app, user.lower()), fault.retry_after)
            raise error
        if is_me and grant.of_application:
            raise bad_request("/me request is only valid with delegated authentication flow.")
        if described[:1] != ["users"] or len(described) < 3:
            raise bad_request(f"Resource not found for the segment '{''.join(parts[:1])}'.")
        place, segments = route(request.method, described[2:])
        ask = self._ask(incoming, place, segments, lab.known(user), grant)
        checked(ask, place.needs)
        answer = await place.handler(lab, ask)
        if ask.prefer.applied:
            answer.headers["Preference-Applied"] = ", ".join(ask.prefer.applied)
        if answer.body is not None:
            lab.openapi.response(request.method, described, answer.status, answer.body)
        return Answer(fault.lies) if fault.lies else answer

    def _grant(self, incoming: _Incoming) -> Grant:
        lab = self.lab
        try:
            return lab.tokens.check(incoming.request.headers.get("Authorization"), [*lab.manners.audiences, lab.origin])
        except GraphError:
            incoming.fault.spare()
            raise

    def _ask(self, incoming: _Incoming, place: Route, segments: dict[str, str], box: Mailbox, grant: Grant) -> Ask:
        lab, request, query = self.lab, incoming.request, incoming.query
        below = incoming.path.removeprefix(lab.prefix).split("/")
        depth = 3 if below[2] == "me" else 4
        is_link = any(name in LINKS for name, _ in query)
        return Ask(
            request.method,
            f"{lab.origin}{request.raw_path}",
            segments,
            query,
            request.headers,
            incoming.content,
            box,
            grant,
            odata.prefer(request.headers.getall("Prefer", [])),
            f"{lab.root}{'/'.join(below[:depth])}",
            odata.Options() if is_link else odata.options(query, place.options, place.properties),
        )

    # --- the other origin -------------------------------------------------------------------------------------------

    async def _upload(self, incoming: _Incoming) -> Answer:
        request, uploads = incoming.request, self.lab.uploads
        await anyio.sleep(incoming.fault.delay_s)
        if error := incoming.fault.error():
            raise error
        key = request.query.get("authtoken", "")
        match request.method:
            case "PUT":
                return uploads.put(key, request.headers, incoming.content)
            case "GET":
                return uploads.look(key)
            case "DELETE":
                return uploads.cancel(key)
        raise GraphError(405, "ErrorInvalidRequest", "The method is not allowed.")

    # --- the answer -------------------------------------------------------------------------------------------------

    async def _send(
        self, request: web.Request, answer: Answer, ids: dict[str, str], fault: Fault
    ) -> web.StreamResponse:
        content = answer.content
        if answer.body is not None:
            content = json.dumps(answer.body, ensure_ascii=False).encode()
        response = web.StreamResponse(status=answer.status, headers={**answer.headers, **ids})
        response.headers["x-ms-ags-diagnostic"] = '{"ServerInfo":{"DataCenter":"Lab","Slice":"E"}}'
        response.headers["Cache-Control"] = "private"
        if content is None:
            response.content_length = 0
        else:
            suffix = ";odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
            json_type = f"application/json{suffix}"
            response.headers["Content-Type"] = (
                json_type if answer.content_type == "application/json" else answer.content_type
            )
            if self.lab.manners.chunked:
                response.enable_chunked_encoding()
            else:
                response.content_length = len(content)
            if self.lab.manners.compressed and "gzip" in request.headers.get("Accept-Encoding", ""):
                response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        if content:
            await self._pieces(response, content, fault)
        await response.write_eof()
        return response

    async def _pieces(self, response: web.StreamResponse, content: bytes, fault: Fault) -> None:
        whole = content if fault.cut_after is None else content[: fault.cut_after]
        step = fault.piece if fault.pace_s else 1 << 16
        for start in range(0, len(whole), step):
            await response.write(whole[start : start + step])
            if fault.pace_s:
                await anyio.sleep(fault.pace_s)
        if fault.cut_after is not None:
            raise _CutError


def _refusal(error: GraphError, ids: dict[str, str], fault: Fault) -> Answer:
    if error.status < 400:
        return Answer(error.status, headers=error.headers)
    if fault.html and fault.status:
        page = b"<html><body><h1>Service unavailable</h1></body></html>"
        return Answer(error.status, content=page, content_type="text/html", headers=error.headers)
    told = error.body(ids["request-id"], ids.get("client-request-id", ids["request-id"]), formatdate(usegmt=True))
    return Answer(error.status, told, headers=error.headers)


# --- running it -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(
    *, port: int = 0, prefix: str = "", tls: ssl.SSLContext | None = None, judged: bool = True
) -> AsyncIterator[Lab]:
    """Run one on loopback, in this loop.

    Raises:
        AssertionError: at the end, where a request broke Microsoft's description and *judged* is on.
        Exception: what went wrong in the double itself.
    """
    lab = Lab(prefix)
    front = _Front(lab)
    scheme = "http" if tls is None else "https"
    app = web.Application(client_max_size=LARGEST_REQUEST)
    control.add_routes(app, lab)
    for path in (f"{prefix}/{{tenant}}/oauth2/v2.0", f"{prefix}/oauth2/v2.0"):
        app.router.add_post(f"{path}/token", lab.tokens.token)
        app.router.add_get(f"{path}/authorize", lab.tokens.authorize)
        app.router.add_post(f"{path}/devicecode", lab.tokens.device)
    app.router.add_route("*", "/{tail:.*}", front.graph)
    other = web.Application(client_max_size=LARGEST_REQUEST)
    other.router.add_route("*", "/{tail:.*}", front.upload)
    async with _listening(app, port, tls, lab) as here, _listening(other, 0, tls, lab) as there:
        lab.origin, lab.uploads.origin = f"{scheme}://127.0.0.1:{here}", f"{scheme}://127.0.0.1:{there}"
        yield lab
    if judged:
        for error in lab.crashes:
            raise error
        lab.openapi.judge()


@asynccontextmanager
async def _listening(app: web.Application, port: int, tls: ssl.SSLContext | None, lab: Lab) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    lab.wire.servers.append(runner.server)
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextmanager
def serving_aside(**options: Any) -> Iterator[Lab]:
    """Run one in a thread of its own, for tests of processes."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(**options)) as lab:
        yield lab
