"""From the first byte to a session that may send: what is said on which channel, and who must act when it fails."""

from __future__ import annotations

import logging
from base64 import b64encode
from pathlib import Path

import anyio
import pytest
from tests.dialogue.smtp_server import BARE, EHLO, PASSWORD, PLAIN, Odd, certificate, failure, odd, send

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net import line
from mailwicket.net.smtp import client
from mailwicket.net.smtp.reply import read_reply

WITH_STARTTLS = f"{EHLO.replace('250 AUTH', '250-AUTH')}\n250 STARTTLS"


def said_password(server: Odd) -> bool:
    """Whether the client said it, in any form."""
    forms = (PASSWORD, PLAIN, b64encode(PASSWORD.encode()).decode())
    return any(form in line for line in server.lines for form in forms)


# --- the channel ----------------------------------------------------------------------------------------------------


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path)
    async with odd(tls=tls, implicit=True) as server:
        await send(server, tmp_path, security="ssl", server="localhost", ca_file=str(ca_file))
    assert len(server.mails) == 1


async def test_starttls_comes_before_anything_else_and_what_was_offered_before_it_is_forgotten(tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path)
    offers = [f"{BARE[:3]}-x\n250-SIZE 1\n250 STARTTLS", EHLO]
    async with odd({"EHLO": offers}, tls=tls) as server:
        await send(server, tmp_path, security="tls", server="localhost", ca_file=str(ca_file))
    assert server.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize(
    ("script", "kind", "reason"),
    [
        ({}, BlockedError, "starttls_missing"),
        ({"EHLO": WITH_STARTTLS, "STARTTLS": "502 5.5.1 no"}, BlockedError, "starttls_missing"),
        ({"EHLO": WITH_STARTTLS, "STARTTLS": "454 4.7.0 not now"}, TransientError, "server_said"),
        ({"EHLO": WITH_STARTTLS, "STARTTLS": "220 go\n250 injected"}, TransientError, "server_said"),
        ({"EHLO": WITH_STARTTLS, "STARTTLS": "220 go!close"}, TransientError, None),
        ({"EHLO": WITH_STARTTLS, "STARTTLS": "220 go!hang"}, TransientError, "timeout"),
        ({"EHLO": WITH_STARTTLS, "STARTTLS": "220 go"}, TransientError, "unreachable"),
    ],
)
async def test_without_starttls_nothing_is_said(
    script: dict[str, str], kind: type[Exception], reason: str, tmp_path: Path
) -> None:
    async with odd(script) as server:
        deadlines = client.Deadlines(connect_s=0.5, greeting_s=0.3, command_s=0.3, farewell_s=0.2)
        sender = server.sender(tmp_path, deadlines=deadlines, security="tls", server="localhost")
        with pytest.raises(kind) as caught:
            async with sender.connect():
                pass
    assert reason in {None, getattr(caught.value, "reason", "")}
    assert PASSWORD not in str(caught.value)
    assert not said_password(server)
    assert "AUTH" not in server.verbs()


@pytest.mark.parametrize("security", ["ssl", "tls"])
@pytest.mark.parametrize("name", ["other.example.org", "localhost"])
async def test_a_certificate_for_another_name_or_of_a_stranger_blocks(name: str, security: str, tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path, name)
    changes = {} if name == "localhost" else {"ca_file": str(ca_file)}
    async with odd(tls=tls, implicit=security == "ssl", EHLO=WITH_STARTTLS) as server:
        error = await failure(server, tmp_path, security=security, server="localhost", **changes)
    assert isinstance(error, BlockedError)
    assert error.reason == "certificate"
    assert not said_password(server)


async def test_tls_where_none_is_spoken_is_told(tmp_path: Path) -> None:
    async with odd() as server:
        error = await failure(server, tmp_path, security="ssl", server="localhost")
    assert "does this port speak TLS from the first byte?" in str(error)


async def test_a_password_is_not_said_in_the_clear_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "is_local", lambda _: False)
    async with odd() as server:
        error = await failure(server, tmp_path)
        assert isinstance(error, BlockedError)
        assert error.reason == "plaintext_refused"
        assert not said_password(server)
        await send(server, tmp_path, allow_plaintext=True)
        assert said_password(server)
        await send(server, tmp_path, authentication=False)


