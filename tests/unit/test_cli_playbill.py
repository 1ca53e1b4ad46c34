"""How the demonstration looks on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

from mailwicket.cli import playbill, table
from mailwicket.demo.verdict import Verdict
from mailwicket.model import IntakeId, MessageId, Reason, Step, TicketNumber


def verdict(**changes: Any) -> Verdict:
    known: dict[str, Any] = {
        "intake_id": IntakeId(1),
        "message_id": MessageId("1@example.org"),
        "subject": "The pump leaks",
        "reason": Reason.CREATED,
        "ticket": TicketNumber(1),
        "parked": False,
        "trace": [Step("duplicate", "new Message-ID"), Step("author", "ada@example.org"), Step("automatic", "no")],
    }
    return Verdict(**{**known, **changes})


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(table, "PIPE_WIDTH", 80)
    return 80


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[[Verdict], list[str]]:
    def lines(of: Verdict) -> list[str]:
        playbill.show_result([], [of])
        text = capsys.readouterr().out.split("and why\n\n")[1]
        return [line.rstrip() for line in text.splitlines() if line]

    return lines


def test_on_a_narrow_terminal_steps_stand_whole_on_their_lines(
    narrow: int, shown: Callable[[Verdict], list[str]]
) -> None:
    steps = [Step("duplicate", "new"), Step("thread", "cites " + "x" * 60), Step("automatic", "no")]
    lines = shown(verdict(subject="日本語の件名" * 20, reason=Reason.EXPIRED_FROM_QUARANTINE, trace=steps))
    assert [line.strip() for line in lines[1:]] == ["duplicate? new", "thread? cites " + "x" * 60, "automatic? no"]
    assert lines[0].startswith(" 1  日本語")
    assert lines[0].endswith("…  ticket 1     expired_from_quarantine")
    assert max(map(cell_len, lines)) <= narrow


def test_the_author_is_told_only_where_that_decided(shown: Callable[[Verdict], list[str]]) -> None:
    assert shown(verdict())[1] == "    duplicate? new Message-ID · automatic? no"
    loop = verdict(reason=Reason.LOOP_OWN_ADDRESS, ticket=None, trace=[Step("author", "our own address")])
    headline, why = shown(loop)
    assert headline.split("  ")[1:2] + headline.split()[-3:] == ["The pump leaks", "no", "ticket", "loop_own_address"]
    assert why == "    author? our own address"


def test_mail_gives_the_terminal_no_orders(
    shown: Callable[[Verdict], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    orders = "\x1b[2Jgone\x07\x9b31m\r[red]red[/red]"
    hostile = verdict(subject=orders, trace=[Step("author", orders)])
    shown_lines = shown(hostile)
    playbill.show_arrival(hostile)
    text = "".join([*shown_lines, capsys.readouterr().out]).replace("\n", "")
    assert text.isprintable()
    assert text.count("[red]red[/red]") == 4


def test_a_mail_without_subject_is_shown_as_such(shown: Callable[[Verdict], list[str]]) -> None:
    assert shown(verdict(subject=""))[0].startswith(" 1  (no subject) ")
