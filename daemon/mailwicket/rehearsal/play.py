"""A scenario played step by step, and how what happened differs from what was expected."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from mailwicket.config.load import Loaded
from mailwicket.errors import MailwicketError
from mailwicket.flow.actions import Action
from mailwicket.mail.parse import parse
from mailwicket.model import TicketNumber
from mailwicket.rehearsal.expectation import Difference, Happened, differences
from mailwicket.rehearsal.labels import Named, number_of, replaced
from mailwicket.rehearsal.scenario import BEGIN, Scenario, ScenarioError, Step, moment
from mailwicket.rehearsal.world import Delivered, World
from mailwicket.rehearsal.writing import raw_of

SECOND: Final = timedelta(seconds=1)

Load = Callable[[Path], Loaded]
"""How a conf.d is read."""


@dataclass(frozen=True, slots=True)
class Played:
    """One step's outcome."""

    number: int
    happened: Happened
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Result:
    """How a scenario ended."""

    scenario: str
    steps: list[Played] = field(default_factory=list)
    error: str | None = None
    """Why it could not be played."""

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return self.error is None and not any(step.differences for step in self.steps)


def play(scenario: Scenario, conf: Path | None, load: Load) -> Result:
    """Play *scenario* with its own configuration, else with the conf.d *conf*; nothing of it is kept.

    Raises:
        ScenarioError: it cannot be played.
    """
    result = Result(str(scenario.path))
    with TemporaryDirectory(prefix="mailwicket-") as directory:
        files = _Files(Path(directory), load)
        loaded = files.begin(scenario.conf, conf)
        if scenario.refused is not None:
            said = [*map(str, loaded.errors)]
            happened = Happened(refused=" / ".join(said) if said else None)
            told = differences({"refused": scenario.refused}, happened, {})
            return Result(result.scenario, [Played(0, happened, told)])
        if loaded.settings is None:
            raise ScenarioError("conf: " + "; ".join(map(str, loaded.errors)))
        with closing(World(loaded.settings, BEGIN)) as world:
            player = _Player(scenario, world, files)
            for step in scenario.steps:
                result.steps.append(player.play(step))
    return result


class _Files:
    """The configuration of a scenario as files, read as conf.d is."""

    def __init__(self, directory: Path, load: Load) -> None:
        self._directory = directory
        self._load = load
        self._count = 0

    def begin(self, text: str | None, conf: Path | None) -> Loaded:
        """Read the first configuration."""
        if text is not None:
            return self.add(text)
        if conf is None:
            raise ScenarioError("has no conf, and there is no --conf DIR")
        for path in sorted(conf.glob("[!.]*.toml")):
            (self._directory / f"{self._count:04}-{path.name}").write_bytes(path.read_bytes())
            self._count += 1
        return self._load(self._directory)

    def add(self, text: str) -> Loaded:
        """Merge *text* over what there is; where that is refused it is forgotten again."""
        path = self._directory / f"{self._count:04}-step.toml"
        path.write_text(_completed(text), encoding="utf-8")
        path.chmod(0o600)
        loaded = self._load(self._directory)
        if loaded.settings is None and self._count:
            path.unlink()
        else:
            self._count += 1
        return loaded


