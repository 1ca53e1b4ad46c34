"""The lint: what `check` remarks of a configuration that is good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conf import Conf
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.flow.topology import remarks

BOX = '[incoming.support]\nemail = "support@example.org"\nserver = "imap.example.org"\npassword = "x"\n'
SENDER = '[outgoing.main]\nemail = "support@example.org"\nserver = "smtp.example.org"\npassword = "x"\n'
SECOND = SENDER.replace("main", "second").replace("support@", "sales@")
RULE = '[[outgoing_rule]]\nname = "r"\noutgoing = "main"\n'
CLOSED = 'all = [{ field = "event", op = "is", value = "closed" }]\n'
TECHNICIAN = '[technician."ann@example.org"]\n'


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


def told(conf: Conf, text: str) -> list[str]:
    """Each remark, with its line in place of the file's name."""
    conf.write(text)
    loaded = conf.read()
    assert loaded.settings is not None, loaded.errors
    found = [loaded.merged.tell(path, words) for path, words in remarks(loaded.settings)]
    return [str(one).removeprefix("conf.d/10-test.toml:") for one in found]


@pytest.mark.parametrize(
    "text",
    [
        BOX + SENDER,
        BOX + SENDER.replace('"support@', '"Support+x@'),
        BOX + 'aliases = ["help@example.org"]\n' + SENDER + 'reply_to = "help@example.org"\n',
        BOX + 'username = "support"\n' + SENDER,
        BOX + SENDER + RULE + CLOSED + RULE,
        BOX + SENDER + RULE + CLOSED + "enabled = false\n" + RULE + CLOSED,
        BOX + SENDER + SECOND + "enabled = false\n" + RULE.replace('"main"', '"second"') + RULE + CLOSED,
        BOX + 'company = "Example"\n' + SENDER + "[msp]\nenabled = true\n",
        BOX + 'trusted_authserv_ids = ["mx.example.org"]\n' + SENDER + TECHNICIAN,
        BOX + SENDER + TECHNICIAN + '[preferences]\ntechnician_proof = "none"\n',
        BOX + 'group = "Elsewhere"\n' + SENDER,
        BOX.replace("password", "enabled = false\npassword") + SENDER + '[preferences]\nemail_to_ticket = "paused"\n',
    ],
)
def test_a_configuration_as_it_is_meant_has_no_remarks(conf: Conf, text: str) -> None:
    assert told(conf, text) == []


NOWHERE = "is received by no mailbox (an alias belongs into the aliases of its mailbox)"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (BOX, ["conf.d: outgoing: no server is enabled: nothing is ever sent"]),
        (
            BOX + SENDER + "enabled = false\n",
            ["5: outgoing: no server is enabled: nothing is ever sent"],
        ),
        (
            BOX + SENDER + 'reply_to = "help@example.org"\n',
            [f"9: outgoing.main.reply_to: {NOWHERE}: answers do not come back"],
        ),
        (
            BOX + SENDER.replace("support@", "help@"),
            [f"6: outgoing.main.email: {NOWHERE}: answers do not come back"],
        ),
        (
            BOX + SENDER.replace("support@", "help@") + 'reply_to = "support@example.org"\n',
            [f"6: outgoing.main.email: {NOWHERE}: reports of failed delivery do not come back"],
        ),
        (
            BOX + "enabled = false\n" + SENDER,
            [
                (
                    "7: outgoing.main.email: is received by incoming.support alone, which is disabled: "
                    "answers do not come back"
                )
            ],
        ),
        (
            BOX + SENDER + SECOND.replace("sales@", "SUPPORT@") + "primary = true\n",
            ["10: outgoing.second.email: is an address of outgoing.main as well, which is chosen first by it"],
        ),
        (
            BOX
            + BOX.replace("[incoming.support]", "[incoming.two]").replace("support@", "two@").replace("imap.", "b.")
            + 'primary = true\naliases = ["two-b@example.org", "support@example.org"]\n'
            + SENDER,
            ["10: incoming.two.aliases: is an address of incoming.support as well, which is chosen first by it"],
        ),
        (
            BOX + 'username = "desk@example.org"\n' + SENDER,
            [
                (
                    "5: incoming.support.username: is an address that is neither email nor among aliases: where mail "
                    "to it arrives here, it is not ours"
                )
            ],
        ),
        (
            BOX + SENDER + '[daemon]\nalert_to = [\n"ann@example.com",\n"support+x@example.org"]\n',
            ["12: daemon.alert_to: is an address of incoming.support: nothing is sent there"],
        ),
        (
            BOX + SENDER.replace("support@", "news@") + 'reply_to = "support@example.org"\n'
            '[daemon]\nalert_to = ["news@example.org"]\n[requester."al@example.org"]\naddresses = ["News@example.org"]',
            [
                f"6: outgoing.main.email: {NOWHERE}: reports of failed delivery do not come back",
                '12: requester."al@example.org": has an address of outgoing.main: his mail is taken for our own',
            ],
        ),
        (
            BOX + SENDER + '[requester."support@example.org"]\n',
            [
                (
                    '9: requester."support@example.org": has an address of incoming.support: mail to him comes back to '
                    "the desk"
                )
            ],
        ),
        (
            BOX + 'company = "Example"\n' + SENDER,
            ["5: incoming.support.company: is ignored while [msp] is not enabled"],
        ),
        (
            BOX + SENDER + TECHNICIAN,
            [
                (
                    "1: incoming.support.trusted_authserv_ids: is empty: technicians have no proof by mail here, so "
                    "that their replies stay collaboration"
                )
            ],
        ),
    ],
)
def test_what_is_odd_about_addresses_is_remarked(conf: Conf, text: str, lines: list[str]) -> None:
    assert told(conf, text) == lines


