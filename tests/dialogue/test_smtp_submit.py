"""One mail after another over a connection: what is said for each, and who must act when it is refused."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from tests.dialogue.smtp_server import BARE, PASSWORD, RAW, TO_ADA, failure, odd, send

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.outgoing import Envelope, RecipientStatus

TO_TWO = Envelope("desk@example.org", ("ada@example.com", "bob@example.com"))

# --- what is said ---------------------------------------------------------------------------------------------------


async def test_a_mail_is_handed_over_with_its_size_and_its_status_is_told(tmp_path: Path) -> None:
    async with odd() as server:
        statuses = await send(server, tmp_path)
    assert statuses == {"ada@example.com": RecipientStatus(250, "queued as 1", "2.0.0")}
    assert server.mails == [RAW + b".\r\n"]
    assert server.lines[2:] == [
        f"MAIL FROM:<desk@example.org> SIZE={len(RAW)}",
        "RCPT TO:<ada@example.com>",
        "DATA",
        "QUIT",
    ]


async def test_a_relay_is_not_logged_in_to_and_nothing_is_asked_that_it_does_not_offer(tmp_path: Path) -> None:
    async with odd(EHLO=BARE) as server:
        await send(server, tmp_path, authentication=False, password=None)
    assert server.lines == [
        "EHLO [127.0.0.1]",
        "MAIL FROM:<desk@example.org>",
        "RCPT TO:<ada@example.com>",
        "DATA",
        "QUIT",
    ]


async def test_a_server_that_knows_no_ehlo_is_greeted_with_helo_where_nothing_hangs_on_it(tmp_path: Path) -> None:
    async with odd(EHLO="500 5.5.1 what?") as server:
        await send(server, tmp_path, authentication=False)
        assert server.verbs()[:2] == ["EHLO", "HELO"]
        assert isinstance(await failure(server, tmp_path), BlockedError)


async def test_delivery_reports_are_asked_for_where_they_are_offered_and_not_for_the_null_path(tmp_path: Path) -> None:
    async with odd(EHLO=f"{BARE[:3]}-x\n250-DSN\n250 AUTH PLAIN") as server:
        await send(server, tmp_path)
        assert server.lines[2:4] == [
            "MAIL FROM:<desk@example.org> RET=HDRS",
            "RCPT TO:<ada@example.com> NOTIFY=FAILURE,DELAY",
        ]
        server.lines.clear()
        await send(server, tmp_path, envelope=Envelope("", ("ada@example.com",)))
        assert server.lines[2:4] == ["MAIL FROM:<>", "RCPT TO:<ada@example.com>"]


async def test_many_mails_go_over_one_connection(tmp_path: Path) -> None:
    async with odd() as server, server.sender(tmp_path).connect() as submission:
        for number in range(20):
            assert await submission.submit(TO_ADA, RAW + b"%d\r\n" % number)
    assert server.connections == 1
    assert len(server.mails) == 20
    assert "RSET" not in server.verbs()


async def test_two_who_submit_at_once_take_turns(tmp_path: Path) -> None:
    async with odd() as server, server.sender(tmp_path).connect() as submission, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(submission.submit, TO_TWO, RAW)
    assert len(server.mails) == 10


# --- the body -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b".\r\n", b"..\r\n"),
        (b"..\r\n.x\r\n", b"...\r\n..x\r\n"),
        (b"a\n.\nMAIL FROM:<x@example.org>\n", b"a\r\n..\r\nMAIL FROM:<x@example.org>\r\n"),
        (b"a\r.\rRCPT\r\n", b"a\r\n..\r\nRCPT\r\n"),
        (b"a\n.\r\nDATA\r\n", b"a\r\n..\r\nDATA\r\n"),
        (b"a\r\n.\rx\r\n", b"a\r\n..\r\nx\r\n"),
        (b"a\r\r\n.\r\n\n", b"a\r\n\r\n..\r\n\r\n"),
        (b"no line end", b"no line end\r\n"),
        (b"", b""),
    ],
)
async def test_no_end_of_a_mail_is_smuggled_into_its_body(body: bytes, sent: bytes, tmp_path: Path) -> None:
    head = b"Subject: x\r\n\r\n"
    async with odd() as server, server.sender(tmp_path).connect() as submission:
        await submission.submit(TO_ADA, head + body)
        await submission.submit(TO_ADA, RAW)
    assert server.mails == [head + sent + b".\r\n", RAW + b".\r\n"]


async def test_a_large_mail_goes_out_whole(tmp_path: Path) -> None:
    raw = RAW + b".line\r\n" * 300_000
    async with odd() as server:
        await send(server, tmp_path)
        await send(server, tmp_path, raw=raw)
    assert server.mails[1] == RAW + b"..line\r\n" * 300_000 + b".\r\n"


async def test_a_mail_that_is_too_large_is_not_begun_and_the_connection_serves_the_next(tmp_path: Path) -> None:
    async with (
        odd(EHLO="250-x\n250-SIZE 100\n250 AUTH PLAIN") as server,
        server.sender(tmp_path).connect() as submission,
    ):
        with pytest.raises(PermanentError, match="100 bytes at most, and this one has 202"):
            await submission.submit(TO_ADA, b"x" * 200 + b"\r\n")
        assert "MAIL" not in server.verbs()
        assert await submission.submit(TO_ADA, RAW)


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE x", "SIZE " + "9" * 40])
async def test_no_limit_that_can_be_read_is_no_limit(size: str, tmp_path: Path) -> None:
    async with odd(EHLO=f"250-x\n250-{size}\n250 AUTH PLAIN") as server:
        assert await send(server, tmp_path)


async def test_eight_bit_characters_want_8bitmime(tmp_path: Path) -> None:
    raw = RAW + "Grüße\r\n".encode()
    async with odd() as server:
        await send(server, tmp_path, raw=raw)
        assert server.lines[2].endswith(" BODY=8BITMIME")
    async with odd(EHLO="250-x\n250 AUTH PLAIN") as server:
        assert isinstance(await failure(server, tmp_path, raw=raw), PermanentError)


# --- addresses ------------------------------------------------------------------------------------------------------


async def test_an_international_domain_is_said_in_ascii_and_a_local_part_wants_smtputf8(tmp_path: Path) -> None:
    async with odd() as server:
        await send(server, tmp_path, envelope=Envelope("desk@example.org", ("ada@bücher.example",)))
        assert server.lines[2:4] == [
            f"MAIL FROM:<desk@example.org> SIZE={len(RAW)}",
            "RCPT TO:<ada@xn--bcher-kva.example>",
        ]
        server.lines.clear()
        statuses = await send(server, tmp_path, envelope=Envelope("desk@example.org", ("jürgen@bücher.example",)))
        assert server.lines[2].endswith(" SMTPUTF8")
        assert server.lines[3] == "RCPT TO:<jürgen@xn--bcher-kva.example>"
        assert statuses["jürgen@bücher.example"].is_taken


async def test_without_smtputf8_such_a_recipient_is_refused_and_the_others_are_served(tmp_path: Path) -> None:
    envelope = Envelope("desk@example.org", ("jürgen@example.com", "ada@example.com"))
    async with odd(EHLO="250-x\n250 AUTH PLAIN") as server:
        statuses = await send(server, tmp_path, envelope=envelope)
        assert (statuses["jürgen@example.com"].code, statuses["jürgen@example.com"].enhanced) == (553, "5.6.7")
        assert statuses["ada@example.com"].is_taken
        alone = await send(server, tmp_path, envelope=Envelope("desk@example.org", ("jürgen@example.com",)))
        assert alone["jürgen@example.com"].is_permanent
        for options in (
            {"envelope": Envelope("jürgen@example.org", ("ada@example.com",))},
            {"raw": "To: ü\r\n\r\nx".encode()},
        ):
            assert isinstance(await failure(server, tmp_path, **options), PermanentError)
        assert server.verbs().count("MAIL") == 1


@pytest.mark.parametrize(
    "path",
    ["a b@example.com", "a@example.com> SIZE=1", "a\r\nDATA@example.com", "a@b\r\nRSET", "nobody", "", "@x", '"a"b@x'],
)
async def test_no_command_is_smuggled_into_an_address(path: str, tmp_path: Path) -> None:
    async with odd() as server:
        statuses = await send(server, tmp_path, envelope=Envelope("desk@example.org", (path, "ada@example.com")))
        assert (statuses[path].code, statuses[path].enhanced) == (553, "5.1.3")
        assert statuses["ada@example.com"].is_taken
        assert server.verbs().count("RCPT") == 1
        if path:
            error = await failure(server, tmp_path, envelope=Envelope(path, ("ada@example.com",)))
            assert isinstance(error, PermanentError)


async def test_a_quoted_local_part_is_said_as_it_is(tmp_path: Path) -> None:
    path = '"a b>\\" c"@example.com'
    async with odd() as server:
        assert (await send(server, tmp_path, envelope=Envelope("desk@example.org", (path,))))[path].is_taken
    assert server.lines[3] == f"RCPT TO:<{path}>"


async def test_an_envelope_without_recipients_is_a_bug(tmp_path: Path) -> None:
    async with odd() as server, server.sender(tmp_path).connect() as submission:
        with pytest.raises(ValueError, match="without recipients"):
            await submission.submit(Envelope("desk@example.org", ()), RAW)


# --- refusals -------------------------------------------------------------------------------------------------------


async def test_some_recipients_are_refused_and_the_others_taken(tmp_path: Path) -> None:
    answers = ["250 2.1.5 ok", "550 5.1.1 unknown here", "450 4.2.0 greylisted", "452 4.5.3 too many"]
    paths = tuple(f"{name}@example.com" for name in "abcd")
    async with odd({"RCPT": answers}) as server:
        statuses = await send(server, tmp_path, envelope=Envelope("desk@example.org", paths))
    assert [statuses[path].code for path in paths] == [250, 550, 450, 452]
    assert statuses[paths[1]] == RecipientStatus(550, "unknown here", "5.1.1")
    assert len(server.mails) == 1


async def test_where_all_recipients_are_refused_no_mail_is_sent_and_the_next_envelope_is_new(
    tmp_path: Path,
) -> None:
    async with (
        odd({"RCPT": ["550 5.1.1 unknown", "550 unknown", "250 ok"]}) as server,
        server.sender(tmp_path).connect() as submission,
    ):
        assert [one.code for one in (await submission.submit(TO_TWO, RAW)).values()] == [550, 550]
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken
    assert server.verbs()[2:] == ["MAIL", "RCPT", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]


SERVER = [
    ("MAIL", "451 4.3.0 later", TransientError, "server_said"),
    ("MAIL", "421 4.7.0 too many", TransientError, "server_said"),
    ("MAIL", "530 5.7.0 Authentication required", BlockedError, "login_refused"),
    ("MAIL", "550 5.7.1 not you", BlockedError, "sender_refused"),
    ("MAIL", "501 5.1.7 bad sender", BlockedError, "sender_refused"),
    ("MAIL", "550 5.4.5 Daily sending quota exceeded", TransientError, "server_said"),
    ("RCPT", "421 4.4.2 bye", TransientError, "server_said"),
    ("RCPT", "530 5.7.57 Client not authenticated", BlockedError, "login_refused"),
    (
        "RCPT",
        "553 5.7.1 <desk@example.org>: Sender address rejected: not owned by user x",
        BlockedError,
        "sender_refused",
    ),
    ("RCPT", "450 4.1.8 <desk@example.org>: Sender address rejected: Domain not found", TransientError, "server_said"),
    ("RCPT", "554 5.7.1 <ada@example.com>: Relay access denied", BlockedError, "relay_denied"),
    ("RCPT", "554 5.7.1 <x[192.0.2.1]>: Client host rejected: Access denied", BlockedError, "relay_denied"),
    ("RCPT", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", BlockedError, "relay_denied"),
    ("DATA", "421 4.3.2 down", TransientError, "server_said"),
    ("DATA", "250 ok", TransientError, "server_said"),
    ("DOT", "421 4.3.2 down", TransientError, "server_said"),
    ("DOT", "554 5.2.252 SendAsDenied; desk@example.org not allowed", BlockedError, "sender_refused"),
    ("DOT", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", BlockedError, "sender_refused"),
    ("DOT", "550 5.7.60 Client does not have permissions to send as this sender", BlockedError, "sender_refused"),
    ("DOT", "550 5.4.5 Daily user sending limit exceeded", TransientError, "server_said"),
    ("DOT", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", TransientError, "server_said"),
    ("DOT", "554 5.2.2 mailbox full; STOREDRV.Storage.Submit", BlockedError, "sender_refused"),
    ("MAIL", "432 4.3.2 Concurrent connections limit exceeded", TransientError, "server_said"),
]


@pytest.mark.parametrize(("verb", "answer", "kind", "reason"), SERVER)
async def test_what_is_about_the_server_says_who_must_act(
    verb: str, answer: str, kind: type[MailwicketError], reason: str, tmp_path: Path
) -> None:
    async with odd({verb: answer}) as server:
        error = await failure(server, tmp_path)
    assert type(error) is kind
    assert isinstance(error, TransientError | BlockedError)
    assert error.reason == reason
    assert answer.split(" ", 1)[1] in str(error)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "552 5.3.4 too big"),
        ("MAIL", "552 too big"),
        ("DATA", "554 5.5.1 no"),
        ("DOT", "554 5.6.0 content"),
        ("DOT", "552 5.2.3 too big"),
    ],
)
async def test_a_mail_that_is_refused_for_good_leaves_the_connection_as_it_was(
    verb: str, answer: str, tmp_path: Path
) -> None:
    async with odd({verb: [answer, GOOD_ANSWERS[verb]]}) as server, server.sender(tmp_path).connect() as submission:
        with pytest.raises(PermanentError, match=answer):
            await submission.submit(TO_ADA, RAW)
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken
    assert server.connections == 1


GOOD_ANSWERS = {"MAIL": "250 ok", "DATA": "354 go", "DOT": "250 ok"}


@pytest.mark.parametrize("verb", ["DATA", "DOT"])
async def test_a_mail_that_is_put_off_is_put_off_for_each_recipient(verb: str, tmp_path: Path) -> None:
    async with (
        odd({verb: ["451 4.7.1 greylisted", GOOD_ANSWERS[verb]]}) as server,
        server.sender(tmp_path).connect() as submission,
    ):
        statuses = await submission.submit(TO_TWO, RAW)
        assert statuses == dict.fromkeys(TO_TWO.forward_paths, RecipientStatus(451, "greylisted", "4.7.1"))
        assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken


async def test_words_of_a_server_are_one_line_for_people_without_secrets(tmp_path: Path) -> None:
    words = f"550-5.1.1 no such\n550-5.1.1 \x1b[2Juser {PASSWORD}\n550 5.1.1 " + "and so on " * 40
    async with odd(RCPT=words) as server:
        status = (await send(server, tmp_path))["ada@example.com"]
    assert status.text.startswith("no such [2Juser [redacted] and so on")
    assert status.text.isprintable()
    assert len(status.text) < 310
    assert status.enhanced == "5.1.1"


async def test_an_enhanced_code_of_another_class_is_none(tmp_path: Path) -> None:
    async with odd(RCPT="550 4.7.1 odd") as server:
        assert (await send(server, tmp_path))["ada@example.com"] == RecipientStatus(550, "4.7.1 odd", None)
