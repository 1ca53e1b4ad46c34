"""What is known of well-known providers, and what `provider` fills in."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from tests.conf import Conf

from mailwicket.config.providers import PROVIDERS, Key, Place, by_server, filled

IMAP, POP3 = 993, 995
DOORS = {
    "google": ("imap.gmail.com", "pop.gmail.com", Place("smtp.gmail.com", 465, "ssl")),
    "microsoft": ("outlook.office365.com", "outlook.office365.com", Place("smtp.office365.com", 587, "tls")),
    "outlook.com": ("outlook.office365.com", "outlook.office365.com", Place("smtp-mail.outlook.com", 587, "tls")),
    "yahoo": ("imap.mail.yahoo.com", "pop.mail.yahoo.com", Place("smtp.mail.yahoo.com", 465, "ssl")),
    "aol": ("imap.aol.com", "pop.aol.com", Place("smtp.aol.com", 465, "ssl")),
    "fastmail": ("imap.fastmail.com", "pop.fastmail.com", Place("smtp.fastmail.com", 465, "ssl")),
    "icloud": ("imap.mail.me.com", None, Place("smtp.mail.me.com", 587, "tls")),
    "zoho": ("imap.zoho.com", "pop.zoho.com", Place("smtp.zoho.com", 465, "ssl")),
    "zoho-eu": ("imap.zoho.eu", "pop.zoho.eu", Place("smtp.zoho.eu", 465, "ssl")),
    "zoho-in": ("imap.zoho.in", "pop.zoho.in", Place("smtp.zoho.in", 465, "ssl")),
    "gmx.net": ("imap.gmx.net", "pop.gmx.net", Place("mail.gmx.net", 465, "ssl")),
    "gmx.com": ("imap.gmx.com", "pop.gmx.com", Place("mail.gmx.com", 465, "ssl")),
    "web.de": ("imap.web.de", "pop3.web.de", Place("smtp.web.de", 465, "ssl")),
    "yandex": ("imap.yandex.com", "pop.yandex.com", Place("smtp.yandex.com", 465, "ssl")),
}
"""As the providers' own pages say."""

CLOUDS = {
    "microsoft": "graph.microsoft.com",
    "outlook.com": "graph.microsoft.com",
    "microsoft-us": "graph.microsoft.us",
    "microsoft-us-dod": "dod-graph.microsoft.us",
    "microsoft-china": "microsoftgraph.chinacloudapi.cn",
}


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


def test_every_provider_is_known_with_all_its_doors() -> None:
    assert {one.key: (one.imap.server, one.pop3 and one.pop3.server, one.smtp) for one in PROVIDERS} == DOORS
    assert {one.imap[1:] for one in PROVIDERS} == {(IMAP, "ssl")}
    assert {one.pop3[1:] for one in PROVIDERS if one.pop3} == {(POP3, "ssl")}
    assert {*DOORS, *CLOUDS, "other"} == set(get_args(Key))


def test_a_server_is_a_providers_whichever_protocol_it_speaks() -> None:
    servers = "smtp.gmail.com", "POP.gmail.com", "imap.gmail.com."
    assert [by_server(one) for one in servers] == [PROVIDERS[0]] * 3
    assert by_server("outlook.office365.com") is by_server("smtp.office365.com") is PROVIDERS[1]


