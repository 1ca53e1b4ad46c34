"""What a token says of itself, told to a person who tests."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mailwicket.net.graph.claims import GRAPH_APP_ID, claims_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DELEGATED = {
    "aud": "https://graph.microsoft.com",
    "scp": "Mail.ReadWrite Mail.Send",
    "upn": "desk@example.org",
    "exp": NOW.timestamp() + 1800,
}


def token(claims: Any) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts), "canary"]
    )


def test_a_person_s_token_tells_whose_it_is_what_for_and_for_how_long() -> None:
    told = claims_of(token(DELEGATED)).told(NOW)
    assert (
        told == "for https://graph.microsoft.com, of desk@example.org, with Mail.ReadWrite Mail.Send, 30 minutes left"
    )
    assert "canary" not in told


def test_an_application_s_token_tells_its_roles() -> None:
    claims = claims_of(token({"aud": GRAPH_APP_ID, "roles": ["Mail.Send"]}))
    assert claims.told(NOW) == f"for {GRAPH_APP_ID}, of the application, with Mail.Send"
    assert claims.permissions == {"Mail.Send"}


@pytest.mark.parametrize(
    "text", ["", "opaque", "a.b", "a.b.c", "a.%%.c", token([1]), token(None), token({"aud": 7, "roles": 1, "exp": "x"})]
)
def test_what_cannot_be_read_says_nothing_and_raises_nothing(text: str) -> None:
    claims = claims_of(text)
    assert claims.told(NOW) == "opaque: it says nothing of itself"
    assert claims.is_for("graph.microsoft.com")
    assert not claims.sends_only


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ("Mail.Send", True),
        ("Mail.Send.Shared Mail.Read", True),
        ("Mail.Send Mail.ReadWrite", False),
        ("Mail.Send Mail.ReadWrite.Shared", False),
        ("Mail.ReadWrite", False),
        ("", False),
    ],
)
def test_who_may_send_and_keep_no_drafts_is_known(permissions: str, *, expected: bool) -> None:
    assert claims_of(token({"scp": permissions})).sends_only is expected
    assert claims_of(token({"roles": permissions.split()})).sends_only is expected


@pytest.mark.parametrize(
    ("audience", "server", "expected"),
    [
        ("https://graph.microsoft.com", "graph.microsoft.com", True),
        ("https://graph.microsoft.com/", "Graph.Microsoft.com", True),
        (GRAPH_APP_ID, "graph.microsoft.us", True),
        ("https://graph.microsoft.com", "graph.microsoft.us", False),
        ("https://outlook.office365.com", "graph.microsoft.com", False),
        ("https://outlook.office.com", "graph.example.org", False),
        ("https://graph.microsoft.com", "graph.example.org", True),
    ],
)
def test_a_token_for_another_door_is_told(audience: str, server: str, *, expected: bool) -> None:
    assert claims_of(token({"aud": audience})).is_for(server) is expected