# --- greetings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "answer", "kind", "reason"),
    [
        ("GREETING", "421 4.3.2 full", TransientError, "server_said"),
        ("GREETING", "450 4.7.0 later", TransientError, "server_said"),
        ("GREETING", "554 5.7.1 you are listed", BlockedError, "refused"),
        ("GREETING", "250 hello?", BlockedError, "refused"),
        ("EHLO", "421 4.3.2 down", TransientError, "server_said"),
        ("EHLO", "550 5.7.1 bad name", BlockedError, "refused"),
        ("AUTH", "535 5.7.8 wrong", BlockedError, "login_refused"),
        ("AUTH", "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", BlockedError, "login_refused"),
        ("AUTH", "550 5.7.30 Basic authentication is not supported", BlockedError, "login_refused"),
        ("AUTH", "534 5.7.9 Application-specific password required", BlockedError, "login_refused"),
        ("AUTH", "454 4.7.0 directory is down", TransientError, "server_said"),
        ("AUTH", "421 4.7.0 too many tries", TransientError, "server_said"),
        ("AUTH", "432 4.7.12 transition needed", TransientError, "server_said"),
    ],
)
async def test_a_refusal_before_the_first_mail_says_who_must_act(
    verb: str, answer: str, kind: type[Exception], reason: str, tmp_path: Path
) -> None:
    async with odd({verb: answer}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is kind
    assert getattr(error, "reason", None) == reason
    assert answer in str(error)
    assert server.verbs().count(verb) <= 1, "a second try may lock the account"


# --- passwords ------------------------------------------------------------------------------------------------------


async def test_plain_is_preferred_and_goes_out_at_once(tmp_path: Path) -> None:
    async with odd(EHLO="250-x\n250 AUTH CRAM-MD5 LOGIN PLAIN") as server:
        await send(server, tmp_path)
    assert server.lines[1] == f"AUTH PLAIN {PLAIN}"


async def test_login_is_taken_where_plain_is_not_offered(tmp_path: Path) -> None:
    script = {"EHLO": "250-x\n250 AUTH LOGIN", "AUTH": "334 VXNlcm5hbWU6", "RESPONSE": ["334 UGFzc3dvcmQ6", "235 in"]}
    async with odd(script) as server:
        await send(server, tmp_path)
    words = [b64encode(word).decode() for word in (b"desk@example.org", PASSWORD.encode())]
    assert server.lines[1:4] == ["AUTH LOGIN", *words]


async def test_an_old_server_may_offer_login_in_the_old_way(tmp_path: Path) -> None:
    async with odd(EHLO="250-x\n250 AUTH=PLAIN") as server:
        await send(server, tmp_path)
    assert server.lines[1] == f"AUTH PLAIN {PLAIN}"


async def test_cram_md5_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    challenge = b64encode(b"<1896.697170952@odd.example.org>").decode()
    script = {"EHLO": "250-x\n250 AUTH CRAM-MD5", "AUTH": f"334 {challenge}", "RESPONSE": "235 in"}
    async with odd(script) as server:
        await send(server, tmp_path)
    assert len(server.lines[2]) > 40
    async with odd({**script, "AUTH": "334 x"}) as server:
        assert isinstance(await failure(server, tmp_path), BlockedError | TransientError)


@pytest.mark.parametrize("offered", ["", "AUTH", "AUTH GSSAPI XOAUTH2"])
async def test_a_server_that_takes_no_password_blocks(offered: str, tmp_path: Path) -> None:
    async with odd(EHLO=f"250-x\n250 {offered}") as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, BlockedError)
    assert error.reason == "login_refused"
    assert not said_password(server)


async def test_a_name_and_a_password_beyond_ascii_go_out_in_utf_8(tmp_path: Path) -> None:
    async with odd() as server:
        await send(server, tmp_path, username="jürgen", password="grüße-4711")
    assert server.lines[1].removeprefix("AUTH PLAIN ") == b64encode("\0jürgen\0grüße-4711".encode()).decode()


@pytest.mark.parametrize("form", [PASSWORD, PLAIN, PLAIN.rstrip("="), b64encode(PASSWORD.encode()).decode()])
@pytest.mark.parametrize("verb", ["AUTH", "MAIL", "RCPT", "DOT", "DATA"])
async def test_a_server_that_repeats_the_password_is_told_without_it(
    verb: str, form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with odd({verb: f"550 5.7.1 {form} is wrong"}) as server:
        told = repr(await send(server, tmp_path)) if verb == "RCPT" else str(await failure(server, tmp_path))
    assert "is wrong" in told
    assert form not in told + caplog.text
    assert PASSWORD not in caplog.text


async def test_no_password_is_configured(tmp_path: Path) -> None:
    async with odd() as server:
        error = await failure(server, tmp_path, password=None, enabled=False)
    assert isinstance(error, BlockedError)
    assert error.reason == "secret_missing"
    assert server.connections == 0


async def test_a_stop_while_logging_in_ends_within_a_second(tmp_path: Path) -> None:
    async with odd(AUTH="!hang") as server:
        sender = server.sender(tmp_path, deadlines=client.Deadlines())
        with anyio.fail_after(2), anyio.move_on_after(0.3):
            async with sender.connect():
                pass
    assert "QUIT" not in server.verbs()


def test_an_answer_is_read_into_code_enhanced_code_and_words() -> None:
    reply = read_reply(550, "5.7.1 a\n5.7.1  b\n5.1.1 c")
    assert (reply.code, reply.enhanced, reply.words, reply.subject) == (550, "5.7.1", "a b 5.1.1 c", "7.1")
    assert str(reply) == "550 5.7.1 a b 5.1.1 c"
    assert read_reply(250, "").words == ""
    assert read_reply(250, "2.0.0").enhanced == "2.0.0"