@pytest.mark.parametrize("provider", DOORS)
def test_a_provider_fills_in_what_is_not_written(conf: Conf, provider: str) -> None:
    conf.write(
        '[oauth.app]\nprovider = "google"\nclient_id = "x"\n[outgoing.main]\nemail = "a@example.org"\n'
        f'auth = "oauth"\noauth = "app"\nprovider = "{provider}"\n'
        f'[incoming.box]\nemail = "a@example.org"\nauth = "oauth"\noauth = "app"\nprovider = "{provider}"\n'
    )
    settings = conf.read().settings
    assert settings is not None, conf.lines()
    one, box = settings.outgoing["main"], settings.incoming["box"]
    assert Place(one.server, one.port, one.security) == DOORS[provider][2]
    assert (box.server, box.port, box.security) == (DOORS[provider][0], IMAP, "ssl")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", ("smtp.gmail.com", 465, "ssl")),
        ('security = "tls"', ("smtp.gmail.com", 587, "tls")),
        ('security = "ssl"', ("smtp.gmail.com", 465, "ssl")),
        ('server = "mail.example.org"', ("mail.example.org", 465, "ssl")),
        ("port = 2465", ("smtp.gmail.com", 2465, "ssl")),
    ],
)
def test_what_is_written_counts(conf: Conf, keys: str, expected: tuple[str, int, str]) -> None:
    conf.write(f'[outgoing.main]\nemail = "a@example.org"\npassword = "x"\nprovider = "google"\n{keys}\n')
    settings = conf.read().settings
    assert settings is not None, conf.lines()
    one = settings.outgoing["main"]
    assert (one.server, one.port, one.security) == expected


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('provider = "gmial"', "provider: "),
        ('provider = "other"', "outgoing.main.server: is missing"),
        ('provider = "microsoft"', 'outgoing.main.auth: cannot be "basic" here: Microsoft takes no passwords any more'),
        ('provider = "outlook.com"', 'outgoing.main.auth: cannot be "basic" here: Microsoft takes no passwords'),
        ('provider = "google"\nauth = "oauth"', 'outgoing.main.oauth: is missing, and auth is "oauth"'),
        (
            'provider = "google"\nauth = "oauth"\noauth = "x"',
            "outgoing.main.oauth: names no [oauth.NAME]; there is none",
        ),
        ('provider = "google"\nproxy = "x"', "outgoing.main.proxy: names no proxy of this configuration"),
    ],
)
def test_what_does_not_go_together_is_told(conf: Conf, keys: str, words: str) -> None:
    conf.write(f'[outgoing.main]\nemail = "a@example.org"\npassword = "x"\n{keys}\n')
    assert any(words in line for line in conf.lines()), conf.lines()


@pytest.mark.parametrize("provider", DOORS)
def test_a_provider_fills_in_the_maildrop_where_it_has_one(conf: Conf, provider: str) -> None:
    conf.write(
        '[oauth.app]\nprovider = "google"\nclient_id = "x"\n[incoming.box]\nemail = "a@example.org"\n'
        f'protocol = "pop3"\nauth = "oauth"\noauth = "app"\nprovider = "{provider}"\n'
    )
    settings = conf.read().settings
    if DOORS[provider][1] is None:
        assert any('protocol: cannot be "pop3" here: iCloud has no POP3; "imap"' in line for line in conf.lines())
        return
    assert settings is not None, conf.lines()
    box = settings.incoming["box"]
    assert (box.server, box.port, box.security) == (DOORS[provider][1], POP3, "ssl")
    assert box.username == "a@example.org"


@pytest.mark.parametrize("provider", DOORS)
def test_the_user_name_is_the_address_but_at_two_over_imap(conf: Conf, provider: str) -> None:
    login = 'oauth = "app"' if provider in CLOUDS else 'password = "x"'
    conf.write(
        '[oauth.app]\nprovider = "microsoft"\nclient_id = "x"\n'
        f'[outgoing.main]\nemail = "ada@example.org"\nprovider = "{provider}"\n{login}\n'
        f'[incoming.box]\nemail = "ada@example.org"\nprovider = "{provider}"\n{login}\nprimary = true\n'
        f'[incoming.own]\nemail = "grace@example.org"\nprovider = "{provider}"\n{login}\nusername = "grace"\n'
    )
    settings = conf.read().settings
    assert settings is not None, conf.lines()
    assert settings.outgoing["main"].username == "ada@example.org"
    assert settings.incoming["box"].username == ("ada" if provider in {"icloud", "web.de"} else "ada@example.org")
    assert settings.incoming["own"].username == "grace"
    logs_in_by = "oauth" if provider in CLOUDS else "basic"
    assert {settings.outgoing["main"].auth, settings.incoming["box"].auth} == {logs_in_by}


