"""The webhook towards a receiver that is real, over TLS: what is sent, and what each answer means."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from pydantic import ValidationError
from tests.contract.desks import CLEO, attachment, entry_draft, ticket_draft
from tests.receiver import SECRET, Receiver, answers, hangs, receiving

from mailwicket.backends.webhook import WebhookDesk
from mailwicket.backends.webhook.answer import RETRY_AFTER_MAX_S, Answer, ticket_of
from mailwicket.backends.webhook.channel import ANSWER_BYTES
from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.model import IntakeKey, TicketChange, TicketNumber, TicketRef, TicketStatus
from mailwicket.net.machine import Machine
from mailwicket.ports import HoldsConnections, SetsPace

K1 = IntakeKey("k1")
PLUGINS = Path(__file__).parents[2] / "docs" / "plugins.md"
CANARIES = (SECRET, "canary-path", "canary-query")


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path) as one:
        yield one


@pytest.fixture
async def desk(receiver: Receiver, tmp_path: Path) -> AsyncIterator[WebhookDesk]:
    one = made(receiver, tmp_path)
    yield one
    await one.close()


def made(receiver: Receiver, directory: Path, **keys: Any) -> WebhookDesk:
    return WebhookDesk("webhook", WebhookConfig.model_validate(receiver.keys(**keys)), Machine(directory))


async def failure_of(desk: WebhookDesk) -> MailwicketError:
    try:
        with pytest.raises(MailwicketError) as caught:
            await desk.create(ticket_draft(), K1)
    finally:
        await desk.close()
    assert not any(canary in repr(caught.value) + str(caught.value) for canary in CANARIES)
    return caught.value


# --- what is sent


async def test_each_effect_is_one_signed_request_with_its_key(receiver: Receiver, desk: WebhookDesk) -> None:
    ticket = await desk.create(ticket_draft(cc=[CLEO]), IntakeKey("s-1"))
    await desk.append(ticket, entry_draft(attachments=[attachment()]), IntakeKey("s-2"))
    await desk.change(ticket, TicketChange(status=TicketStatus.CLOSED, add_cc=[CLEO]), IntakeKey("s-3"))
    assert await desk.find(IntakeKey("s-2")) == ticket
    bodies = [asked.body for asked in receiver.asked]
    assert [(body["type"], body["key"]) for body in bodies] == [
        ("ticket.create", "s-1"),
        ("ticket.append", "s-2"),
        ("ticket.change", "s-3"),
        ("effect.find", "s-2"),
    ]
    assert [asked.headers.get("Idempotency-Key") for asked in receiver.asked] == ["s-1", "s-2", "s-3", None]
    assert bodies[0]["cc"] == [{"name": "Cleo", "address": "cleo@example.com"}]
    assert bodies[1]["entry"]["attachments"] == [
        {
            "filename": "fire.png",
            "content_type": "image/png",
            "size": 3,
            "sha256": "cd" * 32,
            "inline": False,
            "content_id": None,
        }
    ]
    assert bodies[1]["entry"]["received_at"] == "2026-01-01T09:00:00+00:00"
    for asked in receiver.asked:
        assert asked.path == "/hook/canary-path?token=canary-query"
        assert asked.headers["Content-Type"] == "application/json"
        assert abs(int(asked.headers["Mailwicket-Timestamp"]) - time.time()) < 5
        assert re.fullmatch(r"v1=[0-9a-f]{64}", asked.headers["Mailwicket-Signature"])
        assert not {"Cookie", "Authorization", "Accept-Encoding"} & set(asked.headers)


async def test_cookies_are_not_kept(receiver: Receiver, desk: WebhookDesk) -> None:
    receiver.after = answers(200, {"ticket": 1}, Set_Cookie="session=1")
    await desk.create(ticket_draft(), K1)
    await desk.create(ticket_draft(), K1)
    assert "Cookie" not in receiver.asked[1].headers


async def test_a_connection_serves_many_requests_and_is_closed_in_the_end(
    receiver: Receiver, desk: WebhookDesk
) -> None:
    peers = set()

    async def note(_body: dict[str, Any]) -> None:
        assert receiver._runner is not None
        assert receiver._runner.server is not None
        peers.update(receiver._runner.server.connections)

    receiver.before = note
    for number in range(20):
        await desk.create(ticket_draft(), IntakeKey(f"k{number}"))
    assert len(peers) == 1
    assert isinstance(desk, HoldsConnections)
    await desk.close()
    await desk.close()
    with anyio.fail_after(5):
        while any(peer.transport is not None for peer in peers):  # noqa: ASYNC110 - the server notices it later
            await anyio.sleep(0.01)
    await desk.create(ticket_draft(), K1)  # it opens again


async def test_two_first_calls_at_a_time_open_one_session(receiver: Receiver, desk: WebhookDesk) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(desk.create, ticket_draft(), IntakeKey(f"k{number}"))
    assert len(receiver.tickets) == 5
    await desk.close()  # a second session would be told of as unclosed, and warnings are errors


def test_the_example_of_the_page_accepts_what_we_sign_and_nothing_else(tmp_path: Path) -> None:
    (example,) = re.findall(
        r"^```python\n# verify\.py\n(.*?)^```$", PLUGINS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(example.splitlines()) < 20
    body, now = b'{"type":"effect.find","key":"k"}', int(time.time())
    mac = hmac.new(b"secret", b"%d." % now + body, hashlib.sha256).hexdigest()
    old = hmac.new(b"secret", b"%d." % (now - 3600) + body, hashlib.sha256).hexdigest()
    (tmp_path / "verify.py").write_text(example)
    code = f"""
