"""Tokens behind proxies: asked for by the same one as the server that they are for, and by no other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from tests.lab.issuer import Issuer, issuing
from tests.lab.proxies import ProxyDouble, proxy_double
from tests.unit.test_oauth_desk import MAILBOX, settings, sign_in
from tests.unit.test_oauth_tokens import Memory

from mailwicket.config.incoming import Incoming
from mailwicket.config.proxy import Proxy
from mailwicket.config.secret import Secret
from mailwicket.config.settings import Settings
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.service.oauth import OAuthDesk

KINDS = ("socks5", "socks5h", "http")
APPLICATION = {"grant": "client_credentials", "client_secret": "secret-canary"}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as running:
        yield running


def double(kind: str, **traits: Any) -> AbstractAsyncContextManager[ProxyDouble]:
    return proxy_double("http" if kind == "http" else "socks5", **traits)


def house(
    issuer: Issuer,
    tmp_path: Path,
    boxes: dict[str, str | None],
    granted: Callable[[str], None] = lambda _: None,
    table: dict[str, Any] = APPLICATION,
    **proxies: Proxy,
) -> OAuthDesk:
    """An application that *boxes* name, each with its proxy."""
    plain = settings(issuer, **table)
    incoming = {name: Incoming.model_validate({**MAILBOX, "proxy": proxy}) for name, proxy in boxes.items()}
    one: Settings = plain.model_copy(update={"incoming": incoming, "proxy": proxies})
    machine = Machine(tmp_path)
    return OAuthDesk(lambda: one, Memory(), machine, granted)


def at(proxy: ProxyDouble, kind: str, **keys: Any) -> Proxy:
    return Proxy(url=f"{kind}://127.0.0.1:{proxy.port}", **keys)


AWAY = Proxy(url="http://127.0.0.1:1")


def token_server(issuer: Issuer) -> str:
    return urlsplit(issuer.url).netloc


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_is_asked_for_by_the_proxy_of_the_server_it_is_for(
    kind: str, issuer: Issuer, tmp_path: Path
) -> None:
    async with double(kind, user="ada", password="proxy-canary") as proxy:
        there = at(proxy, kind, username="ada", password=Secret("proxy-canary"))
        desk = house(issuer, tmp_path, {"support": "office"}, office=there)
        assert await desk.tokens.bearer("office", "imap", "desk@example.org", "office").token() in issuer.given
        assert proxy.asked == [token_server(issuer)]


async def test_units_with_different_proxies_share_a_token_and_not_a_proxy_that_is_away(
    issuer: Issuer, tmp_path: Path
) -> None:
    async with double("http") as proxy:
        desk = house(issuer, tmp_path, {"a": "away", "b": "office"}, away=AWAY, office=at(proxy, "http"))
        away = desk.tokens.bearer("office", "imap", "a@example.org", "away")
        with pytest.raises(TransientError, match=r"proxy\.away \(127\.0\.0\.1:\d+\) is not reachable") as caught:
            await away.token()
        assert (caught.value.reason, issuer.asked) == ("unreachable", [])
        token = await desk.tokens.bearer("office", "imap", "b@example.org", "office").token()
        assert await away.token() == token, "it is there by now, whoever fetched it"
        assert (len(issuer.asked), len(proxy.asked)) == (1, 1)


async def test_a_refusal_that_one_proxy_led_to_is_told_to_nobody_behind_another(issuer: Issuer, tmp_path: Path) -> None:
    locked = Proxy(url=AWAY.url, username="a", password=Secret("x" * 256))
    desk = house(issuer, tmp_path, {"a": "locked", "b": None}, locked=locked)
    for _ in range(2):
        with pytest.raises(BlockedError, match=r"proxy\.locked: username and password must have"):
            await desk.tokens.bearer("office", "imap", "a@example.org", "locked").token()
    assert await desk.tokens.bearer("office", "imap", "b@example.org").token() in issuer.given


async def test_nothing_goes_straight_that_names_a_proxy_which_is_gone(issuer: Issuer, tmp_path: Path) -> None:
    desk = house(issuer, tmp_path, {"support": "office"})
    with pytest.raises(BlockedError, match=r"proxy\.office: there is no such table"):
        await desk.tokens.bearer("office", "imap", "desk@example.org", "office").token()
    assert issuer.asked == []


@pytest.mark.parametrize("how", ["browser", "device"])
async def test_a_sign_in_goes_by_the_proxy_of_the_first_server_that_names_the_application(
    how: str, issuer: Issuer, tmp_path: Path
) -> None:
    async with double("socks5h") as proxy:
        desk = house(
            issuer,
            tmp_path,
            {"first": "office", "second": "away"},
            table={"grant": "device_code" if how == "device" else "authorization_code"},
            away=AWAY,
            office=at(proxy, "socks5h"),
        )
        if how == "device":
            assert (await desk.begin("office", "device"))["user_code"] == "ABCD-EFGH"
            await desk.close()
        else:
            assert (await sign_in(desk, issuer))["progress"] == "done"
        assert proxy.asked == [token_server(issuer)]


def test_an_enabled_server_comes_before_those_that_are_not(tmp_path: Path) -> None:
    plain = settings(Issuer(url="http://127.0.0.1:1"), **APPLICATION)
    boxes = {
        "off": Incoming.model_validate({**MAILBOX, "enabled": False, "proxy": "away"}),
        "on": Incoming.model_validate({**MAILBOX, "proxy": "office"}),
    }
    one = plain.model_copy(update={"incoming": boxes})
    desk = OAuthDesk(lambda: one, Memory(), Machine(tmp_path), lambda _: None)
    assert (desk.home("office"), desk.home("another")) == ("office", None)


@pytest.mark.parametrize(
    ("kind", "at_verb"),
    [("http", "request"), *((kind, at) for kind in ("socks5", "socks5h") for at in ("greeting", "auth", "request"))],
)
async def test_a_proxy_that_swallows_everything_holds_up_no_stop(
    kind: str, at_verb: str, issuer: Issuer, tmp_path: Path
) -> None:
    async with double(kind, hangs_at=at_verb, user="ada", password="x") as proxy:
        there = at(proxy, kind, username="ada", password=Secret("x"))
        desk = house(issuer, tmp_path, {"support": "office"}, office=there)
        begun = time.monotonic()
        with anyio.move_on_after(0.2):
            await desk.tokens.bearer("office", "imap", "desk@example.org", "office").token()
        await desk.close()
    assert time.monotonic() - begun < 1


async def test_a_refresh_that_was_sent_is_waited_for_at_a_stop_and_one_that_was_not_is_not(
    issuer: Issuer, tmp_path: Path
) -> None:
    async with double("http", hangs_at="request") as proxy:
        desk = house(issuer, tmp_path, {"a": None, "b": "office"}, table={}, office=at(proxy, "http"))
        await sign_in(desk, issuer)
        desk.tokens.age({"office"})
        issuer.delay_s = 0.5
        with anyio.move_on_after(0.2):
            await desk.tokens.bearer("office", "imap", "a@example.org").token()
        await desk.close()
        kept = await desk.tokens.kept("office", desk.tokens.application("office"))
        assert kept.refresh == issuer.given[-2], "what came is written down"
        desk.tokens.age({"office"})
        asked = len(issuer.asked)
        begun = time.monotonic()
        with anyio.move_on_after(0.2):
            await desk.tokens.bearer("office", "imap", "b@example.org", "office").token()
        await desk.close()
        assert time.monotonic() - begun < 1
        assert len(issuer.asked) == asked
