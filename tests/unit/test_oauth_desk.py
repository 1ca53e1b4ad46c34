"""OAuth in the house: what is needed and granted, what ends, and the doors over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from tests.lab.issuer import Issuer, issuing, refusal
from tests.unit.test_endpoint import BEARER, House, endpoint
from tests.unit.test_oauth_questions import certificate
from tests.unit.test_oauth_tokens import Memory

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.incoming import Incoming
from mailwicket.config.oauth import OAuth
from mailwicket.config.settings import BackendChoice, Settings
from mailwicket.errors import UnknownError
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.question import query_of
from mailwicket.service.oauth import OAuthDesk
from mailwicket.service.plan import Act, compare
from mailwicket.service.units import Unit
from mailwicket.web.oauth import OAuthRoutes

MAILBOX = {"email": "desk@example.org", "server": "imap.example.org", "auth": "oauth", "oauth": "office"}


def settings(issuer: Issuer, mailbox: Mapping[str, Any] = MAILBOX, **table: Any) -> Settings:
    keys = {
        "client_id": "client-1",
        "authorization_url": f"{issuer.url}/authorize",
        "token_url": f"{issuer.url}/token",
        "device_url": f"{issuer.url}/device",
        **table,
    }
    return Settings(
        backend=BackendChoice("desk", EmbeddedDesk.Config()),
        incoming={"support": Incoming.model_validate(mailbox)},
        oauth={"office": OAuth.model_validate(keys)},
    )


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as running:
        yield running


def house(issuer: Issuer, tmp_path: Path, granted: Callable[[str], None] = lambda _: None, **table: Any) -> OAuthDesk:
    one = settings(issuer, **table)
    return OAuthDesk(lambda: one, Memory(), Machine(tmp_path), granted)


async def sign_in(desk: OAuthDesk, issuer: Issuer) -> Mapping[str, Any]:
    begun = await desk.begin("office", "browser")
    return await desk.come_back(issuer.consent(begun["url"]))


async def test_what_is_needed_is_held_against_what_is_granted(issuer: Issuer, tmp_path: Path) -> None:
    issuer.scope = "offline_access https://outlook.office.com/smtp.send"
    desk = house(issuer, tmp_path, provider="microsoft")
    (before,) = await desk.told()
    assert (before["state"], before["missing"], before["used_by"]) == ("needs_sign_in", [], ["incoming/support"])
    await sign_in(desk, issuer)
    (told,) = await desk.told()
    assert told["state"] == "signed_in"
    assert told["missing"] == ["https://outlook.office.com/IMAP.AccessAsUser.All"]
    assert told["days_left"] == {"grant": 89}
    assert told["said"] is None
    assert not any(token in json.dumps(told) for token in issuer.given)


async def test_graphs_scopes_are_the_same_with_and_without_its_host(issuer: Issuer, tmp_path: Path) -> None:
    issuer.scope = "mail.readwrite"
    desk = house(
        issuer, tmp_path, provider="microsoft", scope="offline_access https://graph.microsoft.com/Mail.ReadWrite"
    )
    await sign_in(desk, issuer)
    (told,) = await desk.told()
    assert told["missing"] == []


async def test_secrets_and_certificates_are_counted_down(issuer: Issuer, tmp_path: Path, key: Any) -> None:
    shown = tmp_path / "cert.pem"
    shown.write_bytes(certificate(key, days=20))
    soon = datetime.now(UTC).date() + timedelta(days=5)
    desk = house(issuer, tmp_path, certificate=str(shown), key="x", client_secret_expires=soon)
    await desk.look()
    found = {one.what: one.days_left(datetime.now(UTC)) for one in desk.endings}
    assert found == {"secret": 4, "certificate": 19}
    shown.write_text("none")
    await desk.look()
    assert [one.what for one in desk.endings] == ["secret"]


@pytest.fixture(scope="module")
def key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


async def test_a_sign_in_tells_who_waits_for_it(issuer: Issuer, tmp_path: Path) -> None:
    heard: list[str] = []
    told = await sign_in(house(issuer, tmp_path, heard.append), issuer)
    assert (told["progress"], heard) == ("done", ["office"])


async def test_unknown_names_and_ways_are_told(issuer: Issuer, tmp_path: Path) -> None:
    desk = house(issuer, tmp_path)
    with pytest.raises(UnknownError, match="there are: office"):
        await desk.begin("home", "browser")
    with pytest.raises(UnknownError, match="is one of"):
        await desk.begin("office", "telepathy")
    with pytest.raises(UnknownError):
        desk.progress("office", "x")


def test_a_changed_application_restarts_who_logs_in_by_it_and_nobody_else() -> None:
    nowhere = Issuer("https://login.example.org")
    before, after = settings(nowhere), settings(nowhere, client_id="client-2")
    plan = compare(before, after)
    assert [(one.unit, one.act, one.keys) for one in plan.changes] == [("incoming/support", Act.RESTART, ("oauth",))]
    other = {"email": "desk@example.org", "server": "imap.example.org", "password": "x"}
    assert compare(settings(nowhere, other), settings(nowhere, other, client_id="client-2")).changes == ()
    assert compare(before, settings(nowhere, client_secret_expires=date(2027, 1, 1))).at_once == ("oauth.office",)


# --- over HTTP ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(desk: OAuthDesk, *, over_tcp: bool = True) -> AsyncIterator[TestClient[Request, Application]]:
    unit = Unit("incoming/support", "imap.example.org:993")
    made = endpoint(unit, house=House(unit))
    made._routes = [*made._routes, *OAuthRoutes(desk).routes()]
    async with TestClient(TestServer(made._app(trusted=not over_tcp))) as client:
        yield client


async def test_the_callback_is_open_and_good_once(issuer: Issuer, tmp_path: Path) -> None:
    desk = house(issuer, tmp_path)
    async with served(desk) as client:
        begun = await (await client.post("/api/v1/oauth/office/login", headers=BEARER)).json()
        back = query_of(issuer.consent(begun["url"]))
        first = await client.get("/oauth/callback", params=back)
        again = await client.get("/oauth/callback", params=back)
        assert (first.status, again.status) == (200, 400)
        assert "signed in" in await first.text()
        assert first.headers["Cache-Control"] == "no-store"
        assert first.headers["Referrer-Policy"] == "no-referrer"
        assert first.content_type == "text/plain"
        path = f"/api/v1/oauth/office/login/{begun['state']}"
        assert (await (await client.get(path, headers=BEARER)).json())["progress"] == "done"
        assert len(issuer.asked) == 1


async def test_a_foreign_host_and_an_endless_query_get_nothing(issuer: Issuer, tmp_path: Path) -> None:
    async with served(house(issuer, tmp_path)) as client:
        assert (await client.get("/oauth/callback?state=x", headers={"Host": "evil.example"})).status == 403
        assert (await client.get("/oauth/callback?state=" + "x" * 5000)).status == 400
        assert (await client.get("/oauth/callback")).status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/oauth"),
        ("POST", "/api/v1/oauth/office/login"),
        ("POST", "/api/v1/oauth/office/admin-consent"),
        ("GET", "/api/v1/oauth/office/login/x"),
        ("POST", "/api/v1/oauth/answer"),
        ("POST", "/api/v1/oauth/office/renew"),
    ],
)
async def test_every_other_route_wants_the_token(issuer: Issuer, tmp_path: Path, method: str, path: str) -> None:
    async with served(house(issuer, tmp_path)) as client:
        assert (await client.request(method, path)).status == 401


async def test_the_command_line_signs_in_over_the_socket_and_no_answer_holds_a_token(
    issuer: Issuer, tmp_path: Path
) -> None:
    desk = house(issuer, tmp_path)
    said = ""
    async with served(desk, over_tcp=False) as client:
        begun = await (await client.post("/api/v1/oauth/office/login?how=browser")).json()
        answer = await client.post("/api/v1/oauth/answer", data=issuer.consent(begun["url"]))
        said += await answer.text()
        assert json.loads(said)["progress"] == "done"
        renewed = await client.post("/api/v1/oauth/office/renew?use=imap&mailbox=desk@example.org")
        assert (await renewed.json())["expires_at"]
        said += await renewed.text() + await (await client.get("/api/v1/oauth")).text()
        device = await (await client.post("/api/v1/oauth/office/login?how=device")).json()
        assert device["user_code"] == "ABCD-EFGH"
        said += json.dumps(device)
        assert (await client.post("/api/v1/oauth/office/login?how=x")).status == 404
        assert (await client.post("/api/v1/oauth/office/renew?use=x")).status == 404
        assert (await client.post("/api/v1/oauth/home/login")).status == 404
        assert (await client.post("/api/v1/oauth/office/admin-consent")).status == 409
        assert (await client.post("/api/v1/oauth/answer", data="x" * 40_000)).status == 413
        assert (await client.post("/api/v1/oauth/answer", data="code=x&state=y")).status == 409
    await desk.close()
    assert not any(token in said for token in issuer.given)


@pytest.mark.parametrize(
    ("answer_status", "error", "expected"),
    [
        (400, "invalid_grant", {"reason": "oauth_settings", "passes": None}),
        (503, "server_error", {"reason": "server_said", "passes": True, "fix": None}),
    ],
)
async def test_a_token_that_cannot_be_had_is_told_with_reason_and_fix(
    issuer: Issuer, tmp_path: Path, answer_status: int, error: str, expected: dict[str, Any]
) -> None:
    issuer.answers = [refusal(error, status=answer_status)]
    desk = house(issuer, tmp_path, grant="client_credentials", client_secret="secret-canary")
    async with served(desk) as client:
        answer = await client.post("/api/v1/oauth/office/renew?use=imap", headers=BEARER)
        told = await answer.json()
    assert (answer.status, {key: told.get(key) for key in expected}) == (503, expected)
    if told["reason"] == "oauth_settings":
        assert told["detail"].endswith(told["fix"])
    assert "canary" not in str(told)
