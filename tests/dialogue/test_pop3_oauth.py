"""Logging in to a maildrop with a token: which mechanism, in which form, and who must act when it is refused."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from tests.dialogue.bearer import TOKEN, Brings, FakeBearer
from tests.dialogue.pop3 import BRISK, USER, bye, greeted, listed
from tests.dialogue.server import Scripted, said_password, scripted

from mailwicket.errors import BlockedError, MailwicketError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.sources.pop3 import Pop3Source

RESPONSE = b64encode(f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()


def source(server: Scripted, tmp_path: Path, bearer: FakeBearer) -> tuple[Pop3Source, Brings]:
    table = {"email": USER, "server": "127.0.0.1", "port": server.port, "security": "none", "start_from": "all"}
    machine, brings = Machine(tmp_path), Brings(bearer)
    machine.tokens = brings
    config = Pop3Source.Config.model_validate({**table, "auth": "oauth", "oauth": "office"})
    made = Pop3Source("office", config, machine)  # type: ignore[arg-type]  # it is one
    made.deadlines = BRISK  # type: ignore[misc]  # of this one alone
    return made, brings


async def failure(script: str, tmp_path: Path, bearer: FakeBearer | None = None) -> MailwicketError:
    """What connecting raises; never with the token in it."""
    async with scripted(script) as server:
        with pytest.raises(MailwicketError) as caught:
            async with source(server, tmp_path, bearer or FakeBearer())[0].connect():
                pass
    assert TOKEN not in str(caught.value)
    assert RESPONSE not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("offered", ["SASL XOAUTH2", "SASL PLAIN OAUTHBEARER XOAUTH2", "TOP"])
async def test_xoauth2_in_two_steps(offered: str, tmp_path: Path) -> None:
    script = greeted(offered) + f"C| AUTH XOAUTH2\nS: + \nC| {RESPONSE}\nS: +OK in\n" + listed() + bye()
    async with scripted(script) as server:
        made, brings = source(server, tmp_path, FakeBearer())
        async with made.connect():
            pass
        assert not said_password(server)
    assert brings.wanted == [("office", "pop3", USER, None)]


async def test_oauthbearer_where_there_is_nothing_else(tmp_path: Path) -> None:
    script = greeted("SASL PLAIN OAUTHBEARER") + "C| AUTH OAUTHBEARER\nS: + \nC| *\nS: +OK in\n" + listed() + bye()
    async with scripted(script) as server:
        async with source(server, tmp_path, FakeBearer())[0].connect():
            pass
        told = f"n,a={USER},\x01host=127.0.0.1\x01port={server.port}\x01auth=Bearer {TOKEN}\x01\x01"
        assert b64encode(told.encode()).decode() in server.lines


async def test_a_server_that_takes_no_tokens_is_told_none(tmp_path: Path) -> None:
    error = await failure(greeted("SASL PLAIN"), tmp_path)
    assert isinstance(error, BlockedError)
    assert error.reason == "token_unwanted"


@pytest.mark.parametrize(
    ("mechanism", "said"),
    [
        ("XOAUTH2", "S: -ERR [SYS/PERM] switched off"),
        ("XOAUTH2", f"S: + \nC| {RESPONSE}\nS: -ERR Authentication failure: {TOKEN}"),
        ("XOAUTH2", f"S: +\nC| {RESPONSE}\nS: + eyJzdGF0dXMiOiI0MDAifQ==\nC| \nS: -ERR [AUTH] no {RESPONSE}"),
        ("OAUTHBEARER", "S: +\nC| *\nS: + eyJzdGF0dXMiOiI0MDAifQ==\nC| AQ==\nS: -ERR [AUTH] no"),
    ],
)
async def test_a_refused_token_blocks_and_is_not_quoted(mechanism: str, said: str, tmp_path: Path) -> None:
    error = await failure(greeted(f"SASL {mechanism}") + f"C| AUTH {mechanism}\n{said}", tmp_path)
    assert isinstance(error, BlockedError)
    assert error.reason == "login_refused"
    assert ("; status 400" in str(error)) == ("eyJ" in said)


@pytest.mark.parametrize("said", ["S: +OK already in", f"S: + \nC| {RESPONSE}\nS: + a\nC| \nS: + b"])
async def test_a_dialogue_that_fits_nothing_is_no_login(said: str, tmp_path: Path) -> None:
    error = await failure(greeted("SASL XOAUTH2") + f"C| AUTH XOAUTH2\n{said}", tmp_path)
    assert isinstance(error, TransientError)
    assert error.reason == "server_said"


async def test_an_error_of_whoever_gives_tokens_goes_through(tmp_path: Path) -> None:
    bearer = FakeBearer(error=BlockedError("sign in anew", reason="needs_sign_in"))
    assert str(await failure("X: close", tmp_path, bearer)) == "sign in anew"


@pytest.mark.parametrize(("is_fresh", "kind"), [(False, TransientError), (True, BlockedError)])
async def test_a_refused_token_is_tried_anew_once(tmp_path: Path, kind: type[Exception], *, is_fresh: bool) -> None:
    bearer = FakeBearer(is_fresh=is_fresh)
    script = greeted("SASL XOAUTH2") + "C| AUTH XOAUTH2\nS: -ERR [AUTH] no"
    assert isinstance(await failure(script, tmp_path, bearer), kind)
    assert bearer.invalidated == 1
