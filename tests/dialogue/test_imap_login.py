"""From the first byte to an open folder: what is said on which channel, and who must act when it fails."""

from __future__ import annotations

import logging
import socket
from base64 import b64encode
from pathlib import Path

import anyio
import pytest
from tests.dialogue.server import (
    CAPABILITIES,
    PASSWORD,
    PLAIN,
    SELECTED,
    Scripted,
    failure,
    opened,
    said_password,
    scripted,
)

from mailwicket.errors import BlockedError, TransientError

# --- passwords ------------------------------------------------------------------------------------------------------


async def test_login_goes_out_quoted_where_plain_is_not_offered(tmp_path: Path) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1] ready
        C: LOGIN "de\\"sk" "{PASSWORD}"
        S: $ OK [CAPABILITY IMAP4rev1] in
        {SELECTED}
    """
    async with scripted(script) as server, server.source(tmp_path, username='de"sk').connect():
        pass


async def test_a_name_that_quotes_cannot_hold_goes_out_as_a_literal(tmp_path: Path) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1] ready
        C: LOGIN {{6}}
        S: + go on
        C| d\u00e9sk! "{PASSWORD}"
        S: $ OK [CAPABILITY IMAP4rev1] in
        {SELECTED}
    """
    async with scripted(script) as server, server.source(tmp_path, username="d\u00e9sk!").connect():
        pass


async def test_plain_is_preferred_and_goes_out_at_once_where_the_server_takes_it(tmp_path: Path) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready
        C: AUTHENTICATE PLAIN {PLAIN}
        S: $ OK [CAPABILITY IMAP4rev1] in
        {SELECTED}
    """
    async with scripted(script) as server, server.source(tmp_path).connect():
        pass


async def test_plain_waits_for_the_server_without_sasl_ir(tmp_path: Path) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready
        C: AUTHENTICATE PLAIN
        S: +
        C| {PLAIN}
        S: $ OK [CAPABILITY IMAP4rev1] in
        {SELECTED}
    """
    async with scripted(script) as server, server.source(tmp_path).connect():
        pass


async def test_capabilities_are_asked_for_again_after_the_login_where_it_does_not_tell_them(tmp_path: Path) -> None:
    script = f"""
        S: * OK ready
        C: CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: $ OK
        C: LOGIN * *
        S: $ OK in
        C: CAPABILITY
        S: * CAPABILITY IMAP4rev1 IDLE
        S: $ OK
        {SELECTED}
        C: IDLE
        S: + idling
        S: * 1 EXISTS
        C| DONE
        S: $ OK
    """
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        await mailbox.wait()


async def test_a_refused_login_blocks_the_unit(tmp_path: Path) -> None:
    script = """
        S: * OK [CAPABILITY IMAP4rev1] ready
        C: LOGIN * *
        S: $ NO [AUTHENTICATIONFAILED] Invalid credentials
    """
    async with scripted(script) as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, BlockedError)
    assert error.reason == "login_refused"
    expected = (
        f'127.0.0.1:{server.port} refused login of desk@example.org ("[AUTHENTICATIONFAILED] Invalid credentials")'
    )
    assert str(error) == expected


