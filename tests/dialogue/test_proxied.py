"""Servers behind a proxy: everything goes through it, names and TLS included, and a stop is a stop."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from tests.contract.sources import PASSWORD, USER
from tests.dialogue.smtp_server import EHLO, RAW, TO_ADA, certificate, odd
from tests.lab.pop3_server import maildrop
from tests.lab.proxies import ProxyDouble, proxy_double

from mailwicket.config.proxy import Proxy, Via
from mailwicket.demo.imap_server import imap_server
from mailwicket.errors import BlockedError, TransientError
from mailwicket.model import Settlement
from mailwicket.net.machine import Machine
from mailwicket.senders.smtp import SmtpSender
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.sources.imap import ImapSource
from mailwicket.sources.pop3 import Pop3Source

KINDS = ("socks5", "socks5h", "http")
SERVERS: dict[str, Callable[..., AbstractAsyncContextManager[Any]]] = {
    "imap": imap_server,
    "pop3": maildrop,
    "smtp": lambda *_: odd(),
}
ADAPTERS: dict[str, Any] = {"imap": ImapSource, "pop3": Pop3Source, "smtp": SmtpSender}
MAIL = b"From: ada@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"


def adapted(protocol: str, double: ProxyDouble, kind: str, directory: Path, **keys: Any) -> Any:
    """An adapter whose only way is the proxy."""
    adapter = ADAPTERS[protocol]
    table = {
        "email": USER,
        "password": PASSWORD,
        "server": "mail.example.org" if kind != "socks5" else "127.0.0.1",
        "security": "none",
        "allow_plaintext": True,
        "proxy": "office",
        **({} if protocol == "smtp" else {"start_from": "all"}),
        **keys,
    }
    config = adapter.Config.model_validate(table)
    config.bind(Via("office", Proxy(url=f"{kind}://127.0.0.1:{double.port}")))
    return adapter("office", config, Machine(directory))


def double(kind: str, **traits: Any) -> AbstractAsyncContextManager[ProxyDouble]:
    return proxy_double("http" if kind == "http" else "socks5", names={"mail.example.org": "127.0.0.1"}, **traits)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_mailbox_is_reached_by_its_proxy_alone(protocol: str, kind: str, tmp_path: Path) -> None:
    async with SERVERS[protocol](USER, PASSWORD) as server, double(kind, splits=True) as proxy:
        made = adapted(protocol, proxy, kind, tmp_path, port=server.port)
        async with made.connect() as mailbox:
            look = await mailbox.look(None)
    assert look.refs == []
    assert proxy.asked == [f"{'127.0.0.1' if kind == 'socks5' else 'mail.example.org'}:{server.port}"]


@pytest.mark.parametrize("kind", KINDS)
async def test_mail_comes_and_goes_through_a_proxy(kind: str, tmp_path: Path) -> None:
    async with maildrop(USER, PASSWORD) as drop, double(kind, hurries=True) as proxy:
        drop.put(MAIL)
        made = adapted("pop3", proxy, kind, tmp_path, port=drop.port, after="delete", poll_s=1)
        async with made.connect() as mailbox:
            look = await mailbox.look(None)
            (found,) = await mailbox.fetch(look.refs)
            await mailbox.settle([Settlement(found.ref)])
            await mailbox.wait()
            assert (await mailbox.look(look.cursor)).refs == []
        assert found.raw == MAIL
        assert drop.mails == {}
    assert len(proxy.asked) == 2, "each session is led there"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("implicit", [True, False])
async def test_tls_is_with_the_server_and_not_with_the_proxy(kind: str, implicit: bool, tmp_path: Path) -> None:  # noqa: FBT001
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("mail.example.org", "127.0.0.1").configure_cert(tls)
    keys = {"security": "ssl" if implicit else "tls", "ca_file": str(tmp_path / "ca.pem"), "allow_plaintext": False}
    async with maildrop(USER, PASSWORD, tls=tls, implicit=implicit) as drop, double(kind) as proxy:
        drop.put(MAIL)
        async with adapted("pop3", proxy, kind, tmp_path, port=drop.port, **keys).connect() as mailbox:
            assert len((await mailbox.look(None)).refs) == 1
        assert PASSWORD.encode() not in proxy.heard


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("security", ["none", "ssl", "tls"])
async def test_mail_leaves_by_the_proxy_alone_and_tls_is_with_the_server(
    kind: str, security: str, tmp_path: Path
) -> None:
    tls, ca_file = certificate(tmp_path, "127.0.0.1" if kind == "socks5" else "mail.example.org")
    keys = {} if security == "none" else {"security": security, "ca_file": str(ca_file), "allow_plaintext": False}
    offers = EHLO.replace("250 AUTH", "250-AUTH") + "\n250 STARTTLS"
    async with odd(tls=tls, implicit=security == "ssl", EHLO=offers) as server, double(kind, splits=True) as proxy:
        async with adapted("smtp", proxy, kind, tmp_path, port=server.port, **keys).connect() as submission:
            assert (await submission.submit(TO_ADA, RAW))["ada@example.com"].is_taken
        assert len(server.mails) == 1
        assert (b"AUTH PLAIN" in proxy.heard) == (security == "none")
    assert proxy.asked == [f"{'127.0.0.1' if kind == 'socks5' else 'mail.example.org'}:{server.port}"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_proxy_is_a_stage_of_the_test_of_a_server_that_sends(kind: str, tmp_path: Path) -> None:
    async with odd() as server, double(kind) as proxy:
        made = adapted("smtp", proxy, kind, tmp_path, port=server.port)
        report = await try_connection(Candidate("outgoing/office", "server", made))
    stages = {stage.name: stage for stage in report.stages}
    assert list(stages) == list(made.stages)
    assert list(stages)[:4] == ["configuration", "dns", "tcp", "proxy"]
    assert {stage.state for stage in report.stages} == {"ok"}
    assert stages["configuration"].detail.endswith(f", by proxy.office (127.0.0.1:{proxy.port})")
    assert "leads to" in stages["proxy"].detail


@pytest.mark.parametrize("protocol", SERVERS)
async def test_a_proxy_on_this_machine_makes_the_server_no_local_one(protocol: str, tmp_path: Path) -> None:
    async with SERVERS[protocol](USER, PASSWORD) as server, double("http") as proxy:
        made = adapted(protocol, proxy, "http", tmp_path, port=server.port, allow_plaintext=False)
        with pytest.raises(BlockedError) as caught:
            async with made.connect():
                pass
        assert PASSWORD.encode() not in proxy.heard
    assert caught.value.reason == "plaintext_refused"


@pytest.mark.parametrize("protocol", SERVERS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_refuses_is_tried_later_and_named(protocol: str, kind: str, tmp_path: Path) -> None:
    async with double(kind, refuses=403 if kind == "http" else 2) as proxy:
        with pytest.raises(TransientError) as caught:
            async with adapted(protocol, proxy, kind, tmp_path, port=995).connect():
                pass
    assert caught.value.reason == "unreachable"
    assert "proxy.office" in str(caught.value)
    assert ":995" in str(caught.value)


HOLES = [("socks5", "greeting"), ("socks5h", "request"), ("http", "request"), ("socks5h", "relay"), ("http", "relay")]


@pytest.mark.parametrize("protocol", SERVERS)
@pytest.mark.parametrize(("kind", "at"), HOLES)
async def test_a_stop_ends_within_a_second_wherever_the_proxy_hangs(
    protocol: str, kind: str, at: str, tmp_path: Path
) -> None:
    async with SERVERS[protocol](USER, PASSWORD) as server, double(kind, hangs_at=at) as proxy:
        with anyio.move_on_after(0.2) as scope:
            begun = time.perf_counter()
            async with adapted(protocol, proxy, kind, tmp_path, port=server.port).connect():
                pass
        assert scope.cancelled_caught
        assert time.perf_counter() - begun < 1.2


@pytest.mark.parametrize("protocol", SERVERS)
@pytest.mark.parametrize(("kind", "at"), HOLES)
async def test_a_black_hole_ends_by_a_deadline(
    protocol: str, kind: str, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SERVERS[protocol](USER, PASSWORD) as server, double(kind, hangs_at=at) as proxy:
        made = adapted(protocol, proxy, kind, tmp_path, port=server.port)
        made.deadlines = type(made.deadlines)(connect_s=0.3, greeting_s=0.3)
        with pytest.raises(TransientError) as caught:
            async with made.connect():
                pass
    assert caught.value.reason == "timeout"
