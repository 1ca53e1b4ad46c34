"""A scenario as it is written: TOML to steps, or the reason why it is none."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.errors import MailwicketError
from mailwicket.model import Flag, Reason, TicketStatus
from mailwicket.outgoing import Event

BEGIN: Final = datetime(2026, 1, 1, 9, tzinfo=UTC)


TEXT: Final = "text"
TEXTS: Final = "text or a list of text"
LIST: Final = "a list"
TABLE: Final = "a table"
TIME: Final = "a time such as 2026-01-01T09:00:00Z"
DATE: Final = "a time or text"
TRUTH: Final = "true or false"
NUMBER: Final = "a number"

Form = str | tuple[str, ...]
"""What a key may hold: one of the above, or one of some words."""

DEEDS: Final = ("close", "reopen", "assign", "delete", "spam", "merge", "reply", "note", "remove_cc")

ACTIONS: Final[Mapping[str, Mapping[str, Form]]] = {
    "mail": {
        **dict.fromkeys(("file", "subject", "text", "html", "message_id", "name", "unit"), TEXT),
        **dict.fromkeys(("from", "to", "cc", "reply_to", "in_reply_to", "references"), TEXTS),
        "date": DATE,
        "received": TIME,
        "headers": TABLE,
        "attach": LIST,
    },
    "ticket": {"do": DEEDS, **dict.fromkeys(("of", "by", "to", "text", "outgoing"), TEXT)},
    "bounce": {"of": TEXT, "recipient": TEXT, "permanent": TRUTH, "unit": TEXT},
    "echo": {"of": TEXT, "strip": TEXTS, "from": TEXT, "unit": TEXT},
    "quarantine": {"of": TEXT, "do": ("retry", "drop")},
    "server": {"unit": TEXT, "state": TEXT},
    "announce": {"to": TEXTS, "subject": TEXT, "text": TEXT, "by": TEXT},
}
"""Actions that are tables, with their keys; `config` is text."""

NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "ticket": ("of", "do"),
    "quarantine": ("of", "do"),
    "server": ("unit", "state"),
    "announce": ("to",),
}

EXPECTATIONS: Final[Mapping[str, Form]] = {
    "reason": tuple(Reason),
    "entry": ("public", "collaboration", "none"),
    "status": (*TicketStatus, ""),
    "entries": NUMBER,
    "sent": LIST,
    **dict.fromkeys(("ticket", "linked", "requester", "group", "category", "company", "subject", "assignee"), TEXT),
    **dict.fromkeys(("cc", "followers", "flags", "attachments", "not_sent_to", "alerts"), TEXTS),
    "entry_text_contains": TEXTS,
    "entry_text_lacks": TEXTS,
    "refused": TEXT,
}
SENT: Final[Mapping[str, Form]] = {
    **dict.fromkeys(("to", "cc", "reply_to", "subject_contains", "contains", "lacks"), TEXTS),
    **dict.fromkeys(("from", "from_name", "via"), TEXT),
    "event": tuple(Event),
}
STEP: Final[Mapping[str, Form]] = {**dict.fromkeys(ACTIONS, TABLE), "config": TEXT, "at": TIME, "expect": TABLE}
TOP: Final[Mapping[str, Form]] = {"title": TEXT, "conf": TEXT, "refused": TEXT, "step": LIST}


class ScenarioError(MailwicketError):
    """A scenario that cannot be played."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: at most one action, when, and what is expected of it."""

    number: int
    at: datetime | None
    kind: str | None
    """The action's name; None where only time passes."""
    action: Mapping[str, Any] | str
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that is played."""

    path: Path
    title: str
    conf: str | None
    refused: str | None
    steps: Sequence[Step]


def read(path: Path) -> Scenario:
    """Read the scenario at *path*.

    Raises:
        ScenarioError: it cannot be read, or says what no scenario can say.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"is no TOML: {error}") from error
    _check("the scenario", told, TOP)
    steps = told.get("step", [])
    if not all(isinstance(step, dict) for step in steps):
        raise ScenarioError("step: each is a table [[step]]")
    return Scenario(
        path,
        told.get("title", ""),
        told.get("conf"),
        told.get("refused"),
        [_step(number, step) for number, step in enumerate(steps, 1)],
    )


