"""Scenarios: what each key does, and what is said where one is broken."""

# ruff: noqa: E501 - a mail of a scenario is one line

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.cli.settings import load_with
from mailwicket.config.plugins import installed
from mailwicket.model import MessageId, TicketNumber
from mailwicket.rehearsal.labels import Named, replaced
from mailwicket.rehearsal.play import Result, play
from mailwicket.rehearsal.scenario import ACTIONS, EXPECTATIONS, TOP, ScenarioError, read

CONF = """
conf = '''
[outgoing.support]
email = "support@desk.example"
[incoming.support]
email = "support@desk.example"
primary = true
group = "first"
[incoming.sales]
email = "sales@desk.example"
[incoming.old]
email = "old@desk.example"
enabled = false
[technician."tina@desk.example"]
groups = ["first"]
'''
"""
MAIL = 'mail = {name = "q", from = "ann@example.com", to = "support@desk.example", subject = "Gate", text = "Shut."}\n'


def played(directory: Path, text: str, *, conf: str = CONF) -> Result:
    path = directory / "scenario.toml"
    path.write_text(conf + text)
    try:
        scenario = read(path)
    except ScenarioError as error:
        return Result(str(path), error=str(error))
    return play(scenario, None, lambda at: load_with(installed(), at, {}))


def good(directory: Path, text: str) -> list[Mapping[str, Any]]:
    """Play *text*, which must go as it says; return what each step did."""
    result = played(directory, text)
    assert result.error is None
    assert [(step.number, step.differences) for step in result.steps if step.differences] == []
    return [step.outcome for step in result.steps]


# --- times


def test_the_clock_starts_where_it_is_promised_and_moves_on_by_a_second(tmp_path: Path) -> None:
    good(
        tmp_path,
        f"""
[[step]]
{MAIL}expect = {{reason = "created"}}
[[step]]
ticket = {{of = "@q", do = "close"}}
[[step]]
at = 2026-01-08T09:00:02Z
mail = {{from = "ann@example.com", to = "support@desk.example", subject = "Re: Gate", text = "x", in_reply_to = "@sent:1"}}
expect = {{reason = "reopened"}}
""",
    )


@pytest.mark.parametrize(
    "at",
    ['"2026-02-01T09:00:00Z"', '"2026-02-01T10:00:00+01:00"', "2026-02-01T09:00:00Z", "2026-02-01 09:00:00+00:00",
     "2026-02-01T09:00:00"],
)  # fmt: skip
def test_a_time_is_text_or_a_toml_date_time(tmp_path: Path, at: str) -> None:
    good(
        tmp_path,
        f"""
[[step]]
at = 2026-01-25T09:00:00Z
{MAIL}
[[step]]
at = 2026-01-25T09:00:00Z
ticket = {{of = "@q", do = "close"}}
[[step]]
at = 2027-01-01T00:00:00Z
mail = {{from = "ann@example.com", to = "support@desk.example", text = "x", in_reply_to = "@sent:1", received = {at}}}
expect = {{reason = "reopened"}}
""",
    )


@pytest.mark.parametrize("date", ['"Thu, 1 Jan 1970 00:00:00 +0000"', "1970-01-01T00:00:00Z", '"1970-01-01T00:00:00Z"'])
def test_the_date_of_a_mail_may_be_any_and_of_two_that_say_the_same_one_is_a_copy(tmp_path: Path, date: str) -> None:
    mail = f'mail = {{name = "q", from = "a@example.com", to = "sales@desk.example", text = "x", message_id = "", date = {date}}}'
    outcomes = good(
        tmp_path,
        f"[[step]]\n{mail}\nexpect = {{reason = 'created'}}\n[[step]]\n{mail.replace('q', 'r')}\n"
        "expect = {reason = 'duplicate', ticket = '@q'}",
    )
    assert [one["ticket"] for one in outcomes] == ["new", "@q"]


# --- what a mail says


