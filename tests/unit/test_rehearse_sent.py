"""Scenarios with what is sent: servers that fail, mail that comes back, and how it is compared."""

# ruff: noqa: E501 - a step of a scenario is one line

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mailwicket.cli import app
from mailwicket.cli.settings import load_with
from mailwicket.config.plugins import installed
from mailwicket.model import MessageId
from mailwicket.outgoing import Event
from mailwicket.rehearsal.back import echoed
from mailwicket.rehearsal.play import Result, play
from mailwicket.rehearsal.scenario import BEGIN, ScenarioError, read
from mailwicket.rehearsal.sent import Sent
from mailwicket.rehearsal.wire import Wire

CONF = """
[incoming.support]
email = "support@desk.example"
group = "first"
[outgoing.support]
email = "support@desk.example"
[technician."tina@desk.example"]
name = "Tina Tech"
groups = ["first"]
"""
SECOND = """
[outgoing.main]
email = "help@desk.example"
primary = true
"""
ASKS = '[[step]]\nmail = {name = "q", from = "ann@example.com", to = "support@desk.example", subject = "Gate", text = "Shut."}\n'
ANSWER = 'ticket = {of = "@q", do = "reply", by = "tina@desk.example", text = "We look."}\n'


def played(directory: Path, steps: str, conf: str = CONF) -> Result:
    path = directory / "scenario.toml"
    path.write_text(f"conf = '''{conf}'''\n{steps}")
    try:
        scenario = read(path)
    except ScenarioError as error:
        return Result(str(path), error=str(error))
    return play(scenario, None, lambda at: load_with(installed(), at, {}))


def outcomes(directory: Path, steps: str, conf: str = CONF) -> list[Mapping[str, Any]]:
    """Play *steps*, which must go as they say; return what each did."""
    result = played(directory, steps, conf)
    assert result.error is None
    assert [(step.number, step.differences) for step in result.steps if step.differences] == []
    return [step.outcome for step in result.steps]


# --- how it is compared


def test_what_was_sent_is_told_with_every_key_that_can_be_expected(tmp_path: Path) -> None:
    conf = CONF.replace(
        "[outgoing.support]\n", '[outgoing.support]\nsender_name = "The Desk"\nreply_to = "support@desk.example"\n'
    )
    first, answer = outcomes(tmp_path, f"{ASKS}[[step]]\n{ANSWER}", conf)
    assert [one["event"] for one in first["sent"]] == ["created", "created"]
    assert answer["sent"] == [
        {
            "to": ["ann@example.com"],
            "cc": [],
            "from": "support@desk.example",
            "from_name": "The Desk",
            "via": "support",
            "reply_to": "",
            "event": "technician_replied",
            "subject": "Re: [#1] Gate",
        }
    ]
    assert first["not_sent_to"] == ["ann@example.com", "tina@desk.example"]


def test_every_mail_wants_an_expectation_of_its_own_whatever_their_order(tmp_path: Path) -> None:
    loose, tight = '{event = "created"}', '{event = "created", to = "ann@example.com"}'
    outcomes(tmp_path, f"{ASKS}expect = {{sent = [{loose}, {tight}]}}\n")
    outcomes(tmp_path, f"{ASKS}expect = {{sent = [{tight}, {loose}]}}\n")
    for sent in ("[]", f"[{loose}]", f"[{tight}, {tight}]", f"[{loose}, {loose}, {loose}]"):
        result = played(tmp_path, f"{ASKS}expect = {{sent = {sent}}}\n")
        assert [one.key for one in result.steps[0].differences] == ["sent"], sent


@pytest.mark.parametrize(
    ("told", "is_so"),
    [
        ('to = ["ANN@example.com"], cc = ""', True),
        ('to = "bob@example.com"', False),
        ('cc = "bob@example.com"', False),
        ('from = "Support@desk.example", from_name = ""', True),
        ('from_name = "Desk"', False),
        ('to = "Ann <ann@example.com>", from = "Desk <support@desk.example>"', True),
        ('to = "Ann <bob@example.com>"', False),
        ('via = "support"', True),
        ('via = "main"', False),
        ('reply_to = ""', True),
        ('reply_to = "support@desk.example"', False),
        ('event = "technician_replied", subject_contains = "Gate"', True),
        ("reply_to = []", True),
        ('reply_to = ["Desk <support@desk.example>"]', False),
        ('subject_contains = ["Gate", "#1"]', True),
        ('subject_contains = ["Gate", "#2"]', False),
        ('event = "closed"', False),
        ('subject_contains = "gate"', False),
        ('contains = ["We look.", "Subject: Re: [#1] Gate"], lacks = "Auto-Submitted"', True),
        ('contains = "We\\n look."', True),
        ('contains = ["We look.", "CANARY"]', False),
        ('lacks = ["CANARY", "We look."]', False),
    ],
)
def test_a_mail_is_compared_key_by_key(tmp_path: Path, told: str, is_so: bool) -> None:  # noqa: FBT001 - a row of the table
    result = played(tmp_path, f"{ASKS}[[step]]\n{ANSWER}expect = {{sent = [{{{told}}}]}}\n")
    assert result.error is None
    assert [one.key for one in result.steps[1].differences] == ([] if is_so else ["sent"])


