"""The staged test of a maildrop: the right stage fails, with the right words, and nothing is changed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.dialogue.pop3 import BRISK, USER, greeted, inside, lines, listed, opened
from tests.dialogue.pop3 import source as scripted_source
from tests.dialogue.server import PASSWORD, Scripted, scripted
from tests.lab.pop3_server import Maildrop, maildrop
from tests.lab.proxies import proxy_double

from mailwicket.config.proxy import Proxy, Via
from mailwicket.net.machine import Machine
from mailwicket.service.trial import Candidate, try_connection
from mailwicket.sources.pop3 import Pop3Source
from mailwicket.stages import ConnectionReport, Stage, StageState

MAIL = b"From: ada@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context(authority: trustme.CA, *names: str, **terms: Any) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **terms).configure_cert(made)
    return made


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
async def drop() -> AsyncIterator[Maildrop]:
    async with maildrop(USER, PASSWORD) as running:
        yield running


async def prove(port: int, tmp_path: Path, proxy: Proxy | None = None, **keys: Any) -> ConnectionReport:
    table = {
        "email": USER,
        "password": PASSWORD,
        "server": "127.0.0.1",
        "port": port,
        "security": "none",
        "start_from": "all",
        **({"proxy": "office"} if proxy else {}),
        **keys,
    }
    config: Any = Pop3Source.Config.model_validate(table)
    config.bind(proxy and Via("office", proxy))
    source = Pop3Source("office", config, Machine(tmp_path))
    source.deadlines = BRISK  # type: ignore[misc]  # of this one alone
    report = await try_connection(Candidate("incoming/office", f"127.0.0.1:{port}", source))
    assert [stage.name for stage in report.stages] == list(source.stages)
    assert PASSWORD not in str(report)
    return report


async def prove_script(server: Scripted, tmp_path: Path, **keys: Any) -> ConnectionReport:
    source = scripted_source(server, tmp_path, **keys)
    report = await try_connection(Candidate("incoming/office", "", source))
    assert PASSWORD not in str(report)
    return report


def details(report: ConnectionReport) -> dict[str, str]:
    assert report.ok, report
    return {stage.name: stage.detail for stage in report.stages}


def failed(report: ConnectionReport) -> Stage:
    """The one stage that failed; those before it are good, those behind it were not begun."""
    states = [stage.state for stage in report.stages]
    at = states.index(StageState.FAILED)
    assert states == [StageState.OK] * at + [StageState.FAILED] + [StageState.SKIPPED] * (len(states) - at - 1)
    assert report.stages[at].fix
    return report.stages[at]


async def test_a_good_maildrop_passes_every_stage_and_nothing_is_fetched_or_deleted(
    drop: Maildrop, tmp_path: Path
) -> None:
    drop.put(MAIL, MAIL)
    told = details(await prove(drop.port, tmp_path, after="delete"))
    assert told["maildrop"] == "2 mails"
    assert told["auth"] == f"USER as {USER}"
    assert told["after"] == "mails are deleted, with the QUIT of a session"
    assert told["read"] == f"the last mail: {len(MAIL)} bytes, the 41 of its header read"
    assert (len(drop.mails), drop.fetched) == (2, set())
    assert not {line.split()[0] for line in drop.lines} & {"RETR", "DELE"}


async def test_an_empty_maildrop_is_good(drop: Maildrop, tmp_path: Path) -> None:
    told = details(await prove(drop.port, tmp_path))
    assert told["maildrop"] == "empty, and nothing wrong"
    assert told["read"] == "the maildrop is empty: nothing to read, and nothing wrong"
    assert told["after"] == "mails are left as they are"


async def test_what_start_from_leaves_is_said(drop: Maildrop, tmp_path: Path) -> None:
    drop.put(MAIL)
    told = details(await prove(drop.port, tmp_path, start_from="now", enabled=False))
    assert told["maildrop"] == '1 mail; start_from = "now" leaves what lies there before the first run'
    assert told["configuration"].endswith("; the unit is not enabled")


@pytest.mark.parametrize("implicit", [True, False])
async def test_tls_of_either_kind_tells_of_the_certificate(
    implicit: bool,  # noqa: FBT001
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
) -> None:
    tls = context(authority, "127.0.0.1")
    async with maildrop(USER, PASSWORD, tls=tls, implicit=implicit) as drop:
        security, stage = ("ssl", "tls") if implicit else ("tls", "starttls")
        told = details(await prove(drop.port, tmp_path, security=security, ca_file=ca_file))
    assert told[stage].startswith("TLSv1.3, certificate for 127.0.0.1")


@pytest.mark.parametrize("implicit", [True, False])
async def test_an_expired_certificate_is_named_with_its_day(
    implicit: bool,  # noqa: FBT001
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
) -> None:
    past = datetime.now(UTC) - timedelta(days=3)
    tls = context(authority, "127.0.0.1", not_before=past - timedelta(days=30), not_after=past)
    async with maildrop(USER, PASSWORD, tls=tls, implicit=implicit) as drop:
        security = "ssl" if implicit else "tls"
        stage = failed(await prove(drop.port, tmp_path, security=security, ca_file=ca_file))
        assert not any("PASS" in line for line in drop.lines)
    assert stage.name == ("tls" if implicit else "starttls")
    assert f"ended {past:%Y-%m-%d}" in stage.detail
    assert stage.fix is not None
    assert stage.fix.startswith("have the server's certificate renewed")


async def test_ssl_on_the_port_of_clear_text_is_named(drop: Maildrop, tmp_path: Path) -> None:
    stage = failed(await prove(drop.port, tmp_path, security="ssl"))
    assert stage.name == "tls"
    assert "speaks POP3 in the clear" in stage.detail
    assert stage.fix == f'port {drop.port} speaks in the clear: security = "tls", or port = 995 with "ssl"'


@pytest.mark.parametrize("security", ["none", "tls"])
async def test_clear_text_on_the_port_of_tls_is_named(
    security: str, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async with maildrop(USER, PASSWORD, tls=context(authority, "127.0.0.1"), implicit=True) as drop:
        stage = failed(await prove(drop.port, tmp_path, security=security, ca_file=ca_file))
    assert stage.name == "greeting"
    assert stage.fix == f'port {drop.port} speaks TLS from the first byte: security = "ssl"'


@pytest.mark.parametrize(
    ("script", "words"),
    [("S: * OK IMAP4rev1 ready", "speaks IMAP, not POP3"), ("S: 220 ready", "speaks SMTP, not POP3")],
)
async def test_another_protocol_is_named(script: str, words: str, tmp_path: Path) -> None:
    async with scripted(script) as server:
        stage = failed(await prove_script(server, tmp_path))
    assert stage.name == "greeting"
    assert words in stage.detail
    assert stage.fix is not None
    assert '995 with security = "ssl", 110 with "tls"' in stage.fix


async def test_a_server_without_stls_is_told_of(drop: Maildrop, tmp_path: Path) -> None:
    stage = failed(await prove(drop.port, tmp_path, security="tls"))
    assert (stage.name, stage.detail) == ("starttls", f"127.0.0.1:{drop.port} does not offer STLS")
    assert stage.fix is not None
    assert "have STLS switched on" in stage.fix


async def test_a_wrong_password_is_said_once(drop: Maildrop, tmp_path: Path) -> None:
    stage = failed(await prove(drop.port, tmp_path, password="wrong"))
    assert stage.name == "auth"
    assert "[AUTH] no such user" in stage.detail
    assert stage.fix is not None
    assert "POP3 may have to be switched on" in stage.fix
    assert sum("PASS" in line for line in drop.lines) == 1


async def test_a_maildrop_that_somebody_has_open_is_named(drop: Maildrop, tmp_path: Path) -> None:
    drop.busy = True
    stage = failed(await prove(drop.port, tmp_path))
    assert stage.name == "auth"
    assert "another session has the mailbox" in stage.detail
    assert stage.fix is not None
    assert "perhaps mailwicket itself" in stage.fix


async def test_a_server_without_uidl_is_refused(tmp_path: Path) -> None:
    async with scripted(inside() + "C| STAT\nS: +OK 1 1\nC| UIDL\nS: -ERR what") as server:
        stage = failed(await prove_script(server, tmp_path))
    assert stage.name == "maildrop"
    assert stage.fix == 'use protocol = "imap", or have the server updated'


async def test_without_top_no_mail_is_fetched_for_a_test(tmp_path: Path) -> None:
    async with scripted(opened("a", "a") + "C| TOP 2 0\nS: -ERR what\n") as server:
        told = details(await prove_script(server, tmp_path))
    assert told["read"] == "the last mail: 100 bytes; the server knows no TOP, and the whole is not fetched for a test"
    assert told["maildrop"] == "2 mails; 2 share an id with others: they are read and never deleted"


async def test_a_server_that_deletes_by_itself_is_told_of(tmp_path: Path) -> None:
    script = inside("USER", "TOP", "EXPIRE 0") + listed("a") + "C| TOP 1 0\n" + lines("Subject: x", "")
    async with scripted(script) as server:
        told = details(await prove_script(server, tmp_path, after="delete"))
    assert told["after"].endswith("the server deletes by itself what was read (EXPIRE 0)")


async def test_a_missing_password_is_a_stage(tmp_path: Path) -> None:
    stage = failed(await prove(1, tmp_path, password={"env": "NO_SUCH_VARIABLE"}))
    assert stage.name == "configuration"


async def test_nobody_listening_is_a_stage(tmp_path: Path) -> None:
    stage = failed(await prove(1, tmp_path))
    assert stage.name == "tcp"
    assert stage.fix is not None
    assert '995 with security = "ssl"' in stage.fix


async def test_a_name_that_does_not_exist_is_a_stage(tmp_path: Path) -> None:
    assert failed(await prove(995, tmp_path, server="nowhere.invalid")).name == "dns"


@pytest.mark.parametrize("at", ["CAPA", "USER", "PASS", "STAT", "UIDL", "LIST", "TOP"])
async def test_a_server_that_hangs_fails_the_stage_it_is_at(at: str, tmp_path: Path) -> None:
    steps = (greeted() + opened("a").removeprefix(greeted()) + "C| TOP 1 0").splitlines()
    cut = next(number for number, line in enumerate(steps) if line.startswith("C|") and at in line)
    stage = {"CAPA": "greeting", "USER": "auth", "PASS": "auth", "TOP": "read"}.get(at, "maildrop")
    async with scripted("\n".join([*steps[: cut + 1], "X: hang"]), "X: hang") as server:
        assert failed(await prove_script(server, tmp_path)).name == stage


# --- by a proxy


@pytest.mark.parametrize("kind", ["socks5", "socks5h", "http"])
async def test_the_proxy_is_a_stage_of_its_own(kind: str, drop: Maildrop, tmp_path: Path) -> None:
    async with proxy_double("http" if kind == "http" else "socks5") as double:
        proxy = Proxy(url=f"{kind}://127.0.0.1:{double.port}")
        told = details(await prove(drop.port, tmp_path, proxy, allow_plaintext=True))
    assert list(told)[:4] == ["configuration", "dns", "tcp", "proxy"]
    assert told["configuration"].endswith(f", by proxy.office (127.0.0.1:{double.port})")
    assert told["proxy"].startswith(f"proxy.office (127.0.0.1:{double.port}) leads to 127.0.0.1:{drop.port}")


@pytest.mark.parametrize(("kind", "code"), [("socks5h", 2), ("http", 403)])
async def test_a_proxy_that_refuses_fails_its_stage(kind: str, code: int, tmp_path: Path) -> None:
    async with proxy_double("http" if kind == "http" else "socks5", refuses=code) as double:
        stage = failed(await prove(995, tmp_path, Proxy(url=f"{kind}://127.0.0.1:{double.port}")))
    assert stage.name == "proxy"
    assert stage.fix is not None
    assert stage.fix.startswith("have the proxy allow this server and port")


@pytest.mark.parametrize("kind", ["socks5h", "http"])
async def test_a_proxy_that_wants_a_password_is_told_of(kind: str, tmp_path: Path) -> None:
    async with proxy_double("http" if kind == "http" else "socks5", user="u", password="p") as double:
        stage = failed(await prove(995, tmp_path, Proxy(url=f"{kind}://127.0.0.1:{double.port}")))
    assert (stage.name, stage.fix) == ("proxy", "mend username and password in [proxy.office]")


async def test_a_proxy_that_is_away_fails_as_the_proxy(tmp_path: Path) -> None:
    stage = failed(await prove(995, tmp_path, Proxy(url="socks5h://127.0.0.1:1")))
    assert stage.name == "tcp"
    assert "proxy.office (127.0.0.1:1) is not reachable" in stage.detail
    assert stage.fix == "this is the proxy: mend url in [proxy.office], or have the proxy started"
