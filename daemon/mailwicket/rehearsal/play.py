"""A scenario played step by step, and how what happened differs from what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mailwicket.errors import MailwicketError
from mailwicket.flow.actions import Action
from mailwicket.flow.announcing import Announcement
from mailwicket.mail.address import people
from mailwicket.mail.parse import parse
from mailwicket.model import Reason, TicketNumber
from mailwicket.rehearsal.back import echoed, reported
from mailwicket.rehearsal.expectation import Difference, Happened, differences
from mailwicket.rehearsal.files import Files, Load
from mailwicket.rehearsal.labels import Labels, Named, number_of, replaced
from mailwicket.rehearsal.scenario import BEGIN, Scenario, ScenarioError, Step, moment
from mailwicket.rehearsal.sent import Sent
from mailwicket.rehearsal.world import Delivered, World
from mailwicket.rehearsal.writing import raw_of

SECOND: Final = timedelta(seconds=1)
ASIDE: Final = frozenset({None, "server", "config"})
"""Kinds of steps that are about no ticket, in which much may happen to one."""


@dataclass(frozen=True, slots=True)
class Played:
    """One step's outcome."""

    number: int
    outcome: Mapping[str, Any]
    """What each key of `expect` was."""
    differences: list[Difference]


@dataclass
class Result:
    """How a scenario ended."""

    scenario: str
    steps: list[Played] = field(default_factory=list)
    error: str | None = None
    """Why it could not be played, or no further."""

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return self.error is None and not any(step.differences for step in self.steps)


def play(scenario: Scenario, conf: Path | None, load: Load) -> Result:
    """Play *scenario* with its own configuration, else with the conf.d *conf*; nothing of it is kept."""
    result = Result(str(scenario.path))
    try:
        with TemporaryDirectory(prefix="mailwicket-") as directory:
            _play(scenario, conf, Files(Path(directory), load), result)
    except ScenarioError as error:
        result.error = str(error)
    return result