def test_words_are_told_where_they_were_compared(tmp_path: Path) -> None:
    result = played(tmp_path, f"{ASKS}[[step]]\n{ANSWER}expect = {{sent = [{{contains = 'CANARY'}}]}}\n")
    assert "text" not in result.steps[0].outcome["sent"][0]
    assert result.steps[1].differences[0].actual[0]["text"].startswith("We look.")


BROKEN = {
    "step 1: expect: sent: event: is none of": "[[step]]\nexpect = {sent = [{event = 'creatd'}]}\n",
    "step 1: expect: sent: unknown key frm": "[[step]]\nexpect = {sent = [{frm = 'a@example.com'}]}\n",
    "step 1: expect: sent: via: is not text": "[[step]]\nexpect = {sent = [{via = 5}]}\n",
    "step 1: server: unit: main: there is no such": "[[step]]\nserver = {unit = 'main', state = 'up'}\n",
    "step 1: server: unit: support: is more than one server": "[[step]]\nserver = {unit = 'support', state = 'up'}\n",
    'is none of "up", "down", "refuses_login"': "[[step]]\nserver = {unit = 'outgoing/support', state = 'asleep'}\n",
    "refuses:ADDR": "[[step]]\nserver = {unit = 'outgoing/support', state = 'refuses:'}\n",
    'a mailbox is "up"': "[[step]]\nserver = {unit = 'incoming/support', state = 'refuses_sender'}\n",
    "step 2: @sent:9: so far 2 mails": f"{ASKS}[[step]]\nbounce = {{of = '@sent:9'}}\n",
}  # fmt: skip


@pytest.mark.parametrize(("said", "steps"), BROKEN.items(), ids=range(len(BROKEN)))
def test_what_cannot_be_played_says_what_is_wrong_and_allowed(tmp_path: Path, said: str, steps: str) -> None:
    assert said in (played(tmp_path, steps).error or "")


# --- servers and time


@pytest.mark.parametrize("state", ["down", "refuses_login", "refuses_sender", "drops_after_data"])
def test_an_outage_of_a_month_is_played_without_each_of_its_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    tries = 0
    connect = Wire.connect

    def counted(wire: Wire) -> None:
        nonlocal tries
        tries += 1
        connect(wire)

    monkeypatch.setattr(Wire, "connect", counted)
    steps = f"[[step]]\nserver = {{unit = 'outgoing/support', state = '{state}'}}\n{ASKS}expect = {{sent = []}}\n"
    steps += "[[step]]\nat = 2026-02-01T09:00:00Z\nexpect = {sent = []}\n[[step]]\nserver = {unit = 'outgoing/support', state = 'up'}\n"
    steps += f"[[step]]\nat = 2026-02-03T09:00:00Z\n{ANSWER}expect = {{sent = [{{to = 'ann@example.com', via = 'support'}}]}}\n"
    outcomes(tmp_path, steps)
    assert tries < (200 if state in {"down", "refuses_login"} else 15_000)  # one that lets us in is probed in earnest


def test_mail_leaves_at_the_rate_of_its_server(tmp_path: Path) -> None:
    conf = CONF.replace("[outgoing.support]\n", "[outgoing.support]\nrate_per_minute = 6\n")
    steps = f"{ASKS}expect = {{sent = [{{to = 'ann@example.com'}}]}}\n"
    steps += "[[step]]\nexpect = {sent = []}\n[[step]]\nat = 2026-01-01T09:00:11Z\nexpect = {sent = [{to = 'tina@desk.example'}]}\n"
    outcomes(tmp_path, steps, conf)