def test_references_are_a_list_or_text_and_headers_may_repeat(tmp_path: Path) -> None:
    answer = 'mail = {from = "ann@example.com", to = ["Desk <support@desk.example>"], subject = "Re: Gate", text = "y",'
    good(
        tmp_path,
        f"""
[[step]]
{MAIL}
[[step]]
{answer} references = ["<x@x.example>", "@q"]}}
expect = {{ticket = "@q"}}
[[step]]
{answer} references = "<x@x.example> @q"}}
expect = {{ticket = "@q"}}
[[step]]
{answer} in_reply_to = ["@q"], headers = {{Received = ["from a by b", "from c by d"], X-Number = 7, Precedence = "bulk"}}}}
expect = {{reason = "auto_reply_attached", ticket = "@q"}}
""",
    )


def test_html_text_and_attachments_are_read_as_mail_is(tmp_path: Path) -> None:
    (tmp_path / "inner.eml").write_bytes(b"From: cy@example.com\r\nSubject: Door\r\n\r\nBroken.\r\n")
    (tmp_path / "dot.png").write_bytes(b"\x89PNG")
    good(
        tmp_path,
        f"""
[[step]]
{MAIL}
[[step]]
[step.mail]
name = "h"
from = "ann@example.com"
to = "support@desk.example"
html = "<p>As in @number:q: <b>shut</b></p>"
attach = [
    {{filename = "a.txt", text = "see @q"}},
    {{filename = "Bücher.png", file = "dot.png"}},
    {{filename = "inner.eml", file = "inner.eml"}},
]
[step.expect]
reason = "created"
attachments = ["inner.eml", "a.txt", "Bücher.png"]
entry_text_contains = ["As in 1: shut"]
entry_text_lacks = ["<b>", "@number"]
""",
    )


def test_an_eml_beside_the_scenario_is_played_as_it_is_but_for_what_stands_beside_it(tmp_path: Path) -> None:
    raw = (
        b"From: ann@example.com\r\nTo: support@desk.example\r\nSubject: @q stays\r\n folded\r\nMessage-ID: <f@x>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>@q stays</p>\r\n"
    )
    (tmp_path / "a.eml").write_bytes(raw)
    outcomes = good(
        tmp_path,
        f"""
[[step]]
{MAIL}
[[step]]
mail = {{name = "f", file = "a.eml"}}
expect = {{reason = "created", requester = "ann@example.com", subject = "@q stays folded", entry_text_contains = "@q stays"}}
[[step]]
mail = {{file = "a.eml", from = "bob@example.com", in_reply_to = "@f", message_id = "<g@x>"}}
expect = {{reason = "collaboration_stranger", ticket = "@f"}}
[[step]]
mail = {{file = "a.eml", subject = "Other", text = "New words.", message_id = ""}}
expect = {{reason = "created", subject = "Other", entry_text_contains = "New words.", entry_text_lacks = "stays"}}
""",
    )
    assert outcomes[1]["entry_text_contains"] == "@q stays"


# --- where it arrives


def test_a_mailbox_at_graph_needs_no_more_than_its_application(tmp_path: Path) -> None:
    conf = """
conf = '''
[oauth.office]
provider = "microsoft"
tenant = "desk.example"
client_id = "app-1"
[incoming.support]
email = "support@desk.example"
protocol = "mapi"
oauth = "office"
'''
"""
    result = played(tmp_path, f'[[step]]\n{MAIL}expect = {{reason = "created"}}\n', conf=conf)
    assert (result.error, [step.differences for step in result.steps]) == (None, [[]])


@pytest.mark.parametrize("unit", ["incoming/sales", "sales"])
def test_a_unit_is_named_with_and_without_its_kind(tmp_path: Path, unit: str) -> None:
    good(
        tmp_path,
        f"""
[[step]]
mail = {{from = "ann@example.com", to = "undisclosed-recipients:;", text = "x", unit = "{unit}"}}
expect = {{reason = "created", group = ""}}
""",
    )


def test_without_a_unit_a_mail_arrives_where_it_is_addressed_first_to_a_mailbox_that_is_fetched(tmp_path: Path) -> None:
    good(
        tmp_path,
        """
[[step]]
mail = {from = "ann@example.com", to = "old@desk.example, sales@desk.example", cc = "support@desk.example", text = "x"}
expect = {reason = "created"}
[[step]]
mail = {from = "ann@example.com", to = "old@desk.example", text = "x"}
expect = {reason = "server_paused", ticket = "none"}
""",
    )
    assert "say by unit" in (played(tmp_path, '[[step]]\nmail = {from = "a@example.com", text = "x"}').error or "")


