"""What a step did, compared with what was expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mailwicket.model import TicketFacts, TicketNumber
from mailwicket.rehearsal.post import Sent
from mailwicket.rehearsal.scenario import ScenarioError
from mailwicket.rules.own import canonical


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that was not met."""

    key: str
    expected: Any
    actual: Any


@dataclass
class Happened:
    """What a step did."""

    reason: str | None = None
    flags: list[str] = field(default_factory=list)
    trace: list[tuple[str, str]] = field(default_factory=list)
    ticket: TicketNumber | None = None
    is_new: bool = False
    shown: dict[str, Any] | None = None
    """The ticket after the step, as `tickets show --json`."""
    facts: TicketFacts | None = None
    added: list[dict[str, Any]] = field(default_factory=list)
    """The entries that the step added to it."""
    sent: Sequence[Sent] = ()
    alerts: list[str] = field(default_factory=list)
    """Units about which people were alerted."""
    refused: str | None = None

    def told(self, tickets: Mapping[str, TicketNumber | None]) -> dict[str, Any]:
        """Return every expectation's actual value; *tickets* by the names of mails."""
        shown, facts = self.shown or {}, self.facts
        main = self.added[0] if self.added else None
        return {
            "reason": self.reason,
            "ticket": _where(self.ticket, tickets, is_new=self.is_new),
            "linked": [_where(TicketNumber(number), tickets, is_new=False) for number in shown.get("linked", ())],
            "requester": shown.get("requester", ""),
            "cc": shown.get("cc", []),
            **{key: shown.get(key) or "" for key in ("group", "category", "company", "subject", "status", "assignee")},
            "followers": sorted(facts.followers) if facts is not None else [],
            "entry": "none" if main is None else "public" if main["public"] else "collaboration",
            "entries": len(shown.get("entries", ())),
            "entry_text_contains": _text(self),
            "entry_text_lacks": _text(self),
            "attachments": [one["filename"] for entry in self.added for one in entry["attachments"]],
            "flags": self.flags,
            "sent": [_sent(one) for one in self.sent],
            "not_sent_to": sorted({address for one in self.sent for address in (*one.to, *one.cc)}),
            "alerts": self.alerts,
            "refused": self.refused,
        }


def differences(
    expect: Mapping[str, Any], happened: Happened, tickets: Mapping[str, TicketNumber | None]
) -> list[Difference]:
    """Return every expectation that *happened* does not meet."""
    actual = happened.told(tickets)
    found: list[Difference] = []
    if happened.refused is not None and "refused" not in expect:
        found.append(Difference("refused", None, happened.refused))
    for key, wanted in expect.items():
        if not _is_met(key, wanted, actual, happened, tickets):
            found.append(Difference(key, wanted, actual[key]))
    return found


def _is_met(
    key: str,
    wanted: Any,  # noqa: ANN401 - whatever TOML holds
    actual: Mapping[str, Any],
    happened: Happened,
    tickets: Mapping[str, TicketNumber | None],
) -> bool:
    if key in {"ticket", "linked"} and wanted.startswith("@"):
        if wanted[1:] not in tickets:
            raise ScenarioError(f"{key}: no mail is named {wanted[1:]}")
        number = tickets[wanted[1:]]
        found = [happened.ticket] if key == "ticket" else (happened.shown or {}).get("linked", ())
        return number is not None and number in found
    rule = RULES.get(key)
    if rule is None:
        return bool(actual[key] == wanted)
    return rule(wanted, actual, happened)


def _same_people(key: str) -> Callable[[Any, Mapping[str, Any], Happened], bool]:
    return lambda wanted, actual, _: sorted(map(canonical, _list(wanted))) == sorted(map(canonical, actual[key]))


def _same_person(key: str) -> Callable[[Any, Mapping[str, Any], Happened], bool]:
    return lambda wanted, actual, _: canonical(str(wanted)) == canonical(str(actual[key]))