def test_mail_of_a_disabled_server_waits_for_it_and_holds_up_no_other(tmp_path: Path) -> None:
    conf = CONF + SECOND
    steps = f"[[step]]\nserver = {{unit = 'outgoing/support', state = 'down'}}\n{ASKS}expect = {{sent = []}}\n"
    steps += "[[step]]\nconfig = 'outgoing.support.enabled = false'\nexpect = {sent = []}\n"
    steps += (
        f"[[step]]\nat = 2026-01-01T09:30:00Z\n{ANSWER}expect = {{sent = [{{via = 'main', to = 'ann@example.com'}}]}}\n"
    )
    steps += "[[step]]\nserver = {unit = 'outgoing/support', state = 'up'}\n[[step]]\nconfig = 'outgoing.support.enabled = true'\n"
    told = outcomes(tmp_path, steps, conf)
    assert {one["via"] for one in told[-1]["sent"]} == {"support"}


# --- what comes back


def test_no_id_with_a_flipped_bit_is_ours(tmp_path: Path) -> None:
    mail = 'mail = {{from = "p{0}@example.com", to = "support@desk.example", subject = "x", text = "{0}", in_reply_to = "@sent:1{1}"}}\n'
    forged = "".join(
        f"[[step]]\n{mail.format(bit, f'~{bit}')}expect = {{reason = 'created', ticket = 'new'}}\n"
        for bit in range(128)
    )
    genuine = f"[[step]]\n{mail.format(200, '')}expect = {{reason = 'collaboration_stranger', ticket = '@q'}}\n"
    assert len(outcomes(tmp_path, ASKS + forged + genuine)) == 130


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("echo = {of = '@sent:1'}", "loop_own_message"),
        ("echo = {of = '@sent:1', strip = 'Message-ID'}", "loop_own_message"),
        ("echo = {of = '@sent:1', strip = ['Message-ID', 'X-Mailwicket-Loop']}", "loop_own_address"),
        ("echo = {of = '@sent:1', from = 'ann@example.com'}", "loop_own_message"),
        (
            "echo = {of = '@sent:3', strip = ['Message-ID', 'X-Mailwicket-Loop'], from = 'ann@example.com'}",
            "reply_public",
        ),
        ("bounce = {of = '@sent:3'}", "bounce_attached"),
        ("bounce = {of = '@sent:3', permanent = false}", "bounce_attached"),
    ],
)
def test_what_comes_back_opens_no_ticket(tmp_path: Path, action: str, reason: str) -> None:
    told = outcomes(tmp_path, f"{ASKS}[[step]]\n{ANSWER}[[step]]\n{action}\nexpect = {{reason = '{reason}'}}\n")
    assert told[-1]["ticket"] != "new"


def test_what_time_does_to_a_ticket_is_told_of_the_ticket_of_the_step_before(tmp_path: Path) -> None:
    outcomes(
        tmp_path,
        f"""{ASKS}[[step]]
server = {{unit = "outgoing/support", state = "delays:ann@example.com"}}
expect = {{requester = "ann@example.com", entry = "none", entries = 1, ticket = "none"}}
[[step]]
{ANSWER}expect = {{entry = "public", entries = 2}}
[[step]]
at = 2026-01-08T09:00:00Z
expect = {{entry = "collaboration", entry_text_contains = "did not reach ann@example.com", entries = 3, ticket = "none", sent = [{{event = "delivery_failed"}}]}}
""",
    )


def test_a_field_is_lost_on_the_way_with_all_its_lines() -> None:
    raw = b"From: a@b.example\r\nReferences: <1@b.example>\r\n <2@b.example>\r\nSubject: x\r\n\ty\r\n\r\nReferences: no\r\n"
    sent = Sent(1, MessageId("1@b.example"), Event.CLOSED, "main", "", ["ann@example.com"], None, BEGIN, raw)
    back = echoed(sent, {"strip": ["references"], "from": "Bob <bob@example.com>"})
    assert back == b"From: Bob <bob@example.com>\r\nSubject: x\r\n\ty\r\n\r\nReferences: no\r\n"


def test_the_command_tells_nothing_but_outcomes(tmp_path: Path) -> None:
    path = tmp_path / "outage.toml"
    path.write_text(
        f"conf = '''{CONF}{SECOND}'''\n[[step]]\nserver = {{unit = 'outgoing/support', state = 'refuses_login'}}\n{ASKS}"
    )
    result = CliRunner().invoke(app, ["rehearse", "--json", str(path)])
    assert result.exit_code == 0
    (line,) = result.output.splitlines()
    told = json.loads(line)
    assert told["passed"]
    assert [one["via"] for one in told["steps"][1]["outcome"]["sent"]] == ["main", "main"]
    assert told["steps"][1]["outcome"]["alerts"] == ["outgoing/support"]