@pytest.mark.parametrize("provider", CLOUDS)
@pytest.mark.parametrize("protocol", ["graph", "mapi"])
def test_a_cloud_of_microsoft_fills_in_its_graph(provider: str, protocol: str) -> None:
    told = filled({"provider": provider, "oauth": "app"}, protocol)
    assert told["server"] == CLOUDS[provider]
    assert (told["port"], told["security"], told["auth"]) == (443, "ssl", "oauth")
    assert filled({"provider": provider, "server": "127.0.0.1"}, protocol)["server"] == "127.0.0.1"


def test_a_national_cloud_has_its_mail_servers_written_out(conf: Conf) -> None:
    conf.write('[incoming.box]\nemail = "a@example.org"\nprovider = "microsoft-us"\nauth = "oauth"\noauth = "x"\n')
    assert any("incoming.box.server: is missing" in line for line in conf.lines())


@pytest.mark.parametrize("table", ["incoming", "outgoing"])
@pytest.mark.parametrize(
    ("provider", "server", "application"),
    [
        ("microsoft", "relay.example.org", "microsoft"),
        ("microsoft-us", "outlook.office365.us", "microsoft-us"),
        ("outlook.com", "mail.example.org", "microsoft"),
        ("other", "smtp-mail.outlook.com", "microsoft"),
        ("other", "smtp.office365.com", "microsoft"),
    ],
)
def test_a_password_for_microsoft_is_refused_with_the_reason_whichever_way_it_is_named(
    conf: Conf, table: str, provider: str, server: str, application: str
) -> None:
    conf.write(
        f'[{table}.one]\nemail = "a@example.org"\npassword = "x"\nprovider = "{provider}"\nserver = "{server}"\n'
    )
    (line,) = [one for one in conf.lines() if f"{table}.one.auth" in one]
    assert "basic authentication is switched off" in line
    assert line.endswith(f'an [oauth.NAME] whose provider is "{application}"')


@pytest.mark.parametrize(
    ("server", "is_hinted"),
    [
        ("smtp.gmail.com", True),
        ("imap.mail.yahoo.com", True),
        ("pop.aol.com", True),
        ("imap.mail.me.com", True),
        ("smtp.fastmail.com", True),
        ("imap.yandex.com", True),
        ("imap.gmx.net", False),
        ("imap.zoho.eu", False),
    ],
)
def test_who_wants_an_app_password_is_known_by_any_of_its_servers(server: str, *, is_hinted: bool) -> None:
    found = by_server(server)
    assert found is not None
    assert ("app password" in found.login) == is_hinted


GRAPH_BOX = """
[oauth.app]
provider = "{cloud}"
client_id = "x"
[incoming.box]
email = "a@example.org"
protocol = "graph"
oauth = "app"
{keys}
[outgoing.main]
email = "a@example.org"
protocol = "graph"
oauth = "app"
{keys}
"""


@pytest.mark.parametrize(
    ("cloud", "keys", "expected"),
    [
        *((cloud, "", (host, 443, "ssl")) for cloud, host in CLOUDS.items()),
        ("microsoft-us", 'server = "https://graph.example.org"', ("graph.example.org", 443, "ssl")),
        ("microsoft-us", 'server = "http://127.0.0.1:8081"', ("127.0.0.1", 8081, "none")),
        ("microsoft", 'provider = "microsoft"\nserver = "http://127.0.0.1:8081"', ("127.0.0.1", 8081, "none")),
        ("microsoft", 'provider = "microsoft-china"', ("microsoftgraph.chinacloudapi.cn", 443, "ssl")),
    ],
)
def test_graph_is_where_the_application_signs_in_unless_something_else_is_written(
    conf: Conf, cloud: str, keys: str, expected: tuple[str, int, str]
) -> None:
    conf.write(GRAPH_BOX.format(cloud=cloud, keys=keys))
    settings = conf.read().settings
    assert settings is not None, conf.lines()
    for one in (settings.incoming["box"], settings.outgoing["main"]):
        assert (one.server, one.port, one.security) == expected