def _completed(text: str) -> str:
    """Add what a mailbox needs only to connect: nothing does in a rehearsal."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    incoming = told.get("incoming", {})
    missing = []
    for name, unit in incoming.items() if isinstance(incoming, dict) else ():
        if isinstance(unit, dict) and "email" in unit:
            keys = {"server": "mail.example", "password": "rehearsal"}
            lines = [f'{key} = "{value}"' for key, value in keys.items() if key not in unit]
            if lines:
                missing.append((name, lines))
    for name, lines in missing:
        for form in (f"[incoming.{name}]", f'[incoming."{name}"]'):
            if form in text:
                text = text.replace(form, "\n".join([form, *lines]), 1)
    return text


class _Player:
    """Plays the steps of one scenario in one world."""

    def __init__(self, scenario: Scenario, world: World, files: _Files) -> None:
        self._scenario = scenario
        self._world = world
        self._files = files
        self._named: dict[str, Delivered] = {}
        self._tokens: dict[str, Named] = {}
        self._down: set[str] = set()

    def play(self, step: Step) -> Played:
        """Do what *step* says and compare."""
        world = self._world
        world.now = step.at or (world.now + SECOND if step.number > 1 else world.now)
        sent_before = len(world.post.sent)
        happened = Happened()
        try:
            self._act(step, happened)
        except ScenarioError as error:
            raise ScenarioError(f"step {step.number}: {error}") from error
        except MailwicketError as error:
            happened.refused = str(error)
        happened.sent = world.post.sent[sent_before:]
        if happened.ticket is not None:
            happened.shown = world.ticket(happened.ticket)
            happened.facts = world.facts(happened.ticket)
        tickets = {name: one.ticket for name, one in self._named.items()}
        return Played(step.number, happened, differences(step.expect, happened, tickets))

    def _act(self, step: Step, happened: Happened) -> None:
        action: Any = step.action
        match step.kind:
            case "mail":
                raw = raw_of(self._with_id(action, step), self._scenario.path.parent, self._world.now, self._replace)
                self._deliver(raw, action, happened, str(action.get("name", "")))
            case "ticket":
                self._at_the_desk(action, happened)
            case "bounce":
                self._deliver(self._report(action), action, happened, "")
            case "echo":
                self._deliver(self._echo(action), action, happened, "")
            case "quarantine":
                self._quarantine(action, happened)
            case "config":
                loaded = self._files.add(action)
                if loaded.settings is None:
                    happened.refused = "; ".join(map(str, loaded.errors))
                else:
                    self._world.configure(loaded.settings)
            case "server" | "announce":
                raise ScenarioError(f"{step.kind} cannot be rehearsed yet")
            case _:
                pass

    # --- mail

    def _with_id(self, action: Mapping[str, Any], step: Step) -> Mapping[str, Any]:
        if "message_id" in action or "file" in action:
            return {key: value for key, value in action.items() if value != "" or key != "message_id"}
        name = str(action.get("name", step.number))
        local = "".join(sign if sign.isalnum() else "-" for sign in name)
        return {**action, "message_id": f"<{local}.{step.number}@mail.example>"}

    def _deliver(self, raw: bytes, action: Mapping[str, Any], happened: Happened, name: str) -> None:
        world = self._world
        received = moment(action["received"], "received") if "received" in action else world.now
        source = self._source(action.get("unit"), raw)
        config = world.settings.incoming.get(source)
        if world.settings.preferences.email_to_ticket == "paused" or config is None or not config.enabled:
            happened.reason = "server_paused"
            return
        known = self._entry_counts()
        delivered = world.deliver(raw, source, received)
        self._note(delivered, happened, name, known)

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

    def _entry_counts(self) -> dict[TicketNumber, int]:
        counts: dict[TicketNumber, int] = {}
        number = TicketNumber(1)
        while (shown := self._world.ticket(number)) is not None:
            counts[number] = len(shown["entries"])
            number = TicketNumber(number + 1)
        return counts

    def _source(self, unit: Any, raw: bytes) -> str:  # noqa: ANN401 - whatever TOML holds
        names = list(self._world.settings.incoming)
        if unit is not None:
            name = str(unit).removeprefix("incoming/")
            if name not in names:
                raise ScenarioError(f"there is no mailbox {name}; there are: {', '.join(names) or 'none'}")
            return name
        mail = parse(raw)
        for person in (*mail.to, *mail.cc):
            if (source := self._world.policy.own.source(person.address)) is not None:
                return source
        if len(names) != 1:
            raise ScenarioError("the mail names none of our addresses: say by unit where it arrives")
        return names[0]

    def _replace(self, text: str) -> str:
        named = {name: self._labelled(one) for name, one in self._named.items()}
        return replaced(text, named, self._world.post.ids)

    def _labelled(self, one: Delivered) -> Named:
        token = ""
        facts = None if one.ticket is None else self._world.facts(one.ticket)
        if one.ticket is not None and facts is not None:
            policy = self._world.policy
            address = policy.address_of(facts.source) or next(iter(home.address for home in policy.homes.values()), "")
            token = policy.keys.plus_address(address, one.ticket) if address else ""
        return Named(one.mail.message_id or "", one.ticket, token)

    def _report(self, action: Mapping[str, Any]) -> bytes:
        """A delivery report about a mail of ours (RFC 3464)."""
        sent = self._world.post.sent[number_of(str(action.get("of", "@sent")), self._world.post.ids)]
        recipient = str(action.get("recipient", sent.to[0]))
        permanent = action.get("permanent", True)
        status, word = ("5.1.1", "failed") if permanent else ("4.4.1", "delayed")
        head = sent.raw.partition(b"\r\n\r\n")[0].decode()
        lines = [
            "From: MAILER-DAEMON@mx.example",
            f"To: {sent.sender}",
            f"Subject: Delivery Status Notification ({'Failure' if permanent else 'Delay'})",
            f"Date: {format_datetime(self._world.now)}",
            f"Message-ID: <report.{self._world.now.timestamp():.0f}.{recipient.replace('@', '.')}@mx.example>",
            "Auto-Submitted: auto-replied",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="report"',
            "", "--report", "Content-Type: text/plain", "", f"{recipient}: {word}", "",
            "--report", "Content-Type: message/delivery-status", "", "Reporting-MTA: dns; mx.example", "",
            f"Final-Recipient: rfc822; {recipient}", f"Action: {word}", f"Status: {status}", "",
            "--report", "Content-Type: text/rfc822-headers", "", head, "", "--report--", "",
        ]  # fmt: skip
        return "\r\n".join(lines).encode()

    def _echo(self, action: Mapping[str, Any]) -> bytes:
        """A mail of ours as it comes back, with fields lost on the way."""
        sent = self._world.post.sent[number_of(str(action.get("of", "@sent")), self._world.post.ids)]
        lost = {str(name).lower() for name in action.get("strip", ())}
        if "from" in action:
            lost.add("from")
        head, blank, body = sent.raw.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if line.split(b":")[0].decode().lower() not in lost]
        if "from" in action:
            lines.insert(0, f"From: {action['from']}".encode())
        return b"\r\n".join(lines) + blank + body

    # --- people at the desk

    def _at_the_desk(self, action: Mapping[str, Any], happened: Happened) -> None:
        number = self._ticket(action.get("of"))
        happened.ticket = number
        known = self._entry_counts()
        to = str(action.get("to", ""))
        do = str(action.get("do", "")).replace("_", "-")
        if do == "merge":
            to = str(self._ticket(to))
        self._world.act(Action(do, number, str(action.get("by", "")), to, str(action.get("text", ""))))
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
        name = str(action.get("of", "")).removeprefix("@")
        if name not in self._named:
            raise ScenarioError(f"of: no mail is named {name}")
        do = action.get("do")
        if do == "drop":
            self._world.drop(self._named[name])
            happened.reason = "dropped_by_admin"
        elif do == "retry":
            known = self._entry_counts()
            self._note(self._world.retry(self._named[name]), happened, name, known)
        else:
            raise ScenarioError("quarantine: do is neither retry nor drop")
