"""`POST /api/v1/mails`: all of a body is taken, or nothing of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from mailwicket.errors import StoreError, UnknownError
from mailwicket.flow.importing import EPOCH, Became
from mailwicket.model import Fetched, IntakeId, MailRef, Reason, SpooledMail, TicketNumber
from mailwicket.web import mails as mails_module
from mailwicket.web.mails import BATCH, ONE, Mails, header_section
from mailwicket.web.problem import as_problems

Client = TestClient[web.Request, web.Application]

RAW = b"From: ada@example.org\r\nSubject: x\r\n\r\nbody\r\n"
THEN = datetime(2026, 1, 1, 10, tzinfo=UTC)


class Taker:
    """Takes whatever comes; keeps what large mails held."""

    def __init__(self) -> None:
        self.taken: list[Fetched] = []
        self.contents: list[bytes] = []
        self.limit = 50_000_000
        self.recorded: list[tuple[str, str, int]] = []
        self.fails = False

    def limit_bytes(self, unit: str) -> int:
        if unit == "nowhere":
            raise UnknownError("there is no mailbox nowhere")
        return self.limit

    async def record(self, who: str, unit: str, mails: int) -> None:
        self.recorded.append((who, unit, mails))

    async def take(self, unit: str, mails: Sequence[Fetched]) -> list[Became]:
        self.taken += mails
        self.contents += [
            one.raw.path.read_bytes() if isinstance(one.raw, SpooledMail) else bytes(one.raw) for one in mails
        ]
        if self.fails:
            raise StoreError("cannot write raw: No space left on device", reason="disk_full")
        return [Became(IntakeId(7), known=False, reason=Reason.CREATED, ticket=TicketNumber(3)) for _ in mails]


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
async def client(taker: Taker, tmp_path: Path) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[as_problems])
    app.add_routes(Mails(taker, tmp_path / "spool", taker.record).routes())
    async with TestClient(TestServer(app)) as one:
        yield one


def frame(raw: bytes, received: str = "-", **wrong: Any) -> bytes:
    told = {"length": len(raw), "sha256": hashlib.sha256(raw).hexdigest(), **wrong}
    return f"mailwicket-mail {told['length']} {told['sha256']} {received}\n".encode() + raw + b"\n"


async def post(client: Client, body: bytes, kind: str = BATCH, query: str = "") -> tuple[int, Any]:
    answer = await client.post(f"/api/v1/mails{query}", data=io.BytesIO(body), headers={"Content-Type": kind})
    return answer.status, await answer.json()


def spooled(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "spool").iterdir()) if (tmp_path / "spool").exists() else []


async def test_one_mail_is_taken_and_what_became_of_it_is_told(client: Client, taker: Taker) -> None:
    status, told = await post(client, RAW, ONE, "?unit=support&received=2026-01-01T11:00:00%2B01:00")
    digest = hashlib.sha256(RAW).hexdigest()
    assert (status, told) == (
        200,
        {"mails": [{"sha256": digest, "intake": 7, "known": False, "reason": "created", "ticket": 3}]},
    )
    assert taker.taken == [Fetched(MailRef("support", EPOCH, digest, len(RAW), THEN), RAW)]


async def test_a_batch_is_taken_in_its_order(client: Client, taker: Taker) -> None:
    raws = [RAW, b"", b"\n\nmailwicket-mail 1 x -\n", bytes(range(256)) * 1000]
    body = b"".join(frame(raw) for raw in raws) + frame(RAW, "2026-01-01T10:00:00+00:00")
    status, told = await post(client, body)
    assert (status, len(told["mails"])) == (200, 5)
    assert taker.contents == [*raws, RAW]
    assert [one.ref.received_at for one in taker.taken] == [None] * 4 + [THEN]
    assert await post(client, b"") == (200, {"mails": []})


@pytest.mark.parametrize("kind", [ONE, BATCH])
@pytest.mark.parametrize("fails", [False, True])
async def test_a_large_mail_is_written_to_a_file_that_does_not_stay(
    client: Client,
    taker: Taker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    fails: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(mails_module, "WHOLE_BYTES", 400_000)
    taker.fails = fails
    raw = RAW + bytes(range(256)) * 8000
    status, _ = await post(client, raw if kind == ONE else frame(RAW) + frame(raw) + frame(RAW), kind)
    assert status == (503 if fails else 200)
    assert raw in taker.contents
    assert any(isinstance(one.raw, SpooledMail) for one in taker.taken)
    assert spooled(tmp_path) == []


@pytest.mark.parametrize("limit", [1000, 500_000])
async def test_of_a_mail_over_the_limit_the_headers_alone_are_taken(
    client: Client, taker: Taker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(mails_module, "WHOLE_BYTES", 200_000)
    taker.limit = limit
    raw = RAW + bytes(1_000_000)
    assert (await post(client, frame(raw) + frame(RAW)))[0] == 200
    assert taker.contents == [header_section(RAW), RAW]
    assert [one.headers_only for one in taker.taken] == [True, False]
    assert taker.taken[0].ref.remote_id == hashlib.sha256(raw).hexdigest()
    assert taker.taken[0].ref.size_bytes == len(raw)
    assert spooled(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        frame(RAW)[:-2],
        frame(RAW)[:-1],
        frame(RAW)[:30],
        frame(RAW) + b"x",
        frame(RAW, length=len(RAW) - 1),
        frame(RAW, length=len(RAW) + 1),
        frame(RAW, length=-1),
        frame(RAW, length="1e3"),
        frame(RAW, length="²"),
        frame(RAW, length=10**30),
        frame(RAW, sha256="0" * 64),
        frame(RAW, "yesterday"),
        frame(RAW, "2026-01-01T10:00:00"),
        frame(RAW).replace(b"mailwicket-mail", b"mailwicket-male"),
        b"\xff\n",
        b"x" * 200_000,
        b"\n",
    ],
)
async def test_a_batch_that_is_not_as_it_says_is_refused_as_a_whole(
    client: Client, taker: Taker, tmp_path: Path, body: bytes
) -> None:
    status, told = await post(client, frame(RAW) + body)
    assert (status, told["status"]) == (400, 400)
    assert taker.taken == []
    assert spooled(tmp_path) == []


async def test_more_than_a_batch_is_refused_before_it_is_in_memory(
    client: Client, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails_module, "BATCH_MAILS", 3)
    assert (await post(client, frame(RAW) * 3))[0] == 200
    assert (await post(client, frame(RAW) * 4))[0] == 400
    monkeypatch.setattr(mails_module, "BATCH_BYTES", 100)
    assert (await post(client, frame(RAW) * 3))[0] == 400
    assert len(taker.taken) == 3


async def test_other_kinds_of_content_unknown_mailboxes_and_outages_are_told(client: Client, taker: Taker) -> None:
    assert (await post(client, RAW, "text/plain"))[0] == 415
    status, told = await post(client, RAW, ONE, "?unit=nowhere")
    assert (status, told["detail"]) == (404, "there is no mailbox nowhere")
    taker.fails = True
    status, told = await post(client, RAW, ONE)
    assert (status, told["detail"]) == (503, "cannot write raw: No space left on device")


async def test_a_sender_that_falls_silent_is_let_go(
    client: Client, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mails_module, "SILENCE_S", 0.1)

    async def body() -> AsyncIterator[bytes]:
        import anyio

        yield frame(RAW)
        await anyio.sleep(3)

    answer = await client.post("/api/v1/mails", data=body(), headers={"Content-Type": BATCH})
    assert answer.status == 400
    assert taker.taken == []
