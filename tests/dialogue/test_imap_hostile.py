"""Servers that hang, flood, lie and break off: each ends in a TransientError, in time and in bounded memory."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from tests.dialogue.server import BRISK, opened, scripted

from mailwicket.errors import TransientError
from mailwicket.model import MailRef, Settlement
from mailwicket.net.deadlines import Deadlines
from mailwicket.sources.imap import ImapMailbox

GREETED = "S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready\n"
LOOKED = 'C: UID FETCH 1:* *\nS: * 1 FETCH (UID 1 RFC822.SIZE 5 INTERNALDATE "1-Jan-2026 10:00:00 +0000")\nS: $ OK\n'
FETCHING = opened(exists=1) + LOOKED + "C: UID FETCH 1 *\n"


async def work(mailbox: ImapMailbox) -> None:
    look = await mailbox.look(None)
    await mailbox.fetch(look.refs)
    await mailbox.settle([Settlement(one) for one in look.refs])
    await mailbox.wait()


async def end(
    tmp_path: Path, script: str, *, limit_s: float = 3, deadlines: Deadlines = BRISK, **changes: object
) -> TransientError:
    """Work with the server until it fails, within *limit_s*."""
    async with scripted(script) as server:
        with anyio.fail_after(limit_s), pytest.raises(TransientError) as caught:
            async with server.source(tmp_path, deadlines, **changes).connect() as mailbox:
                await work(mailbox)
        assert f"127.0.0.1:{server.port}" in str(caught.value)
    return caught.value


FETCHED = FETCHING + "S| * 1 FETCH (UID 1 BODY[] {1}\\r\\nx)\\r\\n\nS: $ OK\n"

HANGS = {
    "greeting": "X: hang",
    "half a greeting": "S| * OK re\nX: hang",
    "CAPABILITY": "S: * OK ready\nC: CAPABILITY\nX: hang",
    "LOGIN": GREETED + "C: LOGIN *\nX: hang",
    "SELECT": GREETED + "C: LOGIN *\nS: $ OK [CAPABILITY IMAP4rev1] in\nC: SELECT *\nS: * 1 EXISTS\nX: hang",
    "look": opened(exists=1) + "C: UID FETCH *\nX: hang",
    "SEARCH": opened(exists=5000) + "C: UID SEARCH *\nX: hang",
    "FETCH": FETCHING + "X: hang",
    "FETCH in a literal": FETCHING + "S| * 1 FETCH (UID 1 BODY[] {5}\\r\\nab\nX: hang",
    "STORE": FETCHED + "C: UID STORE *\nX: hang",
    "IDLE": FETCHED + "C: UID STORE *\nS: $ OK\nC: IDLE\nX: hang",
    "DONE": FETCHED + "C: UID STORE *\nS: $ OK\nC: IDLE\nS: + idling\nS: * 2 EXISTS\nC| DONE\nX: hang",
}


COPYING = opened("IMAP4rev1 UIDPLUS", exists=1) + "C: UID SEARCH *\nS: * SEARCH 1\nS: $ OK\n"

SETTLING_HANGS = {
    "SEARCH": ("move:Done", opened("IMAP4rev1 UIDPLUS", exists=1) + "C: UID SEARCH *\nX: hang"),
    "COPY": ("move:Done", COPYING + "C: UID COPY *\nX: hang"),
    "STORE after COPY": ("move:Done", COPYING + "C: UID COPY *\nS: $ OK\nC: UID STORE *\nX: hang"),
    "EXPUNGE": (
        "move:Done",
        COPYING + "C: UID COPY *\nS: $ OK\nC: UID STORE *\nS: $ OK\nC: UID EXPUNGE *\nS: * 1 EXPUNGE\nX: hang",
    ),
    "MOVE": ("move:Done", opened(exists=1) + "C: UID MOVE *\nX: hang"),
    "CREATE": ("move:Done", opened(exists=1) + "C: UID MOVE *\nS: $ NO [TRYCREATE] none\nC: CREATE *\nX: hang"),
    "MOVE after CREATE": (
        "move:Done",
        opened(exists=1) + "C: UID MOVE *\nS: $ NO [TRYCREATE] none\nC: CREATE *\nS: $ OK\nC: UID MOVE *\nX: hang",
    ),
    "STORE before EXPUNGE": ("delete", opened(exists=1) + "C: UID STORE *\nX: hang"),
}


@pytest.mark.parametrize(("after", "script"), SETTLING_HANGS.values(), ids=SETTLING_HANGS.keys())
async def test_a_server_that_hangs_while_mails_settle_is_left_within_the_deadline(
    tmp_path: Path, after: str, script: str
) -> None:
    async with scripted(script) as server:
        with anyio.fail_after(3), pytest.raises(TransientError) as caught:
            async with server.source(tmp_path, after=after).connect() as mailbox:
                await mailbox.settle([Settlement(MailRef("INBOX", "7", "1", 5, None))])
        awaited = script.rpartition("C: ")[2].partition(" *")[0]
        assert awaited in server.lines[-1], "it hung elsewhere"
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("script", HANGS.values(), ids=HANGS.keys())
async def test_a_server_that_hangs_is_left_within_the_deadline(tmp_path: Path, script: str) -> None:
    assert (await end(tmp_path, script)).reason == "timeout"


async def test_starttls_that_hangs_is_left_within_the_deadline(tmp_path: Path) -> None:
    assert (await end(tmp_path, GREETED + "C: STARTTLS\nX: hang", security="tls")).reason == "timeout"


async def test_a_server_that_drips_is_left_by_total_time(tmp_path: Path) -> None:
    drip = "S| x\nX: pause\n" * 100
    begun = time.perf_counter()
    error = await end(tmp_path, FETCHING + "S| * 1 FETCH (UID 1 BODY[] {500}\\r\\n\n" + drip)
    assert error.reason == "timeout"
    assert 0.7 < time.perf_counter() - begun < 2


async def test_a_slow_line_has_the_time_that_its_batch_needs(tmp_path: Path) -> None:
    """A second for 50 bytes is too long for a batch of half a second, and not for one of 2.5 s."""
    drip = "S| x\nX: pause\n" * 50
    script = opened(exists=1) + f"C: UID FETCH *\nS| * 1 FETCH (UID 1 BODY[] {{50}}\\r\\n\n{drip}S| )\\r\\n\nS: $ OK"
    for slowest, comes in ((25, True), (25_000, False)):
        limits = replace(BRISK, batch_s=0.5, slowest_bytes_per_s=slowest)
        async with scripted(script) as server, server.source(tmp_path, limits).connect() as mailbox:
            if comes:
                assert len(await mailbox.fetch([MailRef("INBOX", "7", "1", 50, None)])) == 1
            else:
                with pytest.raises(TransientError, match="in time"):
                    await mailbox.fetch([MailRef("INBOX", "7", "1", 50, None)])


BREAKS = {
    "before the greeting": "X: close",
    "during LOGIN": GREETED + "C: LOGIN *\nX: close",
    "during a look": opened(exists=1) + "C: UID FETCH *\nX: close",
    "during FETCH": FETCHING + "S| * 1 FETCH (UID 1 BODY[] {5}\\r\\nab\nX: close",
    "between the literal and the end": FETCHING + "S| * 1 FETCH (UID 1 BODY[] {2}\\r\\nab\nX: close",
    "during STORE": FETCHED + "C: UID STORE *\nX: close",
}


@pytest.mark.parametrize("script", BREAKS.values(), ids=BREAKS.keys())
async def test_a_connection_that_breaks_is_seen_at_once(tmp_path: Path, script: str) -> None:
    error = await end(tmp_path, script, limit_s=10, deadlines=Deadlines())  # each of which is longer than that
    assert error.reason == "connection_lost"


LIES = {
    "BYE in the middle": (FETCHING + "S: * BYE shutting down", 'ended the session during FETCH ("shutting down")'),
    "another tag": (FETCHING + "S: ZZZ9 OK done", "answered a command that nobody sent"),
    "a second answer": (opened() + "S: A1 OK again", "answered a command that nobody sent"),
    "no IMAP": (FETCHING + "S: HTTP/1.1 400 Bad Request", 'no IMAP during FETCH ("HTTP/1.1 400 Bad Request")'),
    "NUL": (FETCHING + "S| \\x00\\x00\\x01\\r\\n", "no IMAP"),
    "a continuation nobody needs": (FETCHING + "S: + go on", "asked FETCH for more than there is"),
    "a huge literal": (FETCHING + "S: * 1 FETCH (UID 1 BODY[] {9999999999}", "a literal of 9999999999 bytes"),
    "a huge literal at login": ("S: * OK x\nC: CAPABILITY\nS: * X {65537}", "a literal of 65537 bytes"),
    "a huge line": (FETCHING + "S: * 1 FETCH (" + "x" * 100_000, "a line of more than 65536 bytes"),
    "an endless line": (FETCHING + "S| " + "x" * 10_000_000, "a line of more than 65536 bytes"),
    "an endless answer": (
        opened(exists=1) + "C: *\n" + "S| " + "* 1 FETCH (FLAGS ())\\r\\n" * 150_000,
        "bytes in lines",
    ),
    "NO to a look": (
        opened(exists=1) + "C: *\nS: $ NO [SERVERBUG] oops",
        'answered FETCH with NO ("[SERVERBUG] oops")',
    ),
    "BAD to a look": (opened(exists=1) + "C: *\nS: $ BAD what?", 'answered FETCH with BAD ("what?")'),
}


@pytest.mark.parametrize(("script", "words"), LIES.values(), ids=LIES.keys())
async def test_a_server_that_breaks_the_rules_is_left(tmp_path: Path, script: str, words: str) -> None:
    error = await end(tmp_path, script, limit_s=60, deadlines=Deadlines())  # not brisk: what it says must end it
    assert error.reason == "server_said"
    assert words in str(error)


async def test_unreadable_answers_are_nobodys_mail(tmp_path: Path) -> None:
    odd = "S: * 1 FETCH (UID\nS: * 1 FETCH UID 1)\nS: * 99999999999 FETCH ()\nS: *\nS: * LIST ) (\nS|\\r\\n\n"
    script = opened(exists=1) + "C: *\n" + odd.replace("S: *\n", "") + "S: $ OK\nC: UID SEARCH *\nS: $ OK"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        assert (await mailbox.look(None)).refs == []


async def test_memory_is_taken_for_bytes_that_came_and_not_for_bytes_announced(tmp_path: Path) -> None:
    refs = [MailRef("INBOX", "7", str(uid), 1000, None) for uid in range(1, 101)]
    announced = "S| * 1 FETCH (UID 1 BODY[] {1000000}\\r\\n" + "x" * 1000
    script = opened(exists=100) + f"C: *\n{announced}\nX: hang"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        tracemalloc.start()
        try:
            with pytest.raises(TransientError):
                await mailbox.fetch(refs)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 600_000


async def test_a_flood_of_bodies_beyond_the_announced_sizes_is_not_kept(tmp_path: Path) -> None:
    """Thirty mails of 5 bytes turn out to be of 500 KB each: what does not fit beside the others comes alone."""
    refs = [MailRef("INBOX", "7", str(uid), 5, None) for uid in range(1, 31)]
    body = "x" * 500_000
    bodies = "".join(f"S| * 1 FETCH (UID {uid} BODY[] {{500000}}\\r\\n{body})\\r\\n\n" for uid in range(1, 31))
    script = opened(exists=30) + "C: *\n" + bodies + "S: $ OK\nC: UID FETCH 9:30 (UID)\nX: hang"
    async with scripted(script) as server:
        with pytest.raises(TransientError):
            async with server.source(tmp_path).connect() as mailbox:
                await mailbox.fetch(refs)


async def test_after_a_failure_every_further_call_fails_at_once(tmp_path: Path) -> None:
    async with scripted(FETCHING + "X: close") as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(None)
        for _ in range(2):
            with anyio.fail_after(0.2), pytest.raises(TransientError, match="closed the connection"):
                await mailbox.fetch(look.refs)
        with anyio.fail_after(0.2), pytest.raises(TransientError, match="closed the connection"):
            await mailbox.wait()
        with anyio.fail_after(0.2), pytest.raises(TransientError, match="closed the connection"):
            await mailbox.settle([Settlement(one) for one in look.refs])


async def test_commands_of_two_tasks_take_turns(tmp_path: Path) -> None:
    script = opened(exists=1) + LOOKED + "C: UID *\nX: pause\nS: $ OK\nC: UID *\nX: pause\nS: $ OK\n"
    async with scripted(script) as server, server.source(tmp_path).connect() as mailbox:
        look = await mailbox.look(None)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(mailbox.settle, [Settlement(one) for one in look.refs])
    assert sum("STORE" in line for line in server.lines) == 2
