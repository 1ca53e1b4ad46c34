"""The HTTP endpoint: who may ask what, and what is told."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from anyio.streams.tls import TLSAttribute
from tests.fakes import report
from tests.lab.processes import free_ports

from mailwicket.errors import BlockedError, ConflictError, StoreError, UnknownError
from mailwicket.service.looplag import LoopLag
from mailwicket.service.metrics import Metrics
from mailwicket.service.units import Unit, UnitState
from mailwicket.web.access import load_certificate, server_context
from mailwicket.web.api import Api
from mailwicket.web.endpoint import Endpoint
from mailwicket.web.guard import Guard

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

    async def plan(self) -> Mapping[str, Any]:
        return {"changes": [], "errors": self.errors}

    async def reload(self) -> Mapping[str, Any]:
        self.done.append("reload")
        return {"changes": [], "errors": self.errors}

    async def act(self, unit: str, action: str) -> str:
        if unit == "incoming/broken":
            raise StoreError("database: disk I/O error", reason="disk_error")
        if unit != self.unit.name:
            raise UnknownError(f"there is no unit {unit}")
        if action == "unblock":
            raise ConflictError(f"{unit} is not blocked")
        self.done.append(action)
        return "is tried again now"


def endpoint(unit: Unit, token: str | None = TOKEN, house: House | None = None, *names: str) -> Endpoint:
    metrics = Metrics(lambda: report(unit, parked=2, generation=7), LoopLag())
    api = Api(house or House(unit))
    return Endpoint(lambda: report(unit).ready(), metrics.text, api.routes(), Guard(lambda: token, lambda: names))


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
        (route.method, route.resource.canonical.replace("{unit}", "incoming/box"))
        for route in routes
        if route.resource is not None and route.method != "HEAD"
    ]


async def test_every_admin_route_is_refused_without_token_with_a_wrong_one_and_for_a_foreign_host(unit: Unit) -> None:
    house = House(unit)
    served = endpoint(unit, TOKEN, house)
    admin = [(method, path) for method, path in routes_of(served) if path not in OPEN]
    assert len(admin) >= 10
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
    assert house.done == []
    async with asking(served) as client:
        for method, path in admin:
            assert (await client.request(method, path, headers=BEARER)).status in {200, 409}, path


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


async def test_a_reload_that_is_refused_is_422_with_the_errors(unit: Unit) -> None:
    house = House(unit)
    house.errors = ["conf.d/10.toml:3: x: unknown key"]
    async with asking(endpoint(unit, TOKEN, house), over_tcp=False) as client:
        answer = await client.post("/api/v1/reload")
        assert answer.status == 422
        assert (await answer.json())["errors"] == house.errors
        assert (await client.get("/api/v1/reload")).status == 405


async def test_an_address_that_is_not_loopback_is_refused_without_tls(unit: Unit) -> None:
    with pytest.raises(BlockedError, match="not loopback"):
        async with endpoint(unit).serve(["0.0.0.0:0"]):
            pass


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
