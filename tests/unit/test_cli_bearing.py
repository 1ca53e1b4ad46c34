"""Tokens for a command that logs in itself: of an application by itself they are got here, and forgotten."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.lab.daemon import Daemon
from tests.lab.issuer import issuing, issuing_aside, refusal
from tests.lab.proxies import proxy_double
from tests.unit.test_oauth_desk import MAILBOX, settings

from mailwicket.admission import Bearer
from mailwicket.cli.bearing import CliBearer, CliTokens
from mailwicket.config.proxy import Proxy
from mailwicket.errors import BlockedError
from mailwicket.net.machine import Machine

BY_ITSELF = {"grant": "client_credentials", "client_secret": "secret-canary"}


async def test_an_application_by_itself_is_asked_by_the_servers_proxy_and_no_daemon_is_wanted(tmp_path: Path) -> None:
    async with issuing() as issuer, proxy_double("http") as proxy:
        plain = settings(issuer, MAILBOX, **BY_ITSELF)
        known = plain.model_copy(update={"proxy": {"way": Proxy(url=f"http://127.0.0.1:{proxy.port}")}})
        tokens = CliTokens(None, known, lambda: Machine(tmp_path).trust(None))
        bearer: Bearer = tokens.bearer("office", "imap", "desk@example.org", "way")
        assert await bearer.token() in issuer.given
        assert bearer.left_s > 3500
        issuer.answers = [refusal("invalid_client", "AADSTS7000222: expired", [7000222])]
        with pytest.raises(BlockedError, match="has expired") as caught:
            await tokens.bearer("office", "graph", "desk@example.org", "way").token()
        assert (caught.value.reason, len(proxy.asked)) == ("oauth_settings", 2)
    assert [one async for one in anyio.Path(tmp_path).iterdir()] == [], "nothing is kept"


async def test_what_a_person_signed_in_to_has_its_one_keeper(tmp_path: Path) -> None:
    async with issuing() as issuer:
        desk: Any = object()
        tokens = CliTokens(desk, settings(issuer), lambda: Machine(tmp_path).trust(None))
        assert isinstance(tokens.bearer("office", "imap", "desk@example.org"), CliBearer)


async def test_a_server_that_no_daemon_knows_yet_is_tested_with_its_token(tmp_path: Path) -> None:
    with issuing_aside() as issuer:
        box = {**MAILBOX, "server": "127.0.0.1", "port": 1, "enabled": False}
        keys = {"client_id": "c", "token_url": f"{issuer.url}/token", **BY_ITSELF}
        daemon = Daemon(tmp_path, {"new": box}, **{"oauth.office": keys})
        command = [sys.executable, "-m", "mailwicket", "test", "new", "--json", "--conf", str(daemon.conf)]
        ended = await anyio.run_process(command, check=False)
        (told,) = json.loads(ended.stdout)
        stages = {one["name"]: one for one in told["stages"]}
        assert (stages["token"]["state"], stages["tcp"]["state"]) == ("ok", "failed")
        assert stages["token"]["detail"].endswith("60 minutes left")
        assert len(issuer.asked) == 1
        assert not any(token in ended.stdout.decode() for token in issuer.given)
        assert not daemon.state_dir.exists()
