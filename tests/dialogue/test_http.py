"""HTTP by a server's own proxy: everything goes through it, nothing beside it, and what fails is told as it is."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import anyio
import pytest
import trustme
from aiohttp import web
from tests.lab.proxies import ProxyDouble, proxy_double

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net import http as net_http
from mailwicket.net.http import Http, read
from mailwicket.net.proxy import Way

Kind = Literal["socks5", "socks5h", "http"]
KINDS: tuple[Kind, ...] = ("socks5", "socks5h", "http")
NAME = "login.example.org"
PASSWORD = "proxy-password-canary"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Endpoint:
    """A server, and what came to it."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[object] = set()
        self.pause_s = 0.0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path, await request.text()))
        self.headers.append(dict(request.headers))
        self.connections.add(request.transport)
        await asyncio.sleep(self.pause_s)
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "/elsewhere"})
        if request.path == "/torn":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=b"x" * 1000 if request.path == "/long" else b"hello")


@asynccontextmanager
async def endpoint(authority: trustme.CA | None, name: str = NAME) -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    tls: ssl.SSLContext | None = None
    if authority is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(tls)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def double(kind: Kind, **traits: Any) -> AbstractAsyncContextManager[ProxyDouble]:
    return proxy_double("http" if kind == "http" else "socks5", names={NAME: "127.0.0.1"}, **traits)


@asynccontextmanager
async def client(tls: ssl.SSLContext, way: Way | None = None, **limits: Any) -> AsyncIterator[Http]:
    made = Http(tls, way, **limits)
    try:
        yield made
    finally:
        await made.close()


def way(proxy: ProxyDouble, kind: Kind, password: str | None = None) -> Way:
    return Way("office", kind, "127.0.0.1", proxy.port, "ada" if password else None, password)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_form_goes_by_the_proxy_alone_and_tls_is_with_the_server(kind: Kind, authority: trustme.CA) -> None:
    host = "127.0.0.1" if kind == "socks5" else NAME
    traits = {"splits": True, "user": "ada", "password": PASSWORD}
    async with endpoint(authority, host) as server, double(kind, **traits) as proxy:
        async with client(trusting(authority), way(proxy, kind, PASSWORD), answer_s=5) as http:
            url = f"https://{host}:{server.port}/token"
            async with http.ask("POST", url, content={"secret": "form canary"}) as response:
                assert (response.status, await read(response, 100)) == (200, b"hello")
        assert server.asked == [("POST", "/token", "secret=form+canary")]
        assert proxy.asked == [f"{host}:{server.port}"]
        assert b"canary" not in proxy.heard, "the proxy sees TLS"


