"""How files and the environment become one configuration, and which directory is read."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conf import UNIT, Conf

from mailwicket.config.load import Loaded
from mailwicket.config.merge import KeyPath, Merged, Origin
from mailwicket.config.settings import Settings
from mailwicket.config.where import conf_dir

NAMES = st.sampled_from("abc")
TABLES = st.recursive(
    st.dictionaries(NAMES, st.integers(0, 9), max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(st.integers(0, 9), inner), max_size=3),
    max_leaves=8,
)


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


def good(loaded: Loaded) -> Settings:
    assert loaded.settings is not None, loaded.errors
    return loaded.settings


# --- which files, and in which order


def test_leftovers_of_editors_and_packagers_are_not_read(conf: Conf) -> None:
    conf.write("[daemon]\n")
    for name in (
        "a.toml~", "a.toml.bak", "a.toml.dpkg-old", "a.toml.dpkg-dist", "a.toml.rpmnew", "a.toml.rpmsave", ".a.toml",
        ".a.toml.swp", "#a.toml#", ".#a.toml", "a.conf", "README", "a.TOML",
    ):  # fmt: skip
        conf.write("no TOML", name)
    (conf.directory / "below").mkdir()
    loaded = conf.read()
    assert (loaded.errors, loaded.notes, loaded.files) == ((), (), 1)


def test_files_are_read_in_byte_order_of_their_names(conf: Conf) -> None:
    names = ["\U0001f4e7.toml", "ﬀ.toml", "é.toml", "a.toml", "Z.toml", "9.toml", "10.toml", "1-0.toml"]
    for name in names:
        conf.write("x = 1\n", name)
    told = [note.split(":")[1].strip() for note in conf.lines() if note.startswith("note: ")]
    assert told == [f"conf.d/{name}" for name in reversed(names[:-1])]


def test_a_link_to_a_file_is_read_as_kubernetes_lays_it_out(conf: Conf, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("[daemon]\nlog_level = 'debug'\n")
    (conf.directory / "10-x.toml").symlink_to(tmp_path / "elsewhere")
    assert good(conf.read()).daemon.log_level == "debug"


def test_the_fingerprint_changes_with_every_file_and_with_nothing_else(conf: Conf) -> None:
    path = conf.write("[daemon]\n")
    first = conf.read().fingerprint
    os.utime(path, (1, 1))
    assert conf.read({"MAILWICKET__DAEMON__LOG_LEVEL": "debug"}).fingerprint == first
    conf.write("[daemon]\n# new\n")
    second = conf.read().fingerprint
    conf.write("", "20-b.toml")
    third = conf.read().fingerprint
    path.rename(path.with_name("11-test.toml"))
    assert len({first, second, third, conf.read().fingerprint}) == 4


def test_a_broken_file_changes_the_fingerprint_too(conf: Conf) -> None:
    conf.write("[daemon")
    first = conf.read().fingerprint
    conf.write("[daemo")
    assert conf.read().fingerprint != first


# --- merging


def test_tables_merge_deeply_and_a_list_is_replaced_as_a_whole(conf: Conf) -> None:
    conf.write(UNIT + "aliases = ['a@example.org', 'b@example.org']\n", "10-a.toml")
    conf.write("[incoming.support]\naliases = ['c@example.org']\npoll_s = 5\n", "20-b.toml")
    unit = good(conf.read()).incoming["support"]
    assert (unit.email, unit.aliases, unit.poll_s) == ("support@example.org", ("c@example.org",), 5)


def test_a_secret_is_replaced_as_a_whole_and_never_merged(conf: Conf) -> None:
    conf.write(UNIT, "10-a.toml")
    conf.write("[incoming.support]\npassword = { file = '/x', env = 'Y' }\n", "20-b.toml")
    conf.write("[incoming.support.password]\nenv = 'Z'\n", "30-c.toml")
    unit = good(conf.read()).incoming["support"]
    assert unit.password is not None
    assert (unit.password.form, unit.password.place) == ("env", "environment variable Z")
    assert conf.lines() == [
        "note: conf.d/20-b.toml:2: incoming.support.password: replaces the value of conf.d/10-a.toml:4",
        "note: conf.d/30-c.toml:1: incoming.support.password: replaces the value of conf.d/20-b.toml:2",
    ]


def merge(*documents: dict[str, Any]) -> dict[str, Any]:
    """What merging means, written the other way round: each path from the last document that sets it."""
    result: dict[str, Any] = {}
    for name in {name: None for document in documents for name in document}:
        values = [document[name] for document in documents if name in document]
        after_last_plain = [at for at, value in enumerate(values) if not isinstance(value, dict)]
        if isinstance(values[-1], dict):
            result[name] = merge(*values[after_last_plain[-1] + 1 if after_last_plain else 0 :])
        else:
            result[name] = values[-1]
    return result


@given(st.lists(TABLES, max_size=4))
@settings(max_examples=100)
def test_of_each_key_the_last_value_wins_and_its_place_is_known(documents: list[dict[str, Any]]) -> None:
    merged = Merged(lambda _path: False)
    for number, document in enumerate(documents):
        merged.add(document, Origin(str(number)))
    assert merged.values == merge(*documents)

    def check(path: KeyPath, table: dict[str, Any]) -> None:
        for name, value in table.items():
            here = (*path, name)
            origin = merged.origin(here)
            assert origin is not None
            found: Any = documents[int(origin.name)]
            for step in here:
                found = found[step]
            if isinstance(value, dict):
                assert isinstance(found, dict)
                check(here, value)
            else:
                assert found == value

    check((), merged.values)


def test_what_a_table_replaced_leaves_no_place_behind(conf: Conf) -> None:
    conf.write("[daemon]\nlog_levl = 1\n", "10-a.toml")
    conf.write("daemon = 5\n", "20-b.toml")
    conf.write("[daemon]\n\nlog_levl = 2\n", "30-c.toml")
    assert conf.lines()[0] == "conf.d/30-c.toml:3: daemon.log_levl: unknown key (nearest known key: log_level)"


# --- the environment


def test_the_environment_overrides_files_and_makes_units(conf: Conf) -> None:
    conf.write(UNIT)
    environ = {
        "MAILWICKET__INCOMING__SUPPORT__POLL_S": "5",
        "MAILWICKET__INCOMING__SUPPORT__START_FROM": "2026-01-31",
        "MAILWICKET__INCOMING__SUPPORT__ENABLED": "false",
        "MAILWICKET__HTTP__LISTEN": '["127.0.0.1:0"]',
        "mailwicket__daemon__log_level": "debug",
        "MAILWICKET__Store__Raw_Keep_Days": "7",
        "MAILWICKET__INCOMING__NEW": '{ email = "n@example.org", server = "imap.example.org", password = "x" }',
        "MAILWICKET_FAILPOINT": "no key",
    }
    told = good(conf.read(environ))
    unit = told.incoming["support"]
    assert (unit.poll_s, unit.start_from, unit.enabled) == (5, date(2026, 1, 31), False)
    assert (told.http.listen, told.store.raw_keep_days) == (("127.0.0.1:0",), 7)
    assert told.daemon.log_level == "info"  # a name in small letters is another program's
    assert told.incoming["new"].email == "n@example.org"


@pytest.mark.parametrize(
    "text", ["4711", "true", "2026-01-31", "1e5", "inf", "x = 1", "a # b", "1 # b", "1\nx = 2", "'"]
)
def test_text_of_the_environment_needs_no_quotes_whatever_it_looks_like(conf: Conf, text: str) -> None:
    conf.write(UNIT)
    environ = {
        "MAILWICKET__INCOMING__SUPPORT__PASSWORD": text,
        "MAILWICKET__HTTP__ADMIN_TOKEN__FILE": text.split("\n", maxsplit=1)[0],
        "MAILWICKET__INCOMING__SUPPORT__FOLDER": text.split("\n", maxsplit=1)[0],
        "MAILWICKET__INCOMING__SUPPORT__CA_FILE": text.split("\n", maxsplit=1)[0],
    }
    told = good(conf.read(environ))
    unit = told.incoming["support"]
    assert unit.password is not None
    assert told.http.admin_token is not None
    assert unit.password.reveal() == text
    first = text.split("\n", maxsplit=1)[0]
    assert (unit.folder, unit.ca_file, told.http.admin_token.path) == (first, Path(first), Path(first))


def test_quotes_of_the_environment_are_those_of_a_file(conf: Conf) -> None:
    conf.write(UNIT)
    told = good(conf.read({"MAILWICKET__INCOMING__SUPPORT__PASSWORD": '"a\\"b"'}))
    assert told.incoming["support"].password is not None
    assert told.incoming["support"].password.reveal() == 'a"b'


def test_a_value_that_no_parser_can_hold_is_text(conf: Conf) -> None:
    conf.write("[daemon]\n")
    environ = {
        "MAILWICKET__DAEMON__STOP_TIMEOUT_S": "[" * 5000,
        "MAILWICKET__STORE__QUARANTINE_KEEP_DAYS": "5\nx = 5",
        "MAILWICKET__STORE__RAW_KEEP_DAYS": "9" * 5000,
    }
    assert [line.partition(": ")[2] for line in conf.lines(environ)] == [
        "daemon.stop_timeout_s: is no whole number; seconds, 1 to 3600 (default 10)",
        "store.quarantine_keep_days: is no whole number; days, 1 to 36500 (default 30)",
        "store.raw_keep_days: is no whole number; days, 1 to 36500 (default 90)",
    ]


def test_systemds_state_directory_is_the_default_and_a_file_wins(conf: Conf) -> None:
    conf.write("")
    environ = {"STATE_DIRECTORY": "/var/lib/private/mailwicket:/other"}
    assert good(conf.read(environ)).daemon.state_dir == Path("/var/lib/private/mailwicket")
    assert good(conf.read()).daemon.state_dir == Path("/var/lib/mailwicket")
    conf.write("[daemon]\nstate_dir = '/srv/x'\n")
    assert good(conf.read(environ)).daemon.state_dir == Path("/srv/x")


def test_a_state_directory_that_is_none_is_told_without_a_file(conf: Conf) -> None:
    conf.write("")
    (told,) = conf.lines({"STATE_DIRECTORY": "/x\n"})
    assert told.startswith("conf.d: daemon.state_dir: holds a control character or a line end; the path of a directory")


# --- which directory


def test_the_option_wins_over_the_variable_and_that_over_the_systems_directory() -> None:
    environ = {"MAILWICKET_CONF": "/variable"}
    assert conf_dir(Path("/option"), environ) == Path("/option")
    assert conf_dir(None, environ) == Path("/variable")
    assert conf_dir(None, {}) == conf_dir(None, {"MAILWICKET_CONF": ""}) == Path("/etc/mailwicket/conf.d")


def test_files_are_named_after_their_directory_wherever_one_stands(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    conf.write("x = 1\n")
    monkeypatch.chdir(conf.directory)
    conf.directory = Path()
    assert conf.lines()[0].startswith("conf.d/10-test.toml:1: x: ")


# --- what the models make of it


def test_defaults_follow_other_keys(conf: Conf) -> None:
    conf.write(UNIT + "security = 'tls'\n")
    unit = good(conf.read()).incoming["support"]
    assert (unit.port, unit.username) == (143, "support@example.org")
    conf.write(UNIT + "username = 'desk'\n")
    unit = good(conf.read()).incoming["support"]
    assert (unit.port, unit.username) == (993, "desk")


@pytest.mark.parametrize(
    "line",
    [
        "after = 'leave'", "after = 'move:Done'", "start_from = 'all'", "start_from = 2026-01-31",
        "server = '2001:db8::1'", "server = 'imäp.example.org'", "title = 'Störung'",
    ],
)  # fmt: skip
def test_good_values_are_taken(conf: Conf, line: str) -> None:
    key = line.split(" ", maxsplit=1)[0]
    kept = [one for one in UNIT.splitlines() if not one.startswith(f"{key} ")]
    conf.write("\n".join([*kept, line, ""]))
    assert conf.lines() == []


@pytest.mark.parametrize("name", ["a", "0", "a-b_c", "x" * 64])
def test_good_names_of_units_are_taken(conf: Conf, name: str) -> None:
    conf.write(UNIT.replace("support]", f"{name}]"))
    assert list(good(conf.read()).incoming) == [name]


@pytest.mark.parametrize("name", ["A", "-a", "_a", "a.b", "a b", "é", "a\\n", "", "x" * 65])
def test_bad_names_of_units_are_told_beside_the_errors_in_them(conf: Conf, name: str) -> None:
    conf.write(UNIT.replace("support]", f'"{name}"]') + "poll_s = 0\n")
    told = conf.lines()
    assert [line.split(": ")[2].split(";")[0] for line in told] == ["is no name for a unit", "0 is too small"]


@pytest.mark.parametrize("address", ["unix:/run/x.sock", "localhost:0", "127.0.0.2:80", "[::1]:65535"])
def test_good_addresses_to_listen_on_are_taken(conf: Conf, address: str) -> None:
    conf.write(f'[http]\nlisten = ["{address}"]\n')
    assert good(conf.read()).http.listen == (address,)


def test_the_longest_path_of_a_socket_is_taken_and_counted_in_bytes(conf: Conf) -> None:
    conf.write(f'[http]\nlisten = ["unix:/{"x" * 106}"]\n')
    assert conf.lines() == []
    conf.write(f'[http]\nlisten = ["unix:/{"ä" * 54}"]\n')
    assert "is longer than the 107 bytes" in conf.lines()[0]


def test_mailboxes_on_two_ports_of_one_machine_are_two(conf: Conf) -> None:
    tunnel = UNIT.replace("imap.example.org", "localhost")
    conf.write(f"{tunnel}port = 1143\n" + tunnel.replace("support]", "other]") + "port = 2143\n")
    assert conf.lines() == []


# --- lists of tables


def rule(name: str) -> str:
    return f'[[outgoing_rule]]\nname = "{name}"\noutgoing = "main"\n'


MAIN = '[outgoing.main]\nemail = "a@example.org"\nserver = "smtp.example.org"\npassword = "x"\n'


def test_rules_of_several_files_are_one_list_in_the_order_of_the_files(conf: Conf) -> None:
    conf.write(MAIN + rule("one") + rule("two"), "10-a.toml")
    conf.write(rule("three"), "20-b.toml")
    loaded = conf.read()
    assert [one.name for one in good(loaded).outgoing_rule] == ["one", "two", "three"]
    assert loaded.notes == ()


def test_rules_of_the_environment_stand_over_those_of_the_files(conf: Conf) -> None:
    conf.write(MAIN + rule("one"))
    settings = good(conf.read({"MAILWICKET__OUTGOING_RULE": '[{name = "other", outgoing = "main"}]'}))
    assert [one.name for one in settings.outgoing_rule] == ["other"]