from verify import is_genuine
good = {{"Mailwicket-Timestamp": "{now}", "Mailwicket-Signature": "v1={mac}"}}
old = {{"Mailwicket-Timestamp": "{now - 3600}", "Mailwicket-Signature": "v1={old}"}}
print(
    is_genuine(good, {body!r}, b"secret"),
    is_genuine(good, {body!r} + b" ", b"secret"),
    is_genuine(good, {body!r}, b"other"),
    is_genuine({{**good, "Mailwicket-Timestamp": "{now - 1}"}}, {body!r}, b"secret"),
    is_genuine(old, {body!r}, b"secret"),
    is_genuine({{}}, {body!r}, b"secret"),
    is_genuine({{**good, "Mailwicket-Timestamp": "x"}}, {body!r}, b"secret"),
)
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", *["False"] * 6]


def test_the_page_shows_a_request_as_it_is_sent() -> None:
    from mailwicket.backends.webhook import wire

    shown = re.findall(r"^```json\n(.*?)^```$", PLUGINS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    bodies = {body["type"]: body for body in map(json.loads, shown)}
    draft = ticket_draft(cc=[CLEO], entry=entry_draft(attachments=[attachment()]))
    sent = [
        wire.create(draft, K1),
        wire.append(TicketRef(TicketNumber(7)), draft.entry, K1),
        wire.change(TicketRef(TicketNumber(7)), TicketChange(), K1),
        wire.find(K1),
    ]
    for body in sent:
        kind = body["type"]
        assert list(bodies[kind]) == list(body), kind
    assert list(bodies["ticket.create"]["entry"]) == list(sent[0]["entry"])
    assert list(bodies["ticket.create"]["entry"]["attachments"][0]) == list(sent[0]["entry"]["attachments"][0])


# --- what an answer means


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599, 302])
async def test_an_outage_is_told_as_one(status: int, receiver: Receiver, desk: WebhookDesk) -> None:
    receiver.before = answers(status, {"error": "not now"})
    failure = await failure_of(desk)
    assert isinstance(failure, TransientError)
    assert failure.reason == "backend_down"
    assert f"https://localhost:{receiver.port} answered {status}" in str(failure)
    assert "not now" in str(failure)


@pytest.mark.parametrize("status", [400, 404, 405, 410, 415, 418, 422])
async def test_a_refusal_in_json_is_about_this_mail_and_a_page_of_a_proxy_is_not(
    status: int, receiver: Receiver, desk: WebhookDesk
) -> None:
    receiver.before = answers(status, {"error": "subject is missing"})
    failure = await failure_of(desk)
    assert isinstance(failure, PermanentError)
    assert "subject is missing" in str(failure)
    for page in (answers(status, "<html>Not found</html>"), answers(status, ["error"]), answers(status, {"x": 1})):
        receiver.before = page
        assert isinstance(await failure_of(desk), TransientError)


async def test_a_mail_that_is_too_large_for_a_proxy_is_refused_for_good(receiver: Receiver, desk: WebhookDesk) -> None:
    receiver.before = answers(413, "<html>Too large</html>")
    assert isinstance(await failure_of(desk), PermanentError)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_signature_is_for_a_human(status: int, receiver: Receiver, desk: WebhookDesk) -> None:
    receiver.before = answers(status, {"error": f"you should have used {SECRET}"})
    failure = await failure_of(desk)
    assert isinstance(failure, BlockedError)
    assert failure.reason == "login_refused"
    assert 'you should have used ***")' in str(failure)


