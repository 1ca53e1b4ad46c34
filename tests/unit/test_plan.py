"""The difference of two configurations: who is touched by a reload, and who is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conf import Conf

from mailwicket.config.exposed import secrets
from mailwicket.config.settings import Settings
from mailwicket.service.fleet import stale_secrets
from mailwicket.service.plan import Act, Change, Plan, adopted, applications, compare

BEFORE = """
[daemon]
log_level = "info"
[http]
admin_token = "one"
[incoming.a]
email = "a@example.org"
server = "imap.example.org"
password = "x"
[incoming.b]
email = "b@example.org"
server = "imap.example.org"
password = { file = "/run/secrets/b" }
[incoming.off]
email = "off@example.org"
server = "imap.example.org"
enabled = false
"""


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


def read(conf: Conf, text: str) -> Settings:
    conf.write(text)
    settings = conf.read().settings
    assert settings is not None, conf.lines()
    return settings


def changes(conf: Conf, old: str, new: str) -> Plan:
    assert BEFORE.count(old) == 1
    return compare(read(conf, BEFORE), read(conf, BEFORE.replace(old, new)))


def test_the_same_again_changes_nothing_whatever_its_layout(conf: Conf) -> None:
    same = BEFORE.replace("\n", "\n\n").replace("[http]", "# a comment\n[http]")
    plan = compare(read(conf, BEFORE), read(conf, same))
    assert plan == Plan(kept=2)
    assert plan.is_empty


def test_a_changed_key_restarts_its_unit_alone_and_is_named(conf: Conf) -> None:
    plan = changes(conf, 'server = "imap.example.org"\npassword = "x"', 'server = "new.example.org"\npassword = "y"')
    assert plan == Plan((Change("incoming/a", Act.RESTART, ("server", "password")),), kept=1)
    assert str(plan.changes[0]) == "restart incoming/a (server, password)"


def test_new_removed_and_disabled_mailboxes_start_and_stop(conf: Conf) -> None:
    new = BEFORE.replace("[incoming.a]", "[incoming.c]").replace("enabled = false", 'password = "z"')
    new = new.replace('password = { file = "/run/secrets/b" }', "enabled = false")
    assert compare(read(conf, BEFORE), read(conf, new)).changes == (
        Change("incoming/a", Act.STOP),
        Change("incoming/b", Act.STOP),
        Change("incoming/c", Act.START),
        Change("incoming/off", Act.START),
    )


def test_a_disabled_mailbox_may_change_without_consequences(conf: Conf) -> None:
    assert changes(conf, "off@example.org", "other@example.org") == Plan(kept=2)


def test_keys_of_no_unit_count_at_once_and_those_that_cannot_are_told(conf: Conf) -> None:
    new = BEFORE.replace('"info"', '"debug"\nstate_dir = "/srv/x"').replace('"one"', '"two"\nlisten = ["unix:/x"]')
    plan = compare(read(conf, BEFORE), read(conf, new))
    assert plan.at_once == ("daemon.log_level", "http.admin_token")
    assert plan.after_restart == ("daemon.state_dir", "http.listen")
    assert plan.changes == ()


def test_a_secret_that_reads_otherwise_restarts_its_unit(conf: Conf) -> None:
    settings = read(conf, BEFORE)
    plan = compare(settings, settings, {"incoming/b": ["password"]})
    assert plan.changes == (Change("incoming/b", Act.RESTART, ("password",)),)


def test_what_waits_for_a_restart_stays_as_it_was_and_is_told_again_next_time(conf: Conf) -> None:
    old = read(conf, BEFORE)
    new = read(conf, BEFORE.replace("[http]", '[http]\nlisten = ["unix:/x"]').replace('"x"', '"y"'))
    plan = compare(old, new)
    running = adopted(old, new, plan)
    assert running.http.listen == old.http.listen
    assert running.incoming["a"] is new.incoming["a"]
    assert running.incoming["b"] is old.incoming["b"], "a unit that is kept knows of its secrets what it last used"
    again = compare(running, new)
    assert again == Plan(kept=2, after_restart=("http.listen",))


def test_no_value_is_part_of_a_plan(conf: Conf) -> None:
    plan = changes(conf, 'password = "x"', 'password = "canary-4711"')
    assert "canary" not in repr(plan)
    assert "canary" not in repr(plan.told())


SENDING = """
[outgoing.main]
email = "a@example.org"
server = "smtp.example.org"
password = "x"
[outgoing.off]
email = "b@example.org"
server = "smtp.example.org"
enabled = false
[[outgoing_rule]]
name = "one"
outgoing = "main"
[notification.closed]
enabled = true
"""


def sending(conf: Conf, old: str, new: str) -> Plan:
    assert SENDING.count(old) == 1
    return compare(read(conf, SENDING), read(conf, SENDING.replace(old, new)))


def test_servers_that_send_are_units_and_start_stop_and_restart_by_their_difference(conf: Conf) -> None:
    assert sending(conf, 'password = "x"', 'password = "y"').changes == (
        Change("outgoing/main", Act.RESTART, ("password",)),
    )
    assert sending(conf, "enabled = false", 'password = "z"\nprimary = true').changes == (
        Change("outgoing/off", Act.START),
    )
    assert sending(conf, 'password = "x"', "enabled = false").changes == (Change("outgoing/main", Act.STOP),)
    assert sending(conf, "b@example.org", "c@example.org") == Plan(kept=1)


def test_rules_and_notifications_are_of_no_unit_and_count_at_once(conf: Conf) -> None:
    new = SENDING.replace('"one"', '"uno"').replace("enabled = true", "enabled = false")
    plan = compare(read(conf, SENDING), read(conf, new))
    assert plan == Plan(kept=1, at_once=("outgoing_rule", "notification.closed"))


def test_a_server_that_is_kept_stays_the_same_object_and_a_changed_one_is_the_new(conf: Conf) -> None:
    old, same = read(conf, SENDING), read(conf, SENDING)
    assert adopted(old, same, compare(old, same)).outgoing["main"] is old.outgoing["main"]
    new = read(conf, SENDING.replace('password = "x"', 'password = "y"'))
    assert adopted(old, new, compare(old, new)).outgoing["main"] is new.outgoing["main"]


PROXIED = (
    BEFORE.replace("[incoming.b]", '[incoming.b]\nproxy = "office"') + '[proxy.office]\nurl = "http://127.0.0.1:3128"\n'
)


def test_a_proxy_that_changes_restarts_what_is_reached_by_it_alone(conf: Conf) -> None:
    same = compare(read(conf, PROXIED), read(conf, PROXIED))
    assert same.is_empty
    plan = compare(read(conf, PROXIED), read(conf, PROXIED.replace("3128", "3129")))
    assert plan.changes == (Change("incoming/b", Act.RESTART, ("proxy",)),)
    assert plan.kept == 1


def test_a_mailbox_that_gets_a_proxy_is_restarted(conf: Conf) -> None:
    plan = compare(read(conf, BEFORE), read(conf, PROXIED))
    assert plan.changes == (Change("incoming/b", Act.RESTART, ("proxy",)),)


def test_a_kept_mailbox_keeps_the_proxy_that_it_was_made_with(conf: Conf) -> None:
    old, new = read(conf, PROXIED), read(conf, PROXIED)
    assert adopted(old, new, compare(old, new)).incoming["b"].via is old.incoming["b"].via


BY_OTHERS = """
[oauth.office]
client_id = "one"
authorization_url = "https://login.example.org/a"
token_url = "https://login.example.org/t"
[proxy.office]
url = "http://127.0.0.1:3128"
[outgoing.main]
email = "main@example.org"
server = "smtp.example.org"
auth = "oauth"
oauth = "office"
proxy = "office"
"""


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [('client_id = "one"', 'client_id = "two"', "oauth"), ("127.0.0.1:3128", "127.0.0.1:3129", "proxy")],
)
def test_a_server_that_sends_is_restarted_with_its_application_and_its_proxy(
    conf: Conf, old: str, new: str, key: str
) -> None:
    plan = compare(read(conf, BY_OTHERS), read(conf, BY_OTHERS.replace(old, new)))
    assert plan.changes == (Change("outgoing/main", Act.RESTART, (key,)),)


SHARED = (
    BY_OTHERS.replace(
        'client_id = "one"', 'client_id = "one"\nclient_secret = { env = "OFFICE" }\ngrant = "client_credentials"'
    ).replace('"http://127.0.0.1:3128"', '"http://127.0.0.1:3128"\nusername = "ada"\npassword = { env = "PROXY" }')
    + """
