"""The staged test of a mailbox at Graph: the right stage fails, with the right words, and nothing is changed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.contract.sources import USER, Tokens
from tests.contract.test_sources import mail
from tests.dialogue.graph_send import sender
from tests.dialogue.test_pop3_proof import details, failed
from tests.dialogue.test_token_stage import jwt
from tests.lab.graph import Lab, serving
from tests.lab.proxies import proxy_double

from mailwicket.config.proxy import Proxy, Via
from mailwicket.errors import BlockedError
from mailwicket.net.graph.ticket import Ticket, read_ticket
from mailwicket.net.machine import Machine
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.sources._graph_config import Graph
from mailwicket.sources.graph import GraphSource
from mailwicket.stages import ConnectionReport


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with serving() as running:
        running.mailbox(USER)
        yield running


async def prove(
    lab: Lab, tmp_path: Path, token: str | Tokens, proxy: Proxy | None = None, **keys: Any
) -> ConnectionReport:
    table = {"email": USER, "oauth": "office", "server": lab.origin, **keys}
    config = Graph.model_validate({**table, **({"proxy": "office"} if proxy else {})})
    config.bind(proxy and Via("office", proxy))
    machine: Any = Machine(tmp_path)
    machine.tokens = Tokens(token) if isinstance(token, str) else token
    source = GraphSource("office", config, machine)
    report = await try_connection(Candidate("incoming/office", lab.origin, source))
    assert [stage.name for stage in report.stages] == list(source.stages)
    assert "canary" not in str(report)
    return report


async def test_a_good_mailbox_passes_every_stage_and_nothing_is_changed(lab: Lab, tmp_path: Path) -> None:
    lab.mailbox(USER).deliver(mail(1))
    told = details(await prove(lab, tmp_path, lab.tokens.accept()))
    assert list(told) == ["configuration", "dns", "tcp", "token", "folder", "after", "read"]
    assert told["token"].startswith(f"for https://graph.microsoft.com, {USER}, Mail.ReadWrite")
    assert told["token"].endswith("60 minutes left")
    assert told["folder"].startswith("the mailbox opens; Inbox: 1 mails")
    assert "header read" in told["read"]
    assert {one.method for one in lab.requests} == {"GET"}
    assert not lab.mailbox(USER).messages()[0].is_read


async def test_an_empty_folder_is_nothing_wrong(lab: Lab, tmp_path: Path) -> None:
    told = details(await prove(lab, tmp_path, lab.tokens.accept(), after="move:archive", enabled=False))
    assert "empty" in told["read"]
    assert told["after"] == "mails are moved to Archive"
    assert "not enabled" in told["configuration"]


async def test_an_application_that_opens_every_mailbox_is_warned_of(lab: Lab, tmp_path: Path) -> None:
    told = details(await prove(lab, tmp_path, lab.tokens.accept(application=True)))
    assert "EVERY mailbox" in told["token"]
    assert "the application app-1 itself" in told["token"]


async def test_a_token_that_cannot_be_read_is_tried_all_the_same(lab: Lab, tmp_path: Path) -> None:
    told = details(await prove(lab, tmp_path, lab.tokens.accept("opaque")))
    assert "only the server can read" in told["token"]


async def test_a_token_that_does_not_say_for_whom_it_is_is_tried_all_the_same(lab: Lab, tmp_path: Path) -> None:
    told = details(await prove(lab, tmp_path, lab.tokens.accept(jwt({"appid": "app-1"}))))
    assert "for whom it does not say" in told["token"]


@pytest.mark.parametrize(
    ("token", "traits", "keys", "stage", "words", "fix"),
    [
        ({"audience": "https://outlook.office365.com"}, {}, {}, "token", "not for 127.0.0.1", "mend scope"),
        ({"permissions": ["Mail.Send"]}, {}, {}, "folder", "lacks the permission Mail.ReadWrite", "oauth login"),
        ({"permissions": ["Mail.Read"]}, {}, {"after": "seen"}, "folder", "lacks", "Mail.ReadWrite to scope"),
        (
            {"user": "ada@example.org", "permissions": ["Mail.ReadWrite"]},
            {},
            {},
            "folder",
            "Shared",
            ".Shared to scope",
        ),
        ({"user": "ada@example.org"}, {}, {}, "folder", "full access", "right to this mailbox"),
        ({"application": True}, {"in_app_scope": False}, {}, "folder", "ErrorAccessDenied", "scope of the application"),
        ({"application": True}, {}, {"username": "me"}, "token", "no mailbox of its own", "set username"),
        ({}, {"licensed": False}, {}, "folder", "licence", "mend username"),
        ({}, {}, {"folder": "Nowhere"}, "folder", "no folder Nowhere", "there are Inbox"),
        ({}, {}, {"after": "move:Nowhere"}, "after", "no folder Nowhere", "mend after"),
        ({"application": True}, {}, {"username": "no@example.org"}, "folder", "no@example.org", "mend username"),
    ],
)
async def test_what_is_wrong_is_told_at_its_stage(
    lab: Lab,
    tmp_path: Path,
    token: dict[str, Any],
    traits: dict[str, Any],
    keys: dict[str, Any],
    stage: str,
    words: str,
    fix: str,
) -> None:
    lab.mailbox(USER, **traits)
    one = failed(await prove(lab, tmp_path, lab.tokens.accept(**token), **keys))
    assert (one.name, words in one.detail, fix in (one.fix or "")) == (stage, True, True), one


async def test_a_token_that_is_not_taken_is_told_where_the_mailbox_is_opened(lab: Lab, tmp_path: Path) -> None:
    one = failed(await prove(lab, tmp_path, "never-given-out"))
    assert (one.name, one.fix) == ("folder", '"mailwicket oauth login office"')


async def test_a_sign_in_that_is_missing_is_told_at_the_token(lab: Lab, tmp_path: Path) -> None:
    class Nobody(Tokens):
        async def token(self) -> str:
            raise BlockedError("oauth office: nobody has signed in yet", reason="needs_sign_in")

    one = failed(await prove(lab, tmp_path, Nobody("")))
    assert (one.name, one.fix) == ("token", '"mailwicket oauth login office"')


async def test_a_server_that_is_away_fails_at_tcp(lab: Lab, tmp_path: Path) -> None:
    one = failed(await prove(lab, tmp_path, "x", server="http://127.0.0.1:1"))
    assert (one.name, "443 is usual" in (one.fix or "")) == ("tcp", True)


async def test_the_way_leads_through_the_proxy_and_requests_do_too(lab: Lab, tmp_path: Path) -> None:
    async with proxy_double("http", names={}) as proxy:
        by = Proxy(url=f"http://127.0.0.1:{proxy.port}")
        told = details(await prove(lab, tmp_path, lab.tokens.accept(), by))
    assert "leads to 127.0.0.1" in told["proxy"]
    assert len(proxy.asked) == 2, "one to look, one for the requests"


async def test_tls_is_shown_and_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(tls=tls) as lab:
        lab.mailbox(USER)
        told = details(await prove(lab, tmp_path, lab.tokens.accept(), ca_file=str(tmp_path / "ca.pem")))
        one = failed(await prove(lab, tmp_path, lab.tokens.accept()))
    assert "TLSv1.3" in told["tls"]
    assert (one.name, "ca_file" in (one.fix or "")) == ("tls", True)


# --- what a token says of itself


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.W10.c", "....", "a." + "x" * 9 + ".c"])
def test_what_is_no_jwt_says_nothing(token: str) -> None:
    assert read_ticket(token) is None


@pytest.mark.parametrize(
    ("user", "permissions", "may"),
    [
        (None, [], True),
        (None, ["Mail.Send"], True),
        (None, ["Mail.ReadWrite"], False),
        ("ada@example.org", ["Mail.Send"], True),
        ("ada@example.org", ["Mail.Send", "Mail.ReadWrite.Shared"], False),
        ("ada@example.org", [], False),
    ],
)
def test_a_right_to_send_alone_may_stand_in_exchange_for_an_application(
    user: str | None, permissions: list[str], *, may: bool
) -> None:
    assert Ticket("x", user, "app-1", permissions).may_only_send is may


def test_the_clouds_do_not_take_each_others_tokens() -> None:
    of_world = Ticket("https://graph.microsoft.com/", "a@example.org", "app", ())
    assert of_world.is_for("graph.microsoft.com")
    assert of_world.is_for("127.0.0.1"), "what stands before it"
    assert not of_world.is_for("graph.microsoft.us")
    assert Ticket("00000003-0000-0000-c000-000000000000", None, "app", ()).is_for("graph.microsoft.us")


# --- what sends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words", "fix"),
    [
        ({"lies": 200}, "no folder", "time may mend it"),
        ({"status": 403, "code": "ErrorAccessDenied"}, "ErrorAccessDenied", "mails go by sendMail"),
    ],
)
async def test_drafts_that_do_not_open_are_told_of_what_sends(
    lab: Lab, tmp_path: Path, fault: dict[str, Any], words: str, fix: str
) -> None:
    lab.faults.add("GET */drafts", **fault)
    report = await try_connection(Candidate("outgoing/main", lab.origin, sender(lab, tmp_path, {"token": "opaque"})))
    one = failed(report)
    assert (one.name, words in one.detail, fix in (one.fix or "")) == ("drafts", True, True), one
