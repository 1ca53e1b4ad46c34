"""OAuth in the house: what is needed and granted, what ends, and the doors over HTTP."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from tests.lab.daemon import Daemon
from tests.lab.issuer import Issuer, issuing, issuing_aside, refusal
from tests.unit.test_endpoint import BEARER, House, endpoint
from tests.unit.test_oauth_questions import certificate
from tests.unit.test_oauth_tokens import Memory

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.incoming import Incoming
from mailwicket.config.oauth import OAuth
from mailwicket.config.settings import BackendChoice, Settings
from mailwicket.errors import BlockedError, UnknownError
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.bearer import Door
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


def claimed(**claims: Any) -> str:
    parts = [urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in ({}, claims)]
    return ".".join([*parts, "signature"])


@pytest.mark.parametrize(
    ("roles", "uses", "missing"),
    [
        (["IMAP.AccessAsApp"], {}, []),
        (["SMTP.SendAsApp"], {}, ["IMAP.AccessAsApp"]),
        ([], {"protocol": "pop3"}, ["POP.AccessAsApp"]),
        (None, {}, ["IMAP.AccessAsApp"]),
    ],
)
async def test_the_roles_of_an_application_by_itself_are_read_from_its_token(
    issuer: Issuer, tmp_path: Path, roles: Any, uses: dict[str, Any], missing: list[str]
) -> None:
    token = claimed(aud="https://outlook.office365.com", **({} if roles is None else {"roles": roles}))
    issuer.answers = [web.json_response({"token_type": "Bearer", "access_token": token, "expires_in": 3600})]
    table = {"grant": "client_credentials", "tenant": "t", "client_secret": "canary", "provider": "microsoft"}
    one = settings(issuer, {**MAILBOX, **uses}, **table)
    desk = OAuthDesk(lambda: one, Memory(), Machine(tmp_path), lambda _: None)
    (before,) = await desk.told()
    assert (before["state"], before["granted"], before["missing"]) == ("by_itself", [], [])
    await desk.renew(Door("office", "pop3" if uses else "imap", "desk@example.org"))
    (told,) = await desk.told()
    assert told["needed"] == ["POP.AccessAsApp" if uses else "IMAP.AccessAsApp"]
    assert (told["granted"], told["missing"]) == (roles or [], missing)


async def test_a_sign_in_that_lacks_consent_prints_the_link_for_an_administrator(tmp_path: Path) -> None:
    with issuing_aside() as issuer:
        code = {"device_code": "d", "user_code": "u", "verification_uri": "https://x.example", "expires_in": 9}
        no_consent = refusal("invalid_grant", "AADSTS90094: admin only", [90094])
        issuer.answers = [web.json_response({**code, "interval": 1}), no_consent]
        keys = {"client_id": "c", "provider": "microsoft", "tenant": "t", "grant": "device_code"}
        urls = {key: f"{issuer.url}/{path}" for key, path in (("token_url", "token"), ("device_url", "device"))}
        page = f"{issuer.url}/t/oauth2/v2.0/authorize"
        daemon = Daemon(tmp_path, {}, **{"oauth.office": {**keys, **urls, "authorization_url": page}})
        command = [sys.executable, "-m", "mailwicket", "oauth", "login", "office", "--conf", str(daemon.conf)]
        ended = await anyio.run_process(command, check=False)
        assert ended.returncode == 1
        assert f"{issuer.url}/t/v2.0/adminconsent?client_id=c&" in ended.stdout.decode()
        assert "only an administrator may approve" in ended.stderr.decode()


async def test_who_unblocks_a_unit_has_its_application_asked_anew(issuer: Issuer, tmp_path: Path) -> None:
    issuer.answers = [refusal("invalid_client", "AADSTS7000222: expired", [7000222])]
    desk = house(issuer, tmp_path, grant="client_credentials", client_secret="canary")
    opens = Door("office", "imap", "desk@example.org")
    for _ in range(2):
        with pytest.raises(BlockedError, match="7000222"):
            await desk.renew(opens)
    desk.forgive("incoming/another")
    assert len(issuer.asked) == 1
    with pytest.raises(BlockedError, match="7000222"):
        await desk.renew(opens)
    desk.forgive("incoming/support")
    assert (await desk.renew(opens))["name"] == "office"


async def test_a_consent_for_an_application_by_itself_tells_what_its_token_allows(
    issuer: Issuer, tmp_path: Path
) -> None:
    told = {"token_type": "Bearer", "access_token": claimed(aud="x", roles=["SMTP.SendAsApp"]), "expires_in": 3600}
    issuer.answers = [refusal("invalid_grant", "AADSTS65001: no consent", [65001]), web.json_response(told)]
    table = {"grant": "client_credentials", "tenant": "t", "client_secret": "canary", "provider": "microsoft"}
    page = f"{issuer.url}/t/oauth2/v2.0/authorize"
    desk = house(issuer, tmp_path, **table, authorization_url=page)
    answers = []
    for _ in range(2):
        begun = await desk.begin("office", "consent")
        query = parse_qs(urlsplit(begun["url"]).query)
        assert query["scope"] == ["https://ps.outlook.com/.default"]
        answers.append(await desk.come_back({"admin_consent": "True", "tenant": "t", "state": query["state"][0]}))
    assert [one["progress"] for one in answers] == ["done", "done"]
    assert "no token can be had yet, which may take some minutes: oauth office: " in answers[0]["said"]
    assert answers[1]["said"] == (
        "an administrator consented for the tenant t; granted: SMTP.SendAsApp; MISSING: IMAP.AccessAsApp"
    )


async def test_a_consent_for_what_people_sign_in_to_tells_which_scopes_it_lacks(issuer: Issuer, tmp_path: Path) -> None:
    page = f"{issuer.url}/t/oauth2/v2.0/authorize"
    desk = house(issuer, tmp_path, provider="microsoft", authorization_url=page)
    begun = await desk.begin("office", "consent")
    (state,) = parse_qs(urlsplit(begun["url"]).query)["state"]
    scope = "https://outlook.office.com/SMTP.Send openid"
    told = await desk.come_back({"admin_consent": "True", "tenant": "t", "state": state, "scope": scope})
    assert told["said"] == (
        f"an administrator consented for the tenant t; granted: {scope}; "
        "MISSING: https://outlook.office.com/IMAP.AccessAsUser.All"
    )


async def test_a_google_sign_in_of_a_project_on_testing_is_counted_down_from_its_first_minute(
    issuer: Issuer, tmp_path: Path
) -> None:
    told = {"token_type": "Bearer", "access_token": "a", "refresh_token": "r", "refresh_token_expires_in": 604799}
    desk = house(issuer, tmp_path, provider="google")
    issuer.answers = [web.json_response(told), web.json_response({"token_type": "Bearer", "access_token": "b"})]
    said = (await sign_in(desk, issuer))["said"]
    assert "ends in 7 days whatever it is used" in said
    assert '"Testing"' in said
    desk.tokens.age({"office"})
    await desk.renew(Door("office", "imap", "desk@example.org"))
    (shown,) = await desk.told()
    assert shown["days_left"] == {"grant": 6}, "use does not put it off"
    (ending,) = desk.endings
    assert ending.ends_at - ending.told_from == timedelta(seconds=604799) / 2


async def test_a_certificate_is_read_from_whatever_stands_around_it_in_its_file(
    issuer: Issuer, tmp_path: Path, key: Any
) -> None:
    shown = tmp_path / "cert.pem"
    chain = b"Bag Attributes\n    friendlyName: office\n" + certificate(key, days=20) + certificate(key, days=90)
    shown.write_bytes(chain)
    desk = house(issuer, tmp_path, certificate=str(shown), key="x")
    (told,) = await desk.told()
    assert told["days_left"] == {"certificate": 19}


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