async def test_a_server_that_repeats_the_password_does_not_get_it_into_the_error(tmp_path: Path) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1] ready
        C: LOGIN * *
        S: $ BAD what is {PASSWORD}?
    """
    async with scripted(script) as server:
        assert "what is ***?" in str(await failure(server, tmp_path))


LOGIN = "S: * OK [CAPABILITY IMAP4rev1] ready\nC: LOGIN * *\n"
AUTHENTICATE = "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\nC: AUTHENTICATE *\n"
CHALLENGE = b64encode(b'{"status":"what is %s?"}' % PASSWORD.encode()).decode()


@pytest.mark.parametrize(
    "script",
    [
        LOGIN + f'S: * BYE Unexpected: LOGIN "desk@example.org" "{PASSWORD}"',
        LOGIN + f'S: $ LOGIN "desk@example.org" "{PASSWORD}"',
        LOGIN + f"S: $ NO {'x' * 190} {PASSWORD}",
        LOGIN + f"S: $ BAD LOGIN {PASSWORD.upper()}",
        LOGIN + f"S: $ OK in\nC: CAPABILITY\nS: $ BAD CAPABILITY after {PASSWORD}",
        AUTHENTICATE + f"S: $ BAD Unknown command: AUTHENTICATE PLAIN {PLAIN}",
        AUTHENTICATE + f"S: * BYE {b64encode(PASSWORD.encode()).decode()}",
        AUTHENTICATE + f"S: + {CHALLENGE}\nC|\nS: $ NO refused",
    ],
)
async def test_no_words_of_a_server_hold_the_password_in_any_form(tmp_path: Path, script: str) -> None:
    async with scripted(script) as server:
        words = str(await failure(server, tmp_path))
    assert "***" in words or "x..." in words
    for form in (PASSWORD.upper(), PASSWORD[:6], PLAIN[:-2], b64encode(PASSWORD.encode()).decode().rstrip("=")):
        assert form not in words


@pytest.mark.parametrize("password", ["canary\\4711", 'canary"4711', "canary-\u00e9\u00e8"])
async def test_no_words_of_a_server_hold_an_odd_password(tmp_path: Path, password: str) -> None:
    said = 'C: LOGIN "*"' if password.isascii() else 'C: LOGIN "*" {*}\nS: + go on\nC| *'
    escaped = password.replace("\\", "\\\\").replace('"', '\\"')
    script = f'S: * OK [CAPABILITY IMAP4rev1] ready\n{said}\nS: $ BAD what is "{escaped}"'
    async with scripted(script) as server:
        error = await failure(server, tmp_path, password=password)
    assert 'what is "***"' in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "[UNAVAILABLE] later",
        "[INUSE] later",
        "[LIMIT] later",
        "[SERVERBUG] oops",
        "[ALERT] Too many simultaneous connections. (Failure)",
    ],
)
async def test_a_login_refused_for_now_is_tried_again(tmp_path: Path, words: str) -> None:
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1] ready
        C: LOGIN * *
        S: $ NO {words}
    """
    async with scripted(script) as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, TransientError)
    assert error.reason == "server_said"


async def test_a_challenge_in_place_of_a_refusal_is_answered_and_its_status_told(tmp_path: Path) -> None:
    challenge = b64encode(b'{"status":"401","schemes":"bearer"}').decode()
    script = f"""
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready
        C: AUTHENTICATE PLAIN *
        S: + {challenge}
        C|
        S: $ NO refused
    """
    async with scripted(script) as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, BlockedError)
    assert str(error).endswith('("refused; status 401")')


async def test_a_server_that_asks_on_and_on_is_left(tmp_path: Path) -> None:
    script = """
        S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready
        C: AUTHENTICATE PLAIN *
        S: + eHl6
        C|
        S: + eHl6
    """
    async with scripted(script) as server:
        assert "asked AUTHENTICATE for more" in str(await failure(server, tmp_path))


async def test_login_is_not_tried_where_the_server_disabled_it(tmp_path: Path) -> None:
    async with scripted("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready") as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, BlockedError)
    assert error.reason == "login_refused"
    assert not said_password(server)


async def test_a_goodbye_at_login_is_tried_again(tmp_path: Path) -> None:
    script = """
        S: * OK [CAPABILITY IMAP4rev1] ready
        C: LOGIN * *
        S: * BYE overloaded
        X: close
    """
    async with scripted(script) as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, TransientError)
    assert str(error).endswith('ended the session during LOGIN ("overloaded")')


async def test_no_password_reaches_any_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(opened()) as server, server.source(tmp_path).connect() as mailbox:
        assert PASSWORD not in repr(mailbox.__dict__)
    assert PASSWORD not in caplog.text
    assert PLAIN not in caplog.text


async def test_no_password_is_said_in_the_clear_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwicket.net.imap.client.ImapClient.local", False)
    async with scripted("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready") as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, BlockedError)
    assert error.reason == "plaintext_refused"
    assert not said_password(server)


async def test_a_password_in_the_clear_can_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwicket.net.imap.client.ImapClient.local", False)
    async with scripted(opened()) as server, server.source(tmp_path, allow_plaintext=True).connect():
        pass
    assert said_password(server)


# --- reaching it, and the folder ------------------------------------------------------------------------------------


async def test_a_closed_port_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = await failure(Scripted(port), tmp_path)
    assert isinstance(error, TransientError)
    assert error.reason == "unreachable"
    assert f"127.0.0.1:{port} is not reachable: Connection refused" in str(error)


async def test_an_unknown_name_is_unreachable(tmp_path: Path) -> None:
    error = await failure(Scripted(143), tmp_path, server="imap.invalid", allow_plaintext=True)
    assert isinstance(error, TransientError)
    assert error.reason in {"unreachable", "timeout"}


