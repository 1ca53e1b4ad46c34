"""The sender against a real Postfix: each door, what it refuses, and a mail that comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.lab import postfix
from tests.lab.processes import until

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, PermanentError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.outgoing import Envelope
from mailwicket.senders.smtp import SmtpSender

pytestmark = pytest.mark.real

SECURITIES = ("none", "tls", "ssl")


@pytest.fixture(scope="module")
def mx() -> Iterator[postfix.Postfix]:
    with postfix.running() as server:
        yield server


def sender(mx: postfix.Postfix, user: str = "desk", security: str = "tls", **keys: Any) -> SmtpSender:
    return SmtpSender("main", Outgoing.model_validate(mx.server(user, security, **keys)), Machine(mx.base))


def mail(subject: str, body: bytes = b"Hello.\r\n") -> bytes:
    return f"From: desk@example.net\r\nTo: x@example.net\r\nSubject: {subject}\r\n\r\n".encode() + body


async def arrived(mx: postfix.Postfix, user: str, count: int) -> list[bytes]:
    """The mails of *user*, once there are *count* of them."""

    def look() -> list[bytes]:
        until(lambda: len(mx.dovecot.uids(user)) >= count, 20, what=f"the mail of {user}")
        return [raw for _, raw in mx.dovecot.served(user)]

    return await anyio.to_thread.run_sync(look)


@pytest.mark.parametrize("security", SECURITIES)
async def test_mails_arrive_by_every_door_with_their_bytes(mx: postfix.Postfix, security: str) -> None:
    user = f"box-{security}"
    odd = [
        b"Hello.\r\n",
        b".\r\n..\r\n.x\r\n",
        b"a\r\n\r\n.\r\nMAIL FROM:<x@example.net>\r\n",
        b"0123456789abcdef\r\n" * 60_000,
    ]
    async with sender(mx, "desk", security).connect() as submission:
        for number, body in enumerate(odd):
            statuses = await submission.submit(
                Envelope("desk@example.net", (f"{user}@example.net",)), mail(f"m{number}", body)
            )
            assert all(one.is_taken and one.enhanced == "2.0.0" for one in statuses.values())
        assert await submission.is_alive()
    found = await arrived(mx, user, len(odd))
    assert {raw.split(b"\r\n\r\n", 1)[1] for raw in found} == set(odd)


async def test_no_second_mail_is_smuggled_by_lone_line_ends(mx: postfix.Postfix) -> None:
    end = b"MAIL FROM:<desk@example.net>\r\nRCPT TO:<smuggled@example.net>\r\nDATA\r\nSubject: 2\r\n\r\nx\r\n"
    async with sender(mx).connect() as submission:
        for dots in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r.\r\n"):
            await submission.submit(Envelope("desk@example.net", ("victim@example.net",)), mail("1", b"a" + dots + end))
    assert len(await arrived(mx, "victim", 6)) == 6
    assert mx.dovecot.uids("smuggled") == []


async def test_recipients_are_refused_and_put_off_each_for_himself(mx: postfix.Postfix) -> None:
    paths = ("refused@example.net", "later@example.net", "each@example.net")
    async with sender(mx).connect() as submission:
        statuses = await submission.submit(Envelope("desk@example.net", paths), mail("one"))
        alone = await submission.submit(Envelope("desk@example.net", paths[:1]), mail("none"))
        await submission.submit(Envelope("desk@example.net", paths[2:]), mail("two"))
    assert [(statuses[path].code, statuses[path].enhanced) for path in paths] == [
        (550, "5.1.1"),
        (450, "4.2.0"),
        (250, "2.0.0"),
    ]
    assert alone[paths[0]].is_permanent
    assert len(await arrived(mx, "each", 2)) == 2


@pytest.mark.parametrize("security", ["tls", "ssl"])
async def test_who_may_not_send_as_somebody_else_is_told_so_whatever_the_recipient(
    mx: postfix.Postfix, security: str
) -> None:
    with pytest.raises(BlockedError) as caught:
        async with sender(mx, "desk", security).connect() as submission:
            await submission.submit(Envelope("boss@example.net", ("ada@example.net",)), mail("x"))
    assert caught.value.reason == "sender_refused"
    assert "Sender address rejected: not owned by user" in str(caught.value)


async def test_a_wrong_password_blocks_after_one_try(mx: postfix.Postfix) -> None:
    before = mx.log().count("SASL PLAIN authentication failed")
    with pytest.raises(BlockedError) as caught:
        async with sender(mx, password="wrong-canary").connect():
            pass
    assert caught.value.reason == "login_refused"
    assert "canary" not in str(caught.value)
    assert mx.log().count("SASL PLAIN authentication failed") == before + 1


async def test_a_door_that_wants_a_login_says_so(mx: postfix.Postfix) -> None:
    with pytest.raises(BlockedError) as caught:
        async with sender(mx, authentication=False, password=None).connect() as submission:
            await submission.submit(Envelope("desk@example.net", ("ada@example.net",)), mail("x"))
    assert caught.value.reason == "relay_denied"
    assert "Client host rejected: Access denied" in str(caught.value)


async def test_a_mail_over_the_limit_is_not_begun(mx: postfix.Postfix) -> None:
    async with sender(mx).connect() as submission:
        with pytest.raises(PermanentError, match="2000000 bytes at most"):
            await submission.submit(
                Envelope("desk@example.net", ("ada@example.net",)), mail("x", b"x" * 70 + b"\r\n") * 20_000
            )
        assert await submission.submit(Envelope("desk@example.net", ("limit@example.net",)), mail("x"))


async def test_an_address_beyond_ascii_is_taken(mx: postfix.Postfix) -> None:
    async with sender(mx).connect() as submission:
        statuses = await submission.submit(Envelope("desk@example.net", ("jürgen@example.net",)), mail("x"))
    assert statuses["jürgen@example.net"].is_taken


async def test_what_cannot_be_delivered_comes_back_to_the_sender_with_its_headers_alone(mx: postfix.Postfix) -> None:
    async with sender(mx, "bounced").connect() as submission:
        await submission.submit(Envelope("bounced@example.net", ("ada@example.com",)), mail("x", b"secret body\r\n"))
    (report,) = await arrived(mx, "bounced", 1)
    assert b"multipart/report" in report
    assert b"Final-Recipient: rfc822; ada@example.com" in report
    assert b"secret body" not in report


async def test_a_server_that_is_gone_is_waited_for_and_one_that_is_back_takes_mail(mx: postfix.Postfix) -> None:
    one = sender(mx)
    async with one.connect() as submission:
        await submission.submit(Envelope("desk@example.net", ("outage@example.net",)), mail("1"))
        await arrived(mx, "outage", 1)
        await anyio.to_thread.run_sync(mx.stop)  # it may deliver the first once more when it is back: not our doing
        try:
            with pytest.raises(TransientError):
                await submission.submit(Envelope("desk@example.net", ("back@example.net",)), mail("2"))
            assert not await submission.is_alive()
            with pytest.raises(TransientError):
                async with one.connect():
                    pass
        finally:
            await anyio.to_thread.run_sync(mx.start)
    async with one.connect() as submission:
        await submission.submit(Envelope("desk@example.net", ("back@example.net",)), mail("2"))
    assert len(await arrived(mx, "back", 1)) == 1


# --- the command ----------------------------------------------------------------------------------------------------


def tried(mx: postfix.Postfix, directory: Path, *words: str, **keys: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run `mailwicket test` on a mailbox and a server that nobody has loaded."""
    conf = directory / "conf.d"
    conf.mkdir(exist_ok=True)
    box = {**mx.dovecot.box("round", "ssl", start_from="all", server="localhost"), "email": "round@example.net"}
    tables = {"incoming.round": box, "outgoing.main": {**mx.server("round", "tls", server="localhost"), **keys}}
    lines = [
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    ]
    path = conf / "10.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    command = [sys.executable, "-m", "mailwicket", "test", "outgoing/main", "--json", "--conf", str(conf), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return ended.returncode, json.loads(ended.stdout)[0]["stages"]