async def test_a_wrong_secret_is_refused_and_the_right_one_is_taken_without_a_new_desk(
    receiver: Receiver, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong")
    desk = made(receiver, tmp_path, secret={"file": str(secret)})
    assert isinstance(await failure_of(desk), BlockedError)
    secret.write_text(SECRET)
    assert (await desk.create(ticket_draft(), K1)).number == 1
    await desk.close()


async def test_a_missing_secret_is_for_a_human(receiver: Receiver, tmp_path: Path) -> None:
    failure = await failure_of(made(receiver, tmp_path, secret={"env": "MAILWICKET_TEST_UNSET"}))
    assert isinstance(failure, BlockedError)
    assert failure.reason == "secret_missing"


async def test_a_key_whose_effect_is_under_way_is_waited_for(receiver: Receiver, desk: WebhookDesk) -> None:
    receiver.before = answers(409, {"error": "at work on it"})
    failure = await failure_of(desk)
    assert isinstance(failure, TransientError)
    assert failure.retry_after_s == 2


@pytest.mark.parametrize(
    "content",
    [
        "<html>Welcome, please log in</html>",
        "",
        [],
        {},
        {"ticket": None},
        {"ticket": "7"},
        {"ticket": True},
        {"ticket": 0},
        {"ticket": -1},
        {"ticket": 1.5},
        {"ticket": 2**63},
        "[" * 60_000,
        '{"ticket": NaN}',
    ],
    ids=lambda content: repr(content)[:20],
)
async def test_a_good_status_without_a_ticket_is_an_outage_and_not_a_success(
    content: object, receiver: Receiver, desk: WebhookDesk
) -> None:
    receiver.before = answers(200, content)
    failure = await failure_of(desk)
    assert isinstance(failure, TransientError)
    assert failure.reason == "backend_down"
    with pytest.raises(TransientError):
        await desk.append(TicketRef(TicketNumber(1)), entry_draft(), K1)
    if content != {"ticket": None}:
        with pytest.raises(TransientError):
            await desk.find(K1)


async def test_an_endless_answer_is_cut(receiver: Receiver, desk: WebhookDesk) -> None:
    sent = 0

    async def flood(_body: dict[str, Any]) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        request = receiver_request[0]
        await response.prepare(request)
        while sent < 200 * ANSWER_BYTES:
            await response.write(b"x" * ANSWER_BYTES)
            sent += ANSWER_BYTES
        return response

    receiver_request: list[web.Request] = []
    right = receiver._check

    def check(request: web.Request, content: bytes) -> None:
        receiver_request[:] = [request]
        right(request, content)

    receiver._check = check  # type: ignore[method-assign]
    receiver.before = flood
    failure = await failure_of(desk)
    assert "answered more than 65536 bytes" in str(failure)
    assert sent < 200 * ANSWER_BYTES, "all of it was read"


async def test_a_compressed_answer_is_not_unpacked(receiver: Receiver, desk: WebhookDesk) -> None:
    receiver.before = answers(200, {"ticket": 1}, Content_Encoding="gzip")
    assert (await desk.create(ticket_draft(), K1)).number == 1


async def test_who_does_not_answer_in_time_is_out(receiver: Receiver, tmp_path: Path) -> None:
    receiver.before = hangs
    desk = made(receiver, tmp_path, timeout_s=1)
    begun = time.monotonic()
    failure = await failure_of(desk)
    assert 0.9 < time.monotonic() - begun < 3
    assert str(failure) == f"https://localhost:{receiver.port} did not answer within 1 s"
    await desk.close()


async def test_who_is_not_there_is_out_and_found_when_he_is_back(receiver: Receiver, desk: WebhookDesk) -> None:
    await desk.create(ticket_draft(), K1)
    await receiver.hang_up()
    failure = await failure_of(desk)
    assert isinstance(failure, TransientError)
    failure = await failure_of(desk)
    assert f"https://localhost:{receiver.port} is not reachable: " in str(failure)
    await receiver.listen()
    await desk.create(ticket_draft(), K1)


async def test_a_certificate_that_does_not_verify_is_for_a_human(receiver: Receiver, tmp_path: Path) -> None:
    failure = await failure_of(made(receiver, tmp_path, ca_file=None))
    assert isinstance(failure, BlockedError)
    assert failure.reason == "certificate"
    assert "does not verify" in str(failure)
    assert receiver.asked == []


async def test_a_certificate_of_another_name_is_for_a_human(receiver: Receiver, tmp_path: Path) -> None:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(receiver.ca_file)
    receiver.tls = authority.issue_cert("receiver.example.org")
    await receiver.hang_up()
    await receiver.listen()
    failure = await failure_of(made(receiver, tmp_path))
    assert isinstance(failure, BlockedError)
    assert failure.reason == "certificate"
    assert receiver.asked == []


async def test_plain_http_works_on_this_machine_where_it_is_allowed(tmp_path: Path) -> None:
    async with receiving(tmp_path, encrypted=False) as receiver:
        desk = made(receiver, tmp_path, url=f"http://127.0.0.1:{receiver.port}/hook", ca_file=None)
        assert (await desk.create(ticket_draft(), K1)).number == 1
        await desk.close()


# --- Retry-After

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        ("9" * 40, RETRY_AFTER_MAX_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_S),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 409])
def test_retry_after_is_read_in_both_forms_by_the_receivers_clock(
    value: str, seconds: float | None, status: int
) -> None:
    headers = {"retry-after": value, "Date": format_datetime(NOW, usegmt=True)}
    with pytest.raises(TransientError) as caught:
        ticket_of(Answer(status, headers, b"{}"), "https://x")
    assert caught.value.retry_after_s == (seconds or 2 if status == 409 else seconds)


