"""What a step did, compared with what was expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mailwicket.facts import TicketFacts
from mailwicket.mail.address import people
from mailwicket.model import TicketNumber
from mailwicket.rehearsal.scenario import ScenarioError
from mailwicket.rehearsal.sent import Sent
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

    @property
    def reached(self) -> set[str]:
        """To whom something was sent, canonical."""
        return {address for one in self.sent for address in one.reached}

    def told(self, tickets: Mapping[str, TicketNumber | None], *, with_words: bool = False) -> dict[str, Any]:
        """Return every expectation's actual value; *tickets* by the names of mails, *with_words*: of what was sent."""
        shown, facts = self.shown or {}, self.facts
        main = self.added[0] if self.added else None
        noted = [flag for entry in shown.get("entries", ()) for flag in entry["flags"]]
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
            "flags": list(dict.fromkeys([*self.flags, *noted])),
            "sent": [one.told(with_words=with_words) for one in self.sent],
            "not_sent_to": sorted(self.reached),
            "alerts": self.alerts,
            "refused": self.refused,
        }


def differences(
    expect: Mapping[str, Any], happened: Happened, tickets: Mapping[str, TicketNumber | None]
) -> list[Difference]:
    """Return every expectation that *happened* does not meet."""
    speaks_of_words = any(not one.keys().isdisjoint({"contains", "lacks"}) for one in expect.get("sent", ()))
    actual = happened.told(tickets, with_words=speaks_of_words)
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
    if key == "linked" and wanted == "":
        return not actual[key]
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
    return lambda wanted, actual, _: _are_people(wanted, actual[key])


def _same_person(key: str) -> Callable[[Any, Mapping[str, Any], Happened], bool]:
    return lambda wanted, actual, _: _addresses(wanted) == _addresses(actual[key] or "")


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
    return happened.reached.isdisjoint(_addresses(wanted))


def _mails(wanted: Any, _: Mapping[str, Any], happened: Happened) -> bool:  # noqa: ANN401
    """Match each expected mail with one that was sent, and all of them, in whatever order."""
    fits = [[number for number, one in enumerate(happened.sent) if _is_such(told, one)] for told in wanted]
    taken: dict[int, int] = {}

    def place(one: int, tried: set[int]) -> bool:
        """Find a mail for the expectation *one*; those that have one already may have to take another."""
        for number in fits[one]:
            if number not in tried:
                tried.add(number)
                if number not in taken or place(taken[number], tried):
                    taken[number] = one
                    return True
        return False

    return len(wanted) == len(happened.sent) and all(place(one, set()) for one in range(len(wanted)))


def _is_such(wanted: Mapping[str, Any], sent: Sent) -> bool:
    return all(SENT_RULES[key](value, sent) for key, value in wanted.items())


def _are_people(value: Any, addresses: Sequence[str]) -> bool:  # noqa: ANN401 - whatever TOML holds
    return _addresses(value) == sorted(map(canonical, addresses))


def _addresses(value: Any) -> list[str]:  # noqa: ANN401 - whatever TOML holds
    """Return the addresses of *value*, bare or beside names, canonical; what is none stands for itself."""
    told = [[one.address for one in people(text)] or [text] for text in _list(value)]
    return sorted(canonical(one) for some in told for one in some)


def _has(words: str, sent: Sent) -> bool:
    """Tell whether *words* stand in the mail, as they are or over the end of a line."""
    return words in sent.words or " ".join(words.split()) in sent.words


SENT_RULES: Final[Mapping[str, Callable[[Any, Sent], bool]]] = {
    "to": lambda value, sent: _are_people(value, sent.to),
    "cc": lambda value, sent: _are_people(value, sent.cc),
    "from": lambda value, sent: _are_people(value, _list(sent.sender)),
    "from_name": lambda value, sent: value == sent.sender_name,
    "via": lambda value, sent: value.removeprefix("outgoing/") == sent.via,
    "reply_to": lambda value, sent: _are_people(value, [one.address for one in sent.mail.reply_to]),
    "event": lambda value, sent: value == sent.event.value,
    "subject_contains": lambda value, sent: all(words in sent.subject for words in _list(value)),
    "contains": lambda value, sent: all(_has(words, sent) for words in _list(value)),
    "lacks": lambda value, sent: not any(_has(words, sent) for words in _list(value)),
}


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
    """Return *value* as a list; `""` is none."""
    return list(value) if isinstance(value, list | tuple) else [value] if value != "" else []


def _where(number: TicketNumber | None, tickets: Mapping[str, TicketNumber | None], *, is_new: bool) -> str:
    if number is None:
        return "none"
    if is_new:
        return "new"
    return next((f"@{name}" for name, one in tickets.items() if one == number), str(number))
