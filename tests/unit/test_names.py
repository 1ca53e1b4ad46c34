"""Looking names up: a resolver that is slow, silent or wrong costs few threads and nobody's patience."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import anyio
import pytest
from aiohappyeyeballs import AddrInfoType

from mailwicket.net.names import DOUBTFUL_MAX, THREADS_MAX, Names
from mailwicket.net.resolver import Resolver as AiohttpResolver


def found(*places: str) -> list[AddrInfoType]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 0)) for place in places]


class Resolver:
    """Answers at once, but for names that begin with "hung": those wait until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Sequence[AddrInfoType] | Exception = found("192.0.2.1")
        self.hanging = threading.Event()

    def __call__(self, host: str) -> Sequence[AddrInfoType]:
        self.asked.append(host)
        if host.startswith("hung"):
            assert self.hanging.wait(60)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.hanging.set()


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mailwicket-dns"]


def threads() -> int:
    return len(running())


async def settle() -> None:
    for thread in running():
        await anyio.to_thread.run_sync(thread.join, 5)
    assert threads() == 0


async def test_a_name_becomes_addresses_with_the_port(resolver: Resolver) -> None:
    resolver.answer = [*found("192.0.2.1"), (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 3))]
    got = await Names(resolver).addresses("imap.example.org", 993)
    assert [one[4] for one in got] == [("192.0.2.1", 993), ("2001:db8::1", 993, 0, 3)]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_an_address_is_never_looked_up(resolver: Resolver, address: str) -> None:
    got = await Names(resolver).addresses(address, 143)
    assert got[0][4][:2] == (address, 143)
    assert resolver.asked == []


async def test_a_name_that_many_want_at_once_is_asked_for_once(resolver: Resolver) -> None:
    names = Names(resolver)
    got: list[object] = []

    async def ask() -> None:
        got.append((await names.addresses("hung.example.org", 993))[0][4])

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
        await anyio.sleep(0.02)
        resolver.hanging.set()
    assert got == [("192.0.2.1", 993)] * 20
    assert resolver.asked == ["hung.example.org"]


async def test_every_one_of_those_who_wait_gets_an_error_of_its_own(resolver: Resolver) -> None:
    names = Names(resolver)
    resolver.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    asking = [asyncio.ensure_future(names.addresses("hung.example.org", 1)) for _ in range(2)]
    await anyio.sleep(0.02)
    resolver.hanging.set()
    first, second = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, socket.gaierror)
    assert isinstance(second, socket.gaierror)
    assert first is not second
    assert (first.errno, str(second.strerror)) == (socket.EAI_AGAIN, "Temporary failure in name resolution")


async def test_a_hundred_names_that_hang_take_a_bounded_number_of_threads_and_a_cancellation_ends_at_once(
    resolver: Resolver,
) -> None:
    names = Names(resolver)
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(names.addresses, f"hung{number}.example.org", 993)
        await anyio.sleep(0.1)
        assert threads() <= THREADS_MAX
        tasks.cancel_scope.cancel()
        begun_at = time.monotonic()
    assert time.monotonic() - begun_at < 0.2
    assert threads() <= THREADS_MAX
    assert len(resolver.asked) == DOUBTFUL_MAX, "what only queued is not asked for any more"
    resolver.hanging.set()
    await settle()
    assert len(resolver.asked) == DOUBTFUL_MAX


async def test_trying_again_and_again_while_a_resolver_hangs_adds_no_thread(resolver: Resolver) -> None:
    names = Names(resolver)
    for _ in range(50):
        with anyio.move_on_after(0.002):
            await names.addresses("hung.example.org", 993)
    assert threads() == 1
    assert resolver.asked == ["hung.example.org"]
    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(names.addresses, "hung.example.org", 993)
            await anyio.sleep(0.02)
            resolver.hanging.set()  # the late answer is for whoever asks then


async def test_names_that_were_quick_before_go_on_while_all_others_hang(resolver: Resolver) -> None:
    names = Names(resolver)
    await names.addresses("well.example.org", 993)
    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(names.addresses, f"hung{number}.example.org", 993)
        await anyio.sleep(0.05)
        with anyio.fail_after(1):
            for _ in range(5):
                assert await names.addresses("well.example.org", 993)
        tasks.cancel_scope.cancel()


