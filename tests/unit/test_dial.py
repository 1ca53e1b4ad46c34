"""A socket to a host: the addresses race, and an error tells what each of them said."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import anyio
import pytest
from aiohappyeyeballs import AddrInfoType
from tests.lab.processes import silent_port

from mailwicket.net.dial import dial, reach, shown
from mailwicket.net.names import Names


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def full() -> Iterator[int]:
    with silent_port() as port:
        yield port


def place(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def test_a_name_is_dialled(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    resolver = Names(lambda _: [place("127.0.0.1", 0)])
    with await dial("imap.example.org", port, 2, resolver) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)
        assert sock.gettimeout() == 0


async def test_an_address_that_is_silent_does_not_hold_up_the_next(listener: socket.socket, full: int) -> None:
    port = listener.getsockname()[1]
    with anyio.fail_after(2):
        with await reach([place("127.0.0.1", full), place("127.0.0.2", full), place("127.0.0.1", port)]) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)


async def test_a_refusal_is_told_in_the_system_s_words() -> None:
    with pytest.raises(ConnectionRefusedError, match=r"\[Errno 111\] Connection refused"):
        await dial("127.0.0.1", closed_port(), 2)


async def test_addresses_that_agree_are_told_as_one() -> None:
    port = closed_port()
    with pytest.raises(ConnectionRefusedError) as caught:
        await reach([place("127.0.0.1", port), place("127.0.0.2", port)])
    assert caught.value.strerror == "Connection refused"


async def test_addresses_that_differ_are_told_with_their_own_words() -> None:
    port = closed_port()
    with pytest.raises(OSError, match=r"127\.0\.0\.1: Connection refused") as caught:
        await reach([place("127.0.0.1", port), place("255.255.255.255", port)])
    told = str(caught.value)
    assert ", 255.255.255.255: " in told
    assert "Errno" not in told
    assert "Connect call failed" not in told


async def test_an_address_of_no_family_of_this_machine_is_told(listener: socket.socket) -> None:
    with pytest.raises(OSError, match="Address family not supported"):
        await reach([(socket.AF_APPLETALK, socket.SOCK_STREAM, 0, "", ("nowhere", 1))])


async def test_a_machine_that_never_answers_is_left_in_time_and_its_address_named(full: int) -> None:
    with pytest.raises(TimeoutError, match=r"nobody answers at 127\.0\.0\.1"):
        await dial("127.0.0.1", full, 0.05)


async def test_a_name_that_is_never_found_is_told_from_an_address_that_is_silent() -> None:
    hanging = threading.Event()

    def hang(_: str) -> list[AddrInfoType]:
        hanging.wait(30)
        return []

    resolver = Names(hang)
    with pytest.raises(TimeoutError, match="its name was not looked up in time"):
        await dial("imap.example.org", 993, 0.05, resolver)
    hanging.set()


def test_a_crowd_of_addresses_is_cut() -> None:
    crowd = [place(f"192.0.2.{number}", 1) for number in range(1, 31)]
    assert shown(crowd) == "192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 and 26 more"
