"""The way through a proxy: to the right place, with nothing of what the server says first lost, and never for ever."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator
from typing import Literal

import anyio
import pytest
from tests.lab.processes import silent_port
from tests.lab.proxies import ProxyDouble, proxy_double

from mailwicket.config.proxy import Proxy, Via
from mailwicket.config.secret import Secret
from mailwicket.errors import BlockedError
from mailwicket.net import names
from mailwicket.net.connect import request
from mailwicket.net.proxy import ProxyRefusedError, ProxyUnreachableError, Way, dial_by, way_of

Kind = Literal["socks5", "socks5h", "http"]
KINDS: tuple[Kind, ...] = ("socks5", "socks5h", "http")
GREETING = b"+OK the server speaks first\r\n"


@pytest.fixture
async def target() -> AsyncIterator[int]:
    """A server that speaks first."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.read(100)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.sleep(0.01)


def way(double: ProxyDouble, kind: Kind, user: str | None = None, password: str | None = None) -> Way:
    return Way("office", kind, "127.0.0.1", double.port, user, password)


def kind_of_double(kind: Kind) -> str:
    return "http" if kind == "http" else "socks5"


async def heard(sock: socket.socket) -> bytes:
    with sock, anyio.fail_after(2):
        content = b""
        while not content.endswith(b"\r\n"):
            content += await asyncio.get_running_loop().sock_recv(sock, 1000)
        return content


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("manner", ["plain", "splits", "hurries"])
async def test_not_a_byte_of_the_server_is_lost(kind: Kind, manner: str, target: int) -> None:
    async with proxy_double(kind_of_double(kind), splits=manner == "splits", hurries=manner == "hurries") as double:
        sock = await dial_by(way(double, kind), "127.0.0.1", target, 3)
        assert sock.gettimeout() == 0
        assert await heard(sock) == GREETING
    assert double.asked == [f"127.0.0.1:{target}"]


@pytest.mark.parametrize("kind", ["socks5h", "http"])
async def test_a_name_is_looked_up_at_the_proxy(kind: Kind, target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(names, "SYSTEM", names.Names(lambda host: looked_up.append(host) or []))
    async with proxy_double(kind_of_double(kind), names={"pop.example.org": "127.0.0.1"}) as double:
        assert await heard(await dial_by(way(double, kind), "pop.example.org", target, 3)) == GREETING
    assert double.asked == [f"pop.example.org:{target}"]
    assert looked_up == []


async def test_with_plain_socks5_it_is_looked_up_here_and_its_addresses_are_tried_in_turn(
    target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(names, "SYSTEM", names.Names(lambda _: places))
    async with proxy_double("socks5", refuses=5) as double:
        with pytest.raises(ProxyRefusedError):
            await dial_by(way(double, "socks5"), "pop.example.org", target, 3)
        assert double.asked == [f"::1:{target}", f"127.0.0.1:{target}"]


@pytest.mark.parametrize("kind", KINDS)
async def test_user_and_password_are_said(kind: Kind, target: int) -> None:
    async with proxy_double(kind_of_double(kind), user="mailwicket", password="canary-4711") as double:
        sock = await dial_by(way(double, kind, "mailwicket", "canary-4711"), "127.0.0.1", target, 3)
        assert await heard(sock) == GREETING


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("said", [(None, None), ("mailwicket", "wrong-canary")])
async def test_wrong_ones_are_told_as_such_and_not_repeated(
    kind: Kind, said: tuple[str | None, str | None], target: int
) -> None:
    async with proxy_double(kind_of_double(kind), user="mailwicket", password="canary-4711") as double:
        with pytest.raises(ProxyRefusedError) as caught:
            await dial_by(way(double, kind, *said), "127.0.0.1", target, 3)
    assert caught.value.credentials
    assert "canary" not in str(caught.value)
    assert f"proxy.office (127.0.0.1:{double.port}) does not lead to 127.0.0.1:{target}" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("socks5h", 2, "not allowed by ruleset"),
        ("socks5h", 5, "Connection refused"),
        ("socks5h", 99, "reply code"),
        ("http", 403, "403 No"),
        ("http", 502, "502 No"),
        ("http", 302, "302 No"),
    ],
)
async def test_a_proxy_that_refuses_is_quoted(kind: Kind, code: int, words: str) -> None:
    async with proxy_double(kind_of_double(kind), refuses=code) as double:
        with pytest.raises(ProxyRefusedError, match=words) as caught:
            await dial_by(way(double, kind), "pop.example.org", 995, 3)
    assert not caught.value.credentials
    assert "proxy.office" in str(caught.value)
    assert "pop.example.org:995" in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        b"220 smtp ready\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 2000 no\r\n\r\n",
        b"HTTP/2 200 no\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000,
        b"x" * 20_000,
    ],
)
async def test_an_answer_that_is_no_http_or_has_no_end_leads_nowhere(reply: bytes) -> None:
    async with proxy_double("http", raw_reply=reply) as double:
        with pytest.raises(ProxyRefusedError):
            await dial_by(way(double, "http"), "pop.example.org", 995, 3)


