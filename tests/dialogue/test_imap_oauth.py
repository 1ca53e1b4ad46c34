"""Logging in with a token: which mechanism, what is answered to a refusal, and when a session is over."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from tests.dialogue.bearer import TOKEN, Brings, FakeBearer
from tests.dialogue.server import BRISK, SELECTED, Scripted, scripted

from mailwicket.config.incoming import Incoming
from mailwicket.errors import BlockedError, MailwicketError, SessionEndedError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.sources.imap import ImapSource

USER = "desk@example.org"
XOAUTH2 = b64encode(f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
BARE = "IMAP4rev1 IDLE"
JSON_REFUSAL = b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.example.org/"}').decode()


def source(server: Scripted, tmp_path: Path, bearer: FakeBearer) -> ImapSource:
    config = Incoming.model_validate(
        {
            "email": USER,
            "server": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "start_from": "all",
            "auth": "oauth",
            "oauth": "office",
        }
    )
    machine = Machine(tmp_path)
    machine.tokens = Brings(bearer)
    made = ImapSource("office", config, machine)
    made.deadlines = BRISK  # type: ignore[misc]  # of this one alone
    made.chance = lambda: 0.0
    return made


def login(capabilities: str, *lines: str) -> str:
    return "\n".join([f"S: * OK [CAPABILITY {BARE} {capabilities}] ready", *lines])


IN = f"S: $ OK [CAPABILITY {BARE}] in"


@pytest.mark.parametrize(
    "said",
    [
        login("AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER SASL-IR", f"C: AUTHENTICATE XOAUTH2 {XOAUTH2}", IN),
        login("AUTH=XOAUTH2", "C: AUTHENTICATE XOAUTH2", "S: +", f"C| {XOAUTH2}", IN),
    ],
)
async def test_xoauth2_comes_first_at_once_or_when_the_server_asks(tmp_path: Path, said: str) -> None:
    async with scripted(said + SELECTED) as server, source(server, tmp_path, FakeBearer()).connect():
        pass


@pytest.mark.parametrize("at_once", [True, False])
async def test_oauthbearer_names_user_host_and_port(tmp_path: Path, *, at_once: bool) -> None:
    words = ["C: AUTHENTICATE OAUTHBEARER *"] if at_once else ["C: AUTHENTICATE OAUTHBEARER", "S: +", "C| *"]
    said = login(f"AUTH=OAUTHBEARER{' SASL-IR' * at_once}", *words, IN)
    async with scripted(said + SELECTED) as server:
        async with source(server, tmp_path, FakeBearer()).connect():
            pass
        told = f"n,a={USER},\x01host=127.0.0.1\x01port={server.port}\x01auth=Bearer {TOKEN}\x01\x01"
        assert any(line.endswith(b64encode(told.encode()).decode()) for line in server.lines)


async def failure(said: str, tmp_path: Path, bearer: FakeBearer) -> MailwicketError:
    async with scripted(said) as server:
        with pytest.raises(MailwicketError) as caught:
            async with source(server, tmp_path, bearer).connect():
                pass
    for form in (TOKEN, XOAUTH2.rstrip("="), b64encode(TOKEN.encode()).decode().rstrip("=")):
        assert form not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("mechanism", "answer"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
@pytest.mark.parametrize("at_once", [True, False])
async def test_the_challenge_of_a_refusal_is_answered_and_told(
    tmp_path: Path, mechanism: str, answer: str, *, at_once: bool
) -> None:
    words = [f"C: AUTHENTICATE {mechanism} *"] if at_once else [f"C: AUTHENTICATE {mechanism}", "S: +", "C| *"]
    capabilities = f"AUTH={mechanism}{' SASL-IR' * at_once}"
    said = login(capabilities, *words, f"S: + {JSON_REFUSAL}", f"C| {answer}", "S: $ NO [AUTHENTICATIONFAILED] no")
    error = await failure(said, tmp_path, FakeBearer())
    assert isinstance(error, BlockedError)
    assert error.reason == "login_refused"
    assert 'refused login of desk@example.org ("[AUTHENTICATIONFAILED] no; status 400")' in str(error)
    assert "look whether the scope is right" in str(error)


REFUSED = login("AUTH=XOAUTH2 SASL-IR", "C: AUTHENTICATE XOAUTH2 *", "S: $ NO AUTHENTICATE failed.")


async def test_a_token_that_is_not_fresh_is_replaced_before_anybody_is_called(tmp_path: Path) -> None:
    bearer = FakeBearer(is_fresh=False)
    error = await failure(REFUSED, tmp_path, bearer)
    assert isinstance(error, TransientError)
    assert (error.reason, error.retry_after_s, bearer.invalidated) == ("token_refused", 1, 1)


async def test_a_fresh_token_that_is_refused_blocks_the_unit(tmp_path: Path) -> None:
    bearer = FakeBearer()
    error = await failure(REFUSED, tmp_path, bearer)
    assert isinstance(error, BlockedError)
    assert (error.reason, bearer.invalidated, bearer.asked) == ("login_refused", 1, 1)


async def test_a_server_that_says_later_is_not_told_another_token(tmp_path: Path) -> None:
    bearer = FakeBearer(is_fresh=False)
    said = login("AUTH=XOAUTH2 SASL-IR", "C: AUTHENTICATE XOAUTH2 *", "S: $ NO [UNAVAILABLE] later")
    error = await failure(said, tmp_path, bearer)
    assert isinstance(error, TransientError)
    assert (error.reason, bearer.invalidated) == ("server_said", 0)


async def test_a_server_that_takes_no_tokens_is_told_none(tmp_path: Path) -> None:
    error = await failure(login("AUTH=PLAIN SASL-IR"), tmp_path, FakeBearer())
    assert isinstance(error, BlockedError)
    assert error.reason == "token_unwanted"


async def test_a_good_token_without_a_right_to_the_mailbox_is_told_as_that(tmp_path: Path) -> None:
    said = login(
        "AUTH=XOAUTH2 SASL-IR",
        "C: AUTHENTICATE XOAUTH2 *",
        IN,
        'C: SELECT "INBOX"',
        "S: $ BAD User is authenticated but not connected.",
    )
    error = await failure(said, tmp_path, FakeBearer())
    assert isinstance(error, BlockedError)
    assert error.reason == "mailbox_refused"
    assert "full access" in str(error)


@pytest.mark.parametrize("repeated", [TOKEN, XOAUTH2, b64encode(TOKEN.encode()).decode()])
async def test_no_words_of_a_server_hold_the_token(tmp_path: Path, repeated: str) -> None:
    said = login("AUTH=XOAUTH2 SASL-IR", "C: AUTHENTICATE XOAUTH2 *", f"S: $ BAD what is {repeated}?")
    assert "***" in str(await failure(said, tmp_path, FakeBearer()))


async def test_what_oauthbearer_said_is_known_as_a_secret(tmp_path: Path) -> None:
    said = login("AUTH=OAUTHBEARER SASL-IR", "C: AUTHENTICATE OAUTHBEARER *", IN)
    async with scripted(said + SELECTED) as server, source(server, tmp_path, FakeBearer()).connect() as mailbox:
        words = mailbox._client.protocol.words_of
        response = server.lines[0].rpartition(" ")[2]
        assert words(f"what is {response}?".encode(), 1000) in {"what is ***?", "what is ***=?", "what is ***==?"}


async def test_without_a_token_nobody_is_connected_to(tmp_path: Path) -> None:
    bearer = FakeBearer(error=BlockedError("sign in", reason="needs_sign_in"))
    async with scripted("X: close") as server:
        with pytest.raises(BlockedError, match="sign in"):
            async with source(server, tmp_path, bearer).connect():
                pass
        assert server.connections == 0


async def test_a_session_is_over_before_its_token_is_and_that_is_no_failure(tmp_path: Path) -> None:
    said = login("AUTH=XOAUTH2 SASL-IR", "C: AUTHENTICATE XOAUTH2 *", IN) + SELECTED
    said += "C: IDLE\nS: + idling\nC| DONE\nS: $ OK"
    async with scripted(said) as server, source(server, tmp_path, FakeBearer(left_s=3600)).connect() as mailbox:
        session = mailbox._session
        now = mailbox._client.protocol.loop.time()
        assert 3530 < session.left_s(now) <= 3540
        session._end_at = now + 0.05
        await mailbox.wait()
        with pytest.raises(SessionEndedError):
            await mailbox.wait()


@pytest.mark.parametrize(("left_s", "expected"), [(3600, 3540), (60, 54), (0, 5), (10, 9)])
async def test_a_session_lasts_as_its_token_does(left_s: float, expected: float) -> None:
    from mailwicket.net.oauth.session import Session

    session = Session("imap.example.org:993", FakeBearer(left_s=left_s), 100.0, lambda: 0.0)
    assert session.left_s(100.0) == pytest.approx(expected)
    assert Session("imap.example.org:993", None, 100.0, lambda: 0.0).left_s(1e12) > 1e12