def test_mail_waits_while_its_server_is_down_or_paused_and_was_received_when_it_came(tmp_path: Path) -> None:
    good(
        tmp_path,
        f"""
[[step]]
{MAIL}
[[step]]
ticket = {{of = "@q", do = "close"}}
[[step]]
server = {{unit = "incoming/support", state = "refuses_login"}}
expect = {{alerts = ["incoming/support"]}}
[[step]]
at = 2026-01-08T08:00:00Z
mail = {{name = "r", from = "ann@example.com", to = "support@desk.example", text = "x", in_reply_to = "@sent:1"}}
expect = {{reason = "server_paused", ticket = "none"}}
[[step]]
mail = {{from = "bob@example.com", to = "sales@desk.example", text = "x", in_reply_to = "@r"}}
expect = {{reason = "created"}}
[[step]]
at = 2026-01-12T08:00:00Z
server = {{unit = "incoming/support", state = "up"}}
expect = {{reason = "reopened", ticket = "@q", alerts = []}}
[[step]]
config = "[preferences]\\nemail_to_ticket = 'paused'"
[[step]]
mail = {{from = "ann@example.com", to = "support@desk.example", text = "y"}}
expect = {{reason = "server_paused"}}
[[step]]
config = "[preferences]\\nemail_to_ticket = 'on'"
expect = {{reason = "created", ticket = "new"}}
""",
    )


# --- labels

NAMED = {
    "q": Named("q@m", TicketNumber(7), "d+7-t@x"),
    "q2": Named("q2@m", TicketNumber(8), ""),
    "q-x": Named("qx@m", None, ""),
}
SENT = [MessageId("mw-1-1-p-a-" + "a" * 26 + "@d"), MessageId("mw-1-2-p-b-" + "a" * 26 + "@d")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("@q", "<q@m>"),
        ("@q2 @q", "<q2@m> <q@m>"),
        ("@q-x @q-y", "<qx@m> <q@m>-y"),
        ("@quest", "@quest"),
        ("(@q)", "(<q@m>)"),
        ("ann@q.example", "ann@q.example"),
        ("ann@q", "ann@q"),
        ("[#@number:q]", "[#7]"),
        ("support+@number:q-abc@desk.example", "support+7-abc@desk.example"),
        ("@number:q2.", "8."),
        ("@token:q", "d+7-t@x"),
        ("Desk <@token:q>", "Desk <d+7-t@x>"),
        ("@sent.", f"<{SENT[1]}>."),
        ("@sent:1", f"<{SENT[0]}>"),
        ("@sent:2 @q", f"<{SENT[1]}> <q@m>"),
        ("@sent:3", "@sent:3"),
        ("@sent:0", "@sent:0"),
        ("@nobody", "@nobody"),
        ("x@sent.example", "x@sent.example"),
    ],
)
def test_a_label_stands_for_its_mail(text: str, told: str) -> None:
    assert replaced(text, NAMED, SENT) == told


def test_a_bit_of_the_mac_of_a_mail_of_ours_can_be_flipped() -> None:
    forged = {replaced(f"@sent:1~{bit}", NAMED, SENT) for bit in range(128)}
    assert len(forged) == 128
    assert f"<{SENT[0]}>" not in forged


# --- what goes wrong