async def test_the_environments_proxies_are_nobodys(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with (
        endpoint(authority, "127.0.0.1") as server,
        client(trusting(authority)) as http,
        http.ask("GET", f"https://127.0.0.1:{server.port}/") as response,
    ):
        assert await read(response, 100) == b"hello"


async def test_a_connection_is_used_again_and_a_url_goes_out_as_it_is_written(authority: trustme.CA) -> None:
    async with (
        endpoint(authority) as server,
        double("http") as proxy,
        client(trusting(authority), way(proxy, "http")) as http,
    ):
        for _ in range(3):
            link = f"https://{NAME}:{server.port}/a%2Fb%3D?$skiptoken=A%2bb~%20c"
            async with http.ask("GET", link, headers={"Prefer": "x"}) as response:
                await read(response, 100)
    assert [path for _, path, _ in server.asked] == ["/a%2Fb%3D?$skiptoken=A%2bb~%20c"] * 3
    assert (len(server.connections), len(proxy.asked)) == (1, 1)
    assert {one["Prefer"] for one in server.headers} == {"x"}
    assert "Cookie" not in server.headers[-1]


async def test_a_redirect_is_handed_back_and_not_followed(authority: trustme.CA) -> None:
    async with (
        endpoint(None) as server,
        client(trusting(authority)) as http,
        http.ask("POST", f"http://127.0.0.1:{server.port}/away") as response,
    ):
        assert response.status == 302
    assert len(server.asked) == 1


async def test_a_body_above_its_limit_is_not_read(authority: trustme.CA) -> None:
    async with endpoint(None) as server, client(trusting(authority)) as http:
        with pytest.raises(TransientError, match=r"answered more than 999 bytes") as caught:
            async with http.ask("GET", f"http://127.0.0.1:{server.port}/long") as response:
                await read(response, 999)
        assert caught.value.reason == "server_said"
        async with http.ask("GET", f"http://127.0.0.1:{server.port}/long") as response:
            assert len(await read(response, 1000)) == 1000


async def failure(http: Http, url: str, method: str = "POST") -> TransientError | BlockedError:
    with pytest.raises((TransientError, BlockedError)) as caught:
        async with http.ask(method, url) as response:
            await read(response, 100)
    assert isinstance(caught.value, TransientError | BlockedError)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_refuses_is_named_beside_the_server(kind: Kind, authority: trustme.CA) -> None:
    async with (
        double(kind, refuses=403 if kind == "http" else 2) as proxy,
        client(trusting(authority), way(proxy, kind)) as http,
    ):
        found = await failure(http, "https://127.0.0.1:4430/token")
    assert found.reason == "unreachable"
    assert str(found).startswith("127.0.0.1:4430 is not reachable: proxy.office (127.0.0.1:")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wrong_password_of_the_proxy_is_told_and_not_repeated(kind: Kind, authority: trustme.CA) -> None:
    async with (
        double(kind, user="ada", password="another") as proxy,
        client(trusting(authority), way(proxy, kind, PASSWORD)) as http,
    ):
        found = await failure(http, f"https://{'127.0.0.1' if kind == 'socks5' else NAME}:4430/token")
    assert "proxy.office" in str(found)
    assert "canary" not in f"{found!r} {found} {found.__cause__!r}"


async def test_nothing_goes_straight_when_the_proxy_is_away(authority: trustme.CA) -> None:
    async with endpoint(authority, "127.0.0.1") as server:
        there = Way("office", "http", "127.0.0.1", 1, None, None)
        async with client(trusting(authority), there) as http:
            found = await failure(http, f"https://127.0.0.1:{server.port}/")
    assert (server.asked, found.reason) == ([], "unreachable")
    assert "proxy.office" in str(found)


async def test_a_certificate_of_nobody_we_trust_blocks_in_the_words_of_every_line(authority: trustme.CA) -> None:
    async with (
        endpoint(trustme.CA()) as server,
        double("http") as proxy,
        client(trusting(authority), way(proxy, "http")) as http,
    ):
        found = await failure(http, f"https://{NAME}:{server.port}/")
    assert isinstance(found, BlockedError)
    assert found.reason == "certificate"
    assert str(found).startswith(f"{NAME}:{server.port}: the certificate is refused: ")


async def test_a_certificate_for_another_name_blocks(authority: trustme.CA) -> None:
    async with (
        endpoint(authority, "mail.example.org") as server,
        double("http") as proxy,
        client(trusting(authority), way(proxy, "http")) as http,
    ):
        found = await failure(http, f"https://{NAME}:{server.port}/")
    assert found.reason == "certificate"


async def test_a_server_that_is_too_slow_or_hangs_up_is_told_as_that(authority: trustme.CA) -> None:
    async with endpoint(None) as server:
        async with client(trusting(authority), answer_s=5) as http:
            torn = await failure(http, f"http://127.0.0.1:{server.port}/torn")
        server.pause_s = 0.4
        async with client(trusting(authority), answer_s=0.1) as http:
            slow = await failure(http, f"http://127.0.0.1:{server.port}/")
        async with client(trusting(authority), silence_s=0.1) as http:
            silent = await failure(http, f"http://127.0.0.1:{server.port}/")
    assert (torn.reason, str(torn)) == (
        "connection_lost",
        f"127.0.0.1:{server.port} broke off: ServerDisconnectedError",
    )
    assert (slow.reason, str(slow)) == ("timeout", f"127.0.0.1:{server.port} did not answer within 0.1 s")
    assert (silent.reason, str(silent)) == ("timeout", f"127.0.0.1:{server.port} did not answer for 0.1 s")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", ["request", "relay"])
async def test_a_stop_ends_at_once_wherever_the_proxy_hangs(kind: Kind, at: str, authority: trustme.CA) -> None:
    async with (
        endpoint(authority, "127.0.0.1") as server,
        double(kind, hangs_at=at) as proxy,
        client(trusting(authority), way(proxy, kind)) as http,
    ):
        begun = time.monotonic()
        with anyio.move_on_after(0.2) as scope:
            async with http.ask("POST", f"https://127.0.0.1:{server.port}/"):
                pass
    assert scope.cancelled_caught
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("at", ["request", "relay"])
async def test_a_black_hole_in_the_proxy_ends_by_a_deadline(
    at: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net_http, "CONNECT_S", 0.2)
    async with (
        endpoint(authority, "127.0.0.1") as server,
        double("http", hangs_at=at) as proxy,
        client(trusting(authority), way(proxy, "http")) as http,
    ):
        found = await failure(http, f"https://127.0.0.1:{server.port}/")
    assert found.reason in {"timeout", "unreachable"}
