"""Mail and tokens through real proxies: microsocks, Dante, tinyproxy and Squid between the daemon and Dovecot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lab import mailmix
from tests.lab.daemon import Daemon
from tests.lab.dovecot import POP3_BINARY, Dovecot
from tests.lab.processes import until
from tests.lab.proxies import RealProxy, real_proxy
from tests.real.test_oauth import MAIL, sign_in
from tests.real.test_oauth import desk as signing_desk

pytestmark = pytest.mark.real

USER, PASSWORD = "mailwicket", "canary-Pr0xy"
KINDS = {"microsocks": "socks5h", "danted": "socks5", "tinyproxy": "http", "squid": "http"}
MAILS = 5


@pytest.fixture(params=["microsocks", "danted", "squid", pytest.param("tinyproxy", marks=pytest.mark.torture)])
def proxy(request: pytest.FixtureRequest) -> Iterator[tuple[RealProxy, dict[str, Any]]]:
    """A real proxy and the table for it."""
    name: str = request.param
    with real_proxy(name, USER, PASSWORD) as running:
        table = {"url": f"{KINDS[name]}://127.0.0.1:{running.port}"}
        yield running, table | ({} if name == "danted" else {"username": USER, "password": PASSWORD})


@pytest.fixture
def daemon(
    proxy: tuple[RealProxy, dict[str, Any]], dovecot: Dovecot, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Daemon]]:
    """Make a daemon for two mailboxes, whose only way is the proxy: `server` is a name that it may look up."""
    if not POP3_BINARY.exists():
        pytest.skip("Dovecot's POP3 is missing: apt-get install dovecot-pop3d")
    users = [f"proxied-{protocol}-{abs(hash(request.node.name)) % 10**8}" for protocol in ("imap", "pop3")]
    made: list[Daemon] = []

    def make(**keys: Any) -> Daemon:
        for user in users:
            dovecot.fill(user, mailmix.small(MAILS))
        shared = {"server": "localhost", "proxy": "office"}
        boxes = {
            "imap": dovecot.box(users[0], "ssl", **shared),
            "pop3": dovecot.popped_box(users[1], "ssl", after="delete", **shared),
        }
        made.append(Daemon(tmp_path / "daemon", boxes, **{"proxy.office": {**proxy[1], **keys}}))
        return made[-1]

    yield make
    for one in made:
        one.end()
    for user in users:
        dovecot.forget(user)


def settled(daemon: Daemon) -> bool:
    return daemon.ask("SELECT count(*) FROM intake WHERE state = 'settled'") == [(2 * MAILS,)]


def test_mail_comes_by_the_proxy_alone(daemon: Callable[..., Daemon], proxy: tuple[RealProxy, dict[str, Any]]) -> None:
    running = daemon()
    ended = running.command("test", "--json")
    reports = json.loads(ended.stdout)
    assert [report["ok"] for report in reports] == [True, True], reports
    assert [report["stages"][3]["name"] for report in reports] == ["proxy", "proxy"]
    running.start_and_answer()
    until(lambda: settled(running), 30, 0.1, "the mail")
    proxy[0].stop()  # what goes on without it did not need it
    until(lambda: {unit["state"] for unit in running.units().values()} == {"waiting"}, 20, 0.1, "the loss")
    until(lambda: "proxy.office" in running.log, 10, what="the proxy's name")
    proxy[0].start()
    for name in ("imap", "pop3"):
        running.command("poll", f"incoming/{name}")
    until(lambda: running.unit("imap")["state"] == "running", 20, 0.1, "the way back")
    assert running.stop() == 0
    assert PASSWORD not in running.log


def test_a_wrong_password_is_a_stage_of_the_test_and_is_never_shown(
    daemon: Callable[..., Daemon], proxy: tuple[RealProxy, dict[str, Any]]
) -> None:
    if "password" not in proxy[1]:
        pytest.skip("this one asks for none")
    ended = daemon(password="wrong-canary").command("test", "--json")
    for report in json.loads(ended.stdout):
        (failed,) = [stage for stage in report["stages"] if stage["state"] == "failed"]
        assert failed["name"] == "proxy"
        assert failed["fix"] == "mend username and password in [proxy.office]"
    assert "canary" not in ended.stdout + ended.stderr


def test_a_proxy_that_moves_takes_its_mailboxes_along(
    daemon: Callable[..., Daemon], proxy: tuple[RealProxy, dict[str, Any]], dovecot: Dovecot
) -> None:
    running = daemon(url="http://127.0.0.1:1")
    running.start_and_answer()
    until(lambda: running.unit("imap")["state"] == "waiting", 20, 0.1, "a proxy that is not there")
    path = running.conf / "10-test.toml"
    path.write_text(path.read_text().replace("http://127.0.0.1:1", proxy[1]["url"]))
    until(lambda: settled(running), 30, 0.1, "the mail")
    assert running.stop() == 0


@pytest.mark.parametrize(
    "proxy", ["danted", "squid", pytest.param("microsocks", marks=pytest.mark.torture)], indirect=True
)
def test_tokens_come_by_the_proxy_alone_and_so_do_sign_ins(
    proxy: tuple[RealProxy, dict[str, Any]], tmp_path: Path
) -> None:
    with signing_desk(tmp_path, proxy=proxy[1], expires_in=6) as (issuer, dovecot, daemon):
        proxy[0].stop()
        refused = daemon.command("oauth", "login", "office", "--device")
        assert (refused.returncode, issuer.asked) == (1, [])
        assert "proxy.office" in refused.stderr
        proxy[0].start()
        sign_in(daemon, issuer)
        dovecot.fill("tokens", mailmix.small(MAILS))
        daemon.start_and_answer()
        daemon.wait_until_settled(MAILS)
        asked = len(issuer.asked)
        proxy[0].stop()
        daemon.wait_until(lambda unit: unit["state"] == "waiting" and "proxy.office" in unit["said"])
        assert len(issuer.asked) == asked, "nothing goes straight"
        proxy[0].start()
        dovecot.deliver("tokens", MAIL % 1)
        daemon.wait_until_settled(MAILS + 1)
        until(lambda: len(issuer.asked) > asked, 20, 0.1, "the next token: they live for 6 seconds")
        assert daemon.stop() == 0
        assert PASSWORD not in daemon.log