def test_a_test_of_the_connection_takes_every_stage_and_sends_nothing(mx: postfix.Postfix, tmp_path: Path) -> None:
    before = mx.log().count("status=sent")
    code, stages = tried(mx, tmp_path)
    assert (code, {stage["state"] for stage in stages}) == (0, {"ok"})
    assert [stage["name"] for stage in stages][-2:] == ["auth", "sender"]
    assert mx.log().count("status=sent") == before


def test_a_mail_goes_out_and_comes_back_and_the_mailbox_is_left_as_it_was(mx: postfix.Postfix, tmp_path: Path) -> None:
    mx.dovecot.fill("round", [mail("old")])
    code, stages = tried(mx, tmp_path, "--roundtrip", "--send-to", "friend@example.net")
    assert (code, [stage["name"] for stage in stages][-4:]) == (0, ["sender", "send", "mailbox", "roundtrip"])
    assert stages[-1]["detail"].startswith("round@example.net is back in incoming/round after ")
    assert stages[-1]["ms"] > 0
    assert len(mx.dovecot.uids("round", criterion="UNSEEN")) == 2
    until(lambda: mx.dovecot.uids("friend"), 20)


@pytest.mark.parametrize(
    ("keys", "stage", "fix"),
    [
        ({"security": "ssl"}, "tls", 'speaks in the clear: security = "tls", or port = 465 with "ssl"'),
        ({"password": "wrong"}, "auth", "mend username (round; some servers want the whole address) or password"),
        ({"email": "boss@example.net"}, "sender", "let round send as boss@example.net"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(
    mx: postfix.Postfix, tmp_path: Path, keys: dict[str, Any], stage: str, fix: str
) -> None:
    code, stages = tried(mx, tmp_path, **keys)
    failed = next(one for one in stages if one["state"] == "failed")
    assert (code, failed["name"]) == (1, stage)
    assert fix in failed["fix"]