def moment(value: Any, where: str) -> datetime:  # noqa: ANN401 - whatever TOML holds
    """Return *value* as a moment: RFC 3339 text, or a TOML date-time; without an offset it is UTC.

    Raises:
        ScenarioError: it is neither.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ScenarioError(f"{where}: is no time such as 2026-01-01T09:00:00Z") from None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ScenarioError(f"{where}: is no time such as 2026-01-01T09:00:00Z")


def _step(number: int, told: Mapping[str, Any]) -> Step:
    where = f"step {number}"
    _check(where, told, STEP)
    kinds = [name for name in told if name in ACTIONS or name == "config"]
    if len(kinds) > 1:
        raise ScenarioError(f"{where}: has more than one action: {', '.join(kinds)}")
    kind = kinds[0] if kinds else None
    action: Any = told[kind] if kind is not None else {}
    if kind is not None and kind != "config":
        _check(f"{where}: {kind}", action, ACTIONS[kind])
        if missing := [key for key in NEEDED.get(kind, ()) if key not in action]:
            raise ScenarioError(f"{where}: {kind}: has no {', '.join(missing)}")
    if kind == "mail":
        _check_attached(where, action)
        if action.get("name") == "sent":
            raise ScenarioError(f"{where}: mail: name: @sent is the last mail that was sent")
    expect = told.get("expect", {})
    if isinstance(expect, dict) and isinstance(expect.get("sent"), dict):  # one mail
        expect = {**expect, "sent": [expect["sent"]]}
    _check(f"{where}: expect", expect, EXPECTATIONS)
    _check_expected(where, expect)
    at = moment(told["at"], f"{where}: at") if "at" in told else None
    return Step(number, at, kind, action, expect)


def _check_attached(where: str, mail: Mapping[str, Any]) -> None:
    for one in mail.get("attach", ()):
        if not isinstance(one, dict) or not {"filename"} < one.keys() <= {"filename", "text", "file"}:
            raise ScenarioError(f"{where}: mail: attach: each is {{filename, text}} or {{filename, file}}")


def _check_expected(where: str, expect: Mapping[str, Any]) -> None:
    """What a key's form does not say: tickets and mails are named by labels, flags are known."""
    ticket, linked = expect.get("ticket", "new"), expect.get("linked", "@")
    if ticket not in {"new", "none"} and not ticket.startswith("@"):
        raise ScenarioError(f'{where}: expect: ticket: is neither "new", "none" nor "@LABEL"')
    if linked and not linked.startswith("@"):
        raise ScenarioError(f'{where}: expect: linked: is neither "@LABEL" nor ""')
    flags = expect.get("flags", [])
    for flag in [flags] if isinstance(flags, str) else flags:
        if flag not in set(Flag):
            raise ScenarioError(f"{where}: expect: flags: there is no {flag}; there are: {', '.join(Flag)}")
    for one in expect.get("sent", ()):
        if not isinstance(one, dict):
            raise ScenarioError(f"{where}: expect: sent: each is a table")
        _check(f"{where}: expect: sent", one, SENT)


def _check(where: str, told: Mapping[str, Any], forms: Mapping[str, Form]) -> None:
    for name, value in told.items():
        if name not in forms:
            raise ScenarioError(f"{where}: unknown key {name}; known here: {', '.join(sorted(forms))}")
        form = forms[name]
        if isinstance(form, tuple):
            if value not in form:
                allowed = ", ".join(f'"{one}"' for one in form)
                raise ScenarioError(f"{where}: {name}: is none of {allowed}")
        elif form is TIME:
            moment(value, f"{where}: {name}")
        elif not _is(value, form):
            raise ScenarioError(f"{where}: {name}: is not {form}")


def _is(value: Any, form: str) -> bool:  # noqa: ANN401 - whatever TOML holds
    match form:
        case "text or a list of text":
            return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))
        case "a time or text":
            return isinstance(value, str | date)
        case "a number":
            return isinstance(value, int) and not isinstance(value, bool)
    kinds: Mapping[str, type] = {TEXT: str, LIST: list, TABLE: dict, TRUTH: bool}
    return isinstance(value, kinds[form])
