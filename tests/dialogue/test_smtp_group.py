"""Commands that go out together (PIPELINING): each answer is its own command's, and no mail is sent by accident."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.dialogue.smtp_server import BRISK, EHLO, PIPELINING, RAW, TO_ADA, failure, odd, send
from tests.dialogue.test_smtp_lost import BEFORE, LARGE
from tests.dialogue.test_smtp_submit import GOOD_ANSWERS, SERVER, TO_TWO

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError, UncertainError
from mailwicket.outgoing import Envelope, RecipientStatus

GROUP = {"EHLO": PIPELINING}
NOBODY = "554 5.5.1 no valid recipients"


async def test_envelope_and_data_go_out_together_and_the_mail_when_it_is_asked_for(tmp_path: Path) -> None:
    async with odd(GROUP) as server:
        statuses = await send(server, tmp_path, envelope=TO_TWO)
    assert [one.is_taken for one in statuses.values()] == [True, True]
    assert server.lines[2:6] == [
        f"MAIL FROM:<desk@example.org> SIZE={len(RAW)}",
        "RCPT TO:<ada@example.com>",
        "RCPT TO:<bob@example.com>",
        "DATA",
    ]
    assert server.ahead == ["MAIL", "RCPT", "RCPT"]
    assert server.mails == [RAW + b".\r\n"]


async def test_where_it_is_not_offered_each_command_waits_for_the_answer_before(tmp_path: Path) -> None:
    async with odd({"EHLO": EHLO}) as server:
        await send(server, tmp_path, envelope=TO_TWO)
    assert server.ahead == []


async def test_what_a_mail_needs_is_said_all_the_same(tmp_path: Path) -> None:
    envelope = Envelope("desk@example.org", ("jürgen@example.com",))
    async with odd({"EHLO": PIPELINING.replace("250-8BITMIME", "250-DSN\n250-8BITMIME")}) as server:
        await send(server, tmp_path, envelope=envelope, raw=RAW + "Grüße\r\n".encode())
    assert server.lines[2].endswith(" BODY=8BITMIME SMTPUTF8 RET=HDRS")
    assert server.lines[3] == "RCPT TO:<jürgen@example.com> NOTIFY=FAILURE,DELAY"


async def test_many_mails_go_over_one_connection_each_with_its_own_answers(tmp_path: Path) -> None:
    script = {**GROUP, "RCPT": ["250 a", "550 b", "250 c", "450 d", "250 e"], "DATA": ["354 go", NOBODY, "354 go"]}
    envelopes = [Envelope("desk@example.org", (f"{name}@example.com",)) for name in "abcde"]
    script["DATA"] = ["354 go", NOBODY, "354 go", NOBODY, "354 go"]
    async with odd(script) as server, server.sender(tmp_path).connect() as submission:
        told = [[one.code for one in (await submission.submit(one, RAW)).values()] for one in envelopes]
    assert told == [[250], [550], [250], [450], [250]]
    assert (len(server.mails), server.connections, server.verbs().count("RSET")) == (3, 1, 2)


async def test_some_recipients_are_refused_and_the_others_taken(tmp_path: Path) -> None:
    answers = ["250 2.1.5 ok", "550 5.1.1 unknown here", "450 4.2.0 greylisted", "452 4.5.3 too many"]
    paths = tuple(f"{name}@example.com" for name in "abcd")
    async with odd({**GROUP, "RCPT": answers}) as server:
        statuses = await send(server, tmp_path, envelope=Envelope("desk@example.org", paths))
    assert [statuses[path].code for path in paths] == [250, 550, 450, 452]
    assert len(server.mails) == 1


@pytest.mark.parametrize("data", ["354 go on", NOBODY, "503 5.5.1 RCPT first"])
async def test_where_all_are_refused_nothing_is_sent_whatever_data_is_answered(data: str, tmp_path: Path) -> None:
    script = {**GROUP, "RCPT": ["550 5.1.1 a", "550 b", "250 ok"], "DATA": [data, "354 go"], "DOT": [NOBODY, "250 ok"]}
    script["DOT"] = [NOBODY, "250 ok"] if data.startswith("354") else "250 ok"
    async with odd(script) as server, server.sender(tmp_path).connect() as submission:
        assert [one.code for one in (await submission.submit(TO_TWO, RAW)).values()] == [550, 550]
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken
    assert [mail for mail in server.mails if mail != b".\r\n"] == [RAW + b".\r\n"]
    assert server.connections == 1


@pytest.mark.parametrize("end", ["!close", "!hang", "354 go on"])
async def test_a_connection_that_ends_where_nothing_was_sent_leaves_nothing_uncertain(end: str, tmp_path: Path) -> None:
    async with odd({**GROUP, "RCPT": "550 5.1.1 a", "DOT": end}) as server:
        assert (await send(server, tmp_path))["ada@example.com"].code == 550
    assert server.mails == [b".\r\n"]


async def test_a_refusal_of_the_server_after_a_recipient_was_taken_sends_nothing(tmp_path: Path) -> None:
    script = {**GROUP, "RCPT": ["250 ok", "554 5.7.1 <bob@example.com>: Relay access denied"]}
    async with odd(script) as server:
        error = await failure(server, tmp_path, envelope=TO_TWO)
    assert isinstance(error, BlockedError)
    assert server.mails == []


@pytest.mark.parametrize(("verb", "answer", "kind", "reason"), SERVER)
async def test_what_is_about_the_server_says_who_must_act(
    verb: str, answer: str, kind: type[MailwicketError], reason: str, tmp_path: Path
) -> None:
    async with odd({**GROUP, verb: answer}) as server:
        error = await failure(server, tmp_path)
    assert (type(error), getattr(error, "reason", None)) == (kind, reason)
    assert answer.split(" ", 1)[1] in str(error)


@pytest.mark.parametrize(
    ("verb", "answer", "more"),
    [
        ("MAIL", "552 5.3.4 too big", {"RCPT": ["503 5.5.1 MAIL first", "250 ok"], "DATA": ["503 5.5.1 no", "354 go"]}),
        ("DATA", "554 5.5.1 no", {}),
        ("DOT", "554 5.6.0 content", {}),
    ],
)
async def test_a_mail_that_is_refused_for_good_leaves_the_connection_as_it_was(
    verb: str, answer: str, more: dict[str, Any], tmp_path: Path
) -> None:
    script = {**GROUP, verb: [answer, GOOD_ANSWERS[verb]], **more}
    async with odd(script) as server, server.sender(tmp_path).connect() as submission:
        with pytest.raises(PermanentError, match=answer):
            await submission.submit(TO_ADA, RAW)
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken
    assert server.connections == 1


@pytest.mark.parametrize("verb", ["DATA", "DOT"])
async def test_a_mail_that_is_put_off_is_put_off_for_each_recipient(verb: str, tmp_path: Path) -> None:
    script = {**GROUP, verb: ["451 4.7.1 greylisted", GOOD_ANSWERS[verb]]}
    async with odd(script) as server, server.sender(tmp_path).connect() as submission:
        statuses = await submission.submit(TO_TWO, RAW)
        assert statuses == dict.fromkeys(TO_TWO.forward_paths, RecipientStatus(451, "greylisted", "4.7.1"))
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken


# --- connections that end, and answers that lie


@pytest.mark.parametrize("verb", BEFORE[3:])
@pytest.mark.parametrize(
    ("end", "reason"), [("!hang", "timeout"), ("!close", "connection_lost"), ("!reset", "connection_lost")]
)
async def test_a_connection_that_ends_before_the_mail_is_sent_is_tried_again(
    verb: str, end: str, reason: str, tmp_path: Path
) -> None:
    async with odd({**GROUP, verb: end}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is TransientError
    assert (error.reason, server.mails) == (reason, [])


@pytest.mark.parametrize("verb", BEFORE[3:])
async def test_421_at_any_verb_is_told_in_the_servers_words(verb: str, tmp_path: Path) -> None:
    async with odd({**GROUP, verb: "421 4.3.2 going down!close"}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is TransientError
    assert "421 4.3.2 going down" in str(error)


@pytest.mark.parametrize("raw", [RAW, LARGE], ids=["small", "large"])
async def test_a_connection_that_ends_after_the_final_dot_leaves_it_uncertain(raw: bytes, tmp_path: Path) -> None:
    async with odd({**GROUP, "DOT": "!close"}) as server:
        assert type(await failure(server, tmp_path, raw=raw)) is UncertainError


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("answer", ["250 ok\n250 and this", "250 ok\n550 5.1.1 and this", "hello", "x" * 9000])
async def test_an_answer_too_many_or_none_at_all_sends_no_mail(verb: str, answer: str, tmp_path: Path) -> None:
    async with odd({**GROUP, verb: answer}) as server:
        assert isinstance(await failure(server, tmp_path), TransientError | PermanentError)
    assert server.mails == []


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT"])
async def test_a_stop_ends_a_group_at_once_and_nothing_more_goes_over_that_connection(
    verb: str, tmp_path: Path
) -> None:
    async with odd({**GROUP, verb: "!hang"}) as server:
        patient = server.sender(tmp_path, deadlines=type(BRISK)())
        begun = time.perf_counter()
        async with patient.connect() as submission:
            with anyio.move_on_after(0.1) as scope:
                await submission.submit(TO_TWO, RAW)
            assert scope.cancelled_caught
            with pytest.raises(TransientError, match="dropped"):
                await submission.submit(TO_ADA, RAW)
        assert time.perf_counter() - begun < 1
    assert "QUIT" not in server.verbs()
