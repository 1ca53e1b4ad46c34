"""The HTTP endpoint: who may ask what, and what is told."""

from __future__ import annotations

import io
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import TestClient, TestServer
from anyio.streams.tls import TLSAttribute
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from tests.fakes import report
from tests.lab.processes import free_ports

from mailwicket.config.secret import Secret
from mailwicket.config.settings import Http
from mailwicket.errors import BlockedError, ConflictError, StoreError, TransientError, UnknownError
from mailwicket.flow.acting import Asked, NewTicket
from mailwicket.flow.actions import Action
from mailwicket.flow.uploads import Upload
from mailwicket.service.looplag import LoopLag
from mailwicket.service.metrics import Metrics
from mailwicket.service.units import Unit, UnitState
from mailwicket.web.access import Access, load_certificate, server_context
from mailwicket.web.api import Api
from mailwicket.web.audit import Audit
from mailwicket.web.endpoint import SOCKET_MODE, Endpoint
from mailwicket.web.guard import Guard
from mailwicket.web.mails import Mails
from mailwicket.web.quarantine import Quarantine
from mailwicket.web.tickets import Tickets

TOKEN = "canary-token-4711"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = {"/livez", "/readyz", "/metrics"}

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def unit() -> Unit:
    return Unit("incoming/box", "imap.example.org:993")


class House:
    """A daemon with one unit, which notes what it is asked to do."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.done: list[str] = []
        self.errors: list[str] = []

    def status(self) -> Mapping[str, Any]:
        return report(self.unit, parked=2).status()

    async def plan(self, last: int, conf: Path | None) -> Mapping[str, Any]:
        return {"changes": [], "errors": self.errors, "last": last, "conf": conf and str(conf)}

    async def reload(self, who: str) -> Mapping[str, Any]:
        self.done.append("reload")
        return {"changes": [], "errors": self.errors}

    async def act(self, unit: str, action: str, who: str) -> str:
        if unit == "incoming/broken":
            raise StoreError("database: disk I/O error", reason="disk_error")
        if unit != self.unit.name:
            raise UnknownError(f"there is no unit {unit}")
        if action == "unblock":
            raise ConflictError(f"{unit} is not blocked")
        self.done.append(action)
        return "is tried again now"


class Nouns:
    """Everything else that routes ask; nothing is there, and who would change something is noted."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def listed(self, **_: object) -> list[Any]:
        return []

    async def shown(self, number: int) -> Any:
        raise UnknownError(f"there is no {number}")

    async def offered(self, number: int, by: str = "") -> Any:
        raise UnknownError(f"there is no {number}")

    async def act(self, action: Action, asked: Asked, uploads: Sequence[Upload] = ()) -> Any:
        self.done.append(f"{action.do} {asked.who}")
        return {}

    async def open(self, new: NewTicket, asked: Asked) -> Any:
        self.done.append(f"new {new.requester} {asked.who}")
        return {}

    async def raw(self, _id: int) -> bytes:
        return b"From: ada@example.org\r\n\r\n<script>"

    async def retry(self, _id: int, who: str, *, dry: bool = False) -> Any:
        self.done.append(f"retry {dry} {who}")
        return {}

    async def drop(self, _id: int, who: str) -> Any:
        self.done.append(f"drop {who}")
        return {}

    async def rows(self, since: str) -> list[Any]:
        return [since]

    async def verify(self) -> Any:
        return {"ok": True}

    def limit_bytes(self, _unit: str) -> int:
        return 1000

    async def take(self, *_: object) -> Any:
        self.done.append("take")
        return []

    async def record(self, *_: object) -> None:
        self.done.append("record")


def routes(house: House, nouns: Nouns) -> list[web.RouteDef]:
    """Every route that the daemon has."""
    others = [Tickets(nouns), Quarantine(nouns), Audit(nouns), Mails(nouns, Path("/nonexistent"), nouns.record)]
    return [route for noun in (Api(house), *others) for route in noun.routes()]  # type: ignore[attr-defined]


def endpoint(
    unit: Unit, token: str | None = TOKEN, house: House | None = None, *names: str, nouns: Nouns | None = None
) -> Endpoint:
    metrics = Metrics(lambda: report(unit, parked=2, generation=7), LoopLag())
    served = routes(house or House(unit), nouns or Nouns())
    return Endpoint(lambda: report(unit).ready(), metrics.text, served, Guard(lambda: token, lambda: names))


