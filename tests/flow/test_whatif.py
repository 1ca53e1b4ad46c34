"""What other rules would have done to the mail that came: told, and nothing done."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.flow.test_intake import Bench, bench, mail

from mailwicket.config.filter import Filter
from mailwicket.flow.whatif import differences
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Home, Policy

__all__ = ["bench"]

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWN = OwnAddresses(["desk@example.net"])


def policy(rules: Filter | None = None, group: str | None = "first line") -> Policy:
    return Policy(own=OWN, homes={"box": Home("box", group=group, filter=rules)})


@pytest.fixture
async def filled(bench: Bench) -> Bench:
    bench.server.deliver(
        mail("Printer", message_id="one@example.org"),
        mail("The lottery", message_id="two@example.org"),
        mail("Re: Printer", message_id="three@example.org", in_reply_to="one@example.org"),
        mail("Printer", message_id="one@example.org"),
    )
    await bench.catch_up()
    return bench


async def test_the_same_rules_differ_in_nothing(filled: Bench) -> None:
    told = await differences(filled.store, (policy(), policy()), 500, NOW)
    assert told == {"looked_at": 4, "differ": []}


async def test_a_filter_tells_the_mails_that_it_would_have_parked(filled: Bench) -> None:
    rules = (policy(), policy(Filter(type="ignore", keywords=("lottery",))))
    told = await differences(filled.store, rules, 500, NOW)
    (one,) = told["differ"]
    assert (one["subject"], one["unit"], one["message_id"]) == ("The lottery", "incoming/box", "two@example.org")
    assert (one["before"]["reason"], one["after"]["reason"]) == ("created", "filter_ignored")


async def test_only_so_many_are_looked_at_and_another_group_is_a_difference(filled: Bench) -> None:
    told = await differences(filled.store, (policy(), policy(group="second line")), 3, NOW)
    assert told["looked_at"] == 3
    assert [(one["subject"], one["after"]["group"]) for one in told["differ"]] == [("The lottery", "second line")]


async def test_nothing_changes_by_asking(filled: Bench, tmp_path: Path) -> None:
    before = filled.ask("SELECT * FROM decision ORDER BY intake_id")
    await differences(filled.store, (policy(), policy(Filter(type="ignore", keywords=("printer",)))), 500, NOW)
    assert filled.ask("SELECT * FROM decision ORDER BY intake_id") == before
    assert (tmp_path / "state").is_dir()
