"""Microsoft itself, for whoever names an application and a mailbox to try: reads alone, nothing is changed.

`LIVE_GRAPH_TENANT`, `LIVE_GRAPH_CLIENT_ID`, `LIVE_GRAPH_CLIENT_SECRET` and `LIVE_GRAPH_MAILBOX` name them; never where
changes are judged. What our double cannot know shows here. Where `LIVE_GRAPH_SEND_TO` names an address, one mail is
sent to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab.daemon import Daemon

NAMED = {name: os.environ.get(f"LIVE_GRAPH_{name.upper()}", "") for name in ("tenant", "client_id", "mailbox")}
SECRET = "LIVE_GRAPH_CLIENT_SECRET"

pytestmark = pytest.mark.skipif(
    not (all(NAMED.values()) and SECRET in os.environ), reason="names no application and mailbox of Microsoft's"
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    secret = tmp_path / "secret"
    secret.write_text(os.environ[SECRET])
    box = {"email": NAMED["mailbox"], "protocol": "graph", "oauth": "office", "after": "leave", "poll_s": 5}
    application = {"provider": "microsoft", "tenant": NAMED["tenant"], "client_id": NAMED["client_id"]}
    oauth = {**application, "grant": "client_credentials"}
    server = {"email": NAMED["mailbox"], "protocol": "graph", "oauth": "office"}
    made = Daemon(tmp_path / "office", {"box": box}, **{"oauth.office": oauth, "outgoing.main": server})
    made.conf.joinpath("20-secret.toml").write_text(f'[oauth.office.client_secret]\nfile = "{secret}"\n')
    yield made
    made.end()


def test_a_mailbox_at_microsoft_passes_every_stage_and_is_looked_at(daemon: Daemon) -> None:
    daemon.start_and_answer()
    daemon.wait_until_idle(limit_s=120)
    (report,) = json.loads(daemon.command("test", "incoming/box", "--json").stdout)
    assert report["ok"], report
    assert daemon.unit()["state"] == "running"
    assert daemon.stop() == 0


def test_a_mailbox_at_microsoft_may_send_and_does_where_an_address_is_named(daemon: Daemon) -> None:
    to = os.environ.get("LIVE_GRAPH_SEND_TO")
    told = daemon.command("test", "outgoing/main", "--json", *(["--send-to", to] if to else []))
    (report,) = json.loads(told.stdout)
    assert report["ok"], report