@asynccontextmanager
async def asking(served: Endpoint, *, over_tcp: bool = True) -> AsyncIterator[Client]:
    async with TestClient(TestServer(served._app(trusted=not over_tcp))) as client:
        yield client


async def test_readyz_is_503_with_the_reason_while_a_unit_is_blocked(unit: Unit) -> None:
    async with asking(endpoint(unit)) as client:
        assert (await client.get("/readyz")).status == 200
        unit.become(UnitState.BLOCKED, "login_refused", "said")
        answer = await client.get("/readyz")
        assert answer.status == 503
        assert (await answer.json())["units"]["incoming/box"] == {"state": "blocked", "reason": "login_refused"}
        assert (await client.get("/livez")).status == 200


async def test_readyz_tells_store_and_backend_with_reasons_and_a_refused_configuration_without_going_down(
    unit: Unit,
) -> None:
    unit.become(UnitState.WAITING, "disk_full", "no room")
    told = report(unit, errors=("conf.d/10.toml:3: x: unknown key",)).ready()
    assert told["store"] == {"ok": False, "reason": "disk_full"}
    assert told["config"] == {"ok": False, "reason": "config_refused"}
    assert not told["ready"]
    unit.become(UnitState.WAITING, "backend_down", "503")
    assert report(unit).ready()["backend"] == {"ok": False, "reason": "backend_down"}
    unit.become(UnitState.RUNNING)
    assert report(unit, errors=("conf.d/10.toml:3: x: unknown key",)).ready()["ready"]


def routes_of(served: Endpoint) -> list[tuple[str, str]]:
    """Every route there is, found by looking into the router; names in paths filled in."""
    routes = served._app(trusted=False).router.routes()
    return [
        (route.method, re.sub(r"\{(?:number|id)\}", "7", route.resource.canonical.replace("{unit}", "incoming/box")))
        for route in routes
        if route.resource is not None and route.method != "HEAD"
    ]


async def test_every_admin_route_is_refused_without_token_with_a_wrong_one_and_for_a_foreign_host(unit: Unit) -> None:
    house, nouns = House(unit), Nouns()
    served = endpoint(unit, TOKEN, house, nouns=nouns)
    admin = [(method, path) for method, path in routes_of(served) if path not in OPEN]
    assert len(admin) >= 28
    assert all(path.startswith("/api/v1/") for _, path in admin)
    async with asking(served) as client:
        for method, path in admin:
            for headers, status in (
                ({}, 401),
                ({"Authorization": "Bearer"}, 401),
                ({"Authorization": f"Basic {TOKEN}"}, 401),
                ({**BEARER, "Host": "evil.example.org"}, 403),
                ({**BEARER, "Host": "127.0.0.1.evil.example.org"}, 403),
                ({**BEARER, "Host": "localhost@evil.example.org:80"}, 403),
                ({**BEARER, "Origin": "https://evil.example.org"}, 403),
                ({**BEARER, "Origin": "null"}, 403),
            ):
                answer = await client.request(method, path, headers=headers)
                assert answer.status == status, (method, path, headers)
                assert answer.content_type == "application/problem+json"
                assert TOKEN not in await answer.text()
        method, path = admin[0]
        assert (await client.request(method, path, headers={"Authorization": "Bearer wrong"})).status == 401
    assert house.done == nouns.done == []
    async with asking(served) as client:
        for method, path in admin:
            answer = await client.request(method, path, headers=BEARER)
            assert answer.status in {200, 201, 404, 409, 415}, path
    assert len(nouns.done) == 12
    assert all(done.endswith("token") for done in nouns.done)


async def test_metrics_are_for_everybody_under_our_own_names_alone(unit: Unit) -> None:
    async with asking(endpoint(unit, TOKEN, None, "desk.example.org")) as client:
        assert (await client.get("/metrics")).status == 200
        assert (await client.get("/metrics", headers={"Host": "desk.example.org:8443"})).status == 200
        assert (await client.get("/metrics", headers={"Host": "evil.example.org"})).status == 403
        assert (await client.get("/livez", headers={"Host": "10.1.2.3"})).status == 200