BROKEN = {
    "is no TOML": "[[step]\n",
    "unknown key stp": "[[stp]]\n",
    "step: is not a list": "step = 5\n",
    "title: is not text": "title = 5\n",
    "step 1: has more than one action: mail, config": "[[step]]\nmail = {}\nconfig = ''\n",
    "step 1: mail: unknown key form": "[[step]]\nmail = {form = 'x'}\n",
    "step 1: mail: to: is not text or a list of text": "[[step]]\nmail = {to = 5}\n",
    "step 1: mail: headers: is not a table": "[[step]]\nmail = {headers = 5}\n",
    "step 1: mail: attach: each is": "[[step]]\nmail = {attach = [{text = 'x'}]}\n",
    "step 1: mail: received: is no time": "[[step]]\nmail = {received = 'soon'}\n",
    "step 1: at: is no time": "[[step]]\nat = '25 o clock'\n",
    "step 1: ticket: do: is none of": "[[step]]\nticket = {of = '@q', do = 'burn'}\n",
    "step 1: ticket: has no of": "[[step]]\nticket = {do = 'close'}\n",
    "step 1: of: no mail is named q": "[[step]]\nticket = {of = '@q', do = 'close'}\n",
    "step 1: expect: reason: is none of": "[[step]]\nexpect = {reason = 'creatd'}\n",
    "step 1: expect: flags: there is no odd": "[[step]]\nexpect = {flags = ['odd']}\n",
    "step 1: expect: ticket: no mail is named q": "[[step]]\nexpect = {ticket = '@q'}\n",
    "step 1: expect: ticket: is neither": "[[step]]\nexpect = {ticket = 'q'}\n",
    "step 1: expect: entries: is not a number": "[[step]]\nexpect = {entries = true}\n",
    "step 1: expect: cc: is not text or a list of text": "[[step]]\nexpect = {cc = 5}\n",
    "step 1: mail: none.eml: No such file": "[[step]]\nmail = {file = 'none.eml'}\n",
    "step 1: mail: a\x00b": '[[step]]\nmail = {file = "a\\u0000b"}\n',
    "step 1: there is no mailbox none": "[[step]]\nmail = {unit = 'none'}\n",
    "step 1: mail: headers: 'A B' is no name": "[[step]]\nmail = {to = 'support@desk.example', headers = {'A B' = 'x'}}\n",
    "step 1: mail: X: a line that goes on": "[[step]]\nmail = {to = 'support@desk.example', headers = {X = \"a\\nb\"}}\n",
    "step 1: @sent: so far 0": "[[step]]\nbounce = {of = '@sent'}\n",
    "step 1: server: unit: incoming/x: there is no such; there are: incoming/support, ": "[[step]]\nserver = {unit = 'incoming/x', state = 'up'}\n",
    "step 1: quarantine: do: is none of": "[[step]]\nquarantine = {of = '@q', do = 'eat'}\n",
}  # fmt: skip


@pytest.mark.parametrize(("said", "text"), BROKEN.items(), ids=range(len(BROKEN)))
def test_a_broken_scenario_says_where_and_why(tmp_path: Path, said: str, text: str) -> None:
    error = played(tmp_path, text).error
    assert error is not None
    assert said in error
    assert "\n" not in error or said == "is no TOML"


def test_a_configuration_that_is_refused_breaks_the_scenario_unless_that_is_expected(tmp_path: Path) -> None:
    bad = "[incoming.support]\nemail = 5\n"
    broken = played(tmp_path, "", conf=f"conf = '''{bad}'''\n")
    assert "incoming.support.email" in (broken.error or "")
    assert played(tmp_path, "", conf=f"conf = '''{bad}'''\nrefused = 'incoming.support.email'\n").passed
    assert played(tmp_path, "", conf=f"conf = '''{bad}'''\nrefused = ''\n").passed
    accepted = played(tmp_path, "", conf=f"refused = ''\n{CONF}")
    assert [one.key for one in accepted.steps[0].differences] == ["refused"]


@pytest.mark.parametrize(
    "keys",
    ["", "protocol = 'graph'", "protocol = 'mapi'", "protocol = 'graph'\noauth = 'mine'", "protocol = 'graph'\noauth = 'mine-app'", "auth = 'oauth'",
     "provider = 'google'", "provider = 'microsoft'\nauth = 'oauth'", "security = 'none'", "security = 'tls'"],
)  # fmt: skip
def test_what_a_server_needs_only_to_connect_may_be_left_out(tmp_path: Path, keys: str) -> None:
    mine = "[oauth.mine]\nprovider = 'microsoft'\n" if "'mine'" in keys else ""
    mine += "[oauth.mine-app]\nprovider = 'microsoft'\ngrant = 'client_credentials'\n" if "mine-app" in keys else ""
    units = f"[incoming.far]\nemail = 'far@desk.example'\n{keys}\n[outgoing.far]\nemail = 'far@desk.example'\nprimary = true\n{keys}\n"
    mail = 'mail = {from = "ann@example.com", to = "far@desk.example", subject = "Gate", text = "Shut."}\n'
    sent = 'expect = {reason = "created", sent = [{to = "ann@example.com", via = "far"}]}\n'
    done = played(tmp_path, f'[[step]]\nconfig = """{units}{mine}"""\n[[step]]\n{mail}{sent}')
    assert done.passed, done
    wrong = played(
        tmp_path, f'[[step]]\nconfig = """{units}{mine}odd = 1"""\nexpect = {{refused = \'odd: unknown key\'}}\n'
    )
    assert wrong.passed, wrong


