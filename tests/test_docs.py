"""What is documented is what there is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.cli import app
from mailwicket.config.filter import Filter
from mailwicket.config.keys import UNITS, keys_of
from mailwicket.config.preferences import ReplyToClosed
from mailwicket.config.secret import Secret
from mailwicket.config.settings import Backend
from mailwicket.config.tables import ENTRIES, LISTED, NAMED, PLAIN
from mailwicket.config.tables import UNITS as SERVERS
from mailwicket.failpoint import NAMES
from mailwicket.model import EntryKind, Flag, Reason, TicketStatus
from mailwicket.rules import addressees
from mailwicket.service.alerts import Cause
from mailwicket.service.metrics import Figures
from mailwicket.service.units import Unit, UnitState
from mailwicket.store import announcements
from mailwicket.store.journal import State
from mailwicket.web.announce import Announcements
from mailwicket.web.api import Api
from mailwicket.web.audit import Audit
from mailwicket.web.mails import ROUTE as ROUTE_OF_MAILS
from mailwicket.web.quarantine import Quarantine
from mailwicket.web.tickets import Tickets
from tests.conf import UNIT, Conf
from tests.fakes import report

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "conf.d"
SOURCE = ROOT / "daemon" / "mailwicket"


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table(text: str, heading: str) -> set[str]:
    """The first column of the table under *heading*."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", maxsplit=1)[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def code() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}


@pytest.mark.parametrize(
    ("heading", "values"),
    [
        ("Unit", set(UnitState)),
        ("Ticket", set(TicketStatus)),
        ("Reason codes: one a mail", set(Reason)),
        ("Flags of an entry", set(Flag)),
    ],
)
def test_states_reasons_and_flags_are_documented(heading: str, values: set[str]) -> None:
    assert table(page("docs/states.md"), heading) == {str(value) for value in values}


def test_the_states_of_an_intake_row_are_those_of_its_table() -> None:
    schema = page("daemon/mailwicket/store/migrations/0001_journal.sql")
    words = set(re.findall(r"'(\w+)'", schema.split("CASE r.state")[1].split(" END")[0]))
    assert table(page("docs/states.md"), "Intake row") == words == {state.name.lower() for state in State}


def test_the_states_of_a_mail_of_the_outbox_are_those_of_its_table() -> None:
    schema = page("daemon/mailwicket/store/migrations/0006_outbox.sql")
    words = set(re.findall(r"'(\w+)'", schema.split("CHECK (state IN")[1].split(")")[0]))
    section = page("docs/states.md").split("## Mail of the outbox")[1].split("A recipient is")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == words


def test_every_event_of_the_journal_is_documented() -> None:
    flow = "".join(text for path, text in code().items() if path.parent.name in {"flow", "store"})
    kinds = set(re.findall(r'"((?:Mail|Mailbox|Ticket|Entry|Delivery|Address)(?:[A-Z]\w*ed|Uncertain))"', flow))
    section = page("docs/states.md").split("## Events of the journal")[1]
    assert set(re.findall(r"`(\w+)`", section)) == kinds


def test_every_reason_code_of_a_unit_is_documented() -> None:
    used = set(re.findall(r'reason="([a-z_]+)"', "".join(code().values())))
    unit = page("docs/states.md").split("## Intake row")[0]
    assert used - set(re.findall(r"`([a-z_]+)`", unit)) == set()


def test_every_metric_is_documented() -> None:
    collector = Figures(report(Unit("incoming/x", "s")), 0, 0)
    names = {family.name + ("_total" if family.type == "counter" else "") for family in collector.collect()}
    section = page("docs/runbook.md").split("## Metrics")[1].split("## ")[0]
    assert set(re.findall(r"`(mailwicket_\w+)", section)) == names


def test_every_cause_of_an_alert_is_documented() -> None:
    assert table(page("docs/runbook.md"), "Alerts") == {str(cause) for cause in Cause}


def test_every_reason_for_leaving_somebody_out_of_an_announcement_is_documented() -> None:
    reasons = {addressees.INACTIVE, addressees.OWN, addressees.NOBODY, addressees.UNWRITABLE, addressees.PAUSED}
    named = set(re.findall(r"^\| `(\w+)` \|", page("docs/announcements.md").split("| reason |")[1], re.MULTILINE))
    assert reasons | {addressees.AUTHOR, announcements.CANCELLED} <= named


