"""Descriptors that run out: connections stop before the store does."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator

import pytest

from mailwicket.errors import TransientError
from mailwicket.net import descriptors
from mailwicket.net.descriptors import TooManyFilesError
from mailwicket.net.dial import dial
from mailwicket.net.imap.client import Deadlines, ImapClient

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
    client = ImapClient("127.0.0.1", 143, Deadlines())
    with pytest.raises(TransientError) as told:
        client.check_room()
    assert str(told.value) == f"127.0.0.1:143 is not reachable: {WORDS.format(few)}"
    assert told.value.reason == "too_many_files"


async def test_no_socket_is_left_open_where_none_may_be_had(few: int) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(TooManyFilesError, match="LimitNOFILE"):
        await dial("127.0.0.1", 9, 5)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    descriptors.check(few - 25)