def test_nobody_and_nothing_are_written_as_empty_text(tmp_path: Path) -> None:
    none = 'cc = "", followers = "", linked = "", assignee = "", attachments = "", alerts = ""'
    good(tmp_path, f"[[step]]\n{MAIL}expect = {{{none}}}\n")
    copied = MAIL.replace("subject =", 'cc = "bob@example.com", subject =')
    result = played(tmp_path, f"[[step]]\n{copied}expect = {{{none}}}\n")
    assert [one.key for one in result.steps[0].differences] == ["cc"]


def test_a_person_may_stand_beside_his_name(tmp_path: Path) -> None:
    mail = MAIL.replace("subject =", 'cc = "Bob <bob@example.com>", subject =')
    by = 'by = "Tina Tech <tina@desk.example>"'
    good(
        tmp_path,
        f"""
[[step]]
{mail}expect = {{requester = "Ann <ann@example.com>", cc = "Bob <bob@example.com>", not_sent_to = "Eve <eve@example.com>"}}
[[step]]
ticket = {{of = "@q", do = "assign", {by}, to = "Tina <tina@desk.example>"}}
expect = {{assignee = "Tina <tina@desk.example>"}}
[[step]]
ticket = {{of = "@q", do = "remove_cc", {by}, to = "Bob <bob@example.com>"}}
expect = {{cc = []}}
""",
    )


def test_a_mail_of_ours_comes_back_where_its_ticket_is_at_home_and_by_nobody_but_technicians_is_replied(
    tmp_path: Path,
) -> None:
    good(
        tmp_path,
        f"""
[[step]]
{MAIL}
[[step]]
echo = {{of = "@sent:1", strip = ["Message-ID", "X-Mailwicket-Loop"], from = "bob@example.com"}}
expect = {{reason = "auto_reply_attached", ticket = "@q"}}
[[step]]
ticket = {{of = "@q", do = "reply", by = "bob@example.com", text = "Hello."}}
expect = {{refused = "no technician", sent = []}}
""",
    )


def test_what_is_refused_changes_nothing_and_is_a_difference_unless_expected(tmp_path: Path) -> None:
    good(
        tmp_path,
        f"""
[[step]]
{MAIL}
[[step]]
config = "[preferences]\\nmax_cc = -1"
expect = {{refused = "preferences.max_cc"}}
[[step]]
config = "[preferences\\n"
expect = {{refused = ""}}
[[step]]
ticket = {{of = "@q", do = "assign", to = "nobody@desk.example"}}
expect = {{refused = "no technician", assignee = ""}}
[[step]]
quarantine = {{of = "@q", do = "retry"}}
expect = {{refused = "not parked"}}
""",
    )
    result = played(tmp_path, f"[[step]]\n{MAIL}\n[[step]]\nticket = {{of = '@q', do = 'reopen'}}\n")
    assert [one.key for one in result.steps[1].differences] == ["refused"]


ODD = (
    '""', '"@q"', '"@sent:9"', "5", "1.5", "true", "[]", '["a", "b"]', "[1]", "{}", "{a = 1}", "[{}]", '"a\\nb"', '"\\u0000"',
    "2026-01-01", "09:00:00", '"9999-12-31T23:59:59Z"', "0001-01-01T00:00:00Z", "inf", '{From = ["a", "b"]}', '{"x:y" = "1"}',
    '[{filename = "a\\nb", text = "x"}]', '[{filename = "x", text = 5}]', '"@number:q"', "[[]]",
)  # fmt: skip
BASES = {
    "mail": {"from": '"a@b.example"', "to": '"support@desk.example"'},
    "ticket": {"of": '"@q"', "do": '"note"'},
    "quarantine": {"of": '"@q"', "do": '"drop"'},
    "server": {"unit": '"support"', "state": '"up"'},
    "announce": {"to": '"all"'},
    "bounce": {"of": '"@sent"'},
    "echo": {"of": '"@sent"'},
}