async def test_a_refusal_in_place_of_a_greeting_is_tried_again(tmp_path: Path) -> None:
    async with scripted("S: * BYE too busy") as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, TransientError)
    assert str(error).endswith('refused the connection ("BYE too busy")')


async def test_a_server_that_knows_us_already_is_not_told_the_password(tmp_path: Path) -> None:
    script = f"S: * PREAUTH [CAPABILITY IMAP4rev1] welcome\n{SELECTED}"
    async with scripted(script) as server, server.source(tmp_path).connect():
        pass
    assert not said_password(server)


async def test_an_unknown_folder_blocks_the_unit(tmp_path: Path) -> None:
    script = """
        S: * PREAUTH [CAPABILITY IMAP4rev1] welcome
        C: SELECT "Support"
        S: $ NO [NONEXISTENT] Mailbox doesn't exist
    """
    async with scripted(script) as server:
        error = await failure(server, tmp_path, folder="Support")
    assert isinstance(error, BlockedError)
    assert error.reason == "folder_unknown"
    assert "does not open the folder Support" in str(error)


async def test_a_folder_that_is_away_for_now_is_tried_again(tmp_path: Path) -> None:
    script = """
        S: * PREAUTH [CAPABILITY IMAP4rev1] welcome
        C: SELECT "INBOX"
        S: $ NO [UNAVAILABLE] disk is being checked
    """
    async with scripted(script) as server:
        assert isinstance(await failure(server, tmp_path), TransientError)


async def test_a_folder_is_only_examined_where_nothing_is_to_change(tmp_path: Path) -> None:
    script = """
        S: * PREAUTH [CAPABILITY IMAP4rev1] welcome
        C: EXAMINE "Entw&APw-rfe"
        S: * OK [UIDVALIDITY 7] valid
        S: $ OK [READ-ONLY] open
    """
    async with scripted(script) as server, server.source(tmp_path, after="leave", folder="Entw\u00fcrfe").connect():
        pass


@pytest.mark.parametrize("answer", ["S: * OK [UIDVALIDITY 7]\nS: $ OK [READ-ONLY] open", "S: $ OK open"])
async def test_a_folder_that_cannot_be_worked_on_blocks_the_unit(tmp_path: Path, answer: str) -> None:
    script = f"S: * PREAUTH [CAPABILITY IMAP4rev1] welcome\nC: SELECT *\n{answer}"
    async with scripted(script) as server:
        assert isinstance(await failure(server, tmp_path), BlockedError)


async def test_a_missing_password_blocks_the_unit_before_anything_is_sent(tmp_path: Path) -> None:
    async with scripted(opened()) as server:
        error = await failure(server, tmp_path, password=None, enabled=False)
    assert isinstance(error, BlockedError)
    assert error.reason == "secret_missing"
    assert server.connections == 0


async def test_the_session_ends_with_a_logout(tmp_path: Path) -> None:
    async with scripted(opened()) as server:
        session = server.source(tmp_path).connect()
        async with session:
            pass
        assert server.lines[-1].endswith(" LOGOUT")


async def test_a_cancelled_idle_ends_politely_and_at_once(tmp_path: Path) -> None:
    async with scripted(opened() + "C: IDLE\nS: + idling\nC| DONE\nS: $ OK") as server:
        with anyio.move_on_after(1):
            async with server.source(tmp_path).connect() as mailbox:
                await mailbox.wait()
        await anyio.sleep(0.02)
        assert server.lines[-1].endswith(" LOGOUT")


async def test_a_cancelled_command_drops_the_connection_without_a_word(tmp_path: Path) -> None:
    async with scripted(opened(exists=1) + "C: UID FETCH *\nX: hang") as server:

        async def look() -> None:
            async with server.source(tmp_path).connect() as mailbox:
                await mailbox.look(None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            while not any("FETCH" in line for line in server.lines):  # noqa: ASYNC110 - a script has no event
                await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()
        assert "FETCH" in server.lines[-1]


async def test_a_server_that_ignores_logout_is_left_in_time(tmp_path: Path) -> None:
    async with scripted(opened() + "X: hang") as server:
        with anyio.fail_after(1):
            async with server.source(tmp_path).connect():
                pass


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7])
async def test_a_login_that_arrives_in_pieces_succeeds(tmp_path: Path, piece_bytes: int) -> None:
    async with (
        scripted(opened(CAPABILITIES), piece_bytes=piece_bytes) as server,
        server.source(tmp_path).connect() as mailbox,
    ):
        assert mailbox.silence_s() < 1
