"""Which outgoing server takes a mail, and why none of the others. Pure.

The first that can be used wins: what a person chose, the first matching rule, the server that the mailbox of the
ticket names, one with that mailbox's address, the primary. One that does not work now is stood in for by the primary.
Source: behaviour.md 3.7 to 3.9.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Protocol

from mailwicket.config.pattern import compiled
from mailwicket.rules.own import canonical, domain_of

MODULE: Final = "request"
"""Of all mail: this desk has no other module."""


class Rule(Protocol):
    """`[[outgoing_rule]]` (`config.outgoing`): the first that is enabled and holds decides."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def outgoing(self) -> str: ...  # noqa: D102
    @property
    def all(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102
    @property
    def any(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Server:
    """An outgoing server, as far as the choice is concerned."""

    name: str
    address: str
    enabled: bool = True
    primary: bool = False
    healthy: bool = True
    """Its breaker is closed."""
    allowed_groups: Sequence[str] = ()
    """Technician groups for whose tickets it may be chosen, and by whose members for any; none named: all."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An incoming mailbox, as far as the choice is concerned."""

    address: str
    outgoing: str | None = None
    """The server that it is linked with."""


@dataclass(frozen=True, slots=True)
class Question:
    """The mail that is to be sent."""

    event: str
    technician_group: str | None = None
    assignee: str | None = None
    category: str | None = None
    company: str | None = None
    status: str | None = None
    requester: str | None = None
    received_at: str | None = None
    """The mailbox (incoming NAME) that its ticket is at home in."""
    chosen: str | None = None
    """The server that a person chose."""

    def field(self, name: str) -> str | None:
        """Return what stands for the *name* of a condition, in the form that is compared; None: it has no such."""
        match name:
            case "module":
                return MODULE
            case "requester.email":
                return canonical(self.requester) if self.requester else None
            case "requester.domain":
                return domain_of(canonical(self.requester)) if self.requester else None
            case "assignee":
                return canonical(self.assignee) if self.assignee else None
        value = getattr(self, name, None)
        return str(value).casefold() if value else None


class By(StrEnum):
    """What named a server; in the order of their weight."""

    CHOICE = "choice"
    RULE = "rule"
    LINK = "link"
    ADDRESS = "address"
    PRIMARY = "primary"


class Verdict(StrEnum):
    """What became of a candidate."""

    TAKEN = "taken"
    SKIPPED = "skipped"
    """It names a server that cannot be used."""
    NO_MATCH = "no_match"
    """It names none for this mail."""
    LATER = "later"
    """It would have been taken, had nothing before it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to a server, and what became of it."""

    by: By
    verdict: Verdict
    why: str
    """In words, for a person."""
    outgoing: str | None = None
    rule: str | None = None
    """The rule's name."""


@dataclass(frozen=True, slots=True)
class Route:
    """The decision, with every alternative that lost."""

    meant: str
    """The server that the mail is for."""
    via: str
    """The server that it goes by now: another one only while `meant` does not work."""
    by: By
    candidates: Sequence[Candidate]
    rule: str | None = None

    @property
    def is_failover(self) -> bool:
        """Whether the primary stands in."""
        return self.via != self.meant

    def told(self) -> Mapping[str, Any]:
        """Return it for JSON."""
        return {
            "meant": self.meant,
            "via": self.via,
            "by": self.by,
            "rule": self.rule,
            "failover": self.is_failover,
            "candidates": [
                {"by": one.by, "verdict": one.verdict, "outgoing": one.outgoing, "rule": one.rule, "why": one.why}
                for one in self.candidates
            ],
        }


@dataclass(frozen=True, slots=True)
class Map:
    """All that a choice looks at beside the mail."""

    servers: Mapping[str, Server]
    """Every outgoing server by name, in the order of the configuration, disabled ones too."""
    rules: Sequence[Rule] = ()
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    allow_choosing: bool = False

    @property
    def primary(self) -> Server | None:
        """The server that takes what no other is for: the one that says so, or the only enabled one."""
        enabled = [one for one in self.servers.values() if one.enabled]
        if len(enabled) == 1:
            return enabled[0]
        return next((one for one in enabled if one.primary), None)


def refusal(chosen: str, group: str | None, where: Map, own: Collection[str] = ()) -> str | None:
    """Tell why a person may not choose the server *chosen* for a ticket of *group*; None: he may.

    A server of certain groups is for their tickets, and for their members (*own*: his groups) whatever the ticket. A
    choice that is refused is told to him at once and never replaced by a silent default.
    """
    if (why := _unusable(chosen, where)) is not None:
        return why
    server = where.servers[chosen]
    allowed = {one.casefold() for one in server.allowed_groups}
    if allowed and allowed.isdisjoint(one.casefold() for one in (group or "", *own)):
        of = f"of group {group}" if group else "without a group"
        return f"outgoing/{chosen} is not for tickets {of}; it is for: {', '.join(server.allowed_groups)}"
    return None


def _unusable(chosen: str, where: Map) -> str | None:
    """Tell why nobody can have *chosen* send a mail; None: who may choose it can."""
    if not where.allow_choosing:
        return "nobody may choose the outgoing server: preferences.allow_choosing_outgoing is off"
    server = where.servers.get(chosen)
    enabled = [name for name, one in where.servers.items() if one.enabled]
    if server is None:
        return f"there is no outgoing server {chosen}; there are: {', '.join(enabled) or 'none'}"
    if not server.enabled:
        return f"outgoing/{chosen} is disabled; enabled are: {', '.join(enabled) or 'none'}"
    return None


def route(asked: Question, where: Map) -> Route | None:
    """Return by which server the mail *asked* goes; None where no server is enabled: then nothing is sent."""
    candidates: list[Candidate] = []
    taken: Candidate | None = None
    for way in _ways(asked, where):
        settled = one = _with_health(way, where)
        if one.verdict is Verdict.TAKEN and taken is not None:
            settled = Candidate(one.by, Verdict.LATER, f"{one.why}; {_after(taken)}", one.outgoing, one.rule)
        elif one.verdict is Verdict.TAKEN:
            taken = one
        candidates.append(settled)
    if taken is None or taken.outgoing is None:
        return None
    primary = where.primary
    meant = where.servers[taken.outgoing]
    via = meant
    if not meant.healthy and primary is not None and primary.healthy:
        via = primary
    return Route(meant.name, via.name, taken.by, tuple(candidates), taken.rule)


def _with_health(way: Candidate, where: Map) -> Candidate:
    server = where.servers.get(way.outgoing or "")
    if way.verdict is not Verdict.TAKEN or server is None or server.healthy:
        return way
    return replace(way, why=f"{way.why}; outgoing/{server.name} does not work now")


def _after(taken: Candidate) -> str:
    return f"the {taken.by} {taken.rule} came first" if taken.rule else f"the {taken.by} came first"


def _ways(asked: Question, where: Map) -> list[Candidate]:
    ways: list[Candidate] = []
    if asked.chosen is not None:
        why = _unusable(asked.chosen, where)  # whether he might was settled when he chose
        if why is None:
            ways.append(Candidate(By.CHOICE, Verdict.TAKEN, "a person chose it", asked.chosen))
        else:
            ways.append(Candidate(By.CHOICE, Verdict.SKIPPED, why, asked.chosen))
    ways += [_by_rule(rule, asked, where) for rule in where.rules]
    box = where.mailboxes.get(asked.received_at) if asked.received_at is not None else None
    if box is not None:
        ways.append(_by_link(box, asked, where))
        ways.append(_by_address(box, asked, where))
    primary = where.primary
    if primary is not None:
        ways.append(Candidate(By.PRIMARY, Verdict.TAKEN, "it is the primary", primary.name))
    else:
        ways.append(Candidate(By.PRIMARY, Verdict.SKIPPED, "no enabled server is the primary"))
    return ways


def _usable(by: By, name: str, why: str, where: Map, rule: str | None = None) -> Candidate:
    server = where.servers.get(name)
    if server is None:
        return Candidate(by, Verdict.SKIPPED, f"{why}, but there is no outgoing/{name}", name, rule)
    if not server.enabled:
        return Candidate(by, Verdict.SKIPPED, f"{why}, but outgoing/{name} is disabled", name, rule)
    return Candidate(by, Verdict.TAKEN, why, name, rule)


def _by_rule(rule: Rule, asked: Question, where: Map) -> Candidate:
    if not rule.enabled:
        return Candidate(By.RULE, Verdict.SKIPPED, "the rule is off", rule.outgoing, rule.name)
    failed = next((one for one in rule.all if not holds(one, asked)), None)
    if failed is not None:
        return Candidate(By.RULE, Verdict.NO_MATCH, f"not so: {_words(failed)}", rule.outgoing, rule.name)
    if rule.any and not any(holds(one, asked) for one in rule.any):
        words = " or ".join(map(_words, rule.any))
        return Candidate(By.RULE, Verdict.NO_MATCH, f"not so: {words}", rule.outgoing, rule.name)
    why = "its conditions hold" if rule.all or rule.any else "it has no conditions"
    return _usable(By.RULE, rule.outgoing, why, where, rule.name)


def _by_link(box: Mailbox, asked: Question, where: Map) -> Candidate:
    if box.outgoing is None:
        return Candidate(By.LINK, Verdict.NO_MATCH, f"incoming/{asked.received_at} names no outgoing server")
    return _usable(By.LINK, box.outgoing, f"incoming/{asked.received_at} names it", where)


def _by_address(box: Mailbox, asked: Question, where: Map) -> Candidate:
    address = canonical(box.address)
    alike = [one for one in where.servers.values() if canonical(one.address) == address]
    found = next((one for one in alike if one.enabled), None)
    if found is not None:
        return Candidate(
            By.ADDRESS,
            Verdict.TAKEN,
            f"it sends as {box.address}, as incoming/{asked.received_at} receives",
            found.name,
        )
    if alike:
        return Candidate(By.ADDRESS, Verdict.SKIPPED, f"it sends as {box.address}, but is disabled", alike[0].name)
    return Candidate(By.ADDRESS, Verdict.NO_MATCH, f"no server sends as {box.address}")


# --- conditions


def holds(condition: Mapping[str, Any], asked: Question) -> bool:
    """Tell whether *condition*, as `config.outgoing` has checked it, holds for the mail *asked*.

    Text is compared without regard to case. What the mail does not have fails every operator but `missing`: `is_not`
    as well, so that no rule matches by accident. A group of no conditions holds.
    """
    if "all" in condition:
        return all(holds(one, asked) for one in condition["all"])
    if "any" in condition:
        return not condition["any"] or any(holds(one, asked) for one in condition["any"])
    found = asked.field(condition["field"])
    operator = condition["op"]
    if found is None:
        return bool(operator == "missing")
    if operator in {"exists", "missing"}:
        return bool(operator == "exists")
    return _compare(operator, found, condition["field"], condition["value"])


def _compare(operator: str, found: str, field: str, value: Any) -> bool:  # noqa: ANN401 - text, or a list of it
    if operator in {"in", "not_in"}:
        return (found in {_folded(field, one) for one in value}) is (operator == "in")
    if operator == "matches":
        return compiled(value).search(found) is not None
    wanted = _folded(field, value)
    match operator:
        case "is":
            return found == wanted
        case "is_not":
            return found != wanted
        case "contains":
            return wanted in found
        case _:
            return found.startswith(wanted)


def _folded(field: str, value: str) -> str:
    return canonical(value) if field in {"requester.email", "assignee"} and "@" in value else value.casefold().strip()


def _words(condition: Mapping[str, Any]) -> str:
    for word in ("all", "any"):
        if word in condition:
            return "(" + (" and " if word == "all" else " or ").join(map(_words, condition[word])) + ")"
    value = condition.get("value")
    if isinstance(value, list | tuple):
        value = ", ".join(value)
    return f"{condition['field']} {condition['op']}" + ("" if value is None else f" {value}")