async def test_without_a_token_the_api_is_closed_over_tcp_and_open_over_the_socket(unit: Unit) -> None:
    served = endpoint(unit, None)
    async with asking(served) as client:
        for authorization in ("Bearer ", "Bearer None", "Bearer x"):
            answer = await client.get("/api/v1/status", headers={"Authorization": authorization})
            assert answer.status == 401
    async with asking(served, over_tcp=False) as client:
        assert (await client.get("/api/v1/status")).status == 200


async def test_wrong_tokens_are_answered_one_after_the_other_and_a_right_one_at_once(unit: Unit) -> None:
    async with asking(endpoint(unit)) as client:
        statuses: list[int] = []

        async def guess() -> None:
            answer = await client.get("/api/v1/status", headers={"Authorization": "Bearer guess"})
            statuses.append(answer.status)

        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(guess)
            await anyio.sleep(0.1)
            begun = time.monotonic()
            assert (await client.get("/api/v1/status", headers=BEARER)).status == 200
            assert time.monotonic() - begun < 0.5
            await anyio.sleep(0.5)
            assert statuses.count(401) <= 5
            assert statuses.count(429) > 0
            tasks.cancel_scope.cancel()


async def test_the_list_of_routes_names_every_route_with_one_line(unit: Unit) -> None:
    async with asking(endpoint(unit), over_tcp=False) as client:
        lines = await (await client.get("/api/v1/")).json()
    assert {(line["method"], line["path"]) for line in lines} >= {
        ("GET", "/livez"),
        ("GET", "/api/v1/plan"),
        ("POST", "/api/v1/reload"),
        ("POST", "/api/v1/units/{unit}/poll"),
    }
    assert all(line["does"].endswith(".") and "\n" not in line["does"] for line in lines)


async def test_actions_reach_the_unit_and_what_cannot_be_done_is_a_problem_document(unit: Unit) -> None:
    house = House(unit)
    async with asking(endpoint(unit, TOKEN, house), over_tcp=False) as client:
        answer = await client.post("/api/v1/units/incoming/box/poll")
        assert await answer.json() == {"unit": "incoming/box", "said": "is tried again now"}
        assert (await (await client.get("/api/v1/units/incoming/box")).json())["name"] == "incoming/box"
        for method, path, status in (
            ("POST", "/api/v1/units/incoming/nobody/poll", 404),
            ("GET", "/api/v1/units/incoming/nobody", 404),
            ("POST", "/api/v1/units/incoming/box/unblock", 409),
            ("POST", "/api/v1/units/incoming/broken/pause", 503),
            ("POST", "/api/v1/units/incoming/box/explode", 404),
            ("GET", "/nothing", 404),
            ("DELETE", "/api/v1/units/incoming/box", 405),
        ):
            answer = await client.request(method, path)
            told = await answer.json(content_type="application/problem+json")
            assert (answer.status, told["status"]) == (status, status), path
            assert told["detail"]
    assert house.done == ["poll"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("tickets/7/close", b"{", "the body is no JSON"),
        ("tickets/7/close", b"[]", "the body is no JSON object"),
        ("tickets/7/close", b"[" * 100_000, "the body is no JSON"),
        ("tickets/7/close", b'{"text": "x"}', "a key that is not known here; there are: by, at"),
        ("tickets/7/assign", b'{"to": 7}', "to is of the wrong kind"),
        ("tickets/7/note", b'{"text": "a\\u0000b"}', "text holds a NUL"),
        ("tickets/7/note", b'{"text": "\\ud800"}', "the body is no JSON"),
        ("tickets/7/close", b'{"at": "yesterday"}', "at is RFC 3339"),
        ("tickets/7/close", b'{"at": "2026-01-01T09:00:00"}', "with an offset"),
        ("tickets/7/close", b'{"at": "0001-01-01T00:00:00+14:00"}', "at is RFC 3339"),
        ("tickets", b'{"cc": [7]}', "cc is a list of text"),
        ("tickets", b'{"number": true}', "number is of the wrong kind"),
        ("tickets", b'{"number": 9223372036854775808}', "a ticket's number is 1 to 9223372036854775807"),
        ("quarantine/7/retry", b'{"dry_run": "yes"}', "dry_run is of the wrong kind"),
        ("quarantine/7/drop", b'{"all": true}', "a key that is not known here"),
    ],
)
async def test_a_body_that_is_not_what_the_route_takes_is_a_problem_document(
    unit: Unit, path: str, body: bytes, words: str
) -> None:
    nouns = Nouns()
    async with asking(endpoint(unit, nouns=nouns), over_tcp=False) as client:
        answer = await client.post(f"/api/v1/{path}", data=body)
        assert (answer.status, answer.content_type) == (400, "application/problem+json")
        assert words in (await answer.json())["detail"]
    assert nouns.done == []


