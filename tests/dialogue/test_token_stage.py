"""The test of a connection that a token opens: what the token says of itself, and what a person does without one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.dialogue.bearer import Brings, FakeBearer

from mailwicket.config.incoming import Incoming
from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, MailwicketError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.claims import shown_claims
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.sources.imap import ImapSource
from mailwicket.sources.pop3 import Pop3Source
from mailwicket.stages import Stage

MAIL = "https://outlook.office365.com"
LOGIN = '"mailwicket oauth login office"'
BOX = {"email": "desk@example.org", "server": "127.0.0.1", "port": 1, "auth": "oauth", "oauth": "office"}


def jwt(claims: Mapping[str, Any]) -> str:
    """A token as Microsoft makes them; its signature is a canary."""
    parts = [json.dumps({"alg": "RS256"}), json.dumps(claims), "signature-canary"]
    return ".".join(urlsafe_b64encode(one.encode()).rstrip(b"=").decode() for one in parts)


DELEGATED = {"aud": "https://outlook.office.com", "scp": "IMAP.AccessAsUser.All SMTP.Send", "upn": "ada@example.org"}
APP_ONLY = {"aud": MAIL, "roles": ["IMAP.AccessAsApp"], "sub": "0b1", "appid": "6731de76", "app_displayname": "desk"}


class Says(FakeBearer):
    """Brings one token."""

    def __init__(self, token: str) -> None:
        super().__init__(left_s=3590)
        self.says = token

    async def token(self) -> str:
        return self.says


ADAPTERS: dict[str, Any] = {
    "imap": (ImapSource, ImapSource.Config),
    "pop3": (Pop3Source, Pop3Source.Config),
    "smtp": (SmtpSender, SmtpSender.Config),
}


async def stages(kind: str, bearer: FakeBearer, tmp_path: Path) -> dict[str, Stage]:
    adapter, model = ADAPTERS[kind]
    config: Incoming | Outgoing = model.model_validate(BOX)
    machine = Machine(tmp_path)
    machine.tokens = Brings(bearer)
    made = adapter("main", config, machine)
    report = await try_connection(Candidate("unit", "server", made))
    assert "canary" not in repr(report)
    assert [one.name for one in report.stages] == list(made.stages)
    return {stage.name: stage for stage in report.stages}


@pytest.mark.parametrize("kind", ADAPTERS)
async def test_a_token_tells_for_whom_it_is_what_it_allows_and_how_long(kind: str, tmp_path: Path) -> None:
    found = await stages(kind, Says(jwt(DELEGATED)), tmp_path)
    assert list(found)[:3] == ["configuration", "token", "dns"]
    assert found["token"].state == "ok"
    assert found["token"].detail == (
        "aud https://outlook.office.com, scp IMAP.AccessAsUser.All SMTP.Send, of ada@example.org; 60 minutes left"
    )
    assert found["tcp"].state == "failed", "nobody listens there; the token was good"


async def test_a_token_for_graph_opens_no_mailbox_and_the_scope_is_to_blame(tmp_path: Path) -> None:
    for audience in (
        "https://graph.microsoft.com",
        "00000003-0000-0000-c000-000000000000",
        "https://graph.microsoft.us/",
    ):
        found = (await stages("imap", Says(jwt({**DELEGATED, "aud": audience})), tmp_path))["token"]
        assert (found.state, found.detail.split(",")[0]) == ("failed", f"the token is for {audience}")
        assert (found.fix or "").startswith("mend scope in [oauth.office]")


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (BlockedError("oauth office: says so", reason="needs_sign_in", fix=f"no longer good: {LOGIN}"), LOGIN),
        (BlockedError("oauth office: says so", reason="needs_admin", fix="have it enabled"), "have it enabled"),
        (BlockedError("oauth office: says so", reason="oauth_settings"), "or mend [oauth.office], as it says"),
        (BlockedError("secret from file", reason="secret_missing"), "see that it is there"),
        (TransientError("login.example.org is not reachable", reason="unreachable"), "try again"),
        (TransientError("login.example.org asks for a pause", reason="throttled"), "as long as it says"),
    ],
)
@pytest.mark.parametrize("kind", ADAPTERS)
async def test_a_token_that_cannot_be_had_has_a_fix_of_its_own(
    kind: str, error: MailwicketError, fix: str, tmp_path: Path
) -> None:
    found = await stages(kind, FakeBearer(error=error), tmp_path)
    assert (found["configuration"].state, found["token"].state) == ("ok", "failed")
    assert found["token"].detail == str(error)
    assert fix in (found["token"].fix or "")
    assert {one.state for name, one in found.items() if name not in {"configuration", "token"}} == {"skipped"}


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (jwt(APP_ONLY), "aud https://outlook.office365.com, roles IMAP.AccessAsApp, of desk"),
        (jwt({"aud": ["a", "b"], "scope": "imap", "sub": "x"}), "aud a b, scope imap, of x"),
        (jwt({}), "aud none"),
        (jwt({"aud": "a\r\nb", "scp": "s" * 300}), f"aud a  b, scp {'s' * 197}..."),
        ("EwB4A-opaque", "only its server can read it"),
        ("a.%%%.c", "only its server can read it"),
        (jwt({})[:2] + ".W10.x", "only its server can read it"),
        ("a." + urlsafe_b64encode(b"[" * 100_000).decode() + ".c", "only its server can read it"),
    ],
)
def test_claims_are_shown_as_far_as_anybody_can_read_them(token: str, shown: str) -> None:
    assert shown_claims(token) == shown
