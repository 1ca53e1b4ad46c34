"""Descriptors that run out: connections stop before the store does."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest

from mailwicket.config.secret import Secret
from mailwicket.errors import TransientError
from mailwicket.net import descriptors
from mailwicket.net.deadlines import Deadlines
from mailwicket.net.descriptors import TooManyFilesError
from mailwicket.net.dial import dial
from mailwicket.net.imap.client import ImapClient
from mailwicket.net.line import check_room
from mailwicket.service.supervisor import Keeper
from mailwicket.service.units import Unit, UnitState
from mailwicket.web.accepting import ShortageHandler

WORDS = (
    "too many open files: of {0} that the system allows, the last 24 are not for connections; raise LimitNOFILE "
    "(systemd) or ulimit -n, at run time with prlimit --nofile"
)


@pytest.fixture
def few() -> Iterator[int]:
    """A limit under which the next descriptor is one of those kept back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open(os.devnull, os.O_RDONLY)
    limit = max(probe + 20, 72)
    taken = [probe]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    while taken[-1] < limit - 24 - 1:
        taken.append(os.dup(probe))
    yield limit
    for fd in taken:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("number", "limit", "is_for_us"), [(999, 1024, True), (1000, 1024, False), (42, 64, True)])
def test_the_last_descriptors_are_not_for_connections(
    number: int, limit: int, monkeypatch: pytest.MonkeyPatch, *, is_for_us: bool
) -> None:
    monkeypatch.setattr(descriptors, "limit_now", lambda: limit)
    if is_for_us:
        descriptors.check(number)
        return
    with pytest.raises(TooManyFilesError) as told:
        descriptors.check(number)
    assert told.value.errno == errno.EMFILE


async def test_who_connects_is_told_what_to_raise_before_anything_is_spent(few: int) -> None:
    with pytest.raises(TransientError) as told:
        check_room("127.0.0.1:143")
    assert str(told.value) == f"127.0.0.1:143 is not reachable: {WORDS.format(few)}"
    assert told.value.reason == "too_many_files"


async def test_a_certificate_is_not_refused_for_good_where_no_file_could_be_opened(few: int) -> None:
    client = ImapClient("imap.example.org", 993, Deadlines())
    refused = ssl.SSLCertVerificationError(1, "unable to get local issuer certificate")
    refused.verify_message = "unable to get local issuer certificate"
    with pytest.raises(TransientError, match="for want of descriptors") as told, client._line.trouble("begin TLS"):
        raise refused
    assert told.value.reason == "too_many_files"


async def test_no_socket_is_left_open_where_none_may_be_had(few: int) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(TooManyFilesError, match="LimitNOFILE"):
        await dial("127.0.0.1", 9, 5)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    descriptors.check(few - 25)


async def test_a_secret_that_no_descriptor_is_left_for_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text("only-for-tests")
    secret = Secret({"file": str(path)})
    assert secret.reveal() == "only-for-tests"

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(TransientError, match="Too many open files") as told:
        secret.reveal()
    assert told.value.reason == "too_many_files"
    assert not secret.is_stale()


async def test_whoever_fails_first_for_want_of_descriptors_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    unit = Unit("incoming/box", "imap.example.org:993")

    class Work:
        async def run(self) -> None:
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE), "/etc/ssl/certs")

        def wake(self) -> bool:
            return False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Keeper(unit, Work()).keep)
        with anyio.fail_after(5):
            while unit.state is not UnitState.WAITING:  # noqa: ASYNC110 - a unit has no event for it
                await anyio.sleep(0.001)
        assert unit.reason == "too_many_files"
        tasks.cancel_scope.cancel()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Too many open files in system" in record.getMessage()
    assert "raise LimitNOFILE" in record.getMessage()


async def test_a_listening_socket_without_descriptors_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    handler = ShortageHandler()
    for _ in range(128):
        handler(
            loop, {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "Too many")}
        )
    assert [(one.name, one.levelname) for one in caplog.records] == [("mailwicket.web.accepting", "ERROR")]
    handler(loop, {"message": "another", "exception": OSError(errno.EPERM, "No")})
    assert caplog.records[-1].name == "asyncio"
