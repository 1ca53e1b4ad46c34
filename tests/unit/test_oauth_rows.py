"""Every row of the providers' tables of errors, from the token endpoint's answer to what a unit says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.test_oauth_refusal import NUMBERS
from tests.unit.test_oauth_tokens import Memory

from mailwicket.config.oauth import OAuth
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.oauth.grant import Kept, client_of
from mailwicket.net.oauth.tokens import Tokens
from mailwicket.net.oauth.wire import Reply
from mailwicket.service.units import Unit, UnitState

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECRET = "client-secret-canary"
REFRESH = "refresh-token-canary"

MICROSOFT = {"provider": "microsoft", "tenant": "example.org", "client_id": "client-1", "client_secret": SECRET}
GOOGLE = {"provider": "google", "client_id": "client-1", "client_secret": SECRET}


class Scripted:
    """A token endpoint that gives one answer."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.reply = Reply(status, json.dumps(told).encode())
        self.asked: list[Mapping[str, str]] = []

    async def post(
        self, url: str, form: Mapping[str, str], proxy: str | None = None, sending: Callable[[], None] = lambda: None
    ) -> Reply:
        self.asked.append(form)
        return self.reply


async def unit_after(endpoint: Scripted, keys: Mapping[str, Any], *, days: int = 30) -> tuple[Unit, str | None]:
    """What becomes of a mailbox that is refused a token, *days* after its sign-in; and the fix that is told."""
    oauth = OAuth.model_validate(keys)
    safe = Memory()
    signed_in_at = (NOON - timedelta(days=days)).timestamp()
    safe.texts["office"] = Kept(client_of(oauth), REFRESH, signed_in_at=signed_in_at).write()
    tokens = Tokens(lambda: {"office": oauth}, lambda _: frozenset(), safe, endpoint, clock=lambda: NOON)
    unit = Unit("incoming/support", "outlook.office365.com:993")
    with pytest.raises((BlockedError, TransientError)) as caught:
        await tokens.bearer("office", "imap", "desk@example.org").token()
    if isinstance(failure := caught.value, BlockedError):
        unit.blocks(failure)
        return unit, failure.fix
    assert isinstance(failure, TransientError)
    unit.waits(failure, failure.retry_after_s or 0)
    return unit, None


def check_line(unit: Unit) -> str:
    """What *unit* says is one line, and holds no secret."""
    assert unit.said is not None
    assert "canary" not in unit.said
    assert "\n" not in unit.said
    assert not {"{", "}"} & set(unit.said)
    return unit.said


ROWS = [(int(one), reason, words) for numbers, reason, words in NUMBERS for one in numbers.split()]


@pytest.mark.parametrize(("number", "reason", "words"), ROWS)
@pytest.mark.parametrize(("status", "error"), [(400, "invalid_grant"), (401, "invalid_client")])
async def test_a_number_of_microsoft_decides_what_a_unit_says_and_does(
    status: int, error: str, number: int, reason: str | None, words: str
) -> None:
    told = {
        "error": error,
        "error_description": f"AADSTS{number}: Says so. Trace ID: 0f1 Correlation ID: 2e2\r\nTimestamp: 2026-11-30",
        "error_codes": [number],
        "trace_id": "0f1",
        "correlation_id": "2e2",
        "timestamp": "2026-11-30 12:00:00Z",
    }
    endpoint = Scripted(status, told)
    unit, fix = await unit_after(endpoint, MICROSOFT)
    said = check_line(unit)
    assert said.startswith(f'oauth office: login.microsoftonline.com says "{error}: AADSTS{number}: Says so.')
    assert endpoint.asked[0]["refresh_token"] == REFRESH
    if reason is None:
        assert (unit.state, unit.reason) == (UnitState.WAITING, "throttled" if "slowly" in words else "server_said")
        assert unit.next_try is not None
        return
    assert (unit.state, unit.reason) == (UnitState.BLOCKED, reason)
    assert fix is not None
    assert said.endswith(f"; {fix}")
    assert words in fix


GOOGLES = [
    # error, HTTP status, days since the sign-in, reason, what the line holds
    ("invalid_grant", 400, 7, "needs_sign_in", 'Causes: the project stands on "Testing"'),
    ("invalid_grant", 400, 400, "needs_sign_in", "Causes: the user withdrew it"),
    ("invalid_grant", 400, 400, "needs_sign_in", "six months"),
    ("invalid_grant", 400, 400, "needs_sign_in", "password was changed"),
    ("invalid_client", 401, 30, "oauth_settings", "mend client_id, client_secret"),
    ("disabled_client", 401, 30, "oauth_settings", "disabled at the provider"),
    ("deleted_client", 401, 30, "oauth_settings", "register another"),
    ("unauthorized_client", 401, 30, "oauth_settings", "may not ask this way"),
    ("admin_policy_enforced", 400, 30, "needs_admin", "Workspace admin"),
    ("org_internal", 403, 30, "oauth_settings", "own organisation"),
    ("invalid_scope", 400, 30, "oauth_settings", "mend scope"),
    ("redirect_uri_mismatch", 400, 30, "oauth_settings", "redirect_url"),
    ("rate_limit_exceeded", 403, 30, None, "more slowly"),
]


@pytest.mark.parametrize(("error", "status", "days", "reason", "words"), GOOGLES)
async def test_an_error_of_google_decides_what_a_unit_says_and_does(
    error: str, status: int, days: int, reason: str | None, words: str
) -> None:
    told = {"error": error, "error_description": "Token has been expired or revoked."}
    unit, fix = await unit_after(Scripted(status, told), GOOGLE, days=days)
    said = check_line(unit)
    assert words in said
    assert (unit.state, unit.reason) == (
        (UnitState.WAITING, "throttled") if reason is None else (UnitState.BLOCKED, reason)
    )
    assert fix is None or said.endswith(f"; {fix}")


BY_ITSELF = {"grant": "client_credentials"}


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        (65001, "needs_admin", '"mailwicket oauth admin-consent office"'),
        (7000222, "oauth_settings", "has expired"),
        (700082, "oauth_settings", "mend [oauth.office]: client_secret, certificate or key"),
        (50034, "oauth_settings", "mend [oauth.office]"),
        (7000112, "needs_admin", "disabled in the tenant"),
    ],
)
async def test_an_application_by_itself_is_never_told_that_a_person_must_sign_in(
    number: int, reason: str, words: str
) -> None:
    told = {"error": "invalid_grant", "error_description": f"AADSTS{number}: x", "error_codes": [number]}
    unit, _ = await unit_after(Scripted(400, told), {**MICROSOFT, **BY_ITSELF})
    said = check_line(unit)
    assert (unit.state, unit.reason) == (UnitState.BLOCKED, reason)
    assert words in said
    assert "oauth login" not in said


async def test_an_endpoint_that_is_busy_is_waited_for_with_its_own_words() -> None:
    told = {"error": "temporarily_unavailable", "error_description": "AADSTS90033: A transient error has occurred."}
    unit, _ = await unit_after(Scripted(503, told), MICROSOFT)
    assert (unit.state, unit.reason) == (UnitState.WAITING, "server_said")
    assert "AADSTS90033: A transient error has occurred." in check_line(unit)