def _play(scenario: Scenario, conf: Path | None, files: Files, result: Result) -> None:
    loaded = files.begin(scenario.conf, conf)
    said = "; ".join(map(str, loaded.errors))
    if scenario.refused is not None:
        happened = Happened(refused=said if loaded.settings is None else None)
        told = differences({"refused": scenario.refused}, happened, {})
        result.steps.append(Played(0, happened.told({}), told))
        return
    if loaded.settings is None:
        raise ScenarioError(f"conf: {said}")
    with closing(World(loaded.settings, BEGIN)) as world:
        player = _Player(scenario, world, files)
        for step in scenario.steps:
            result.steps.append(player.play(step))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A mail that lies in a mailbox which is not looked at for now."""

    raw: bytes
    source: str
    received_at: datetime
    name: str


class _Player:
    """Plays the steps of one scenario in one world."""

    def __init__(self, scenario: Scenario, world: World, files: Files) -> None:
        self._scenario = scenario
        self._world = world
        self._files = files
        self._named: dict[str, Delivered] = {}
        self._waiting: list[_Waiting] = []
        self._last: TicketNumber | None = None
        """The ticket that the last step was about which was about one."""

    def play(self, step: Step) -> Played:
        """Do what *step* says and compare."""
        world = self._world
        sent_before, alerts_before = len(world.post.sent), len(world.post.alerts)
        entries = world.entry_counts() if step.kind in ASIDE else {}
        world.proceed(step.at or world.now + SECOND)
        happened = Happened()
        try:
            self._act(step, happened)
        except ScenarioError as error:
            raise ScenarioError(f"step {step.number}: {error}") from error
        except MailwicketError as error:
            happened.refused = str(error)
        happened.sent = world.post.sent[sent_before:]
        happened.alerts = list(dict.fromkeys([*happened.alerts, *world.post.alerts[alerts_before:]]))
        self._look(step, happened, entries)
        tickets = {name: one.ticket for name, one in self._named.items()}
        try:
            found = differences(step.expect, happened, tickets)
        except ScenarioError as error:
            raise ScenarioError(f"step {step.number}: expect: {error}") from error
        return Played(step.number, happened.told(tickets), found)

    def _look(self, step: Step, happened: Happened, entries: Mapping[TicketNumber, int]) -> None:
        """See what became of the step's ticket; while time or a server did something, of the one before."""
        number = happened.ticket
        if number is None and step.kind in ASIDE:
            number = self._last
        if number is None:
            return
        self._last = number
        happened.shown = self._world.ticket(number)
        happened.facts = self._world.facts(number)
        if happened.ticket is None and happened.shown is not None:
            happened.added = happened.shown["entries"][entries.get(number, 0) :]

    def _act(self, step: Step, happened: Happened) -> None:
        action: Any = step.action
        match step.kind:
            case "mail":
                raw = raw_of(_with_id(action, step), self._scenario.path.parent, self._world.now, self._replace)
                self._arrive(raw, action, happened, action.get("name", ""))
            case "ticket":
                self._at_the_desk(action, happened)
            case "bounce":
                sent = self._sent(action)
                raw = reported(sent, action, self._world.now)
                self._arrive(raw, action, happened, "", home=sent.source)
            case "echo":
                sent = self._sent(action)
                self._arrive(echoed(sent, action), action, happened, "", home=sent.source)
            case "quarantine":
                self._quarantine(action, happened)
            case "config":
                loaded = self._files.add(action)
                if loaded.settings is None:
                    happened.refused = "; ".join(map(str, loaded.errors))
                else:
                    self._world.configure(loaded.settings)
                    self._fetch(happened)
            case "server":
                self._serve(action, happened)
            case "announce":
                to, subject, text, by = (action.get(key, "") for key in ("to", "subject", "text", "by"))
                self._world.announce(Announcement([to] if isinstance(to, str) else to, subject, text, _bare(by)))

    def _serve(self, action: Mapping[str, Any], happened: Happened) -> None:
        """Have a server fail or work; mail for a mailbox waits there until it works."""
        kind, name = self._unit(str(action["unit"]))
        state = str(action["state"])
        if kind == "outgoing":
            self._world.post.wire(name).become(state)
            self._world.settle()
        elif state == "up":
            self._world.down.discard(name)
            self._fetch(happened)
        elif state in {"down", "refuses_login"}:
            self._world.down.add(name)
            if state == "refuses_login":
                happened.alerts.append(f"incoming/{name}")
        else:
            raise ScenarioError('server: state: a mailbox is "up", "down" or "refuses_login"')

    def _unit(self, unit: str) -> tuple[str, str]:
        """Return kind and name of a server; the kind may be left out where the name tells it."""
        settings = self._world.settings
        units = [("incoming", name) for name in settings.incoming] + [("outgoing", name) for name in settings.outgoing]
        kind, _, name = unit.rpartition("/")
        found = [one for one in units if one[1] == name and kind in {"", one[0]}]
        if len(found) == 1:
            return found[0]
        names = ", ".join(f"{one}/{name}" for one, name in found or units) or "none"
        why = "is more than one server" if found else "there is no such"
        raise ScenarioError(f"server: unit: {unit}: {why}; there are: {names}")

    # --- mail

    def _arrive(
        self, raw: bytes, action: Mapping[str, Any], happened: Happened, name: str, home: str | None = None
    ) -> None:
        """Lay a mail into its mailbox, else into *home*, and fetch it if that is looked at."""
        received = moment(action["received"], "received") if "received" in action else self._world.now
        one = _Waiting(raw, self._source(action.get("unit"), raw, home), received, name)
        if not self._world.is_fetched(one.source):
            self._waiting.append(one)
            happened.reason = Reason.SERVER_PAUSED.value
            return
        self._deliver(one, happened)

    def _fetch(self, happened: Happened) -> None:
        """Take what waited in the mailboxes that are looked at again; the last mail's outcome is the step's."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if self._world.is_fetched(one.source):
                self._deliver(one, happened)
            else:
                self._waiting.append(one)

    def _deliver(self, one: _Waiting, happened: Happened) -> None:
        known = self._world.entry_counts()
        self._note(self._world.deliver(one.raw, one.source, one.received_at), happened, one.name, known)

    def _note(self, delivered: Delivered, happened: Happened, name: str, known: Mapping[TicketNumber, int]) -> None:
        outcome = delivered.outcome
        happened.reason = outcome.reason.value
        happened.flags = [flag.value for flag in outcome.flags]
        happened.trace = [(one.rule, one.answer) for one in outcome.trace]
        happened.ticket = delivered.ticket
        happened.is_new = delivered.ticket is not None and delivered.ticket not in known
        if delivered.ticket is not None:
            shown = self._world.ticket(delivered.ticket)
            happened.added = [] if shown is None else shown["entries"][known.get(delivered.ticket, 0) :]
        if name:
            self._named[name] = delivered

    def _source(self, unit: str | None, raw: bytes, home: str | None) -> str:
        incoming = self._world.settings.incoming
        if unit is not None:
            name = unit.removeprefix("incoming/")
            if name not in incoming:
                raise ScenarioError(f"there is no mailbox {name}; there are: {', '.join(incoming) or 'none'}")
            return name
        mail = parse(raw)
        found = (self._world.policy.own.source(person.address) for person in (*mail.to, *mail.cc))
        named = [source for source in found if source in incoming]
        enabled = [name for name, one in incoming.items() if one.enabled]
        named += [home] if home in incoming else []
        candidates = [*(name for name in named if name in enabled), *named]
        if not candidates and len(enabled) == 1:
            return enabled[0]
        if not candidates:
            raise ScenarioError("the mail names none of our addresses: say by unit where it arrives")
        return candidates[0]

    def _replace(self, text: str) -> str:
        if "@" not in text:
            return text
        waiting = {one.name: one for one in self._waiting if one.name}

        def labelled(name: str) -> Named:
            if name in self._named:
                return self._labelled(self._named[name])
            return Named(parse(waiting[name].raw).message_id or "", None, "")

        return replaced(text, Labels([*waiting, *self._named], labelled), self._world.post.ids)

    def _labelled(self, one: Delivered) -> Named:
        token = ""
        facts = None if one.ticket is None else self._world.facts(one.ticket)
        if one.ticket is not None and facts is not None:
            policy = self._world.policy
            address = policy.address_of(facts.source) or next(iter(home.address for home in policy.homes.values()), "")
            token = policy.keys.plus_address(address, one.ticket) if address else ""
        return Named(one.mail.message_id or "", one.ticket, token)

    def _sent(self, action: Mapping[str, Any]) -> Sent:
        post = self._world.post
        return post.first(number_of(str(action.get("of", "@sent")), post.ids))

    # --- people at the desk

    def _at_the_desk(self, action: Mapping[str, Any], happened: Happened) -> None:
        number = self._ticket(action["of"])
        happened.ticket = number
        known = self._world.entry_counts()
        to = str(action.get("to", ""))
        do = action["do"].replace("_", "-")
        if do == "merge":
            to = str(self._ticket(to))
        elif do in {"assign", "remove-cc"}:
            to = _bare(to)
        text, by, chosen = (str(action.get(key, "")) for key in ("text", "by", "outgoing"))
        self._world.act(Action(do, number, _bare(by), to, text, outgoing=chosen.removeprefix("outgoing/")))
        shown = self._world.ticket(number)
        happened.added = [] if shown is None else shown["entries"][known.get(number, 0) :]

    def _ticket(self, reference: Any) -> TicketNumber:  # noqa: ANN401 - whatever TOML holds
        name = str(reference).removeprefix("@")
        if name not in self._named:
            raise ScenarioError(f"of: no mail is named {name}")
        if (number := self._named[name].ticket) is None:
            raise ScenarioError(f"of: the mail {name} is in no ticket")
        return number

    def _quarantine(self, action: Mapping[str, Any], happened: Happened) -> None:
        name = action["of"].removeprefix("@")
        if name not in self._named:
            raise ScenarioError(f"of: no mail is named {name}")
        if action["do"] == "drop":
            self._world.drop(self._named[name])
            happened.reason = Reason.DROPPED_BY_ADMIN.value
            return
        known = self._world.entry_counts()
        self._note(self._world.retry(self._named[name]), happened, name, known)


def _bare(person: str) -> str:
    """Return the address of *person*, which may stand beside a name; what is none stands for itself."""
    found = people(person)
    return found[0].address if len(found) == 1 else person


def _with_id(action: Mapping[str, Any], step: Step) -> Mapping[str, Any]:
    if "message_id" in action or "file" in action:
        return action
    name = str(action.get("name", step.number))
    local = "".join(sign if sign.isalnum() else "-" for sign in name)
    return {**action, "message_id": f"<{local}.{step.number}@mail.example>"}