async def test_an_interim_answer_is_passed_over() -> None:
    reply = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 \r\n\r\n" + GREETING
    async with proxy_double("http", raw_reply=reply) as double:
        assert await heard(await dial_by(way(double, "http"), "pop.example.org", 995, 3)) == GREETING


def test_an_address_of_ipv6_stands_in_brackets_and_a_name_in_its_wire_form() -> None:
    assert request("::1", 995, None, None).startswith(b"CONNECT [::1]:995 HTTP/1.1\r\nHost: [::1]:995\r\n")
    assert b"CONNECT xn--bcher-kva.example:995 HTTP" in request("bücher.example", 995, None, None)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_name_that_dns_cannot_hold_leads_nowhere(kind: Kind) -> None:
    async with proxy_double(kind_of_double(kind)) as double:
        with pytest.raises(OSError, match=r"DNS|Name"):
            await dial_by(way(double, kind), f"{'x' * 80}.example", 995, 3)


# --- trouble on the way to it


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_is_away_is_named(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ProxyUnreachableError, match=rf"proxy.office \(127.0.0.1:{port}\) is not reachable: Conn"):
        await dial_by(Way("office", kind, "127.0.0.1", port), "pop.example.org", 995, 3)


async def test_a_proxy_that_answers_no_attempt_is_named() -> None:
    with silent_port() as port, pytest.raises(TimeoutError, match=r"proxy.office \(.*does not answer"):
        await dial_by(Way("office", "http", "127.0.0.1", port), "pop.example.org", 995, 0.3)


HOLES = [("socks5", "greeting"), ("socks5", "auth"), ("socks5", "request"), ("http", "request")]


@pytest.mark.parametrize(("kind", "at"), HOLES)
async def test_a_black_hole_at_any_step_ends_in_time_and_says_where(kind: Kind, at: str) -> None:
    async with proxy_double(kind, hangs_at=at, user="u" * (at == "auth"), password="p") as double:
        begun = time.perf_counter()
        with pytest.raises(TimeoutError, match=r"proxy.office .* did not lead to 127.0.0.1:995 in time"):
            await dial_by(way(double, kind, "u", "p"), "127.0.0.1", 995, 0.3)
        assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(("kind", "at"), HOLES)
async def test_a_stop_at_any_step_is_at_once_and_leaves_no_socket(kind: Kind, at: str) -> None:
    async with proxy_double(kind, hangs_at=at, user="u" * (at == "auth"), password="p") as double:
        with anyio.move_on_after(0.1) as scope:
            begun = time.perf_counter()
            await dial_by(way(double, kind, "u", "p"), "127.0.0.1", 995, 60)
        assert scope.cancelled_caught
        assert time.perf_counter() - begun < 1
    gc.collect()  # a socket that was left open would warn, and a warning is an error


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_hangs_up_is_told(kind: Kind, target: int) -> None:
    async with proxy_double(kind_of_double(kind)) as double:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(ProxyRefusedError, match=r"proxy\.office"):  # the double cannot connect, and hangs up
            await dial_by(way(double, kind), "127.0.0.1", port, 3)


async def test_without_a_proxy_it_goes_straight(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await heard(await dial_by(None, "127.0.0.1", target, 3)) == GREETING


# --- from the configuration


class Table:
    def __init__(self, proxy: Proxy | None, name: str | None = "office") -> None:
        self.proxy = name
        self.via = None if proxy is None else Via("office", proxy)


async def test_the_way_is_what_the_table_says_and_hides_the_password() -> None:
    proxy = Proxy.model_validate({"url": "socks5h://[::1]:1080", "username": "u", "password": "canary-4711"})
    found = await way_of(Table(proxy))
    assert found == Way("office", "socks5h", "::1", 1080, "u", "canary-4711")
    assert "canary" not in repr(found)
    assert "canary" not in repr(proxy)
    assert await way_of(Table(None, None)) is None


async def test_nothing_goes_straight_that_was_to_go_by_a_proxy() -> None:
    with pytest.raises(BlockedError, match=r"proxy\.office"):
        await way_of(Table(None))


@pytest.mark.parametrize(("username", "password"), [("u:v", "x"), ("u", "x" * 256), ("u" * 256, "x"), ("u", "")])
async def test_what_cannot_be_said_to_a_proxy_blocks(
    username: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", password)
    proxy = Proxy(url="http://127.0.0.1:3128", username=username, password=Secret({"env": "PROXY_PASSWORD"}))
    with pytest.raises(BlockedError):
        await way_of(Table(proxy))
