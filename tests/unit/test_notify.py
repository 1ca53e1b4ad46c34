"""What systemd is told, over real sockets; and that it may be gone, full or absent without harm."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from mailwicket.redact import REDACTOR
from mailwicket.service import notify
from mailwicket.service.notify import STATUS_BYTES, Notifier

NUMBERS = itertools.count(1)


class Systemd:
    """The other end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(0)

    def told(self) -> list[str]:
        """Every datagram that came, in order."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    abstract = f"@mailwicket-test-{os.getpid()}-{next(NUMBERS)}"
    other_end = Systemd(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    with closing(other_end.socket):
        yield other_end


MADE: list[Notifier] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()


def notifier(address: str, **environ: str) -> Notifier:
    MADE.append(Notifier({"NOTIFY_SOCKET": address, **environ}, pid=4711))
    return MADE[-1]


def test_a_start_a_reload_and_a_stop_are_told_in_the_words_of_sd_notify(systemd: Systemd) -> None:
    ours = notifier(systemd.address)
    ours.ready("units: 3 running")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ours.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ours.ready("units: 4 running")
    ours.extend_timeout(90)
    ours.watchdog()
    ours.stopping(15)
    told = systemd.told()
    reloading = told.pop(1).split("\nMONOTONIC_USEC=")
    assert reloading[0] == "RELOADING=1"
    assert before <= int(reloading[1]) <= after
    assert told == [
        "READY=1\nSTATUS=units: 3 running",
        "READY=1\nSTATUS=units: 4 running",
        "EXTEND_TIMEOUT_USEC=90000000",
        "WATCHDOG=1",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=stopping",
    ]


def test_a_status_is_told_when_it_changes(systemd: Systemd) -> None:
    ours = notifier(systemd.address)
    for text in ("one", "one", "two", "one"):
        ours.status(text)
    assert systemd.told() == ["STATUS=one", "STATUS=two", "STATUS=one"]


def test_a_status_gives_systemd_no_orders_and_no_secrets_and_fits_into_its_datagram(systemd: Systemd) -> None:
    REDACTOR.learn("canary-of-notify-4711")
    ours = notifier(systemd.address)
    ours.status("refused\r\nSTOPPING=1\u2028MAINPID=1\0\x1b[2J \ud800 canary-of-notify-4711")
    ours.status("€" * 2000)
    first, second = systemd.told()
    assert first == "STATUS=refused STOPPING=1 MAINPID=1\\x00\\x1b[2J \\ud800 [redacted]"
    assert second == "STATUS=" + "€" * (STATUS_BYTES // 3)


def test_without_systemd_nothing_is_told_and_nothing_waits() -> None:
    ours = Notifier({"WATCHDOG_USEC": "1000000"})
    assert ours.watchdog_s is None
    ours.ready("well")
    ours.reloading()
    ours.watchdog()
    ours.stopping(10)
    assert ours._socket is None
    begun = time.monotonic()
    anyio.run(ours.keep_alive)
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("address", ["vsock:2:1234", "relative", "/" + "x" * 200])
def test_an_address_that_leads_nowhere_is_a_warning_and_no_more(address: str, caplog: pytest.LogCaptureFixture) -> None:
    ours = notifier(address)
    ours.ready("well")
    ours.ready("well")
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


def test_children_do_not_inherit_the_way_to_systemd(systemd: Systemd) -> None:
    program = (
        "import os, subprocess, sys; from mailwicket.service.notify import Notifier; n = Notifier(os.environ); "
        "n.ready(repr(n.watchdog_s)); sys.exit(subprocess.run(['env'], stdout=1).returncode)"
    )
    ours = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": ""}
    child = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **ours}, capture_output=True, check=True, timeout=60
    )
    assert systemd.told() == ["READY=1\nSTATUS=1.5"]
    assert b"PATH=" in child.stdout
    assert [name for name in ours if name.encode() in child.stdout] == []


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "4711"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "4712"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
    ],
)
def test_signs_of_life_are_due_at_half_of_the_limit_if_it_is_ours(
    systemd: Systemd, environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert notifier(systemd.address, **environ).watchdog_s == watchdog_s


async def test_the_event_loop_gives_signs_of_life_in_time_and_tells_what_changed(systemd: Systemd) -> None:
    limit_s = 0.4
    ours = notifier(systemd.address, WATCHDOG_USEC=str(round(limit_s * 1e6)))
    words = iter(["one", "one", "two"])
    arrivals: list[float] = []
    statuses: list[str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ours.keep_alive, lambda: next(words, "two"))
        end = time.monotonic() + 5 * limit_s
        while time.monotonic() < end:
            for message in systemd.told():
                arrivals += [time.monotonic()] if message == "WATCHDOG=1" else []
                statuses += [message] if message != "WATCHDOG=1" else []
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert statuses == ["STATUS=one", "STATUS=two"]
    assert len(arrivals) > 5
    assert max(later - earlier for earlier, later in itertools.pairwise(arrivals)) < limit_s


async def test_a_loop_that_is_held_up_gives_no_sign_of_life(systemd: Systemd) -> None:
    ours = notifier(systemd.address, WATCHDOG_USEC="200000")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ours.keep_alive)
        await anyio.sleep(0.05)
        assert systemd.told() == ["WATCHDOG=1"]
        time.sleep(0.5)  # noqa: ASYNC251 - this is what is tested
        assert systemd.told() == []
        tasks.cancel_scope.cancel()


def takes(others: socket.socket, systemd: Systemd) -> bool:
    try:
        return bool(others.sendto(b"X", systemd.socket.getsockname()))
    except BlockingIOError:
        return False


async def test_a_full_socket_holds_nobody_up_and_what_counts_is_told_later_in_order(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(notify, "BEAT_S", 0.05)
    ours = notifier(systemd.address, WATCHDOG_USEC="100000000")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as others:
        others.settimeout(0)
        filled = 0
        while takes(others, systemd):
            filled += 1
    begun = time.monotonic()
    ours.ready("first")
    for number in range(1000):
        ours.status(f"number {number}")
        ours.watchdog()
    ours.stopping(5)
    assert time.monotonic() - begun < 2
    assert systemd.told() == ["X"] * filled
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ours.keep_alive)
        await anyio.sleep(0.3)
        tasks.cancel_scope.cancel()
    told = [one for one in systemd.told() if one != "WATCHDOG=1"]
    assert told == [
        "READY=1\nSTATUS=first",
        "STATUS=number 999",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000\nSTATUS=stopping",
    ]
    assert [(one.levelname, one.getMessage().partition(" (")[0]) for one in caplog.records] == [
        ("WARNING", "systemd does not listen"),
        ("INFO", "systemd listens again"),
    ]


def test_a_systemd_that_starts_anew_is_told_again(tmp_path: Path) -> None:
    first = Systemd(str(tmp_path / "notify"))
    ours = notifier(first.address)
    ours.ready("well")
    assert first.told() == ["READY=1\nSTATUS=well"]
    first.socket.close()
    ours.status("nobody listens")
    (tmp_path / "notify").unlink()
    ours.status("nobody is there")
    ours.watchdog()
    second = Systemd(str(tmp_path / "notify"))
    with closing(second.socket):
        ours.watchdog()
        assert second.told() == ["STATUS=nobody is there", "WATCHDOG=1"]


def test_what_nobody_takes_is_bounded(tmp_path: Path) -> None:
    ours = notifier(str(tmp_path / "nobody"))
    for _ in range(1000):
        ours.reloading()
        ours.ready("well")
    assert len(ours._unsent) == notify.UNSENT_MAX