def _flags(wanted: Any, actual: Mapping[str, Any], _: Happened) -> bool:  # noqa: ANN401 - whatever TOML holds
    return set(_list(wanted)) <= set(actual["flags"])


def _alerts(wanted: Any, actual: Mapping[str, Any], _: Happened) -> bool:  # noqa: ANN401 - whatever TOML holds
    return sorted(_list(wanted)) == sorted(actual["alerts"])


def _attachments(wanted: Any, actual: Mapping[str, Any], _: Happened) -> bool:  # noqa: ANN401
    return sorted(_list(wanted)) == sorted(name or "" for name in actual["attachments"])


def _contains(wanted: Any, _: Mapping[str, Any], happened: Happened) -> bool:  # noqa: ANN401
    return all(words in _text(happened) for words in _list(wanted))


def _lacks(wanted: Any, _: Mapping[str, Any], happened: Happened) -> bool:  # noqa: ANN401
    return not any(words in _text(happened) for words in _list(wanted))


def _refused(wanted: Any, actual: Mapping[str, Any], _: Happened) -> bool:  # noqa: ANN401
    return actual["refused"] is not None and str(wanted) in actual["refused"]


def _not_sent_to(wanted: Any, _: Mapping[str, Any], happened: Happened) -> bool:  # noqa: ANN401
    reached = {canonical(address) for one in happened.sent for address in (*one.to, *one.cc)}
    return not any(canonical(address) in reached for address in _list(wanted))


def _mails(wanted: Any, _: Mapping[str, Any], happened: Happened) -> bool:  # noqa: ANN401
    """Match each expected mail with one that was sent, in whatever order."""
    left = list(happened.sent)
    for one in wanted:
        found = next((sent for sent in left if _is_such(one, sent)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def _is_such(wanted: Mapping[str, Any], sent: Sent) -> bool:
    text = sent.raw.decode()
    checks: Mapping[str, Callable[[Any], bool]] = {
        "to": lambda value: sorted(map(canonical, _list(value))) == sorted(map(canonical, sent.to)),
        "cc": lambda value: sorted(map(canonical, _list(value))) == sorted(map(canonical, sent.cc)),
        "from": lambda value: canonical(str(value)) == canonical(sent.sender),
        "event": lambda value: value == sent.event,
        "subject_contains": lambda value: str(value) in sent.subject,
        "contains": lambda value: all(words in text for words in _list(value)),
        "lacks": lambda value: not any(words in text for words in _list(value)),
    }
    unknown = [key for key in wanted if key not in checks]
    if unknown:
        raise ScenarioError(f"sent: {', '.join(unknown)} cannot be compared yet")
    return all(checks[key](value) for key, value in wanted.items())


RULES: Final[Mapping[str, Callable[[Any, Mapping[str, Any], Happened], bool]]] = {
    "cc": _same_people("cc"),
    "followers": _same_people("followers"),
    "requester": _same_person("requester"),
    "assignee": _same_person("assignee"),
    "flags": _flags,
    "alerts": _alerts,
    "attachments": _attachments,
    "entry_text_contains": _contains,
    "entry_text_lacks": _lacks,
    "refused": _refused,
    "not_sent_to": _not_sent_to,
    "sent": _mails,
}


def _text(happened: Happened) -> str:
    return "" if not happened.added else str(happened.added[0]["text"])


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - whatever TOML holds
    return list(value) if isinstance(value, list | tuple) else [value]


def _where(number: TicketNumber | None, tickets: Mapping[str, TicketNumber | None], *, is_new: bool) -> str:
    if number is None:
        return "none"
    if is_new:
        return "new"
    return next((f"@{name}" for name, one in tickets.items() if one == number), str(number))


def _sent(one: Sent) -> dict[str, Any]:
    return {"to": list(one.to), "cc": list(one.cc), "from": one.sender, "event": one.event, "subject": one.subject}