def test_every_failpoint_is_passed_somewhere_and_no_other() -> None:
    passed = set(re.findall(r'failpoint\("([a-z0-9_.]+)"\)', "".join(code().values())))
    assert passed == set(NAMES)


def test_every_entry_kind_is_of_the_contract() -> None:
    assert set(EntryKind) == {"mail", "reply", "note", "event"}


def test_every_command_of_the_readme_and_of_the_production_page_exists_and_every_command_says_what_it_does() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name in ("README.md", "docs/production.md"):
        shells = "".join(re.findall(r"^```sh\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL))
        named = set(re.findall(r"(?:^|-- )mailwicket (\w+)", shells, re.MULTILINE))
        named |= set(re.findall(r"`mailwicket (\w+)", page(name)))
        assert named, name
        assert named <= set(commands), name
    assert all(command.help for command in commands.values())


def test_every_route_of_the_api_is_documented() -> None:
    nouns: list[Any] = [Api, Tickets, Quarantine, Audit, Announcements]
    defined = [route for noun in nouns for route in noun(None).routes()]
    routes = {(route.method, re.sub(r"\{(\w+):[^/]*?(?:\(.*\)\?|\{.*\})?\}", r"{\1}", route.path)) for route in defined}
    routes |= {("POST", ROUTE_OF_MAILS)}
    told: set[tuple[str, str]] = set()
    pages = page("docs/reload.md") + page("docs/desk.md") + page("docs/announcements.md")
    for methods in re.findall(r"^\| (`(?:GET|POST) /api/v1/.*?) \| ", pages, re.MULTILINE):
        verb = base = ""
        for method, path in re.findall(r"`(?:(GET|POST) )?([^` ]+)`", methods):
            verb = method or verb
            base = path if method else f"{base.rpartition('/')[0]}/{path}"
            told.add((verb, base.replace("incoming/NAME", "{unit}")))
    assert told == {route for route in routes if route != ("GET", "/api/v1/")}


def test_the_reference_of_the_configuration_is_what_the_models_say() -> None:
    command = [sys.executable, "-m", "mailwicket.config.reference"]
    told = subprocess.run(command, capture_output=True, check=True)
    assert page("docs/config.md") == told.stdout.decode(), "python -m mailwicket.config.reference > docs/config.md"


def test_the_reference_names_every_key_with_its_default() -> None:
    tables = [*PLAIN.values(), *ENTRIES.values(), *SERVERS.values(), *LISTED.values()]
    for model in (*tables, Backend, WebhookConfig, Filter, ReplyToClosed):
        for name, key in keys_of(model).items():
            assert key.description, name
            assert key.allowed, name
            assert key.required or key.default or model.model_fields[name].default is None, name


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page("docs/config.md"), re.MULTILINE | re.DOTALL)


def test_every_example_of_the_reference_is_good_and_its_mistakes_are_told_as_it_says(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    tables = set()
    wrong = 'pasword = "secret"'
    for block in blocks("toml"):
        conf.write(block, "10-incoming.toml")
        assert conf.lines() == ("".join(blocks("text")).splitlines() if wrong in block else [])
        tables |= set(re.findall(r"^\[\[?(\w+)", block, re.MULTILINE))
    assert tables == {*PLAIN, *ENTRIES, *SERVERS, *LISTED, "backend"}


def test_every_variable_of_the_reference_is_one(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    conf.write(UNIT)
    environ = dict(line.replace("'", "").split("=", 1) for line in "".join(blocks("sh")).splitlines())
    settings = conf.read(environ).settings
    assert settings is not None
    assert (settings.daemon.log_level, settings.http.listen) == ("debug", ("127.0.0.1:8025",))
    assert settings.incoming["support"].password == Secret({"file": "/run/secrets/support"})


def sample(path: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Each key of a file of the sample: its table, its name, its line, and whether it is commented out."""
    table = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if header := re.match(r"\[(\w+)", line):
            table = header[1]
        elif key := re.match(r"(# )?(\w+) = ", line):
            yield table, key[2], line, bool(key[1])


def test_the_sample_shows_every_key_and_comments_out_the_optional_ones_with_default_and_unit(tmp_path: Path) -> None:
    models = {**PLAIN, **SERVERS, "backend": Backend}
    shown = {(table, name): (line, off) for path in SAMPLE.glob("*.toml") for table, name, line, off in sample(path)}
    assert set(shown) == {(table, name) for table, model in models.items() for name in keys_of(model)}
    for (table, name), (line, off) in shown.items():
        key = keys_of(models[table])[name]
        assert off != (key.required or name == "password"), line
        unit = key.allowed.split(",", maxsplit=1)[0]
        assert unit in line or unit not in UNITS.values(), line

    conf = Conf(tmp_path)
    for path in SAMPLE.glob("*.toml"):
        conf.write(path.read_text(encoding="utf-8"), path.name)
    plain = conf.read().settings
    for path in SAMPLE.glob("*.toml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        defaults = [line if "# unset: " in line else re.sub(r"^# (?=\w+ = )", "", line) for line in lines]
        conf.write("\n".join(defaults), path.name)
    assert plain is not None
    assert conf.read().settings == plain
    conf.write(commented_tables("15-oauth.toml"), "15-applications.toml")
    for path in SAMPLE.glob("*.toml"):
        off = r"^#   (?=[\[\w])|^# (?=\w+ = )" if path.name == "15-proxies.toml" else r"^# (?=\w+ = )"
        conf.write(re.sub(off, "", path.read_text(encoding="utf-8"), flags=re.MULTILINE), path.name)
    assert conf.lines() == []


def commented_tables(name: str) -> str:
    lines = (SAMPLE / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("#   ") for line in lines if line.startswith("#   "))


def test_the_sample_shows_every_key_of_directory_rules_and_notifications_and_is_good(tmp_path: Path) -> None:
    shown: dict[str, set[str]] = {}
    conf = Conf(tmp_path)
    conf.write((SAMPLE / "20-outgoing.toml").read_text(encoding="utf-8"), "10-outgoing.toml")
    for name in ("20-outgoing.toml", "40-people.toml"):
        lines = (SAMPLE / name).read_text(encoding="utf-8").splitlines()
        written = "\n".join(line.removeprefix("#   ") for line in lines if line.startswith("#   "))
        conf.write(written, name)
        for line in written.splitlines():
            if header := re.match(r"\[\[?(\w+)", line):
                table = header[1]
            elif key := re.match(r"(\w+) = ", line):
                shown.setdefault(table, set()).add(key[1])
    assert shown == {name: set(keys_of(model)) for name, model in {**NAMED, **LISTED}.items()}
    assert conf.lines() == []


def test_the_sample_shows_every_key_of_the_webhook_with_its_default_and_is_good(tmp_path: Path) -> None:
    sample = (SAMPLE / "50-backend.toml").read_text(encoding="utf-8")
    lines = [line for line in sample.splitlines() if line.startswith("#   ")]
    keys = keys_of(WebhookConfig)
    assert [line.split()[1] for line in lines] == list(keys)
    for line, (name, key) in zip(lines, keys.items(), strict=True):
        told = line.split(" = ", 1)[1].split("   # ")[0]
        assert key.required or "# unset: " in line or told == key.default, line
        unit = key.allowed.split(",", maxsplit=1)[0]
        assert unit in line or unit not in UNITS.values(), name
    conf = Conf(tmp_path)
    conf.write("\n".join(["[backend]", 'type = "webhook"', *(line.removeprefix("#   ") for line in lines)]))
    assert conf.lines() == []


def test_links_between_pages_lead_somewhere() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+\.md)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_no_tracked_page_names_a_path_of_a_machine_or_an_index() -> None:
    wrong = re.compile(r"index-url|find-links|https?://[^ ]*/simple\b")
    for path in [ROOT / "constraints.txt", ROOT / "pyproject.toml", ROOT / "Makefile", *(ROOT / "docs").glob("*.md")]:
        assert not wrong.search(path.read_text(encoding="utf-8")), path.name


def test_constraints_hold_names_versions_and_markers_only() -> None:
    for line in page("constraints.txt").splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*( ; .+)?", line), line