async def test_numbers_that_no_ticket_has_are_not_found_and_a_key_has_a_limit(unit: Unit) -> None:
    async with asking(endpoint(unit), over_tcp=False) as client:
        for path in ("tickets/0", "tickets/x", "tickets/9223372036854775808", "quarantine/0", "quarantine/-1"):
            assert (await client.get(f"/api/v1/{path}")).status == 404
        headers = {"Idempotency-Key": "x" * 256}
        assert (await client.post("/api/v1/tickets/7/close", headers=headers)).status == 400
        for moment in ("yesterday", "9999-12-31T23:59:59-14:00"):
            assert (await client.get(f"/api/v1/audit?since={moment}")).status == 400
        assert await (await client.get("/api/v1/audit?since=2026-01-02")).json() == ["2026-01-02T00:00:00.000000Z"]
        assert (await client.post("/api/v1/tickets/7/note", data=io.BytesIO(b"x" * 1_100_000))).status == 413


async def test_a_parked_mail_is_given_to_a_browser_as_a_file(unit: Unit) -> None:
    async with asking(endpoint(unit), over_tcp=False) as client:
        answer = await client.get("/api/v1/quarantine/7/raw")
        assert answer.content_type == "message/rfc822"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="parked-7.eml"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_who_asks_over_the_unix_socket_is_known_by_his_uid(unit: Unit, tmp_path: Path) -> None:
    nouns = Nouns()
    async with endpoint(unit, nouns=nouns).serve([f"unix:{tmp_path}/admin.sock"]):
        connector = UnixConnector(str(tmp_path / "admin.sock"))
        async with ClientSession(connector=connector) as session:
            answer = await session.post("http://localhost/api/v1/tickets/7/close", json={"by": "tess@example.net"})
            assert answer.status == 200
    assert nouns.done == [f"close uid {os.getuid()}"]


