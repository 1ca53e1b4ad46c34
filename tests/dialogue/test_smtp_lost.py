"""Connections that end, hang or lie at every point of a submission, and what then is known of the mail."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.dialogue.smtp_server import BRISK, EHLO, PIPELINING, RAW, TO_ADA, failure, odd, send

from mailwicket.errors import BlockedError, PermanentError, TransientError, UncertainError
from mailwicket.senders import smtp

LARGE = RAW + b"0123456789abcdef" * 4 * 1024 * 64 + b"\r\n"

# --- connections that end -------------------------------------------------------------------------------------------

BEFORE = ["GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("verb", BEFORE)
@pytest.mark.parametrize(
    ("end", "reason"), [("!hang", "timeout"), ("!close", "connection_lost"), ("!reset", "connection_lost")]
)
async def test_a_connection_that_ends_before_the_mail_is_sent_is_tried_again(
    verb: str, end: str, reason: str, tmp_path: Path
) -> None:
    async with odd({verb: end}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is TransientError
    assert error.reason == reason


@pytest.mark.parametrize("verb", BEFORE)
async def test_421_at_any_verb_is_told_in_the_servers_words(verb: str, tmp_path: Path) -> None:
    async with odd({verb: "421 4.3.2 going down!close"}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is TransientError
    assert "421 4.3.2 going down" in str(error)


@pytest.mark.parametrize(
    ("end", "reason"), [("!hang", "timeout"), ("!close", "connection_lost"), ("!reset", "connection_lost")]
)
@pytest.mark.parametrize("raw", [RAW, LARGE], ids=["small", "large"])
async def test_a_connection_that_ends_after_the_final_dot_leaves_it_uncertain(
    raw: bytes, end: str, reason: str, tmp_path: Path
) -> None:
    async with odd(DOT=end) as server:
        error = await failure(server, tmp_path, raw=raw)
    assert type(error) is UncertainError
    assert error.reason == reason
    assert len(server.mails) == 1


@pytest.mark.parametrize("answer", ["354 go on", "no SMTP at all", "999 what", "12"])
async def test_an_answer_to_a_whole_mail_that_is_none_leaves_it_uncertain(answer: str, tmp_path: Path) -> None:
    async with odd(DOT=answer) as server:
        assert type(await failure(server, tmp_path)) is UncertainError


@pytest.mark.parametrize("end", ["!close", "!reset", "!hang"])
async def test_a_connection_that_ends_within_a_large_mail_did_not_take_it(end: str, tmp_path: Path) -> None:
    async with odd(MIDDLE=end) as server:
        error = await failure(server, tmp_path, raw=LARGE * 8)
    assert type(error) is TransientError
    assert server.mails == []


async def test_a_server_that_refuses_within_a_large_mail_is_heard(tmp_path: Path) -> None:
    async with odd(MIDDLE="552 5.3.4 too big!close") as server:
        assert type(await failure(server, tmp_path, raw=LARGE * 8)) is PermanentError
    async with odd(MIDDLE="250 2.0.0 taken already!close") as server:
        assert type(await failure(server, tmp_path, raw=LARGE * 8)) is TransientError


async def test_after_an_error_or_a_cancellation_the_connection_takes_nothing_more(tmp_path: Path) -> None:
    async with odd({"MAIL": ["451 4.3.0 later", "250 ok"]}) as server, server.sender(tmp_path).connect() as submission:
        for _ in range(2):
            with pytest.raises(TransientError):
                await submission.submit(TO_ADA, RAW)
        assert not await submission.is_alive()
    async with odd(RCPT="!hang") as server:
        patient = server.sender(tmp_path, deadlines=type(BRISK)())
        async with patient.connect() as submission:
            with anyio.move_on_after(0.2) as scope:
                await submission.submit(TO_ADA, RAW)
            assert scope.cancelled_caught
            with pytest.raises(TransientError, match="dropped"):
                await submission.submit(TO_ADA, RAW)
        assert "QUIT" not in server.verbs()


async def test_a_stop_ends_a_submission_that_hangs_at_once(tmp_path: Path) -> None:
    async with odd(DOT="!hang", QUIT="!hang") as server:
        with anyio.fail_after(2), anyio.move_on_after(0.3):
            async with server.sender(tmp_path, deadlines=type(BRISK)()).connect() as submission:
                await submission.submit(TO_ADA, RAW)


# --- answers that lie -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "AUTH", "MAIL", "RCPT"])
async def test_an_answer_too_many_is_not_taken_for_the_next_commands(verb: str, tmp_path: Path) -> None:
    good = {"GREETING": "220 hi", "EHLO": "250-x\n250 AUTH PLAIN", "AUTH": "235 in"}.get(verb, "250 ok")
    async with odd({verb: f"{good}\n250 and this"}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is TransientError
    assert "unasked" in str(error)
    assert server.mails == []


async def test_an_answer_too_many_to_a_mail_changes_nothing_about_that_mail(tmp_path: Path) -> None:
    async with odd(DOT="250 2.0.0 taken\n550 5.0.0 or not") as server, server.sender(tmp_path).connect() as submission:
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken
        assert len(server.mails) == 1
        with pytest.raises(TransientError, match="unasked"):
            await submission.submit(TO_ADA, RAW)


@pytest.mark.parametrize("answer", ["hello", "999 x", "12", "1x3 y", "\x00\x01", "x" * 9000, "250-" + "y" * 40_000])
@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", "RCPT"])
async def test_what_is_no_smtp_ends_the_connection_and_is_told(verb: str, answer: str, tmp_path: Path) -> None:
    async with odd({verb: answer}) as server:
        error = await failure(server, tmp_path)
    assert isinstance(error, TransientError | BlockedError)
    assert len(str(error)) < 500


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_go_on_where_nothing_goes_on_is_no_answer(verb: str, tmp_path: Path) -> None:
    async with odd({verb: "354 go on"}) as server:
        assert type(await failure(server, tmp_path)) is TransientError


async def test_greetings_and_answers_of_several_lines_are_read_whole(tmp_path: Path) -> None:
    script = {
        "GREETING": "220-one\n220-two\n220 three",
        "MAIL": "250-a\n250 b",
        "DATA": "354-a\n354 b",
        "DOT": "250-x\n250 y",
    }
    async with odd(script) as server:
        assert (await send(server, tmp_path))["ada@example.com"].text == "x y"


# --- rest -----------------------------------------------------------------------------------------------------------


async def test_a_connection_that_rested_is_asked_and_one_that_died_meanwhile_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with odd() as server, server.sender(tmp_path).connect() as submission:
        assert await submission.is_alive()
        assert "NOOP" not in server.verbs()
        monkeypatch.setattr(smtp, "RESTED_S", -1)
        assert await submission.is_alive()
        assert server.verbs()[-1] == "NOOP"
    for end in ("!hang", "!close", "421 4.4.2 idle too long!close"):
        async with odd(NOOP=end) as server, server.sender(tmp_path).connect() as submission:
            assert not await submission.is_alive()


async def test_a_server_that_hung_up_while_a_connection_rested_is_noticed_with_its_words(tmp_path: Path) -> None:
    async with odd(DOT="250 ok\n421 4.4.2 idle!close") as server, server.sender(tmp_path).connect() as submission:
        await submission.submit(TO_ADA, RAW)
        await anyio.sleep(0.05)
        assert not await submission.is_alive()
        with pytest.raises(TransientError, match=r"421 4\.4\.2 idle"):
            await submission.submit(TO_ADA, RAW)


async def test_a_mail_is_not_risked_on_a_connection_that_rested_before_the_server_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "RESTED_S", -1)
    async with odd() as server, server.sender(tmp_path).connect() as submission:
        await submission.submit(TO_ADA, RAW)
    assert server.verbs()[2:4] == ["RSET", "MAIL"]
    async with odd(RSET="!hang") as server:
        error = await failure(server, tmp_path)
    assert (type(error), str(error).split(" ", 1)[1]) == (TransientError, "did not answer RSET in time")


# --- floods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("group", [False, True])
async def test_an_answer_of_lines_without_end_ends_the_connection(verb: str, tmp_path: Path, *, group: bool) -> None:
    code = {"GREETING": "220", "DATA": "354"}.get(verb, "250")
    flood = "\n".join([f"{code}-more to come"] * 20_000)
    async with odd({"EHLO": PIPELINING if group else EHLO, verb: f"{flood}!hang"}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is TransientError
    assert error.reason == "server_said"
    assert len(str(error)) < 500


async def test_a_flood_after_a_whole_mail_leaves_it_uncertain(tmp_path: Path) -> None:
    flood = "\n".join(["250-more to come"] * 20_000)
    async with odd(DOT=f"{flood}!hang") as server:
        assert type(await failure(server, tmp_path)) is UncertainError


@pytest.mark.parametrize("answer", ["450 4.3.0 not now", "502 5.5.1 what?", "421 4.3.2 bye!close"])
async def test_a_server_that_forgets_no_envelope_gets_no_second_one_over_that_connection(
    answer: str, tmp_path: Path
) -> None:
    script = {"RCPT": ["550 5.1.1 unknown", "250 ok"], "RSET": answer}
    async with odd(script) as server, server.sender(tmp_path).connect() as submission:
        await submission.submit(TO_ADA, RAW)
        with pytest.raises(TransientError, match="RSET"):
            await submission.submit(TO_ADA, RAW)
        assert not await submission.is_alive()
    assert (server.verbs().count("MAIL"), server.mails) == (1, [])
