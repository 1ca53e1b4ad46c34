"""The double of Microsoft Graph refuses as the original does: throttling, tokens, permissions, nonsense."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import pytest
import trustme
from aiohttp import ClientSession, web
from tests.lab.graph import serving, serving_aside
from tests.lab.graph.openapi import VARIABLE, Validation
from tests.lab.graph.tokens import GRAPH, OUTLOOK
from tests.lab.graph_client import ADA, DESK, Client, mail, opened
from tests.lab.processes import mortal

DELTA = "mailFolders/inbox/messages/delta"
TO_ADA = {"message": {"subject": "x", "toRecipients": [ADA]}}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with opened() as one:
        yield one


# --- 9: throttling


async def test_more_than_four_at_a_time_are_refused(client: Client) -> None:
    client.lab.manners.latency_s = 0.1
    told: list[tuple[int, str]] = []

    async def one() -> None:
        got = await client.get("mailFolders/inbox")
        told.append((got.status, "" if got.status == 200 else got.code))

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(one)
    assert sorted(told) == [(200, "")] * 4 + [(429, "ApplicationThrottled")] * 2
    assert max(client.lab.throttling.peak.values()) > 4


async def test_retry_after_is_told_or_not_and_who_comes_too_early_is_counted(client: Client) -> None:
    client.lab.faults.throttled(f"GET */{DELTA}")
    assert "Retry-After" not in (await client.get(DELTA)).headers
    client.lab.faults.throttled(f"GET */{DELTA}", retry_after=30)
    assert (await client.get(DELTA)).headers["Retry-After"] == "30"
    assert (await client.get("mailFolders/inbox")).status == 429
    assert client.lab.throttling.early == 1
    client.lab.clock.advance(31)
    assert (await client.get(DELTA)).status == 200
    assert client.lab.throttling.early == 1


async def test_a_window_holds_so_many_requests(client: Client) -> None:
    client.lab.throttling.requests = 2
    told = [(await client.get("mailFolders/inbox")).status for _ in range(3)]
    assert told == [200, 200, 429]
    client.lab.clock.advance(601)
    assert (await client.get("mailFolders/inbox")).status == 200


@pytest.mark.parametrize(("status", "html"), [(503, False), (504, True), (509, False)])
async def test_a_busy_service_says_so_in_json_or_in_a_page(client: Client, status: int, html: bool) -> None:  # noqa: FBT001
    client.lab.faults.busy(status=status, retry_after=2).html = html
    got = await client.get(DELTA)
    assert (got.status, got.headers["Retry-After"]) == (status, "2")
    assert got.headers["Content-Type"].startswith("text/html" if html else "application/json")
    assert (await client.get(DELTA)).status == 200


# --- 10: tokens


async def post_form(client: Client, url: str, **form: str) -> tuple[int, Any]:
    async with client.session.post(url, data=form) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if answer.content_type == "application/json" else text


async def refreshed(client: Client, token: str, **more: str) -> tuple[int, Any]:
    form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token, **more}
    return await post_form(client, client.lab.token_url, **form)


def claims(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_a_token_of_client_credentials_opens_mailboxes_but_has_no_me(client: Client) -> None:
    form = {"client_id": "app", "client_secret": "s", "scope": f"{GRAPH}/.default"}
    status, told = await post_form(client, client.lab.token_url, grant_type="client_credentials", **form)
    assert status == 200
    assert "refresh_token" not in told
    assert claims(told["access_token"])["aud"] == GRAPH
    assert "Mail.Send" in claims(told["access_token"])["roles"]
    client.headers = {"Authorization": f"Bearer {told['access_token']}"}
    assert (await client.get(DELTA)).status == 200
    assert (await client.get(f"{client.lab.base}/me/{DELTA}")).status == 400


async def test_somebody_signs_in_and_the_refresh_token_rotates(client: Client) -> None:
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 B
    query = {"response_type": "code", "client_id": "app", "redirect_uri": "http://127.0.0.1:1/", "state": "s"}
    query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    async with client.session.get(client.lab.authorize_url, params=query, allow_redirects=False) as answer:
        back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert back["state"] == "s"
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    form = {"grant_type": "authorization_code", "client_id": "app", "redirect_uri": "http://127.0.0.1:1/"}
    status, told = await post_form(client, client.lab.token_url, code=back["code"], code_verifier=verifier, **form)
    assert status == 200
    assert claims(told["access_token"])["upn"] == DESK
    status, second = await refreshed(client, told["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != told["refresh_token"]
    client.headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await client.get(f"{client.lab.base}/me/{DELTA}")).status == 200


@pytest.mark.parametrize("seconds", [3599, "3599"])
async def test_the_length_of_a_tokens_life_is_a_number_or_a_text(client: Client, seconds: Any) -> None:
    client.lab.tokens.expires_in = seconds
    _, told = await refreshed(client, client.lab.tokens.new_refresh())
    assert told["expires_in"] == seconds


async def test_an_answer_may_lack_a_refresh_token(client: Client) -> None:
    client.lab.tokens.rotates = False
    _, told = await refreshed(client, client.lab.tokens.new_refresh())
    assert "refresh_token" not in told


async def test_the_token_endpoint_refuses_with_numbers_or_with_a_page(client: Client) -> None:
    status, told = await refreshed(client, "unknown")
    assert (status, told["error"], told["error_codes"]) == (400, "invalid_grant", [70000])
    client.lab.tokens.answers.append(web.Response(text="<html>busy</html>", status=503, content_type="text/html"))
    assert await refreshed(client, "unknown") == (503, "<html>busy</html>")
    client.lab.tokens.secret = "right"
    form = {"grant_type": "client_credentials", "client_id": "app", "scope": f"{GRAPH}/.default"}
    _, told = await post_form(client, client.lab.token_url, client_secret="wrong", **form)
    assert told["error_codes"] == [7000215]
    _, told = await post_form(client, client.lab.oauth("token", "common"), client_secret="right", **form)
    assert told["error_codes"] == [9001023]


async def test_a_device_code_waits_for_somebody(client: Client) -> None:
    client.lab.tokens.pending = 1
    _, told = await post_form(client, client.lab.device_url, client_id="app", scope="Mail.Send offline_access")
    form = {"client_id": "app", "device_code": told["device_code"]}
    form["grant_type"] = "urn:ietf:params:oauth:grant-type:device_code"
    status, first = await post_form(client, client.lab.token_url, **form)
    assert (status, first["error"]) == (400, "authorization_pending")
    status, _ = await post_form(client, client.lab.token_url, **form)
    assert status == 200


async def test_graph_refuses_tokens_that_are_old_or_for_somebody_else(client: Client) -> None:
    told = {}
    accept = client.lab.tokens.accept
    for name, token in {
        "none": "",
        "unknown": "x",
        "old": accept(lifetime_s=-1),
        "outlook": accept(audience=OUTLOOK),
    }.items():
        got = await client.get(DELTA, headers={"Authorization": f"Bearer {token}"})
        assert (got.status, got.code) == (401, "InvalidAuthenticationToken")
        assert got.headers["WWW-Authenticate"].startswith("Bearer ")
        told[name] = got.body["error"]["message"]
    assert "expired" in told["old"]
    assert "audience" in told["outlook"]


async def test_conditional_access_asks_for_claims(client: Client) -> None:
    client.lab.tokens.challenge('{"access_token":{}}')
    got = await client.get(DELTA)
    wanted = base64.b64encode(b'{"access_token":{}}').decode()
    assert got.status == 401
    assert f'error="insufficient_claims", claims="{wanted}"' in got.headers["WWW-Authenticate"]
    client.headers = {"Authorization": f"Bearer {client.lab.tokens.accept()}"}
    assert (await client.get(DELTA)).status == 200


# --- 11: permissions


async def test_an_application_opens_no_mailbox_outside_of_its_scope(client: Client) -> None:
    client.headers = {"Authorization": f"Bearer {client.lab.tokens.accept(application=True)}"}
    client.box.in_app_scope = False
    got = await client.get(DELTA)
    assert (got.status, got.code) == (403, "ErrorAccessDenied")


async def test_a_mailbox_without_a_licence_and_an_unknown_one(client: Client) -> None:
    client.box.licensed = False
    got = await client.get(DELTA)
    assert (got.status, got.code) == (404, "MailboxNotEnabledForRESTAPI")
    got = await client.get(f"{client.lab.base}/users/nobody@example.org/{DELTA}")
    assert (got.status, got.code) == (404, "ErrorInvalidUser")


async def test_a_missing_permission_is_told_from_a_missing_right_to_send_as(client: Client) -> None:
    client.headers = {"Authorization": f"Bearer {client.lab.tokens.accept(permissions=['Mail.Read'])}"}
    assert (await client.get(DELTA)).status == 200
    got = await client.post("sendMail", TO_ADA)
    assert (got.status, got.code) == (403, "ErrorAccessDenied")
    client.headers = {"Authorization": f"Bearer {client.lab.tokens.accept(user='ada@example.org')}"}
    assert (await client.get(DELTA)).code == "ErrorAccessDenied"
    client.box.full_access = {"ada@example.org"}
    assert (await client.get(DELTA)).status == 200
    got = await client.post("sendMail", TO_ADA)
    assert (got.status, got.code) == (403, "ErrorSendAsDenied")
    client.box.send_as = {"ada@example.org"}
    assert (await client.post("sendMail", TO_ADA)).status == 202


async def test_nobody_sends_as_another_mailbox(client: Client) -> None:
    raw = base64.b64encode(mail(sender="grace@example.org", to="ada@example.com"))
    got = await client.post("sendMail", data=raw, headers={"Content-Type": "text/plain"})
    assert (got.status, got.code) == (403, "ErrorSendAsDenied")


async def test_a_full_mailbox_takes_no_draft(client: Client) -> None:
    client.box.is_full = True
    assert (await client.post("messages", {"subject": "x"})).status == 507


# --- nonsense


@pytest.mark.parametrize(
    ("method", "place", "options", "status"),
    [
        ("GET", "nothing", {}, 400),
        ("GET", "messages/x/y", {}, 400),
        ("PUT", "messages", {"data": b""}, 405),
        ("POST", DELTA, {"data": b""}, 405),
        ("GET", "messages?$select=nonsense", {}, 400),
        ("GET", "messages?$wrong=1", {}, 400),
        ("GET", "messages?$top=0", {}, 400),
        ("GET", "messages?$top=x", {}, 400),
        ("GET", "messages?$top=1001", {}, 400),
        ("GET", "messages?$top=1&$top=2", {}, 400),
        ("GET", "messages?$filter=receivedDateTime%20ge%20yesterday", {}, 400),
        ("GET", "messages?$filter=isRead%20eq%20false&$orderby=receivedDateTime", {}, 400),
        ("POST", "messages", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "messages", {"data": b"{}", "headers": {"Content-Type": "application/xml"}}, 400),
        ("POST", "messages", {"json": {"nonsense": 1}}, 400),
        ("POST", "messages", {"json": {"body": {"contentType": "text", "content": 7}, "subject": []}}, 400),
        ("POST", "sendMail", {"json": {"message": {}, "other": 1}}, 400),
    ],
)
async def test_nonsense_is_refused(
    client: Client, method: str, place: str, options: dict[str, Any], status: int
) -> None:
    got = await client.ask(method, place, **options)
    assert got.status == status
    assert got.body["error"]["message"]
    client.lab.openapi.violations.clear()


async def test_another_version_is_none(client: Client) -> None:
    got = await client.get(client.lab.base.replace("v1.0", "v2.0") + f"/users/{DESK}/{DELTA}")
    assert (got.status, got.code) == (400, "BadRequest")


# --- Microsoft's description

SMALL = """
openapi: 3.0.1
info: {title: small, version: "1"}
paths:
  /users/{user-id}/messages/{message-id}/move:
    post:
      parameters:
      - {name: $select, in: query, style: form, explode: false, schema: {type: array, items: {enum: [id]}}}
      requestBody: {$ref: '#/components/requestBodies/move'}
      responses: {2XX: {description: moved, content: {application/json: {schema: {type: object, required: [id]}}}}}
      x-docs-status: 201
