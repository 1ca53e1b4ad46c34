"""`POST /api/v1/tickets/N/reply`: words and files, bounded, and a clear answer to whatever else comes."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.fakes import report

from mailwicket.flow.acting import Asked
from mailwicket.flow.actions import Action
from mailwicket.flow.uploads import FILES_MAX, FILES_MAX_BYTES, Upload
from mailwicket.model import TicketNumber
from mailwicket.service.units import Unit
from mailwicket.web import attached
from mailwicket.web.endpoint import Endpoint
from mailwicket.web.guard import Guard
from mailwicket.web.tickets import Tickets

REPLY = "/api/v1/tickets/7/reply"


class Acts:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Action, Asked, Sequence[Upload]]] = []

    async def listed(self, *, every: bool) -> Any: ...
    async def shown(self, number: TicketNumber) -> Any: ...
    async def offered(self, number: TicketNumber, by: str = "") -> Any: ...
    async def open(self, new: Any, asked: Asked) -> Any: ...

    async def act(self, action: Action, asked: Asked, uploads: Sequence[Upload] = ()) -> Any:
        self.asked.append((action, asked, uploads))
        return {"number": action.ticket, "sent_to": ["ada@example.org"]}


@pytest.fixture
def acts() -> Acts:
    return Acts()


async def ask(acts: Acts, body: object, **headers: str) -> tuple[int, Any]:
    """Ask as the admin does over the unix socket."""

    async def figures() -> bytes:
        return b""

    unit = Unit("incoming/box", "imap.example.org")
    guard = Guard(lambda: None, lambda: ())
    served = Endpoint(lambda: report(unit).ready(), figures, Tickets(acts).routes(), guard)
    data: Any = body
    if not isinstance(body, AsyncIterator):
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    async with TestClient(TestServer(served._app(trusted=True))) as client:
        answer = await client.post(REPLY, data=data, headers=headers)
        assert answer.content_type == ("application/json" if answer.status == 200 else "application/problem+json")
        return answer.status, await answer.json()


def file(content: bytes, name: str = "plan.pdf", **keys: Any) -> dict[str, Any]:
    return {"filename": name, "content": base64.b64encode(content).decode(), **keys}


async def test_words_files_server_and_key_arrive_as_they_were_sent(acts: Acts) -> None:
    body = {"text": "See *this*.", "by": "tess@example.net", "outgoing": "second"}
    files = [file(b"%PDF", content_type="application/pdf"), file(b"", "empty")]
    told = await ask(acts, {**body, "attachments": files}, **{"Idempotency-Key": "4711"})
    assert told == (200, {"number": 7, "sent_to": ["ada@example.org"]})
    ((action, asked, uploads),) = acts.asked
    assert action == Action("reply", TicketNumber(7), by="tess@example.net", text="See *this*.", outgoing="second")
    assert (asked.key, asked.at) == ("4711", None)
    assert uploads == [Upload("plan.pdf", "application/pdf", b"%PDF"), Upload("empty", "", b"")]


async def test_large_files_are_taken_up_to_the_limit(acts: Acts) -> None:
    half = bytes(FILES_MAX_BYTES // 2)
    assert (await ask(acts, {"text": "x", "attachments": [file(half), file(half)]}))[0] == 200
    assert [len(one.content) for one in acts.asked[0][2]] == [len(half)] * 2


async def test_a_body_that_does_not_come_holds_nobody_up(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "BODY_S", 0.05)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep(1)
        yield b"}"

    status, problem = await ask(acts, slowly())
    assert (status, problem["detail"]) == (400, "the body did not come within 0.05 s")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "the body is no JSON"),
        ([], 400, "the body is no JSON object"),
        ({"text": 1}, 400, "text is of the wrong kind"),
        ({"to": "x"}, 400, "there are: text, outgoing, by, at, attachments"),
        ({"attachments": {}}, 400, "attachments is of the wrong kind"),
        ({"attachments": ["x"]}, 400, r"attachments\[0\] is an object of text; its keys are: content, content_type, f"),
        ({"attachments": [file(b"x"), {**file(b"x"), "path": "/etc/passwd"}]}, 400, r"attachments\[1\] is an object"),
        ({"attachments": [{"filename": "x"}]}, 400, "wants a filename and its content"),
        ({"attachments": [file(b"x", "")]}, 400, "wants a filename and its content"),
        ({"attachments": [{"filename": "x", "content": "no base64!"}]}, 400, r"attachments\[0\].content is no base64"),
        ({"attachments": [{"filename": "x", "content": "é"}]}, 400, r"attachments\[0\].content is no base64"),
        ({"attachments": [file(b"x")] * (FILES_MAX + 1)}, 413, "31 files are too many: at most 30"),
        ({"attachments": [file(bytes(FILES_MAX_BYTES + 1))]}, 413, f"at most {FILES_MAX_BYTES} go with a mail"),
        (b" " * (attached.BODY_MAX_BYTES + 1), 413, f"at most {attached.BODY_MAX_BYTES} bytes, files as base64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_taken_is_a_problem_that_says_why(acts: Acts, body: Any, status: int, said: str) -> None:
    answered, problem = await ask(acts, body)
    assert (answered, problem["status"]) == (status, status)
    assert re.search(said, problem["detail"]), problem["detail"]
    assert acts.asked == []
