"""Each row of the table of Graph's errors: who must act, the reason code, and what a person is told to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.net.graph.failure import (
    Asked,
    ErrorAnswer,
    ItemGoneError,
    SyncLostError,
    TooLargeError,
    UnsureError,
    judge,
    pause_s,
    read_error,
)

ASKED = Asked("graph.microsoft.com:443", "desk@example.org", "office", "GET messages")


def answered(
    status: int, code: str = "", *, headers: Mapping[str, str] | None = None, inner: Any = None
) -> MailwicketError:
    """What an answer means, read from its bytes."""
    error = {"code": code, "message": "Said so.", "innerError": inner or {"request-id": "aaaa-1111"}}
    body = json.dumps({"error": error}).encode() if code else b"<html>"
    return judge(ASKED, read_error(status, headers or {}, body))


BLOCKED = [
    (401, "InvalidAuthenticationToken", "needs_sign_in", "oauth login office"),
    (403, "ErrorAccessDenied", "mailbox_refused", "permission is missing"),
    (403, "ErrorSendAsDenied", "sender_refused", "Send As"),
    (403, "Authorization_RequestDenied", "needs_admin", "administrator"),
    (404, "MailboxNotEnabledForRESTAPI", "mailbox_unknown", "licence"),
    (404, "MailboxNotSupportedForRESTAPI", "mailbox_unknown", "licence"),
    (404, "Request_ResourceNotFound", "mailbox_unknown", "mend username"),
    (404, "ErrorInvalidUser", "mailbox_unknown", "mend username"),
    (507, "ErrorQuotaExceeded", "mailbox_full", "make room"),
    (403, "quotaLimitReached", "mailbox_full", "make room"),
    (507, "whatever", "mailbox_full", "make room"),
    (403, "whatever", "mailbox_refused", "permission is missing"),
    (302, "", "refused", "redirect"),
]


@pytest.mark.parametrize(("status", "code", "reason", "words"), BLOCKED)
def test_what_a_human_must_mend_blocks_and_says_how(status: int, code: str, reason: str, words: str) -> None:
    for written in (code, code.upper(), code.lower()):
        error = answered(status, written)
        assert isinstance(error, BlockedError)
        assert error.reason == reason
        assert words in str(error)
        assert not code or "aaaa-1111" in str(error), "the vendor's support asks for it"


def test_a_refused_permission_names_both_causes() -> None:
    words = str(answered(403, "ErrorAccessDenied"))
    assert "permission is missing" in words
    assert "outside of what the application or the user" in words
    assert "desk@example.org" in words


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "ErrorItemNotFound", ItemGoneError),
        (410, "SyncStateNotFound", SyncLostError),
        (410, "resyncRequired", SyncLostError),
        (410, "", SyncLostError),
        (400, "syncStateNotFound", SyncLostError),
        (404, "syncstatenotfound", SyncLostError),
        (413, "", TooLargeError),
        (413, "RequestEntityTooLarge", TooLargeError),
        (400, "ErrorMessageSizeExceeded", TooLargeError),
        (400, "ErrorMimeContentInvalidBase64String", PermanentError),
        (400, "InefficientFilter", PermanentError),
        (409, "Conflict", PermanentError),
        (500, "InternalServerError", UnsureError),
        (502, "", UnsureError),
        (504, "UnknownError", UnsureError),
    ],
)
def test_what_is_of_one_thing_alone_or_of_time_is_told_apart(
    status: int, code: str, kind: type[MailwicketError]
) -> None:
    assert type(answered(status, code)) is kind


@pytest.mark.parametrize(
    ("status", "headers", "reason", "after_s"),
    [
        (429, {"Retry-After": "17"}, "throttled", 17),
        (429, {}, "throttled", None),
        (509, {}, "throttled", None),
        (503, {"Retry-After": "30"}, "throttled", 30),
        (503, {}, "server_said", None),
    ],
)
def test_a_busy_server_is_waited_for_and_surely_did_nothing(
    status: int, headers: dict[str, str], reason: str, after_s: float | None
) -> None:
    error = answered(status, "ApplicationThrottled", headers=headers)
    assert type(error) is TransientError
    assert (error.reason, error.retry_after_s) == (reason, after_s)
    assert "aaaa-1111" not in str(error), "the same loss is told once, and its number changes"


@pytest.mark.parametrize(
    ("status", "code", "asks"),
    [
        (401, "InvalidAuthenticationToken", 'Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="'),
        (403, "insufficient_claims", ""),
        (401, "whatever", 'Bearer claims="eyJhIjoxfQ=="'),
    ],
)
def test_conditional_access_wants_a_person_and_shows_its_claims(status: int, code: str, asks: str) -> None:
    error = answered(status, code, headers={"WWW-Authenticate": asks} if asks else {})
    assert isinstance(error, BlockedError)
    assert error.reason == "needs_sign_in"
    assert "conditional access" in str(error)
    assert ("eyJhIjoxfQ==" in str(error)) == ("claims=" in asks)


def test_the_signed_in_users_mailbox_is_nothing_for_an_applications_own_token() -> None:
    error = judge(Asked("graph.microsoft.com:443", "me", "office", "GET x"), ErrorAnswer(400, ("BadRequest",)))
    assert isinstance(error, BlockedError)
    assert (error.reason, "username" in str(error)) == ("oauth_settings", True)


def test_a_page_of_a_proxy_is_no_answer_of_graphs_and_time_may_mend_it() -> None:
    error = answered(404)
    assert isinstance(error, TransientError)
    assert "proxy" in str(error)


def test_inner_codes_count_too() -> None:
    error = answered(404, "NotFound", inner={"code": "ErrorItemNotFound", "innerError": {"code": "deeper"}})
    assert isinstance(error, ItemGoneError)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"error": 1}', b'{"error": {"code": 1}}', b'{"error": {"innerError": []}}', b"[" * 90_000],
)
def test_an_odd_body_has_no_code(body: bytes) -> None:
    assert read_error(500, {}, body).codes == ()


def test_a_message_stays_on_one_line_and_short() -> None:
    body = json.dumps({"error": {"code": "x", "message": "a\r\nb\x1b[1m" + "c" * 9000}}).encode()
    words = str(judge(ASKED, read_error(409, {}, body)))
    assert words.isprintable()
    assert len(words) < 600


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5), ("1.5", 1.5), ("999999", 3600), ("", None), ("soon", None), ("-1", None), ("²", None)],
)
def test_a_pause_is_read_in_seconds_and_bounded(text: str, expected: float | None) -> None:
    assert pause_s(text) == expected
