"""Mails that the server has and does not give, or not as it announced: they hold up no other mail for long."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dialogue.server import body, opened, ref, scripted

from mailwicket.errors import TransientError
from mailwicket.model import Fetched, Settlement
from mailwicket.sources import _imap_bodies

ALL = "(UID BODY.PEEK[])"

REFUSED = f"""
    C: UID FETCH 3 {ALL}
    S: $ NO The requested message could not be converted
    C: UID FETCH 3 (UID)
    S: * 1 FETCH (UID 3)
    S: $ OK
    C: UID FETCH 3 (UID BODY.PEEK[]<0.*>)
    S: * 1 FETCH (UID 3 BODY[]<0> NIL)
    S: $ NO The requested message could not be converted
    C: UID FETCH 3 (UID)
    S: * 1 FETCH (UID 3)
    S: $ OK
"""


async def test_a_body_that_is_refused_time_and_again_leaves_the_headers(tmp_path: Path) -> None:
    headers = f"C: UID FETCH 3 (UID BODY.PEEK[HEADER]<0.*>)\n{body(3, 'A:', 'BODY[HEADER]')}S: $ OK"
    script = opened(exists=3) + REFUSED
    async with scripted(script, script, script + headers) as server:
        source = server.source(tmp_path)
        for _ in range(2):
            async with source.connect() as mailbox:
                with pytest.raises(TransientError, match="could not be converted"):
                    await mailbox.fetch([ref(3)])
        async with source.connect() as mailbox:
            assert await mailbox.fetch([ref(3)]) == [Fetched(ref(3), b"A:", headers_only=True)]


async def test_a_body_that_was_refused_stays_on_the_server_whoever_settles_it(tmp_path: Path) -> None:
    """The daemon may have been restarted since: what is held is told with the settlement, not remembered."""
    headers = f"C: UID FETCH 3 (UID BODY.PEEK[HEADER]<0.*>)\n{body(3, 'A:', 'BODY[HEADER]')}S: $ OK"
    settling = opened(exists=3) + "C: UID STORE 3 +FLAGS.SILENT (\\Seen)\nS: $ OK"
    refused = opened(exists=3) + REFUSED
    async with scripted(refused, refused, refused + headers, settling) as server:
        source = server.source(tmp_path, after="delete")
        for _ in range(2):
            async with source.connect() as mailbox:
                with pytest.raises(TransientError):
                    await mailbox.fetch([ref(3)])
        async with source.connect() as mailbox:
            held = await mailbox.fetch([ref(3)])
        async with server.source(tmp_path, after="delete").connect() as mailbox:
            await mailbox.settle([Settlement(one.ref, headers_only=one.headers_only) for one in held])
    assert not any("Deleted" in line or "EXPUNGE" in line for line in server.lines)


async def test_a_body_that_is_refused_for_now_never_costs_the_mail(tmp_path: Path) -> None:
    script = opened(exists=3) + REFUSED.replace("NO The", "NO [UNAVAILABLE] The").rpartition("C:")[0]
    async with scripted(script) as server:
        source = server.source(tmp_path)
        for _ in range(5):
            async with source.connect() as mailbox:
                with pytest.raises(TransientError, match="UNAVAILABLE"):
                    await mailbox.fetch([ref(3)])


HUGE = 3 << 20
OVERWHELMED = opened(exists=3) + f"C: UID FETCH 3:4 {ALL}\nS: * 1 FETCH (UID 3 BODY[] {{{HUGE}}}\n"


async def test_a_mail_far_over_its_announced_size_does_not_stop_those_behind_it(tmp_path: Path) -> None:
    again = (
        opened(exists=3)
        + f"""
        C: UID FETCH 3 (UID BODY.PEEK[]<0.*>)
        {body(3, "x" * _imap_bodies.SLICE_BYTES, "BODY[]<0>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[]<1048576.*>)
        {body(3, "x" * 10, "BODY[]<1048576>")}
        S: $ OK
        C: UID FETCH 3 (UID BODY.PEEK[HEADER]<0.*>)
        {body(3, "A:", "BODY[HEADER]<0>")}
        S: $ OK
        C: UID FETCH 4 (UID BODY.PEEK[]<0.*>)
        {body(4, "four!", "BODY[]<0>")}
        S: $ OK
    """
    )
    async with scripted(OVERWHELMED, again) as server:
        source = server.source(tmp_path, max_mail_bytes=1 << 20)
        async with source.connect() as mailbox:
            with pytest.raises(TransientError, match="a literal of 3145728 bytes"):
                await mailbox.fetch([ref(3), ref(4)])
        async with source.connect() as mailbox:
            found = await mailbox.fetch([ref(3), ref(4)])
    assert found == [Fetched(ref(3), b"A:", headers_only=True), Fetched(ref(4), b"four!")]


async def test_a_server_that_ignores_slices_gives_the_headers_in_the_end(tmp_path: Path) -> None:
    ignoring = opened(exists=3) + f"C: UID FETCH 3 (UID BODY.PEEK[]<0.*>)\nS: * 1 FETCH (UID 3 BODY[]<0> {{{HUGE}}}\n"
    headers = f"C: UID FETCH 3 (UID BODY.PEEK[HEADER]<0.*>)\n{body(3, 'A:', 'BODY[HEADER]')}S: $ OK"
    async with scripted(ignoring, ignoring, ignoring, opened(exists=3) + headers) as server:
        source = server.source(tmp_path)
        for _ in range(3):
            async with source.connect() as mailbox:
                with pytest.raises(TransientError, match="a literal of 3145728 bytes"):
                    await mailbox.fetch([ref(3, 9 << 20)])
        async with source.connect() as mailbox:
            assert await mailbox.fetch([ref(3, 9 << 20)]) == [Fetched(ref(3, 9 << 20), b"A:", headers_only=True)]


async def test_a_session_that_the_server_ends_is_nobodys_size(tmp_path: Path) -> None:
    """A restart of the server in the middle of a batch must not cost a body."""
    script = opened(exists=3) + f"C: UID FETCH 3 {ALL}\nS: * BYE restarting\nX: close"
    again = opened(exists=3) + f"C: UID FETCH 3 {ALL}\n{body(3, 'three')}S: $ OK"
    async with scripted(*[script] * 4, again) as server:
        source = server.source(tmp_path)
        for _ in range(4):
            async with source.connect() as mailbox:
                with pytest.raises(TransientError, match="restarting"):
                    await mailbox.fetch([ref(3)])
        async with source.connect() as mailbox:
            assert await mailbox.fetch([ref(3)]) == [Fetched(ref(3), b"three")]