def test_rules_that_no_mail_reaches_are_remarked(conf: Conf) -> None:
    head = (BOX + SENDER).count("\n")
    lines = told(conf, BOX + SENDER + RULE + CLOSED + RULE + CLOSED + RULE + RULE + CLOSED + RULE)
    assert lines == [
        f"{head + 5}: outgoing_rule: table 2: is never reached: table 1 has the same conditions",
        f"{head + 9}: outgoing_rule: table 3: has no conditions and is not the last: none behind it is ever reached",
        f"{head + 12}: outgoing_rule: table 4: is never reached: table 3 takes everything",
        f"{head + 16}: outgoing_rule: table 5: is never reached: table 3 takes everything",
    ]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ('field = "event", op = "is", value = "close"', "names no event: nearest: closed"),
        ('field = "event", op = "in", value = ["closed", "xyz"]', "names no event: there are: added_to_closed, "),
        ('field = "received_at", op = "is_not", value = "suport"', "names no mailbox: nearest: support"),
        ('field = "technician_group", op = "is", value = "Frist"', "names no group: nearest: First"),
    ],
)
def test_values_that_nothing_has_are_remarked(conf: Conf, condition: str, words: str) -> None:
    nested = f'all = [{{ any = [{{ {condition} }}, {{ field = "status", op = "exists" }}] }}]\n'
    (line,) = told(conf, BOX + SENDER + '[group.First]\nname = "First"\n' + RULE + nested)
    assert f"outgoing_rule.all: table 1: {words}" in line


def test_values_that_something_has_are_not(conf: Conf) -> None:
    conditions = (
        '{ field = "event", op = "in", value = ["Closed"] }, { field = "received_at", op = "is", value = "support" }, '
        '{ field = "technician_group", op = "is", value = "any" }, { field = "event", op = "contains", value = "x" }'
    )
    assert told(conf, BOX + SENDER + RULE + f"all = [{conditions}]\n") == []


def test_groups_that_nobody_knows_are_remarked(conf: Conf) -> None:
    lines = told(
        conf,
        BOX
        + 'group = "First levl"\ntrusted_authserv_ids = ["mx"]\n'
        + SENDER
        + 'allowed_groups = ["First level",\n"Second"]\n'
        + TECHNICIAN
        + 'groups = ["First level", "Third"]\n[group."First level"]\nname = "x"\n',
    )
    assert lines == [
        "5: incoming.support.group: names no group: nearest: First level",
        "12: outgoing.main.allowed_groups: names no group: there are: First level, Third",
        '14: technician."ann@example.org".groups: names no group that is declared: there are: First level',
    ]


def test_check_prints_remarks_as_notes_behind_the_others_and_exits_well(conf: Conf) -> None:
    conf.write(BOX.replace('"x"', '{ file = "/nowhere" }') + SENDER.replace("support@", "help@"))
    ended = CliRunner().invoke(app, ["check", "--conf", str(conf.directory)])
    assert ended.exit_code == 0
    assert ended.stdout.splitlines() == [
        "note: conf.d/10-test.toml:4: incoming.support.password: its file cannot be read: No such file or directory",
        f"note: conf.d/10-test.toml:6: outgoing.main.email: {NOWHERE}: answers do not come back",
        "conf.d: 1 files, 1 incoming, 1 outgoing, backend desk: good",
    ]
    told = json.loads(CliRunner().invoke(app, ["check", "--json", "--conf", str(conf.directory)]).stdout)
    assert [note["key"] for note in told["notes"]] == ["incoming.support.password", "outgoing.main.email"]
