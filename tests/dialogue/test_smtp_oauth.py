"""Logging in with a token to send: which mechanism, in which form, what a refusal means, and how long it lasts."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.dialogue.bearer import TOKEN, Brings, FakeBearer
from tests.dialogue.smtp_server import PASSWORD, RAW, TO_ADA, Odd, odd

from mailwicket.errors import BlockedError, MailwicketError, SessionEndedError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.stages import Stage

USER = "desk@example.org"
XOAUTH2 = b64encode(f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
LONG = "eyJ0.canary." + "x" * 2000
LONG_XOAUTH2 = b64encode(f"user={USER}\x01auth=Bearer {LONG}\x01\x01".encode()).decode()
OFFERS = "250-x\n250 AUTH "
CHALLENGE = b64encode(json.dumps({"status": "400", "schemes": "Bearer"}).encode()).decode()


class Long(FakeBearer):
    """A token as Microsoft's are: longer than a command may be."""

    async def token(self) -> str:
        return LONG


def sender(server: Odd, tmp_path: Path, bearer: FakeBearer, /, **changes: Any) -> SmtpSender:
    made = server.sender(tmp_path, password=None, auth="oauth", oauth="office", **changes)
    machine = Machine(tmp_path)
    machine.tokens = Brings(bearer)
    again = SmtpSender("main", made._config, machine)
    again.deadlines = made.deadlines  # type: ignore[misc]  # of this one alone
    again.chance = lambda: 0.0
    return again


async def failure(script: Mapping[str, Any], tmp_path: Path, bearer: FakeBearer | None = None) -> MailwicketError:
    """What connecting raises; never with the token in it, in any form."""
    async with odd({"EHLO": OFFERS + "XOAUTH2", **script}) as server:
        with pytest.raises(MailwicketError) as caught:
            async with sender(server, tmp_path, bearer or FakeBearer()).connect():
                pass
    for form in (TOKEN, XOAUTH2, b64encode(TOKEN.encode()).decode(), LONG, LONG_XOAUTH2):
        assert form.rstrip("=") not in str(caught.value)
    return caught.value


# --- what is said


@pytest.mark.parametrize("offered", ["XOAUTH2", "PLAIN OAUTHBEARER XOAUTH2"])
async def test_xoauth2_comes_first_and_a_short_token_goes_out_at_once(tmp_path: Path, offered: str) -> None:
    bearer = FakeBearer()
    async with odd(EHLO=OFFERS + offered) as server, sender(server, tmp_path, bearer).connect() as submission:
        assert await submission.submit(TO_ADA, RAW)
    assert server.lines[1] == f"AUTH XOAUTH2 {XOAUTH2}"


async def test_a_token_that_no_command_can_hold_waits_until_it_is_asked_for(tmp_path: Path) -> None:
    script = {"EHLO": OFFERS + "XOAUTH2", "AUTH": "334 ", "RESPONSE": "235 2.7.0 in"}
    async with odd(script) as server, sender(server, tmp_path, Long()).connect():
        pass
    assert server.lines[1:3] == ["AUTH XOAUTH2", LONG_XOAUTH2]


async def test_a_server_that_hears_no_response_at_once_is_told_it_again(tmp_path: Path) -> None:
    script = {"EHLO": OFFERS + "XOAUTH2", "AUTH": "334 ", "RESPONSE": "235 2.7.0 in"}
    async with odd(script) as server, sender(server, tmp_path, FakeBearer()).connect():
        pass
    assert server.lines[1:3] == [f"AUTH XOAUTH2 {XOAUTH2}", XOAUTH2]


async def test_oauthbearer_names_user_host_and_port(tmp_path: Path) -> None:
    async with odd(EHLO=OFFERS + "PLAIN OAUTHBEARER") as server, sender(server, tmp_path, FakeBearer()).connect():
        pass
    told = f"n,a={USER},\x01host=127.0.0.1\x01port={server.port}\x01auth=Bearer {TOKEN}\x01\x01"
    assert server.lines[1] == f"AUTH OAUTHBEARER {b64encode(told.encode()).decode()}"


async def test_what_is_asked_for_is_a_token_to_send(tmp_path: Path) -> None:
    async with odd(EHLO=OFFERS + "XOAUTH2") as server:
        made = sender(server, tmp_path, FakeBearer())
        async with made.connect():
            pass
        brings: Any = made._net.tokens  # type: ignore[attr-defined]  # the machine
    assert brings.wanted == [("office", "smtp", USER, None)]


