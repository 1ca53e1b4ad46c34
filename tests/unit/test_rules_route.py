"""Which outgoing server takes a mail, sentence by sentence of behaviour.md 3.7 to 3.9."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from mailwicket.config.outgoing import FIELDS, OPERATORS, OutgoingRule
from mailwicket.rules.route import By, Mailbox, Map, Question, Route, Server, Verdict, holds, refusal, route

MAIN = Server("main", "desk@example.org", primary=True)
SUPPORT = Server("support", "support@example.org")
BULK = Server("bulk", "news@example.org")
OFF = Server("off", "old@example.org", enabled=False)
BOXES = {
    "support": Mailbox("Support@Example.org"),
    "linked": Mailbox("linked@example.org", outgoing="bulk"),
    "to-off": Mailbox("support@example.org", outgoing="off"),
    "plain": Mailbox("plain@example.org"),
    "old": Mailbox("old@example.org"),
}


def rule(outgoing: str, name: str = "r", **keys: Any) -> OutgoingRule:
    return OutgoingRule.model_validate({"name": name, "outgoing": outgoing, **keys})


def where(*rules: OutgoingRule, **changes: Any) -> Map:
    servers = changes.pop("servers", (MAIN, SUPPORT, BULK, OFF))
    return Map({one.name: one for one in servers}, rules, BOXES, **changes)


def asked(**facts: Any) -> Question:
    return Question("technician_replied", received_at=facts.pop("received_at", "support"), **facts)


def decided(question: Question, place: Map) -> Route:
    found = route(question, place)
    assert found is not None
    return found


def verdicts(found: Route) -> list[tuple[str, str, str | None]]:
    return [(one.by, one.verdict, one.outgoing) for one in found.candidates]


BULK_RULE = rule("bulk")


# --- precedence


def test_a_persons_choice_comes_first() -> None:
    found = decided(asked(chosen="off"), where(BULK_RULE, allow_choosing=True))
    assert found.meant == "bulk"  # disabled since he chose it: the next
    found = decided(asked(chosen="support"), where(BULK_RULE, allow_choosing=True))
    assert (found.meant, found.by) == ("support", By.CHOICE)
    assert verdicts(found) == [
        ("choice", "taken", "support"),
        ("rule", "later", "bulk"),
        ("link", "no_match", None),
        ("address", "later", "support"),
        ("primary", "later", "main"),
    ]


def test_a_rule_comes_before_the_link_the_address_and_the_primary() -> None:
    found = decided(asked(received_at="linked"), where(BULK_RULE))
    assert (found.meant, found.by, found.rule) == ("bulk", By.RULE, "r")


def test_the_link_comes_before_the_address() -> None:
    boxes = {"box": Mailbox("support@example.org", outgoing="bulk")}
    found = decided(asked(received_at="box"), replace(where(), mailboxes=boxes))
    assert (found.meant, found.by) == ("bulk", By.LINK)


def test_the_same_address_comes_before_the_primary_whatever_its_case() -> None:
    found = decided(asked(), where())
    assert (found.meant, found.by) == ("support", By.ADDRESS)


@pytest.mark.parametrize("box", ["plain", "nowhere", None])
def test_the_primary_takes_the_rest(box: str | None) -> None:
    found = decided(asked(received_at=box), where())
    assert (found.meant, found.by) == ("main", By.PRIMARY)


def test_a_lone_enabled_server_is_the_primary_without_saying_so() -> None:
    found = decided(asked(received_at=None), where(servers=(SUPPORT, OFF)))
    assert (found.meant, found.by) == ("support", By.PRIMARY)


def test_without_any_enabled_server_there_is_no_route() -> None:
    assert route(asked(), where(BULK_RULE, servers=(OFF, replace(BULK, enabled=False)))) is None
    assert route(asked(), where(servers=())) is None


# --- case 21: the order of rules


def test_of_a_disabled_rule_and_two_that_match_the_first_enabled_one_wins() -> None:
    rules = (rule("main", "off", enabled=False), rule("bulk", "first"), rule("support", "second"))
    found = decided(asked(), where(*rules))
    assert (found.meant, found.rule) == ("bulk", "first")
    assert [(one.rule, one.verdict) for one in found.candidates if one.by is By.RULE] == [
        ("off", Verdict.SKIPPED),
        ("first", Verdict.TAKEN),
        ("second", Verdict.LATER),
    ]


def test_a_rule_to_a_disabled_server_is_skipped_and_told() -> None:
    found = decided(asked(), where(rule("off", "old"), BULK_RULE))
    assert found.meant == "bulk"
    assert found.candidates[0].verdict is Verdict.SKIPPED
    assert found.candidates[0].why == "it has no conditions, but outgoing/off is disabled"


def test_is_not_on_an_absent_field_does_not_match() -> None:
    found = decided(asked(), where(rule("bulk", all=[{"field": "company", "op": "is_not", "value": "Acme"}])))
    assert found.meant == "support"
    assert found.candidates[0].why == "not so: company is_not Acme"


def test_a_link_or_an_address_of_a_disabled_server_is_skipped() -> None:
    found = decided(asked(received_at="to-off"), where())
    assert (found.meant, found.by) == ("support", By.ADDRESS)
    assert found.candidates[0].verdict is Verdict.SKIPPED
    found = decided(asked(received_at="old"), where())
    assert (found.meant, found.by) == ("main", By.PRIMARY)
    assert found.candidates[1].why == "it sends as old@example.org, but is disabled"


def test_of_two_servers_with_one_address_the_first_enabled_one_is_taken() -> None:
    twins = (MAIN, replace(SUPPORT, enabled=False), replace(SUPPORT, name="graph"))
    assert decided(asked(), where(servers=twins)).meant == "graph"


def test_a_name_that_there_is_no_more_is_skipped() -> None:
    found = decided(asked(), where(rule("gone")))
    assert found.meant == "support"
    assert found.candidates[0].why == "it has no conditions, but there is no outgoing/gone"


# --- conditions

FULL = Question(
    "created",
    technician_group="First Line",
    assignee="Ann@Example.org",
    category="Hardware",
    company="Straße AG",
    status="open",
    requester="Bob@Sub.Example.COM",
    received_at="support",
)


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("module", "is", "Request", True),
        ("event", "is", "created", True),
        ("event", "is_not", "created", False),
        ("technician_group", "is", "first line", True),
        ("technician_group", "in", ["second line", "FIRST LINE"], True),
        ("technician_group", "not_in", ["second line"], True),
        ("technician_group", "not_in", ["first line"], False),
        ("assignee", "is", "ann@EXAMPLE.org", True),
        ("company", "is", "STRASSE ag", True),
        ("category", "contains", "ARD", True),
        ("category", "contains", "soft", False),
        ("category", "starts_with", "hard", True),
        ("category", "starts_with", "ware", False),
        ("category", "matches", "^HARD.*e$", True),
        ("category", "matches", "rdw", True),
        ("category", "matches", "^ware", False),
        ("requester.email", "is", "bob@sub.example.com", True),
        ("requester.domain", "is", "SUB.example.com", True),
        ("requester.domain", "starts_with", "sub.", True),
        ("received_at", "is", "support", True),
        ("status", "is", "open", True),
        ("status", "exists", None, True),
        ("status", "missing", None, False),
        ("priority", "missing", None, True),
    ],
)
def test_conditions(field: str, op: str, value: Any, expected: bool) -> None:  # noqa: FBT001 - the table's last column
    told = {"field": field, "op": op} | ({} if value is None else {"value": value})
    (condition,) = rule("main", all=[told]).all
    assert holds(condition, FULL) is expected


@pytest.mark.parametrize("field", FIELDS[1:])
@pytest.mark.parametrize("op", OPERATORS)
def test_what_a_mail_does_not_have_fails_every_operator_but_missing(field: str, op: str) -> None:
    if field == "event":
        return  # every mail has one
    value: Any = {} if op in {"exists", "missing"} else {"value": ["x"] if op in {"in", "not_in"} else "x"}
    (condition,) = rule("main", all=[{"field": field, "op": op, **value}]).all
    assert holds(condition, Question("created")) is (op == "missing")


IT = {"field": "category", "op": "is", "value": "hardware"}
NOT_IT = {"field": "category", "op": "is", "value": "software"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, True),
        ({"all": [IT]}, True),
        ({"all": [IT, NOT_IT]}, False),
        ({"any": [NOT_IT, IT]}, True),
        ({"any": [NOT_IT]}, False),
        ({"all": [IT], "any": [NOT_IT]}, False),
        ({"all": [IT], "any": [NOT_IT, IT]}, True),
        ({"all": [{"any": [NOT_IT, IT]}, IT]}, True),
        ({"all": [{"any": [NOT_IT, {"all": [IT, NOT_IT]}]}]}, False),
        ({"any": [{"all": [IT, {"any": [NOT_IT, IT]}]}]}, True),
        ({"all": [{"any": []}]}, True),
        ({"any": [{"all": []}]}, True),
    ],
)
def test_groups_nest(keys: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - the table's last column
    found = decided(FULL, where(rule("bulk", **keys)))
    assert (found.meant == "bulk") is expected


def test_a_pattern_that_no_linear_engine_takes_is_refused_with_the_configuration() -> None:
    with pytest.raises(ValidationError):
        rule("main", all=[{"field": "category", "op": "matches", "value": "(?=x)"}])


# --- health


def test_mail_for_a_broken_server_goes_by_the_primary() -> None:
    broken = (MAIN, replace(SUPPORT, healthy=False))
    found = decided(asked(), where(servers=broken))
    assert (found.meant, found.via, found.is_failover) == ("support", "main", True)


def test_a_chosen_server_that_is_broken_is_stood_in_for_as_well() -> None:
    found = decided(
        asked(chosen="bulk"), where(allow_choosing=True, servers=(MAIN, SUPPORT, replace(BULK, healthy=False)))
    )
    assert (found.meant, found.via, found.by) == ("bulk", "main", By.CHOICE)


def test_with_both_broken_it_waits_for_its_own() -> None:
    broken = (replace(MAIN, healthy=False), replace(SUPPORT, healthy=False))
    found = decided(asked(), where(servers=broken))
    assert (found.meant, found.via, found.is_failover) == ("support", "support", False)


def test_each_server_is_told_with_its_health_where_it_would_have_been_taken() -> None:
    found = decided(asked(), where(servers=(MAIN, replace(SUPPORT, healthy=False))))
    told = {one.by: one.why for one in found.candidates if one.verdict is not Verdict.SKIPPED}
    assert [by for by, why in told.items() if "outgoing/support does not work now" in why] == [found.by]


def test_the_primary_broken_alone_concerns_nobody_else() -> None:
    broken = (replace(MAIN, healthy=False), SUPPORT)
    assert decided(asked(), where(servers=broken)).via == "support"
    assert decided(asked(received_at="plain"), where(servers=broken)).via == "main"


# --- a person's choice


@pytest.mark.parametrize(
    ("chosen", "group", "told"),
    [
        ("support", None, None),
        ("nope", None, "there is no outgoing server nope; there are: main, support, bulk"),
        ("off", None, "outgoing/off is disabled; enabled are: main, support, bulk"),
        ("bulk", "Sales", None),
        ("bulk", "sales", None),
        ("bulk", "first line", "outgoing/bulk is not for tickets of group first line; it is for: Sales"),
        ("bulk", None, "outgoing/bulk is not for tickets without a group; it is for: Sales"),
    ],
)
def test_what_a_person_may_choose(chosen: str, group: str | None, told: str | None) -> None:
    servers = (MAIN, SUPPORT, replace(BULK, allowed_groups=("Sales",)), OFF)
    assert refusal(chosen, group, where(allow_choosing=True, servers=servers)) == told


def test_a_member_of_its_group_may_choose_a_server_for_any_ticket() -> None:
    servers = (MAIN, SUPPORT, replace(BULK, allowed_groups=("Sales",)))
    choosing = where(allow_choosing=True, servers=servers)
    assert refusal("bulk", "first line", choosing, ["first line", "sales"]) is None
    assert refusal("bulk", "first line", choosing, ["first line"]) is not None
    assert decided(asked(chosen="bulk"), choosing).meant == "bulk"


def test_without_the_preference_nobody_chooses() -> None:
    told = refusal("support", None, where())
    assert told == "nobody may choose the outgoing server: preferences.allow_choosing_outgoing is off"
    found = decided(asked(chosen="bulk"), where())  # it was switched off meanwhile
    assert (found.meant, found.candidates[0].verdict) == ("support", Verdict.SKIPPED)


def test_the_decision_is_told_as_data() -> None:
    told = decided(asked(), where(rule("off", "old"))).told()
    assert {key: told[key] for key in ("meant", "via", "by", "rule", "failover")} == {
        "meant": "support", "via": "support", "by": "address", "rule": None, "failover": False
    }  # fmt: skip
    assert told["candidates"][0] == {
        "by": "rule", "verdict": "skipped", "outgoing": "off", "rule": "old",
        "why": "it has no conditions, but outgoing/off is disabled",
    }  # fmt: skip
