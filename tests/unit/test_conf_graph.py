"""Where Graph is, as it may be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conf import Conf

from mailwicket.sources._graph_config import Graph


def table(**keys: Any) -> Graph:
    return Graph.model_validate({"email": "desk@example.org", "oauth": "office", **keys})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, ("graph.microsoft.com", 443, "ssl")),
        ({"server": "graph.microsoft.us"}, ("graph.microsoft.us", 443, "ssl")),
        ({"server": "https://graph.microsoft.us"}, ("graph.microsoft.us", 443, "ssl")),
        ({"server": "https://dod-graph.microsoft.us/v1.0"}, ("dod-graph.microsoft.us", 443, "ssl")),
        ({"server": "https://graph.example.org:8443/"}, ("graph.example.org", 8443, "ssl")),
        ({"server": "http://127.0.0.1:8080"}, ("127.0.0.1", 8080, "none")),
        ({"server": "http://[::1]:8080"}, ("::1", 8080, "none")),
        ({"server": "http://localhost"}, ("localhost", 80, "none")),
        ({"server": "localhost", "security": "none"}, ("localhost", 80, "none")),
        ({"server": "https://graph.example.org", "port": 443}, ("graph.example.org", 443, "ssl")),
    ],
)
def test_a_host_and_a_url_say_the_same(keys: dict[str, Any], expected: tuple[str, int, str]) -> None:
    made = table(**keys)
    assert (made.server, made.port, made.security) == expected


@pytest.mark.parametrize(
    ("provider", "server", "expected"),
    [
        ("microsoft", "", "graph.microsoft.com"),
        ("microsoft-us", "", "graph.microsoft.us"),
        ("microsoft-china", "", "microsoftgraph.chinacloudapi.cn"),
        ("microsoft-us", 'server = "dod-graph.microsoft.us"', "dod-graph.microsoft.us"),
    ],
)
def test_the_server_is_that_of_the_cloud_where_the_application_signs_in(
    provider: str, server: str, expected: str, tmp_path: Path
) -> None:
    conf = Conf(tmp_path)
    unit = f'[incoming.support]\nemail = "desk@example.org"\nprotocol = "mapi"\noauth = "office"\n{server}\n'
    conf.write(f'{unit}[oauth.office]\nprovider = "{provider}"\ntenant = "example.org"\nclient_id = "app-1"\n')
    settings = conf.read().settings
    assert settings is not None
    assert (settings.incoming["support"].server, settings.incoming["support"].port) == (expected, 443)


def test_a_mailbox_is_named_by_its_address_unless_said_otherwise() -> None:
    assert table().username == "desk@example.org"
    assert table(username="me").username == "me"
    assert table().auth == "oauth"