async def test_a_relay_is_not_logged_in_to_whatever_auth_says(tmp_path: Path) -> None:
    bearer = FakeBearer()
    async with odd() as server, sender(server, tmp_path, bearer, authentication=False).connect():
        pass
    assert ("AUTH" in server.verbs(), bearer.asked) == (False, 0)


# --- refusals


@pytest.mark.parametrize(("mechanism", "answer"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
@pytest.mark.parametrize("bearer", [FakeBearer(), Long()], ids=["at_once", "asked"])
async def test_the_challenge_of_a_refusal_is_answered_and_told(
    tmp_path: Path, mechanism: str, answer: str, bearer: FakeBearer
) -> None:
    refusal = "535 5.7.3 Authentication unsuccessful"
    is_long = isinstance(bearer, Long)
    script = {
        "EHLO": OFFERS + mechanism,
        "AUTH": "334 " if is_long else f"334 {CHALLENGE}",
        "RESPONSE": [f"334 {CHALLENGE}", refusal] if is_long else refusal,
    }
    async with odd(script) as server:
        with pytest.raises(BlockedError) as caught:
            async with sender(server, tmp_path, bearer).connect():
                pass
    assert caught.value.reason == "login_refused"
    assert f'refused login of {USER} ("{refusal}; status 400"); the token is not good for sending' in str(caught.value)
    assert server.lines[-1] == answer


@pytest.mark.parametrize("repeated", [TOKEN, XOAUTH2, b64encode(TOKEN.encode()).decode()])
async def test_no_words_of_a_server_and_no_line_of_the_log_hold_the_token(
    tmp_path: Path, repeated: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = await failure({"AUTH": f"535 5.7.8 what is {repeated}?"}, tmp_path)
    assert "what is [redacted]" in str(error)
    assert TOKEN not in caplog.text
    challenge = b64encode(json.dumps({"status": TOKEN}).encode()).decode()
    assert await failure({"AUTH": f"334 {challenge}", "RESPONSE": "535 5.7.8 no"}, tmp_path)


@pytest.mark.parametrize("end", ["!hang", "!close", "99"])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "LOGIN"])
async def test_no_error_about_a_lost_answer_names_what_was_said(tmp_path: Path, mechanism: str, end: str) -> None:
    script = {"EHLO": OFFERS + mechanism, "AUTH": "334 ", "RESPONSE": end}
    async with odd(script) as server:
        made = sender(server, tmp_path, Long()) if mechanism == "XOAUTH2" else server.sender(tmp_path)
        with pytest.raises(TransientError, match=f"AUTH {mechanism}") as caught:
            async with made.connect():
                pass
    for form in (
        LONG,
        LONG_XOAUTH2,
        PASSWORD,
        b64encode(PASSWORD.encode()).decode(),
        b64encode(USER.encode()).decode(),
    ):
        assert form not in str(caught.value)


async def test_a_token_that_is_not_fresh_is_replaced_before_anybody_is_called(tmp_path: Path) -> None:
    bearer = FakeBearer(is_fresh=False)
    error = await failure({"AUTH": "535 5.7.3 Authentication unsuccessful"}, tmp_path, bearer)
    assert isinstance(error, TransientError)
    assert (error.reason, error.retry_after_s, bearer.invalidated) == ("token_refused", 1, 1)


async def test_a_fresh_token_that_is_refused_blocks_the_unit(tmp_path: Path) -> None:
    bearer = FakeBearer()
    error = await failure({"AUTH": "535 5.7.3 Authentication unsuccessful"}, tmp_path, bearer)
    assert isinstance(error, BlockedError)
    assert (error.reason, bearer.invalidated, bearer.asked) == ("login_refused", 1, 1)


@pytest.mark.parametrize("answer", ["454 4.7.0 Temporary authentication failure", "432 4.3.2 Concurrent connections"])
async def test_a_server_that_says_later_is_not_told_another_token(tmp_path: Path, answer: str) -> None:
    bearer = FakeBearer(is_fresh=False)
    error = await failure({"AUTH": answer}, tmp_path, bearer)
    assert isinstance(error, TransientError)
    assert (error.reason, bearer.invalidated) == ("server_said", 0)
    assert ("connections = 1" in str(error)) == answer.startswith("432")


async def test_a_server_that_takes_no_tokens_is_told_none(tmp_path: Path) -> None:
    async with odd(EHLO=OFFERS + "PLAIN LOGIN") as server:
        with pytest.raises(BlockedError, match="takes no token: of AUTH it offers PLAIN, LOGIN") as caught:
            async with sender(server, tmp_path, FakeBearer()).connect():
                pass
        assert caught.value.reason == "token_unwanted"
        assert "AUTH" not in server.verbs()


async def test_without_a_token_nobody_is_connected_to(tmp_path: Path) -> None:
    bearer = FakeBearer(error=BlockedError("sign in", reason="needs_sign_in"))
    async with odd() as server:
        with pytest.raises(BlockedError, match="sign in"):
            async with sender(server, tmp_path, bearer).connect():
                pass
        assert server.connections == 0


# --- how long it lasts


async def test_a_session_ends_before_its_token_does_and_nothing_is_begun_over_it_then(tmp_path: Path) -> None:
    async with odd(EHLO=OFFERS + "XOAUTH2") as server:
        async with sender(server, tmp_path, FakeBearer(left_s=3600)).connect() as submission:
            await submission.submit(TO_ADA, RAW)
            assert 3530 < submission._session.left_s(anyio.current_time()) <= 3540
            submission._session._end_at = anyio.current_time()
            assert not await submission.is_alive()
            with pytest.raises(SessionEndedError):
                await submission.submit(TO_ADA, RAW)
        assert (len(server.mails), server.verbs()[-1]) == (1, "QUIT")


# --- the connection's test


async def stages(server: Odd, tmp_path: Path, bearer: FakeBearer) -> dict[str, Stage]:
    report = await try_connection(Candidate("outgoing/main", "server", sender(server, tmp_path, bearer)))
    assert TOKEN not in repr(report)
    return {stage.name: stage for stage in report.stages}


async def test_the_test_names_the_token_and_how_it_was_said(tmp_path: Path) -> None:
    async with odd(EHLO=OFFERS + "XOAUTH2") as server:
        found = await stages(server, tmp_path, FakeBearer())
    assert found["configuration"].detail == "token of oauth.office"
    assert found["token"].detail == "only its server can read it; 60 minutes left"
    assert found["auth"].detail == f"AUTH XOAUTH2 as {USER}"


TENANT = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://x"
MAILBOX = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."


@pytest.mark.parametrize(
    ("script", "stage", "fix"),
    [
        ({"AUTH": TENANT}, "auth", "Set-TransportConfig -SmtpClientAuthenticationDisabled $false"),
        ({"AUTH": MAILBOX}, "auth", "Set-CASMailbox -SmtpClientAuthenticationDisabled $false for it"),
        ({"AUTH": "535 5.7.139 the request did not meet the criteria"}, "auth", "Conditional Access"),
        ({"AUTH": "535 5.7.3 Authentication unsuccessful"}, "auth", "its scope must hold SMTP.Send"),
        ({"AUTH": "535 5.7.8 Username and Password not accepted"}, "auth", "https://mail.google.com/"),
        ({"AUTH": "535 5.7.8 odd"}, "auth", "look at scope in [oauth.office]"),
        ({"EHLO": OFFERS + "PLAIN"}, "auth", 'set auth = "basic"'),
        ({"MAIL": "550 5.7.60 not permitted"}, "sender", "give the user the right Send As"),
        ({"RCPT": "554 5.2.252 SendAsDenied"}, "sender", "give the user the right Send As"),
    ],
)
async def test_a_refusal_is_told_with_what_to_do(tmp_path: Path, script: dict[str, str], stage: str, fix: str) -> None:
    async with odd({"EHLO": OFFERS + "XOAUTH2", **script}) as server:
        found = (await stages(server, tmp_path, FakeBearer()))[stage]
    assert found.state == "failed"
    assert fix in (found.fix or "")


async def test_a_token_that_cannot_be_had_is_a_stage_before_any_connection(tmp_path: Path) -> None:
    bearer = FakeBearer(error=BlockedError("oauth office: sign in", reason="needs_sign_in"))
    async with odd() as server:
        found = (await stages(server, tmp_path, bearer))["token"]
    assert (found.detail, server.connections) == ("oauth office: sign in", 0)
    assert "mailwicket oauth login office" in (found.fix or "")
