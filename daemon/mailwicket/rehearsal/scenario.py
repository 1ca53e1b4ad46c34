"""A scenario as it is written: TOML to steps, or the reason why it is none."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.errors import MailwicketError

BEGIN: Final = datetime(2026, 1, 1, 9, tzinfo=UTC)


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


ACTIONS: Final[Mapping[str, frozenset[str]]] = {
    "mail": _names(
        "file from to cc reply_to subject text html date headers message_id in_reply_to references attach name unit "
        "received"
    ),
    "ticket": _names("of do by to text outgoing"),
    "bounce": _names("of recipient permanent unit"),
    "echo": _names("of strip from unit"),
    "quarantine": _names("of do"),
    "server": _names("unit state"),
    "announce": _names("to subject text by"),
}
"""Actions that are tables, with their keys; `config` is text."""

EXPECTATIONS: Final = _names(
    "reason ticket linked requester cc group category company subject status assignee followers entry "
    "entry_text_contains entry_text_lacks entries attachments flags sent not_sent_to alerts refused"
)
TOP: Final = _names("title conf step refused")


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
    _known("the scenario", told, TOP)
    steps = told.get("step", [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ScenarioError("step: each is a table [[step]]")
    return Scenario(
        path,
        _text(told, "title", ""),
        _text(told, "conf", None),
        _text(told, "refused", None),
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
    _known(where, told, {*ACTIONS, "config", "at", "expect"})
    kinds = [name for name in told if name in ACTIONS or name == "config"]
    if len(kinds) > 1:
        raise ScenarioError(f"{where}: has more than one action: {', '.join(kinds)}")
    kind = kinds[0] if kinds else None
    action: Any = told[kind] if kind is not None else {}
    if kind == "config":
        if not isinstance(action, str):
            raise ScenarioError(f"{where}: config is no text")
    elif kind is not None:
        if not isinstance(action, dict):
            raise ScenarioError(f"{where}: {kind} is no table")
        _known(f"{where}: {kind}", action, ACTIONS[kind])
    expect = told.get("expect", {})
    if not isinstance(expect, dict):
        raise ScenarioError(f"{where}: expect is no table")
    _known(f"{where}: expect", expect, EXPECTATIONS)
    at = moment(told["at"], f"{where}: at") if "at" in told else None
    return Step(number, at, kind, action, expect)


def _known(where: str, told: Mapping[str, Any], names: frozenset[str] | set[str]) -> None:
    for name in told:
        if name not in names:
            raise ScenarioError(f"{where}: unknown key {name}; known here: {', '.join(sorted(names))}")


def _text(told: Mapping[str, Any], name: str, default: str | None) -> Any:  # noqa: ANN401 - as the default
    value = told.get(name, default)
    if value is not None and not isinstance(value, str):
        raise ScenarioError(f"{name}: is no text")
    return value
