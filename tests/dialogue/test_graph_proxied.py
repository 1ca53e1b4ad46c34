"""Graph behind a proxy: names and TLS are the server's, and wherever the proxy hangs a stop is a stop."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from tests.contract.sources import PASSWORD, USER, Tokens
from tests.contract.test_sources import mail
from tests.dialogue.graph_send import TO_ADA, TWO_SLICES, large, scale_down
from tests.dialogue.test_proxied import HOLES, KINDS
from tests.lab.graph import Lab, serving
from tests.lab.proxies import ProxyDouble, proxy_double

from mailwicket.config.proxy import Proxy, Via
from mailwicket.errors import TransientError
from mailwicket.model import Settlement
from mailwicket.net import http
from mailwicket.net.machine import Machine
from mailwicket.senders.graph import GraphSender
from mailwicket.sources.graph import GraphSource

HOST = "graph.example.org"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(tls)
    async with serving(tls=tls) as running:
        running.tokens.accept(PASSWORD, user=USER)
        running.mailbox(USER)
        yield running


def double(kind: str, **traits: Any) -> Any:
    return proxy_double("http" if kind == "http" else "socks5", names={HOST: "127.0.0.1"}, **traits)


def adapted(kind_of: Any, lab: Lab, proxy: ProxyDouble, kind: str, directory: Path, **keys: Any) -> Any:
    """An adapter whose only way is the proxy."""
    port = int(lab.origin.rpartition(":")[2])
    server = "127.0.0.1" if kind == "socks5" else HOST
    lab.origin = f"https://{server}:{port}"  # its links lead where its clients think that it is
    table = {"email": USER, "oauth": "office", "server": server, "port": port, "ca_file": str(directory / "ca.pem")}
    config = kind_of.Config.model_validate({**table, "proxy": "office", **keys})
    config.bind(Via("office", Proxy(url=f"{kind}://127.0.0.1:{proxy.port}")))
    machine = Machine(directory)
    machine.tokens = Tokens(PASSWORD)
    return kind_of("office", config, machine)


def source(lab: Lab, proxy: ProxyDouble, kind: str, directory: Path) -> GraphSource:
    made: GraphSource = adapted(GraphSource, lab, proxy, kind, directory, start_from="all")
    return made


@pytest.mark.parametrize("kind", KINDS)
async def test_mail_comes_by_the_proxy_alone_which_sees_no_token(lab: Lab, kind: str, tmp_path: Path) -> None:
    lab.manners.mime = "verbatim"
    lab.mailbox(USER).deliver(mail(1))
    async with double(kind, splits=True) as proxy:
        async with source(lab, proxy, kind, tmp_path).connect() as mailbox:
            look = await mailbox.look(None)
            (found,) = await mailbox.fetch(look.refs)
            await mailbox.settle([Settlement(found.ref)])
        assert proxy.asked == [f"{'127.0.0.1' if kind == 'socks5' else HOST}:{lab.origin.rpartition(':')[2]}"]
        assert PASSWORD.encode() not in proxy.heard
    assert found.raw == mail(1)
    assert lab.mailbox(USER).messages()[0].is_read


@pytest.mark.parametrize(("kind", "at"), HOLES)
async def test_a_stop_ends_within_a_second_wherever_the_proxy_hangs(
    lab: Lab, kind: str, at: str, tmp_path: Path
) -> None:
    async with double(kind, hangs_at=at) as proxy:
        with anyio.move_on_after(0.2) as scope:
            begun = time.perf_counter()
            async with source(lab, proxy, kind, tmp_path).connect():
                pass
        assert scope.cancelled_caught
        assert time.perf_counter() - begun < 1.2


@pytest.mark.parametrize(("kind", "at"), HOLES)
async def test_a_black_hole_ends_by_a_deadline_and_mail_resumes(
    lab: Lab, kind: str, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECT_S", 0.3)
    async with double(kind, hangs_at=at) as proxy:
        made = source(lab, proxy, kind, tmp_path)
        with anyio.fail_after(3), pytest.raises(TransientError) as caught:
            async with made.connect():
                pass
        assert caught.value.reason == ("unreachable" if at == "relay" else "timeout")
        proxy.hangs_at = ""
        async with made.connect() as mailbox:
            assert (await mailbox.look(None)).refs == []


async def test_a_server_that_hangs_is_left_in_time(lab: Lab, tmp_path: Path) -> None:
    """At each verb: opening the folder, looking, fetching, settling."""
    lab.mailbox(USER).deliver(mail(1))
    async with double("http") as proxy:
        made = source(lab, proxy, "http", tmp_path)
        async with made.connect() as mailbox:
            refs = (await mailbox.look(None)).refs
            for match, work in (
                ("GET */delta", lambda: mailbox.look(None)),
                ("GET */$value", lambda: mailbox.fetch(refs)),
                ("PATCH *", lambda: mailbox.settle([Settlement(refs[0])])),
            ):
                lab.faults.add(match, delay_s=3)
                begun = time.perf_counter()
                with anyio.move_on_after(0.1) as scope:
                    await work()
                assert scope.cancelled_caught
                assert time.perf_counter() - begun < 1
            await mailbox.settle([Settlement(refs[0])])
    assert lab.mailbox(USER).messages()[0].is_read


@pytest.mark.parametrize("kind", KINDS)
async def test_mail_leaves_by_the_proxy_alone_and_so_do_its_large_files_to_another_server(
    lab: Lab, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale_down(monkeypatch)
    async with double(kind, splits=True) as proxy:
        sender: GraphSender = adapted(GraphSender, lab, proxy, kind, tmp_path)
        async with sender.connect() as submission:
            await submission.submit(TO_ADA, large(TWO_SLICES))
        here = f"{'127.0.0.1' if kind == 'socks5' else HOST}:{lab.origin.rpartition(':')[2]}"
        there = lab.uploads.origin.removeprefix("https://")
        assert set(proxy.asked) == {here, there}
        assert PASSWORD.encode() not in proxy.heard
    assert len(lab.sending.sent) == 1
    assert len(lab.uploads.slices) == 2