async def test_new_names_come_before_those_that_took_long_before(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(resolver)
    slow = [f"hung{number}.example.org" for number in range(2 * DOUBTFUL_MAX)]
    monkeypatch.setattr("mailwicket.net.names.SLOW_S", 0)
    resolver.hanging.set()
    for host in slow:
        await names.addresses(host, 993)
    resolver.hanging.clear()
    resolver.asked.clear()
    async with anyio.create_task_group() as tasks:
        for host in slow:
            tasks.start_soon(names.addresses, host, 993)
        with anyio.fail_after(20):
            while len(resolver.asked) < DOUBTFUL_MAX:  # noqa: ASYNC110 - a thread asks
                await anyio.sleep(0.01)
        tasks.start_soon(names.addresses, "new.example.org", 993)
        await anyio.sleep(0.02)
        assert "new.example.org" not in resolver.asked
        resolver.hanging.set()
    assert resolver.asked[DOUBTFUL_MAX] == "new.example.org"


async def test_a_resolver_that_is_back_answers_at_once_and_its_threads_end(resolver: Resolver) -> None:
    names = Names(resolver)
    resolver.answer = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    for _ in range(3):
        with pytest.raises(socket.gaierror):
            await names.addresses("imap.example.org", 993)
    resolver.answer = found("192.0.2.7")
    assert (await names.addresses("imap.example.org", 993))[0][4] == ("192.0.2.7", 993)
    await settle()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "the name has no address"),
        (UnicodeError("label empty or too long"), "no name that DNS can hold"),
        (ZeroDivisionError("oops"), "ZeroDivisionError in the resolver"),
    ],
)
async def test_an_answer_that_is_none_is_an_error_in_words(
    resolver: Resolver, answer: list[AddrInfoType] | Exception, words: str
) -> None:
    resolver.answer = answer
    with pytest.raises(OSError, match=words):
        await Names(resolver).addresses("imap.example.org", 993)


async def test_a_name_that_dns_cannot_hold_is_told_by_the_system_as_well() -> None:
    with pytest.raises(OSError, match="no name that DNS can hold"):
        await Names().addresses("imap..example.org", 993)


def test_an_answer_for_a_loop_that_is_closed_hurts_nobody(resolver: Resolver) -> None:
    names = Names(resolver)

    async def give_up() -> None:
        with anyio.move_on_after(0.01):
            await names.addresses("hung.example.org", 993)

    asyncio.run(give_up())
    resolver.hanging.set()

    async def ask() -> None:
        assert await names.addresses("hung.example.org", 993)
        await settle()

    asyncio.run(ask())


def test_a_process_ends_although_a_lookup_hangs() -> None:
    import subprocess
    import sys

    program = """
import asyncio, time
from mailwicket.net.names import Names
async def main():
    await asyncio.wait_for(Names(lambda host: time.sleep(60)).addresses("x.example.org", 1), 0.05)
try:
    asyncio.run(main())
except TimeoutError:
    print("left")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20, check=True)
    assert ended.stdout == b"left\n"


async def test_aiohttp_gets_the_same_addresses_and_a_hung_name_is_left_at_once(resolver: Resolver) -> None:
    local = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, 2))
    resolver.answer = [*found("192.0.2.1"), local]
    asking = AiohttpResolver(Names(resolver))
    places = await asking.resolve("mail.example.org", 443)
    assert [(one["host"], one["port"], one["family"]) for one in places] == [
        ("192.0.2.1", 443, socket.AF_INET),
        ("fe80::1%2", 443, socket.AF_INET6),
    ]
    assert [one["host"] for one in await asking.resolve("mail.example.org", 443, socket.AF_INET)] == ["192.0.2.1"]
    assert [one["host"] for one in await asking.resolve("192.0.2.7", 443)] == ["192.0.2.7"]
    assert resolver.asked == ["mail.example.org"] * 2
    with anyio.move_on_after(0.05) as limit:
        await asking.resolve("hung.example.org", 443)
    assert limit.cancelled_caught