components:
  requestBodies:
    move:
      required: true
      content: {application/json: {schema: {type: object, properties: {DestinationId: {type: string}}}}}
"""
MOVE = ["users", "x", "messages", "y", "move"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validation:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    monkeypatch.setenv(VARIABLE, str(path))
    return Validation.from_environment()


@pytest.mark.parametrize(
    ("method", "parts", "query", "headers", "content", "words"),
    [
        ("POST", MOVE, [], JSON, b'{"destinationId": "a"}', ""),
        ("POST", MOVE, [("$select", "id")], JSON, b'{"DestinationId": "a"}', ""),
        ("POST", MOVE[:-1], [], JSON, b"{}", "no such operation"),
        ("GET", MOVE, [], JSON, b"", "no such operation"),
        ("POST", MOVE, [("$top", "1")], JSON, b"{}", "query option $top is not described"),
        ("POST", MOVE, [("$select", "id,size")], JSON, b"{}", "query option $select: 'size' is not one of"),
        ("POST", MOVE, [], {"Content-Type": "text/plain"}, b"x", "Content-Type 'text/plain' is not described"),
        ("POST", MOVE, [], JSON, b"", "no body"),
        ("POST", MOVE, [], JSON, b"{", "no JSON"),
        ("POST", MOVE, [], JSON, b'{"destinationId": 7}', "DestinationId: 7 is not of type 'string'"),
        ("POST", MOVE, [], JSON, b'{"destinationid": "a"}', "argument destinationid is not described"),
        ("POST", MOVE, [], {**JSON, "Prefer": "idtype=x, speed=high"}, b"{}", "Prefer: speed is not known"),
    ],
)
def test_what_breaks_the_description_is_told(
    small: Validation, method: str, parts: list[str], query: Any, headers: Any, content: bytes, words: str
) -> None:
    small.request(method, parts, query, headers, content)
    assert len(small.violations) == bool(words), small.violations
    assert words in "".join(small.violations)
    assert small.says == "1 requests validated"


def test_the_doubles_own_answers_are_judged_as_well(small: Validation) -> None:
    small.response("POST", MOVE, 201, {"id": "x"})
    small.judge()
    small.response("POST", MOVE, 200, {})
    assert len(small.own) == 2
    with pytest.raises(AssertionError, match="200 instead of 201"):
        small.judge()


def test_without_the_description_nothing_is_judged_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    judge = Validation.from_environment()
    judge.request("GET", ["nonsense"], [], {}, b"")
    judge.judge()
    assert judge.says == f"requests are not validated: {VARIABLE} names no file"


async def test_a_test_fails_that_sends_what_is_not_described(small: Validation) -> None:
    with pytest.raises(AssertionError, match="no such operation"):
        async with opened() as client:
            await client.get(DELTA)


# --- as a thread and as a process


def asked(url: str, told: Any = None, method: str = "POST", token: str = "") -> Any:
    data = None if told is None else told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, data, headers, method="GET" if told is None else method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - of our own double
        return json.loads(answer.read())


def test_it_runs_in_a_thread_beside_the_test() -> None:
    with serving_aside() as lab:
        lab.mailbox(DESK).deliver(mail())
        told = asked(f"{lab.base}/users/{DESK}/{DELTA}", token=lab.tokens.accept())
        assert len(told["value"]) == 1


async def test_it_listens_with_tls_where_told_to() -> None:
    authority = trustme.CA()
    here, there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(here)
    authority.configure_trust(there)
    async with serving(tls=here) as lab, ClientSession() as session:
        async with session.get(f"{lab.base}/me/messages", ssl=there) as answer:
            assert answer.status == 401
        assert lab.uploads.origin.startswith("https://")


def test_it_runs_as_a_process_with_levers() -> None:
    command = mortal([sys.executable, "-m", "tests.lab.graph"])
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().strip()
            lab = base.removesuffix("/v1.0") + "/_lab"
            box = f"{lab}/mailboxes/{DESK}"
            assert asked(lab)["base"] == base
            asked(f"{lab}/mailboxes", {"address": DESK, "full_access": ["ada@example.org"]})
            item = asked(f"{box}/messages", mail())["id"]
            token = asked(f"{lab}/tokens", {"user": "ada@example.org"})["token"]
            assert asked(f"{base}/users/{DESK}/{DELTA}", token=token)["value"][0]["isRead"] is False
            asked(f"{box}/act", {"id": item, "act": "read"})
            assert asked(f"{box}/messages?folder=inbox")[0]["isRead"] is True
            asked(f"{lab}/switches", {"delta": {"duplicates": True}}, "PATCH")
            assert len(asked(f"{base}/users/{DESK}/{DELTA}", token=token)["value"]) == 2
            asked(f"{lab}/faults", {"match": "GET */delta", "status": 503})
            with pytest.raises(urllib.error.HTTPError, match="503"):
                asked(f"{base}/users/{DESK}/{DELTA}", token=token)
            assert [one["status"] for one in asked(f"{lab}/requests")] == [200, 200, 503]
            asked(f"{lab}/clock", {"advance_s": 4000})
            with pytest.raises(urllib.error.HTTPError, match="401"):
                asked(f"{base}/users/{DESK}/{DELTA}", token=token)
            assert asked(f"{lab}/sent") == []
        finally:
            process.terminate()
