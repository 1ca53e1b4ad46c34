"""The staged test of a server that sends: the right stage is named, with what to do, and nothing is sent."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.dialogue.smtp_server import BARE, EHLO, PASSWORD, PLAIN, Odd, certificate, odd

from mailwicket.errors import BlockedError
from mailwicket.net.proving import login_fix
from mailwicket.senders._smtp_proof import SMTP
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.stages import Stage, StageState

SENDS_NOTHING = re.compile(
    r"(EHLO .*|HELO .*|STARTTLS|AUTH .*|MAIL FROM:<desk@example\.org>.*|RCPT TO:<desk@example\.org>|RSET|QUIT)"
)
STARTTLS = f"{EHLO.replace('250 AUTH', '250-AUTH')}\n250 STARTTLS"


async def stages_of(sender: SmtpSender, server: Odd | None = None) -> dict[str, Stage]:
    """Test it; the password is nowhere in what is told, and the server heard nothing that sends."""
    report = await try_connection(Candidate("outgoing/main", "server", sender))
    assert PASSWORD not in repr(report)
    assert PLAIN not in repr(report)
    assert [stage.name for stage in report.stages] == list(sender.stages)
    for stage in report.stages:
        assert bool(stage.fix) == (stage.state == "failed"), stage
    for line in server.lines if server else ():
        assert SENDS_NOTHING.fullmatch(line), line
    return {stage.name: stage for stage in report.stages}


async def failed(sender: SmtpSender, name: str, server: Odd | None = None) -> Stage:
    """The one stage that failed: those before it are ok, those behind it skipped."""
    stages = await stages_of(sender, server)
    order = list(stages)
    at = order.index(name)
    states = [*[StageState.OK] * at, StageState.FAILED, *[StageState.SKIPPED] * (len(order) - at - 1)]
    assert [stages[one].state for one in order] == states, stages
    return stages[name]


async def test_every_stage_tells_what_was_found(tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path)
    async with odd(tls=tls, EHLO=STARTTLS) as server:
        sender = server.sender(tmp_path, security="tls", server="localhost", ca_file=str(ca_file), enabled=False)
        stages = await stages_of(sender, server)
    assert list(stages) == ["configuration", "dns", "tcp", "greeting", "starttls", "auth", "sender"]
    assert stages["configuration"].detail.startswith("password from conf.d, trust from the system and ")
    assert stages["configuration"].detail.endswith("; the unit is not enabled")
    assert "SIZE 100000000" in stages["greeting"].detail
    assert "certificate for localhost" in stages["starttls"].detail
    assert stages["auth"].detail == "AUTH PLAIN as desk@example.org"
    assert stages["sender"].detail == "desk@example.org accepted; nothing was sent"


async def test_a_relay_has_no_login(tmp_path: Path) -> None:
    async with odd(EHLO=BARE) as server:
        stages = await stages_of(server.sender(tmp_path, authentication=False), server)
    assert list(stages) == ["configuration", "dns", "tcp", "greeting", "sender"]
    assert stages["configuration"].detail == "no login"
    assert stages["greeting"].detail == "offers no extensions"


async def test_tls_from_the_first_byte_has_its_stage(tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path)
    async with odd(tls=tls, implicit=True) as server:
        stages = await stages_of(server.sender(tmp_path, security="ssl", server="localhost", ca_file=str(ca_file)))
    assert list(stages)[3:5] == ["tls", "greeting"]
    assert all(stage.state is StageState.OK for stage in stages.values())


# --- wrong pairings -------------------------------------------------------------------------------------------------


async def test_ssl_on_a_port_that_begins_in_the_clear_is_named(tmp_path: Path) -> None:
    async with odd() as server:
        stage = await failed(server.sender(tmp_path, security="ssl", server="localhost"), "tls")
    assert "speaks SMTP in the clear, not TLS from the first byte" in stage.detail
    assert stage.fix == f'port {server.port} speaks in the clear: security = "tls", or port = 465 with "ssl"'


async def test_starttls_on_a_port_that_begins_with_tls_is_named(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path)
    async with odd(tls=tls, implicit=True) as server:
        stage = await failed(server.sender(tmp_path, security="tls", server="localhost"), "greeting")
    assert "speaks TLS from the first byte" in stage.detail
    assert stage.fix == f'port {server.port} speaks TLS from the first byte: security = "ssl"'


async def test_no_starttls_is_named(tmp_path: Path) -> None:
    async with odd() as server:
        stage = await failed(server.sender(tmp_path, security="tls", server="localhost"), "starttls", server)
    assert "does not offer STARTTLS" in stage.detail


@pytest.mark.parametrize("security", ["ssl", "tls"])
async def test_a_certificate_that_is_refused_is_described(security: str, tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path, "mail.example.org")
    async with odd(tls=tls, implicit=security == "ssl", EHLO=STARTTLS) as server:
        sender = server.sender(tmp_path, security=security, server="localhost", ca_file=str(ca_file))
        stage = await failed(sender, "tls" if security == "ssl" else "starttls")
    assert "for mail.example.org" in stage.detail
    assert "set server to one of its names (mail.example.org)" in (stage.fix or "")


@pytest.mark.parametrize(("greeting", "protocol"), [("* OK IMAP4rev1 hi", "IMAP"), ("+OK hi", "POP3")])
async def test_another_protocol_is_named(greeting: str, protocol: str, tmp_path: Path) -> None:
    async with odd(GREETING=greeting) as server:
        stage = await failed(server.sender(tmp_path), "greeting")
    assert f"speaks {protocol}, not SMTP" in stage.detail


async def test_a_server_that_says_nothing_at_all_is_told_as_that(tmp_path: Path) -> None:
    async with odd(GREETING="!hang") as server:
        stage = await failed(server.sender(tmp_path), "greeting")
    assert stage.detail.endswith(" did not greet in time")


# --- who may send ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "changes", "stage", "fix"),
    [
        (
            {"AUTH": "535 5.7.8 wrong"},
            {},
            "auth",
            "mend username (desk@example.org; some servers want the",
        ),
        ({"AUTH": "454 4.7.0 later"}, {}, "auth", "time may mend it"),
        ({"AUTH": "!close"}, {}, "auth", "try again"),
        ({"EHLO": BARE}, {}, "auth", "authentication = false"),
        ({"MAIL": "530 5.7.0 login"}, {"authentication": False}, "sender", "authentication = true"),
        ({"MAIL": "530 5.7.0 Must issue a STARTTLS command first"}, {}, "sender", "it wants TLS"),
        ({"MAIL": "550 5.7.1 not yours"}, {"username": "other"}, "sender", "let other send as desk@example.org"),
        ({"MAIL": "550 5.7.1 not yours"}, {"authentication": False}, "sender", "have desk@example.org allowed"),
        ({"RCPT": "553 5.7.1 Sender address rejected: not owned by user"}, {}, "sender", "(Send As)"),
        (
            {"RCPT": "554 5.7.1 Relay access denied"},
            {"authentication": False},
            "sender",
            "only from those whom",
        ),
        ({"MAIL": "451 4.3.0 later"}, {}, "sender", "time may mend it"),
    ],
)
async def test_a_refusal_is_told_with_what_to_do(
    script: dict[str, str], changes: dict[str, Any], stage: str, fix: str, tmp_path: Path
) -> None:
    async with odd(script) as server:
        told = await failed(server.sender(tmp_path, **changes), stage, server)
    assert fix in (told.fix or "")


async def test_a_sender_that_gets_no_mail_there_is_accepted_all_the_same(tmp_path: Path) -> None:
    async with odd(RCPT="550 5.1.1 unknown") as server:
        stages = await stages_of(server.sender(tmp_path), server)
    assert stages["sender"].state is StageState.OK
    assert "as a recipient it is not" in stages["sender"].detail


async def test_a_sender_beyond_ascii_wants_smtputf8(tmp_path: Path) -> None:
    async with odd(EHLO="250-x\n250 AUTH PLAIN") as server:
        sender = server.sender(tmp_path, email="jürgen@example.org", username="desk@example.org")
        assert "SMTPUTF8" in (await failed(sender, "sender", server)).detail


# --- before the first byte ------------------------------------------------------------------------------------------


async def test_a_port_where_nobody_listens_is_told_with_the_usual_ones(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    stage = await failed(Odd(port, {}).sender(tmp_path), "tcp")
    assert '465 with security = "ssl", 587 with "tls"' in (stage.fix or "")


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"password": {"file": "/nowhere/x"}}, "see that it is there"),
        ({"password": {"credential": "x"}}, "systemd hands it to the service alone"),
        ({"password": None}, "set password"),
        ({"ca_file": "/nowhere/ca.pem"}, "mend ca_file"),
    ],
)
async def test_what_cannot_be_had_is_the_first_stage(changes: dict[str, Any], fix: str, tmp_path: Path) -> None:
    async with odd() as server:
        stage = await failed(server.sender(tmp_path, **changes), "configuration", server)
    assert fix in (stage.fix or "")
    assert server.connections == 0


def test_providers_say_how_they_want_it(tmp_path: Path) -> None:
    sender = Odd(25, {}).sender(tmp_path, server="smtp.gmail.com", security="ssl")
    client: Any = SimpleNamespace(mechanisms=("plain",))
    error = BlockedError("no", reason="login_refused")
    account: Any = SimpleNamespace(security="ssl", username="desk@example.org", is_token=False)
    assert "Google wants an app password" in login_fix(SMTP, client, sender._config, account, error)
