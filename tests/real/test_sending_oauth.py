"""Sending with tokens: Postfix, whose SASL is Dovecot's, which asks the issuer about each; a proxy on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dialogue.bearer import Brings, FakeBearer
from tests.lab import postfix
from tests.lab.daemon import Daemon
from tests.lab.issuer import Issuer, issuing_aside
from tests.lab.oauth_dovecot import OAuthDovecot
from tests.lab.postfix import AuthDovecot, Postfix
from tests.lab.processes import until
from tests.lab.proxies import real_proxy
from tests.real.test_oauth import application

from mailwicket.config.outgoing import Outgoing
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.machine import Machine
from mailwicket.outgoing import Envelope
from mailwicket.senders.smtp import SmtpSender

pytestmark = pytest.mark.real

MAIL = b"From: tokens@example.net\r\nTo: ada@example.net\r\nSubject: hello\r\n\r\nHello.\r\n"
REQUEST = (
    b"From: Ada <ada@example.net>\r\nTo: tokens@example.net\r\nSubject: %b\r\nMessage-ID: <%b@example.net>\r\n\r\nx\r\n"
)
TO_ADA = Envelope("tokens@example.net", ("ada@example.net",))
PROXY_PASSWORD = "canary-Pr0xy"


class Mint(FakeBearer):
    """Tokens that the issuer vouches for, as long as Microsoft's."""

    def __init__(self, issuer: Issuer, *, is_fresh: bool = True) -> None:
        super().__init__(is_fresh=is_fresh)
        self.issuer = issuer
        self.length = 2000
        self.is_good = True

    async def token(self) -> str:
        token = self.issuer.new("access") + "x" * self.length
        if self.is_good:
            self.issuer.ends[token] = time.monotonic() + 3600
        return token


@pytest.fixture(scope="module", params=["xoauth2", "oauthbearer"])
def house(request: pytest.FixtureRequest) -> Iterator[tuple[Postfix, Issuer, str]]:
    """A Postfix that takes tokens by one mechanism, and who gives them out."""
    with issuing_aside(user="tokens") as issuer:
        traits = {"issuer_url": issuer.url, "mechanisms": f"plain {request.param}"}
        with postfix.running(type("TokenDovecot", (OAuthDovecot, AuthDovecot), traits)) as mx:
            yield mx, issuer, request.param


def sender(mx: Postfix, mint: Mint, security: str) -> SmtpSender:
    machine = Machine(mx.base)
    machine.tokens = Brings(mint)
    return SmtpSender("main", Outgoing.model_validate(mx.token_server("tokens", security)), machine)


@pytest.mark.parametrize(("length", "security"), [(0, "tls"), (2000, "tls"), (2000, "ssl")])
async def test_a_token_short_or_long_opens_the_door(
    house: tuple[Postfix, Issuer, str], length: int, security: str
) -> None:
    mx, issuer, mechanism = house
    mint = Mint(issuer)
    mint.length = length
    before = mx.log().count(f"sasl_method={mechanism.upper()}")
    async with sender(mx, mint, security).connect() as submission:
        assert (await submission.submit(TO_ADA, MAIL))["ada@example.net"].is_taken
    assert mx.log().count(f"sasl_method={mechanism.upper()}, sasl_username=tokens") == before + 1


@pytest.mark.parametrize(("is_fresh", "kind"), [(True, BlockedError), (False, TransientError)])
async def test_a_token_that_is_none_is_refused_with_its_reason(
    house: tuple[Postfix, Issuer, str], kind: type[Exception], *, is_fresh: bool
) -> None:
    mx, issuer, _ = house
    mint = Mint(issuer, is_fresh=is_fresh)
    mint.is_good = False
    with pytest.raises(kind) as caught:
        async with sender(mx, mint, "tls").connect():
            pass
    assert "535 5.7.8" in str(caught.value)
    assert issuer.given[-1] not in str(caught.value)


async def test_a_user_may_not_send_as_another_whatever_his_token(house: tuple[Postfix, Issuer, str]) -> None:
    mx, issuer, _ = house
    with pytest.raises(BlockedError) as caught:
        async with sender(mx, Mint(issuer), "tls").connect() as submission:
            await submission.submit(Envelope("boss@example.net", ("ada@example.net",)), MAIL)
    assert caught.value.reason == "sender_refused"


def test_the_daemon_sends_with_tokens_by_a_proxy_and_a_withdrawn_one_costs_one_refused_login(
    house: tuple[Postfix, Issuer, str], tmp_path: Path
) -> None:
    mx, issuer, mechanism = house
    with real_proxy("microsocks", "mailwicket", PROXY_PASSWORD) as proxy:
        way = {"url": f"socks5h://127.0.0.1:{proxy.port}", "username": "mailwicket", "password": PROXY_PASSWORD}
        daemon = Daemon(
            tmp_path / "d",
            {"box": mx.dovecot.box("tokens", "ssl", server="localhost") | {"email": "tokens@example.net"}},
            daemon={"log_level": "debug"},
            **{
                "oauth.office": application(issuer, grant="client_credentials"),
                "proxy.office": way,
                "outgoing.main": mx.token_server("tokens", server="localhost", proxy="office"),
            },
        )
        try:
            (tested,) = json.loads(daemon.command("test", "outgoing/main", "--json").stdout)
            stages = {stage["name"]: stage for stage in tested["stages"]}
            assert tested["ok"], tested
            assert "leads to localhost" in stages["proxy"]["detail"]
            assert stages["auth"]["detail"] == f"AUTH {mechanism.upper()} as tokens"
            before = len(mx.dovecot.uids("ada"))
            daemon.start_and_answer()
            mx.dovecot.deliver("tokens", REQUEST % (b"one", f"one-{mechanism}".encode()))
            until(lambda: len(mx.dovecot.uids("ada")) == before + 1, 30, 0.1, "the acknowledgement")
            status = json.loads(daemon.command("oauth", "status", "--json").stdout)
            assert status[0]["used_by"] == ["outgoing/main"]
            issuer.ends.clear()
            refused = issuer.refused
            proxy.stop()  # its connection ends with it
            proxy.start()
            mx.dovecot.deliver("tokens", (REQUEST % (b"two", f"two-{mechanism}".encode())).replace(b"ada@", b"bob@"))
            until(lambda: mx.dovecot.uids("bob"), 20, 0.1, "the next one")
            assert issuer.refused == refused + 1
            mx.dovecot.forget("bob")
            assert daemon.stop() == 0
            said = daemon.log + json.dumps(tested)
            assert not [token for token in issuer.given if token in said]
            assert PROXY_PASSWORD not in said
            kept = b"".join(one.read_bytes() for one in daemon.directory.rglob("*") if one.is_file())
            assert not [token for token in issuer.given if token.encode() in kept]
        finally:
            daemon.end()