def test_a_date_counts_from_now_where_the_receiver_does_not_tell_its_own() -> None:
    headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)}
    with pytest.raises(TransientError) as caught:
        ticket_of(Answer(503, headers, b""), "https://x")
    assert caught.value.retry_after_s == pytest.approx(60, abs=3)


def test_the_words_of_a_receiver_are_cut_and_give_no_orders_to_a_terminal() -> None:
    content = json.dumps({"error": "\x1b[2J\nx" * 400}).encode()
    with pytest.raises(TransientError) as caught:
        ticket_of(Answer(500, {}, content), "https://x")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 260


# --- its keys


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "http://receiver.example.org/"}, "not encrypted"),
        ({"url": "http://localhost/"}, "not encrypted"),
        ({"url": "http://receiver.example.org/", "allow_private": True}, "not encrypted"),
        ({"url": "ftp://receiver.example.org/"}, "no URL of https"),
        ({"url": "receiver.example.org"}, "no URL of https"),
        ({"url": "https:///x"}, "no URL of https"),
        ({"url": "https://receiver.example.org:99999/"}, "is no URL"),
        ({"url": "https://u:canary-4711@receiver.example.org/"}, "a user or a password"),
        ({"url": "https://receiver.example.org/#x"}, "a fragment"),
        ({"url": "https://receiver .example.org/"}, "a character that a URL has not"),
        ({"url": "https://127.0.0.1/"}, "whose host is this machine"),
        ({"url": "https://169.254.169.254/", "allow_private": True}, "the metadata service of a cloud"),
        ({"timeout_s": 0}, "greater than or equal to 1"),
        ({"rate_per_minute": 0}, "greater than or equal to 1"),
        ({"connections": 0}, "greater than or equal to 1"),
        ({"secret": ""}, "is empty"),
    ],
)
def test_a_wrong_key_is_told_without_its_value(keys: dict[str, Any], words: str) -> None:
    good = {"url": "https://receiver.example.org/hook", "secret": "canary-4711"}
    WebhookConfig.model_validate(good)
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate(good | keys)
    assert words in str(caught.value)
    assert "canary-4711" not in str(caught.value)


async def test_the_configuration_tells_neither_path_nor_secret(receiver: Receiver) -> None:
    told = repr(WebhookConfig.model_validate(receiver.keys()))
    assert f"https://localhost:{receiver.port}" in told
    assert not any(canary in told for canary in CANARIES)


async def test_its_pace_is_what_its_keys_say(receiver: Receiver, tmp_path: Path) -> None:
    plain = made(receiver, tmp_path)
    assert isinstance(plain, SetsPace)
    assert (plain.at_once, plain.rate_per_minute) == (1, None)
    slow = made(receiver, tmp_path, connections=3, rate_per_minute=30)
    assert (slow.at_once, slow.rate_per_minute) == (3, 30)
