"""From a socket to an open maildrop: what is said in the clear, who must act when it fails."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from pathlib import Path

import anyio
import pytest
import trustme
from tests.dialogue.pop3 import USER, bye, failure, greeted, inside, lines, listed, opened, source
from tests.dialogue.server import PASSWORD, said_password, scripted

from mailwicket.errors import BlockedError, TransientError


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


# --- the channel


async def test_tls_from_the_first_byte(tls: ssl.SSLContext, ca_file: str, tmp_path: Path) -> None:
    async with (
        scripted(opened() + bye(), tls=tls, implicit=True) as server,
        source(server, tmp_path, security="ssl", ca_file=ca_file).connect(),
    ):
        pass
    assert server.lines[-1] == "QUIT"


async def test_stls_comes_before_the_password(tls: ssl.SSLContext, ca_file: str, tmp_path: Path) -> None:
    script = greeted("STLS", "USER", "UIDL") + "C| STLS\nS: +OK go\nX: tls\nC| CAPA\n" + lines("USER", "UIDL")
    script += f"C| USER {USER}\nS: +OK\nC| PASS {PASSWORD}\nS: +OK\n" + listed() + bye()
    async with (
        scripted(script, tls=tls) as server,
        source(server, tmp_path, security="tls", ca_file=ca_file).connect(),
    ):
        pass


async def test_a_server_without_capa_is_simply_asked_for_stls(
    tls: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    script = "S: +OK ready\nC| CAPA\nS: -ERR what\nC| STLS\nS: +OK\nX: tls\nC| CAPA\nS: -ERR what\n"
    script += f"C| USER {USER}\nS: +OK\nC| PASS {PASSWORD}\nS: +OK\n" + listed()
    async with (
        scripted(script, tls=tls) as server,
        source(server, tmp_path, security="tls", ca_file=ca_file).connect(),
    ):
        pass


@pytest.mark.parametrize(
    "script",
    [
        greeted("USER", "UIDL"),
        greeted("STLS") + "C| STLS\nS: -ERR not today",
        "S: +OK\nC| CAPA\nS: -ERR\nC| STLS\nS: -ERR",
    ],
)
async def test_no_way_leads_back_to_clear_text(script: str, tmp_path: Path) -> None:
    async with scripted(script) as server:
        error = await failure(server, tmp_path, security="tls")
        assert not said_password(server)
    assert isinstance(error, BlockedError)
    assert error.reason == "starttls_missing"


async def test_what_was_sent_in_the_clear_behind_stls_is_refused(tmp_path: Path) -> None:
    script = greeted("STLS", "USER") + "C| STLS\nS: +OK go\nS: +OK in, and here is a maildrop\nX: hang"
    async with scripted(script) as server:
        error = await failure(server, tmp_path, security="tls")
        assert not said_password(server)
    assert isinstance(error, TransientError)
    assert "in the clear behind the answer to STLS" in str(error)


async def test_a_strange_certificate_blocks_before_anything_is_said(tls: ssl.SSLContext, tmp_path: Path) -> None:
    async with scripted("X: hang", tls=tls, implicit=True) as server:
        error = await failure(server, tmp_path, security="ssl")
    assert isinstance(error, BlockedError)
    assert error.reason == "certificate"


async def test_a_password_is_not_said_in_the_clear_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwicket.net.pop3.client.Pop3Client.local", False)
    async with scripted(greeted()) as server:
        error = await failure(server, tmp_path)
        assert not said_password(server)
    assert isinstance(error, BlockedError)
    assert error.reason == "plaintext_refused"
    async with scripted(opened() + bye()) as server, source(server, tmp_path, allow_plaintext=True).connect():
        pass


# --- the password


async def test_sasl_plain_where_user_is_not_offered(tmp_path: Path) -> None:
    response = b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    script = greeted("SASL LOGIN PLAIN", "UIDL") + f"C| AUTH PLAIN\nS: + \nC| {response}\nS: +OK\n" + listed()
    async with scripted(script) as server, source(server, tmp_path).connect():
        pass


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        ("-ERR [AUTH] wrong", BlockedError, "login_refused"),
        ("-ERR invalid password", BlockedError, "login_refused"),
        ("-ERR", BlockedError, "login_refused"),
        ("-ERR [SYS/PERM] account closed", BlockedError, "login_refused"),
        ("-ERR [AUTH] try again later, locked", BlockedError, "login_refused"),
        ("-ERR [IN-USE] maildrop is open elsewhere", TransientError, "in_use"),
        ("-ERR unable to lock maildrop", TransientError, "in_use"),
        ("-ERR mailbox already open by another session", TransientError, "in_use"),
        ("-err [in-use] busy", TransientError, "in_use"),
        ("-ERR [SYS/TEMP] disk trouble", TransientError, "server_said"),
        ("-ERR [LOGIN-DELAY] too soon", TransientError, "server_said"),
        ("-ERR Server Unavailable. 21", TransientError, "server_said"),
        ("-ERR temporary failure, try again", TransientError, "server_said"),
        ("-ERR Too many simultaneous connections", TransientError, "server_said"),
    ],
)
async def test_who_must_act_when_a_login_is_refused(
    answer: str, kind: type[BlockedError | TransientError], reason: str, tmp_path: Path
) -> None:
    async with scripted(greeted() + f"C| USER {USER}\nS: +OK\nC| PASS {PASSWORD}\nS: {answer}") as server:
        error = await failure(server, tmp_path)
    assert type(error) is kind
    assert getattr(error, "reason", "") == reason
    assert USER in str(error)


async def test_a_refused_user_is_a_refused_login_and_the_password_is_not_said(tmp_path: Path) -> None:
    async with scripted(greeted() + f"C| USER {USER}\nS: -ERR who") as server:
        error = await failure(server, tmp_path)
        assert not said_password(server)
    assert isinstance(error, BlockedError)


async def test_the_delay_between_logins_is_told_to_whoever_tries_again(tmp_path: Path) -> None:
    script = greeted("USER", "LOGIN-DELAY 900 USER") + f"C| USER {USER}\nS: +OK\nC| PASS *\nS: -ERR [LOGIN-DELAY] wait"
    async with scripted(script) as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, TransientError)
    assert error.retry_after_s == 900


@pytest.mark.parametrize("echo", [PASSWORD, b64encode(PASSWORD.encode()).decode(), PASSWORD.upper()])
async def test_a_server_that_repeats_the_password_is_not_quoted(echo: str, tmp_path: Path) -> None:
    async with scripted(greeted() + f"C| USER *\nS: +OK\nC| PASS *\nS: -ERR [AUTH] no {echo} here") as server:
        error = await failure(server, tmp_path)
    assert echo not in str(error)
    assert "***" in str(error)


async def test_a_password_with_a_line_end_is_never_said(tmp_path: Path) -> None:
    async with scripted(greeted()) as server:
        error = await failure(server, tmp_path, password="canary-4711\r\nDELE 1")
        assert server.lines == ["CAPA"]
    assert isinstance(error, BlockedError)
    assert "DELE" not in str(error)


# --- a server that is not well


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        ("X: hang", "timeout", "did not greet in time"),
        ("X: close", "connection_lost", "its greeting"),
        ("S: -ERR [SYS/TEMP] full", "server_said", "refused the connection"),
        ("S: -ERR [IN-USE] busy", "in_use", "refused the connection"),
        ("S: * OK IMAP ready", "server_said", "no POP3"),
        ("S: 220 smtp ready", "server_said", "no POP3"),
        ("S| " + "+OK " + "x" * 9000 + "\nX: hang", "server_said", "a line without end"),
        ("S: +OK\nC| CAPA\nX: hang", "timeout", "CAPA"),
        ("S: +OK\nC| CAPA\nX: close", "connection_lost", "CAPA"),
        ("S: +OK\nC| CAPA\nS: +OK\nS: TOP\nX: hang", "timeout", "CAPA"),
        ("S: +OK\nC| CAPA\nS: +OK\nS: TOP\nX: close", "connection_lost", "CAPA"),
        ("S: +OK\nC| CAPA\nS: +OK\nS| " + "x" * 70_000 + "\nX: hang", "server_said", "more than"),
        (greeted() + "C| USER *\nX: hang", "timeout", "USER"),
        (greeted() + "C| USER *\nS: +OK\nC| PASS *\nX: hang", "timeout", "PASS"),
        (greeted() + "C| USER *\nS: +OK\nC| PASS *\nX: close", "connection_lost", "PASS"),
        (greeted() + "C| USER *\nS: +OK\nS: +OK\nX: hang", "server_said", "nobody asked for"),
        (inside() + "C| STAT\nX: hang", "timeout", "STAT"),
        (inside() + "C| STAT\nS: +OK many mails", "server_said", "STAT"),
        (inside() + "C| STAT\nS: -ERR [SYS/TEMP] index", "server_said", "STAT"),
        (inside() + "C| STAT\nS: +OK 1 1\nC| UIDL\nX: hang", "timeout", "UIDL"),
        (inside() + "C| STAT\nS: +OK 1 1\nC| UIDL\nS: +OK\nS: 1 x\nX: hang", "timeout", "UIDL"),
        (inside() + "C| STAT\nS: +OK 1 1\nC| UIDL\nS: -ERR [SYS/TEMP] later", "server_said", "UIDL"),
        (inside() + "C| STAT\nS: +OK 1 1\nC| UIDL\nS: +OK\nS: 1 x\nS: .\nC| LIST\nX: hang", "timeout", "LIST"),
    ],
)
async def test_a_server_that_fails_on_the_way_in_is_tried_later(
    script: str, reason: str, words: str, tmp_path: Path
) -> None:
    begun = time.perf_counter()
    async with scripted(script) as server:
        error = await failure(server, tmp_path)
        assert time.perf_counter() - begun < 2
    assert isinstance(error, TransientError), error
    assert error.reason == reason
    assert words in str(error)


@pytest.mark.parametrize("at", ["", "C| CAPA", "USER", "PASS", "STAT", "UIDL", "LIST"])
async def test_a_stop_ends_within_a_second_whatever_hangs(at: str, tmp_path: Path) -> None:
    steps = opened("a").splitlines()
    cut = next((number for number, line in enumerate(steps) if line.startswith("C|") and at in line), 0)
    script = "\n".join([*steps[: cut + 1], "X: hang"]) if at else "X: hang"
    async with scripted(script) as server:
        made = source(server, tmp_path)
        made.deadlines = type(made).deadlines  # type: ignore[misc]  # those of every day
        begun = time.perf_counter()
        with anyio.move_on_after(0.2):
            async with made.connect():
                pass
        assert time.perf_counter() - begun < 1.2


async def test_a_server_without_uidl_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with scripted(inside() + "C| STAT\nS: +OK 2 200\nC| UIDL\nS: -ERR unknown command") as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, BlockedError)
    assert "does not know UIDL" in str(error)
    assert "which mails are new cannot be told" in str(error)


async def test_an_empty_maildrop_is_asked_for_nothing(tmp_path: Path) -> None:
    async with scripted(opened() + bye()) as server, source(server, tmp_path).connect() as mailbox:
        look = await mailbox.look(None)
    assert (look.refs, look.more) == ([], False)
    assert server.lines[-2:] == ["STAT", "QUIT"]
