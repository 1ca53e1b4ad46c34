"""What every sender promises, whatever its server speaks."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from tests.contract.senders import HARNESSES, PASSWORD, REFUSED, USER, Bench

from mailwicket.errors import BlockedError, TransientError
from mailwicket.outgoing import Envelope
from mailwicket.ports import Rests
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.stages import ProvesConnection

INSTALLED = sorted(entry_points(group="mailwicket.senders"), key=lambda point: point.name)
KINDS = list({point.value: point for point in reversed(INSTALLED)}.values())
"""Without further names of the same."""
TO_ADA = Envelope(USER, ("ada@example.com",))


def mail(number: int, body: bytes = b"Hello.\r\n") -> bytes:
    return b"From: desk@example.org\r\nTo: ada@example.com\r\nSubject: mail %d\r\n\r\n" % number + body


@pytest.fixture(params=KINDS, ids=lambda point: point.name)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with HARNESSES[request.param.name](tmp_path) as running:
        yield running


async def closed(bench: Bench) -> bool:
    """Whether no connection is left soon."""
    with anyio.move_on_after(5):
        while bench.connections():  # noqa: ASYNC110 - the other end closes it
            await anyio.sleep(0.01)
    return not bench.connections()


@pytest.mark.parametrize("point", INSTALLED, ids=lambda point: point.name)
def test_every_installed_sender_has_a_harness_and_a_config(point: Any) -> None:
    assert point.name in HARNESSES
    assert isinstance(point.load().Config, type)


@pytest.mark.parametrize("point", INSTALLED, ids=lambda point: point.name)
def test_a_config_refuses_unknown_keys_without_showing_their_values(point: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        point.load().Config.model_validate({"pasword": "canary-4711"})
    assert "pasword" in str(caught.value)
    assert "canary-4711" not in str(caught.value)


def test_the_built_in_senders_are_installed() -> None:
    assert {"smtp", "graph", "mapi"} <= {point.name for point in INSTALLED}


async def test_a_mail_reaches_every_recipient_as_it_was_given(bench: Bench) -> None:
    envelope = Envelope(USER, ("ada@example.com", "bob@example.com"))
    odd = [
        mail(1),
        mail(2, b".\r\n..\r\n.x\r\n\r\n.\r\n"),
        mail(3, b"x" * 900 + b"\r\n"),
        mail(4, "Grüße\r\n".encode()),
        mail(5, b""),
        mail(6, b"0123456789abcde\r\n" * min(300_000, bench.words_most // 17)),
    ]
    async with bench.sender().connect() as submission:
        for raw in odd:
            statuses = await submission.submit(envelope, raw)
            assert [one.is_taken for one in statuses.values()] == [True, True]
            assert list(statuses) == list(envelope.forward_paths)
    assert [(one.reverse_path, one.forward_paths) for one in bench.taken] == [
        (USER, list(envelope.forward_paths)) for _ in odd
    ]
    assert [bench.is_same(raw, one.raw) for raw, one in zip(odd, bench.taken, strict=True)] == [True] * len(odd)


async def test_the_null_return_path_is_one(bench: Bench) -> None:
    if not bench.has_envelopes:
        pytest.skip("this kind has no return path but its own")
    async with bench.sender().connect() as submission:
        await submission.submit(Envelope("", ("ada@example.com",)), mail(1))
    assert bench.taken[0].reverse_path == ""


async def test_a_recipient_that_is_refused_is_told_and_keeps_nothing_from_the_others(bench: Bench) -> None:
    if not bench.has_envelopes:
        pytest.skip("this kind tells by a report, later")
    async with bench.sender().connect() as submission:
        statuses = await submission.submit(Envelope(USER, (REFUSED, "ada@example.com")), mail(1))
        alone = await submission.submit(Envelope(USER, (REFUSED,)), mail(2))
        await submission.submit(TO_ADA, mail(3))
    assert statuses[REFUSED].is_permanent
    assert statuses["ada@example.com"].is_taken
    assert alone[REFUSED].is_permanent
    assert [one.raw for one in bench.taken] == [mail(1), mail(3)]


async def test_the_same_mail_again_is_the_same_bytes(bench: Bench) -> None:
    for _ in range(2):
        async with bench.sender().connect() as submission:
            await submission.submit(TO_ADA, mail(1))
    assert bench.taken[0].forward_paths == bench.taken[1].forward_paths
    assert bench.is_same(bench.taken[0].raw, bench.taken[1].raw)


async def test_several_connections_serve_at_once(bench: Bench) -> None:
    sender = bench.sender()

    async def some(first: int) -> None:
        async with sender.connect() as submission:
            for number in range(first, first + 10):
                await submission.submit(TO_ADA, mail(number))

    async with anyio.create_task_group() as tasks:
        for first in (0, 10, 20):
            tasks.start_soon(some, first)
    assert len(bench.taken) == 30
    for number in range(30):
        assert sum(bench.is_same(mail(number), one.raw) for one in bench.taken) == 1
    assert await closed(bench)


async def test_a_connection_is_closed_on_every_exit(bench: Bench) -> None:
    async with bench.sender().connect() as submission:
        await submission.submit(TO_ADA, mail(1))
    assert await closed(bench)
    with pytest.raises(RuntimeError):
        async with bench.sender().connect():
            raise RuntimeError
    assert await closed(bench)
    with anyio.move_on_after(0.5):
        async with bench.sender().connect():
            await anyio.sleep_forever()
    assert await closed(bench)


async def test_a_connection_that_may_rest_says_whether_it_stands(bench: Bench) -> None:
    async with bench.sender().connect() as submission:
        if not isinstance(submission, Rests):
            pytest.skip("this kind has no connection that rests")
        assert await submission.is_alive()


async def test_a_server_that_is_not_there_is_waited_for(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransientError):
        async with bench.sender(port=port).connect():
            pass


async def test_a_refused_login_blocks_and_tells_no_secret(bench: Bench) -> None:
    with pytest.raises(BlockedError) as caught:
        async with bench.sender(password="wrong-canary-4711").connect():
            pass
    assert caught.value.reason == bench.login_reason
    assert "canary" not in str(caught.value)


async def test_a_password_that_is_not_there_blocks(bench: Bench) -> None:
    if bench.login_reason != "login_refused":
        pytest.skip("this kind knows no passwords")
    with pytest.raises(BlockedError) as caught:
        async with bench.sender(password={"file": "/nowhere/secret"}).connect():
            pass
    assert caught.value.reason == "secret_missing"


async def test_a_certificate_of_a_stranger_blocks(bench: Bench) -> None:
    with pytest.raises(BlockedError) as caught:
        async with bench.sender(ca_file=None).connect():
            pass
    assert caught.value.reason == "certificate"


async def test_a_test_takes_every_stage_and_sends_nothing(bench: Bench) -> None:
    sender = bench.sender()
    if not isinstance(sender, ProvesConnection):
        pytest.skip("this kind cannot be tested in stages")
    report = await try_connection(Candidate("outgoing/main", "localhost", sender))
    assert report.ok, report
    assert [stage.name for stage in report.stages] == list(sender.stages)
    assert PASSWORD not in repr(report)
    assert bench.taken == []
    assert await closed(bench)
