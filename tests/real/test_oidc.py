"""Against a certified authorization server: every grant that it has, and refresh tokens that rotate strictly."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.lab import oidc
from tests.lab.daemon import Daemon
from tests.lab.processes import free_ports, mortal
from tests.unit.test_oauth_questions import certificate, pem

from mailwicket.config.oauth import OAuth
from mailwicket.errors import BlockedError
from mailwicket.net.machine import Machine
from mailwicket.net.oauth.bearer import Door
from mailwicket.net.oauth.grant import Kept
from mailwicket.net.oauth.question import query_of
from mailwicket.net.oauth.signin import Progress, SignIns
from mailwicket.net.oauth.tokens import Tokens
from mailwicket.net.oauth.wire import Wire
from mailwicket.store.store import Store
from mailwicket.store.tokens import SCHEMA, TokenSafe

pytestmark = pytest.mark.real

DOOR = Door("office", "imap", "desk@example.org")


def table(server: oidc.Oidc, client_id: str, **keys: Any) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "authorization_url": f"{server.url}/auth?prompt=consent",
        "token_url": f"{server.url}/token",
        "device_url": f"{server.url}/device/auth",
        "redirect_url": server.redirect_url,
        "scope": "openid offline_access imap",
        **keys,
    }


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def number(one: int) -> str:  # RFC 7518 2: Base64urlUInt
    return base64.urlsafe_b64encode(one.to_bytes((one.bit_length() + 7) // 8, "big")).decode().rstrip("=")


@pytest.fixture(scope="module")
def server(key: rsa.RSAPrivateKey) -> Iterator[oidc.Oidc]:
    port, callback = free_ports(2)
    numbers = key.public_key().public_numbers()
    n, e = (
        base64.urlsafe_b64encode(one.to_bytes((one.bit_length() + 7) // 8, "big")) for one in (numbers.n, numbers.e)
    )
    jwk = {"kty": "RSA", "n": n.decode().rstrip("="), "e": e.decode().rstrip("="), "alg": "PS256", "use": "sig"}
    places = f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{callback}/oauth/callback"
    with oidc.running(*places, json.dumps(jwk)) as running:
        yield running


class House:
    """Tokens with a real safe."""

    def __init__(self, state_dir: Path, keys: dict[str, Any]) -> None:
        self.oauth = OAuth.model_validate(keys)
        self.store = Store(state_dir, [SCHEMA])
        self.safe = TokenSafe(state_dir, self.store)
        wire = Wire(lambda: Machine(state_dir).trust(None))
        self.tokens = Tokens(lambda: {"office": self.oauth}, lambda _: frozenset(), self.safe, wire)
        self.sign_ins = SignIns(self.tokens)

    async def kept(self) -> Kept:
        return Kept.read(await self.safe.load("office") or "")

    async def refreshed(self) -> str:
        access = await self.tokens.access(DOOR)
        self.tokens.drop(DOOR, access.token)
        return access.token


async def test_code_with_pkce_and_refresh_tokens_that_rotate_and_die_at_once(server: oidc.Oidc, tmp_path: Path) -> None:
    house = House(tmp_path, table(server, "web", client_secret="web-secret-canary"))
    begun, url = house.sign_ins.browse("office")
    back = await anyio.to_thread.run_sync(oidc.click_through, server, url)
    await house.sign_ins.come_back(query_of(back))
    assert (begun.progress, begun.said) == (Progress.DONE, "signed in; granted: openid offline_access imap")
    seen: set[str] = set()
    first = await house.kept()
    for _ in range(20):
        seen.add(await house.refreshed())
    assert len(seen) == 20
    last = await house.kept()
    assert last.refresh != first.refresh
    await house.tokens.adopt("office", first)  # as if all of it had been lost
    house.tokens.drop(DOOR, first.access["mail"].token)
    with pytest.raises(BlockedError, match="invalid_grant") as caught:
        await house.tokens.access(DOOR)
    assert caught.value.reason == "needs_sign_in"
    await house.store.close()


async def test_a_device_code(server: oidc.Oidc, tmp_path: Path) -> None:
    house = House(tmp_path, table(server, "device", grant="device_code"))
    begun = await house.sign_ins.type_in("office")
    assert begun.device is not None
    begun.device = type(begun.device)(
        **{**{n: getattr(begun.device, n) for n in begun.device.__slots__}, "interval_s": 1}
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.sign_ins.poll, begun)
        await anyio.sleep(1.5)  # asked once, and nobody was there
        await anyio.to_thread.run_sync(oidc.click_through, server, begun.device.verification_uri_complete)
    assert begun.progress == Progress.DONE, begun.said
    assert await house.refreshed() != await house.refreshed()
    await house.store.close()


@pytest.mark.parametrize("by", ["secret", "certificate"])
async def test_an_application_by_itself(server: oidc.Oidc, tmp_path: Path, key: rsa.RSAPrivateKey, by: str) -> None:
    shown = tmp_path / "cert.pem"
    shown.write_bytes(certificate(key))
    proof: dict[str, Any] = {"client_secret": "daemon-secret-canary"}
    if by == "certificate":
        proof = {"certificate": str(shown), "key": pem(key)}
    client = "daemon" if by == "secret" else "certified"
    keys = table(server, client, grant="client_credentials", scope="imap", **proof)
    house = House(tmp_path / "state", keys)
    assert await house.refreshed() != await house.refreshed()
    await house.store.close()


async def test_a_wrong_secret_is_told_as_that(server: oidc.Oidc, tmp_path: Path) -> None:
    house = House(
        tmp_path, table(server, "daemon", grant="client_credentials", scope="imap", client_secret="wrong-canary")
    )
    with pytest.raises(BlockedError, match="mend client_id, client_secret") as caught:
        await house.tokens.access(DOOR)
    assert caught.value.reason == "oauth_settings"
    await house.store.close()


@contextmanager
def signing_in(daemon: Daemon) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`mailwicket oauth login office`, and the URL that it prints."""
    command = [sys.executable, "-m", "mailwicket", "oauth", "login", "office", "--conf", str(daemon.conf)]
    with subprocess.Popen(mortal(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as login:
        assert login.stdout is not None
        while "/auth?" not in (line := login.stdout.readline()):
            assert line
        yield login, line.strip()


def opened(url: str) -> str:
    """What a browser shows that is sent to *url*."""
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310 - a loopback address of ours
        return str(page.read().decode())


def test_the_command_signs_in_by_a_url_that_is_pasted(server: oidc.Oidc, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "d", {}, **{"oauth.office": table(server, "web", client_secret="web-secret-canary")})
    with signing_in(daemon) as (login, url):
        said, _ = login.communicate(oidc.click_through(server, url) + "\n", timeout=30)
    assert (login.returncode, "signed in" in said) == (0, True)


def test_the_command_signs_in_by_a_browser_that_comes_back_to_it(server: oidc.Oidc, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "d", {}, **{"oauth.office": table(server, "web", client_secret="web-secret-canary")})
    with signing_in(daemon) as (login, url):
        assert login.stdout is not None
        while "comes back here" not in (line := login.stdout.readline()):
            assert line
        assert "signed in" in opened(oidc.click_through(server, url))
        assert login.wait(30) == 0


def test_the_command_signs_in_by_a_browser_that_comes_back_to_the_daemon(server: oidc.Oidc, tmp_path: Path) -> None:
    keys = table(server, "web", client_secret="web-secret-canary", redirect_url=server.callback_url)
    address = urlsplit(server.callback_url).netloc
    daemon = Daemon(tmp_path / "d", {}, **{"oauth.office": keys})
    daemon.configure({}, http={"listen": [f"unix:{daemon.socket}", address]}, **{"oauth.office": keys})
    try:
        daemon.start_and_answer()
        with signing_in(daemon) as (login, url):
            back = oidc.click_through(server, url)
            assert back.startswith(server.callback_url)
            assert "signed in" in opened(back)
            assert login.wait(30) == 0
        with pytest.raises(urllib.error.HTTPError, match="400"):
            opened(back)  # a state is good once
        (told,) = json.loads(daemon.command("oauth", "status", "--json").stdout)
        assert (told["state"], told["missing"]) == ("signed_in", [])
        assert daemon.stop() == 0
    finally:
        daemon.end()
