"""What systemd is told, over real sockets of its kind."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from mailwicket.redact import REDACTOR
from mailwicket.service import notify
from mailwicket.service.notify import STATUS_BYTES, UNSENT_MAX, Notifier

Made = Callable[..., Notifier]


@pytest.fixture
def notifiers() -> Iterator[Made]:
    """Make notifiers: `notifiers(name, VARIABLE=value)`."""
    made: list[Notifier] = []

    def make(name: str, **environ: str) -> Notifier:
        made.append(Notifier({"NOTIFY_SOCKET": name, **environ}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The socket as NOTIFY_SOCKET names it, and the end that systemd reads."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@mailwicket-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        server.settimeout(5)
        yield name, server


@pytest.fixture
def by_path(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name)
        server.settimeout(5)
        yield name, server


def told(server: socket.socket) -> dict[str, str]:
    """The next datagram, variable by variable."""
    return dict(line.split("=", 1) for line in server.recv(4096).decode().split("\n"))


def everything(server: socket.socket) -> list[dict[str, str]]:
    """What lies there now."""
    server.settimeout(0)
    found = []
    while True:
        try:
            found.append(told(server))
        except BlockingIOError:
            server.settimeout(5)
            return found


def choke(name: str) -> int:
    """Fill the queue of the socket *name*, by several senders: each has a limit, too; return with how many."""
    sent = 0
    for _ in range(1000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.settimeout(0)
            before = sent
            with suppress(BlockingIOError):
                while True:
                    other.sendto(b"FILLER=1", name)
                    sent += 1
        if sent == before:
            return sent
    raise AssertionError("it is never full")


def test_ready_is_told_with_a_status(notifiers: Made, systemd: tuple[str, socket.socket]) -> None:
    name, server = systemd
    notifiers(name).ready("3 of 3 units run")
    assert told(server) == {"READY": "1", "STATUS": "3 of 3 units run"}


def test_a_reload_is_told_with_its_time_and_ended_by_ready(notifiers: Made, systemd: tuple[str, socket.socket]) -> None:
    name, server = systemd
    notifier = notifiers(name)
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    after = time.monotonic_ns() // 1000
    notifier.ready("conf.d is refused: x")
    begun, ended = told(server), told(server)
    assert begun.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert begun["RELOADING"] == "1"
    assert before <= int(begun["MONOTONIC_USEC"]) <= after
    assert ended == {"READY": "1", "STATUS": "conf.d is refused: x"}


def test_a_stop_is_told_with_how_long_it_may_take(notifiers: Made, systemd: tuple[str, socket.socket]) -> None:
    name, server = systemd
    notifiers(name).stopping(15)
    assert told(server) == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "15000000", "STATUS": "stopping"}


def test_more_time_can_be_asked_for(notifiers: Made, by_path: tuple[str, socket.socket]) -> None:
    name, server = by_path
    notifiers(name).extend_timeout(0.5)
    assert told(server) == {"EXTEND_TIMEOUT_USEC": "500000"}


def test_a_status_is_told_where_it_differs_from_the_last(notifiers: Made, by_path: tuple[str, socket.socket]) -> None:
    name, server = by_path
    notifier = notifiers(name)
    for text in ("a", "a", "b", "b", "a"):
        notifier.status(text)
    assert everything(server) == [{"STATUS": "a"}, {"STATUS": "b"}, {"STATUS": "a"}]


def test_a_status_is_one_printable_line_within_a_datagram_and_without_secrets(
    notifiers: Made,
    by_path: tuple[str, socket.socket],
) -> None:
    name, server = by_path
    notifier = notifiers(name)
    notifier.status("refused\nMAINPID=1\x1b[2J")
    assert told(server) == {"STATUS": "refused MAINPID=1\\x1b[2J"}
    REDACTOR.learn("canary-of-the-status-line")
    notifier.status("the server said canary-of-the-status-line")
    assert told(server) == {"STATUS": "the server said [redacted]"}
    notifier.status("€" * 4096)
    assert told(server) == {"STATUS": "€" * (STATUS_BYTES // 3)}


# --- the watchdog


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "4711"}, 30),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
        ({"WATCHDOG_USEC": "9" * 20}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_PID": "4711"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_counts_where_it_is_ours(environ: dict[str, str], watchdog_s: float | None) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/run/nobody", **environ}, pid=4711)
    assert notifier.watchdog_s == watchdog_s


def test_without_a_socket_there_is_no_watchdog() -> None:
    assert Notifier({"WATCHDOG_USEC": "60000000"}).watchdog_s is None


async def test_signs_of_life_come_twice_within_the_limit_as_long_as_the_loop_turns(
    notifiers: Made,
    by_path: tuple[str, socket.socket],
) -> None:
    name, server = by_path
    limit_s = 1.2  # a busy machine is late by a third of a second
    notifier = notifiers(name, WATCHDOG_USEC=str(round(limit_s * 1e6)))
    came: list[float] = []

    async def note() -> None:
        while True:
            came.extend(time.monotonic() for one in everything(server) if one == {"WATCHDOG": "1"})
            await anyio.sleep(0.01)

    with anyio.move_on_after(4):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(note)
            tasks.start_soon(notifier.keep_alive)
    gaps = [later - earlier for earlier, later in pairwise(came)]
    assert len(came) >= 4 / limit_s
    assert max(gaps) < limit_s, "a sign of life comes within what systemd waits"


async def test_no_sign_of_life_comes_while_the_loop_stands_still(
    notifiers: Made, by_path: tuple[str, socket.socket]
) -> None:
    name, server = by_path
    notifier = notifiers(name, WATCHDOG_USEC="200000")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.keep_alive)
        await anyio.sleep(0.15)
        assert everything(server)
        time.sleep(0.5)  # noqa: ASYNC251 - it is to stand still
        assert everything(server) == []
        tasks.cancel_scope.cancel()


async def test_the_status_is_kept_up_to_date(
    notifiers: Made, by_path: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, server = by_path
    monkeypatch.setattr(notify, "BEAT_S", 0.01)
    notifier = notifiers(name)
    lines = iter(["one", "one", "two"])
    with anyio.move_on_after(0.3):
        await notifier.keep_alive(lambda: next(lines, "two"))
    assert everything(server) == [{"STATUS": "one"}, {"STATUS": "two"}]


async def test_keeping_alive_ends_at_once_where_nobody_listens() -> None:
    with anyio.fail_after(1):
        await Notifier({}).keep_alive(lambda: "x")


# --- sockets that do not take it


def test_a_full_socket_holds_nobody_up_and_is_told_in_order_when_there_is_room(
    notifiers: Made, by_path: tuple[str, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    name, server = by_path
    caplog.set_level(logging.INFO)
    fillers = choke(name)
    notifier = notifiers(name)
    begun = time.monotonic()
    notifier.reloading()
    notifier.status("lost")
    notifier.status("latest")
    notifier.watchdog()
    notifier.ready("well")
    assert time.monotonic() - begun < 1
    assert everything(server) == [{"FILLER": "1"}] * fillers
    notifier.watchdog()
    kept = everything(server)
    assert [next(iter(one)) for one in kept] == ["RELOADING", "STATUS", "READY", "WATCHDOG"]
    assert kept[1] == {"STATUS": "latest"}
    assert [one.message.partition(" (")[0] for one in caplog.records] == [
        "systemd does not listen",
        "systemd listens again",
    ]


def test_a_socket_that_vanished_harms_nothing_and_one_that_comes_back_is_told(notifiers: Made, tmp_path: Path) -> None:
    name = tmp_path / "notify"
    notifier = notifiers(str(name))
    notifier.ready("before anybody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(name))
        notifier.status("now")
        assert everything(server) == [{"READY": "1", "STATUS": "before anybody listens"}, {"STATUS": "now"}]
    name.unlink()
    notifier.status("nobody")
    notifier.watchdog()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(name))
        notifier.status("somebody")
        assert everything(server) == [{"STATUS": "somebody"}], "who asks later wants the latest"


def test_what_nobody_takes_is_not_kept_for_ever(notifiers: Made, tmp_path: Path) -> None:
    name = tmp_path / "notify"
    notifier = notifiers(str(name))
    for number in range(UNSENT_MAX + 5):
        notifier.ready(str(number))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(name))
        told_late: list[str] = []
        for _ in range(3):  # as many as the queue of a socket holds at a time: net.unix.max_dgram_qlen
            notifier.watchdog()
            told_late += [one["STATUS"] for one in everything(server) if "READY" in one]
    assert told_late == [str(number) for number in range(5, UNSENT_MAX + 5)]


@pytest.mark.parametrize("address", ["vsock:2:1234", "relative/path", "/" + "x" * 200, "@" + "x" * 200])
def test_an_address_that_is_of_no_use_harms_nothing(notifiers: Made, address: str) -> None:
    notifier = notifiers(address, WATCHDOG_USEC="1000000")
    notifier.ready("x")
    notifier.watchdog()
    notifier.stopping(1)


# --- children


def test_children_of_ours_cannot_speak_for_us() -> None:
    """NotifyAccess=main refuses them anyway; a variable that is not there misleads nobody."""
    program = (
        "import os, subprocess, sys; from mailwicket.service.notify import Notifier; Notifier(os.environ); "
        "subprocess.run([sys.executable, '-c', 'import os; print(sorted(os.environ))'], check=True)"
    )
    ours = {"NOTIFY_SOCKET": "@nobody", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | ours, capture_output=True, text=True, check=True, timeout=60
    )
    assert "PATH" in ended.stdout
    assert not any(name in ended.stdout for name in ours)