async def test_a_mistake_of_ours_is_a_problem_document_and_in_the_log(
    unit: Unit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(House, "plan", fails)
    async with asking(endpoint(unit), over_tcp=False) as client:
        answer = await client.get("/api/v1/plan")
        assert (answer.status, answer.content_type) == (500, "application/problem+json")
        assert "canary" not in await answer.text()
    assert ("request failed method=GET path=/api/v1/plan", True) in [
        (record.getMessage(), record.exc_info is not None) for record in caplog.records
    ]


async def test_a_plan_may_be_asked_for_of_another_directory(unit: Unit) -> None:
    async with asking(endpoint(unit), over_tcp=False) as client:
        told = await (await client.get("/api/v1/plan?against=last:7&conf=/etc/other")).json()
        assert (told["last"], told["conf"]) == (7, "/etc/other")
        for wrong in ("conf=other", "conf=", "conf=/a%00b", "against=7", "against=last:x"):
            assert (await client.get(f"/api/v1/plan?{wrong}")).status == 400


async def test_a_reload_that_is_refused_is_422_with_the_errors(unit: Unit) -> None:
    house = House(unit)
    house.errors = ["conf.d/10.toml:3: x: unknown key"]
    async with asking(endpoint(unit, TOKEN, house), over_tcp=False) as client:
        answer = await client.post("/api/v1/reload")
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        told = await answer.json()
        assert told["errors"] == house.errors
        assert (told["type"], told["status"], told["title"]) == ("about:blank", 422, "conf.d is refused")
        assert told["detail"] == f"what ran runs on: {house.errors[0]}"
        assert (await client.get("/api/v1/reload")).status == 405


async def test_an_address_that_is_not_loopback_is_refused_without_tls(unit: Unit) -> None:
    with pytest.raises(BlockedError, match="not loopback"):
        async with endpoint(unit).serve(["0.0.0.0:0"]):
            pass


async def test_a_socket_that_another_daemon_listens_at_is_not_taken_from_it(unit: Unit, tmp_path: Path) -> None:
    place = tmp_path / "new" / "admin.sock"
    (port,) = free_ports(1)
    async with endpoint(unit).serve([f"unix:{place}", f"127.0.0.1:{port}"]):
        assert place.parent.stat().st_mode & 0o777 == 0o755
        assert place.stat().st_mode & 0o777 == SOCKET_MODE
        for address in (f"unix:{place}", f"127.0.0.1:{port}"):
            with pytest.raises(TransientError) as refused:
                async with endpoint(unit).serve([address]):
                    pass
            assert str(refused.value) == f"http.listen: cannot listen on {address}: Address already in use"
        async with await anyio.connect_unix(place):
            pass
    left_behind = socket.socket(socket.AF_UNIX)
    with left_behind:
        left_behind.bind(str(tmp_path / "old.sock"))
    async with endpoint(unit).serve([f"unix:{tmp_path}/old.sock"]), await anyio.connect_unix(tmp_path / "old.sock"):
        pass


async def test_files_for_tls_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    chain, key, missing, odd = (tmp_path / name for name in ("chain.pem", "key.pem", "missing.pem", "odd.pem"))
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    private = load_pem_private_key(issued.private_key_pem.bytes(), None)
    locked = BestAvailableEncryption(b"canary-4711")
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    odd.write_text("no key")
    for certificate, private_key, words in (
        (chain, missing, f"http.tls_key {missing}: No such file or directory"),
        (missing, key, f"http.tls_certificate {missing}: No such file or directory"),
        (chain, key, f"http.tls_key {key}: is encrypted; a daemon asks nobody"),
        (chain, odd, f"http.tls_certificate {chain}: no PEM certificate with its key ("),
    ):
        with pytest.raises(BlockedError) as refused:
            server_context(certificate, private_key)
        assert str(refused.value).startswith(words)


async def test_an_address_may_be_asked_for_and_only_names_that_are_ours(unit: Unit) -> None:
    async with asking(endpoint(unit, TOKEN, None, "Desk.example.org")) as client:
        for host, status in {
            "192.0.2.7:8025": 200,
            "[2001:db8::7]:8025": 200,
            "desk.EXAMPLE.org:8025": 200,
            "localhost": 200,
            "evil.example.net": 403,
            "192.0.2.7.evil.example.net": 403,
            "": 403,
        }.items():
            assert (await client.get("/metrics", headers={"Host": host})).status == status, host
        evil = {"Host": "192.0.2.7:8025", "Origin": "http://192.0.2.66"}
        assert (await client.get("/metrics", headers=evil)).status == 403


async def test_a_token_that_a_command_tells_is_waited_for_by_nobody(tmp_path: Path) -> None:
    script = tmp_path / "token"
    script.write_text("#!/bin/sh\nsleep 1\necho canary-token-4711\n")
    script.chmod(0o700)
    access = Access()
    with anyio.fail_after(0.5):
        await access.open(Http(admin_token=Secret({"command": [str(script)]})))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(access.run)
        with anyio.fail_after(10):
            while access._token != TOKEN:  # noqa: ASYNC110 - a thread does it
                await anyio.sleep(0.02)
        await access.renew(Http(admin_token=Secret("another")))
        assert access._token == "another"
        await access.renew(Http())
        assert access._token is None
        tasks.cancel_scope.cancel()


async def test_tls_is_served_and_a_renewed_certificate_is_shown_without_a_restart(unit: Unit, tmp_path: Any) -> None:
    (port,) = free_ports(1)
    chain, authority = tmp_path / "server.pem", trustme.CA()

    def renew() -> None:
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(chain)

    async def serial() -> str:
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        stream = await anyio.connect_tcp("localhost", port, ssl_context=trust)
        async with stream:
            return str(stream.extra(TLSAttribute.peer_certificate)["serialNumber"])  # noqa: S610 - no Django

    renew()
    context = server_context(chain, None)
    async with endpoint(unit).serve([f"127.0.0.1:{port}"], context):
        first = await serial()
        renew()
        load_certificate(context, chain, None)
        assert await serial() != first
        chain.write_text("no certificate")
        with pytest.raises(BlockedError, match="no PEM certificate"):
            load_certificate(context, chain, None)