@pytest.mark.parametrize("action", [*BASES, "expect"])
def test_whatever_a_key_holds_the_scenario_is_played_or_says_why_not(tmp_path: Path, action: str) -> None:
    chance = random.Random(action)
    keys = EXPECTATIONS if action == "expect" else ACTIONS[action]
    loaded = installed()
    for number in range(60):
        held = {**BASES.get(action, {}), chance.choice(list(keys)): chance.choice(ODD)}
        table = ", ".join(f"{key} = {value}" for key, value in held.items())
        before = f"[[step]]\n{MAIL}" if action == "expect" else f"[[step]]\n{MAIL}[[step]]\n"
        path = tmp_path / f"{number}.toml"
        path.write_text(f"{CONF}{before}{action} = {{{table}}}\n")
        try:
            result = play(read(path), None, lambda at: load_with(loaded, at, {}))
        except ScenarioError as error:
            result = Result(str(path), error=str(error))
        assert result.error is None or result.error.startswith(("step ", "is no TOML")), table


# --- the command


def test_the_command_plays_all_tells_each_and_ends_by_the_worst(tmp_path: Path) -> None:
    texts = {
        "good": f"{CONF}[[step]]\n{MAIL}expect = {{reason = 'created', ticket = 'new'}}\n",
        "bad": f"{CONF}[[step]]\n{MAIL}expect = {{reason = 'duplicate'}}\n",
        "broken": f"{CONF}[[step]]\n{MAIL}[[step]]\nticket = {{of = '@z', do = 'close'}}\n",
        "none": "[[step]]\n",
    }
    paths = {name: tmp_path / f"{name}.toml" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text)
    run = CliRunner().invoke
    assert run(app, ["rehearse", str(paths["good"])]).exit_code == 0
    bad = run(app, ["rehearse", str(paths["bad"])])
    assert bad.exit_code == 1
    assert "step 1: reason: expected 'duplicate', actual 'created'" in bad.stdout
    names = [str(path) for path in (paths["broken"], tmp_path / "absent.toml", paths["none"], paths["bad"])]
    everything = run(app, ["rehearse", "--json", *names, str(paths["good"])])
    assert everything.exit_code == 2
    told = [json.loads(line) for line in everything.stdout.splitlines()]
    assert [one["scenario"] for one in told] == [*names, str(paths["good"])]
    assert [one["passed"] for one in told] == [False, False, False, False, True]
    assert [("error" in one) for one in told] == [True, True, True, False, False]
    assert told[3]["steps"][0]["differences"] == [{"key": "reason", "expected": "duplicate", "actual": "created"}]
    assert told[4]["steps"][0]["outcome"]["ticket"] == "new"
    assert told[4]["steps"][0]["outcome"].keys() == EXPECTATIONS.keys()


def test_a_conf_d_of_the_admins_is_played_and_left_alone(tmp_path: Path) -> None:
    conf = tmp_path / "conf.d"
    conf.mkdir()
    text = '[incoming.support]\nemail = "support@desk.example"\nserver = "imap.desk.example"\npassword = "canary"\n'
    (conf / "10.toml").write_text(text)
    (tmp_path / "a.toml").write_text(f"[[step]]\n{MAIL}expect = {{reason = 'created'}}\n[[step]]\nconfig = ''\n")
    done = CliRunner().invoke(app, ["rehearse", "--conf", str(conf), str(tmp_path / "a.toml")])
    assert (done.exit_code, [path.name for path in conf.iterdir()]) == (0, ["10.toml"])
    assert CliRunner().invoke(app, ["rehearse", "--conf", "/none", str(tmp_path / "a.toml")]).exit_code == 2


def test_every_key_of_a_scenario_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rehearse.md").read_text(encoding="utf-8")
    keys = {*TOP, *ACTIONS, "config", "at", "expect", *EXPECTATIONS, *(key for one in ACTIONS.values() for key in one)}
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_the_examples_of_the_documentation_go_as_they_say(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "rehearse.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert examples
    for example in examples:
        result = played(tmp_path, "", conf=example)
        assert result.passed, result