[incoming.support]
email = "support@example.org"
server = "imap.example.org"
auth = "oauth"
oauth = "office"
[incoming.plain]
email = "plain@example.org"
server = "imap.example.org"
password = { env = "PLAIN" }
primary = true
"""
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("OFFICE", {"incoming/support": ["oauth"], "outgoing/main": ["oauth"]}),
        ("PROXY", {"outgoing/main": ["proxy"]}),
        ("PLAIN", {"incoming/plain": ["password"]}),
    ],
)
async def test_a_secret_that_reads_otherwise_restarts_exactly_those_who_use_it_and_once(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, name: str, expected: dict[str, list[str]]
) -> None:
    for one in ("OFFICE", "PROXY", "PLAIN"):
        monkeypatch.setenv(one, "before")
    old = read(conf, SHARED)
    for _, secret in secrets(old):
        secret.reveal()
    via = old.outgoing["main"].via
    assert via is not None
    assert await stale_secrets(old, {"env"}) == {}
    monkeypatch.setenv(name, "after")
    stale = await stale_secrets(old, {"env"})
    assert stale == expected
    new = read(conf, SHARED)
    plan = compare(old, new, stale)
    assert {one.unit: [*one.keys] for one in plan.changes} == expected
    assert plan.kept == 3 - len(expected)
    now = adopted(old, new, plan)
    assert applications(now, plan) == ({"office"} if name == "OFFICE" else set())
    assert (now.oauth["office"] is old.oauth["office"]) == (name != "OFFICE"), "it knows what was used last"
    assert await stale_secrets(now, {"env"}) == {}
