"""Plug-ins: how they are found, and that their own keys are told of as ours are."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tests.conf import CANARY, UNIT, Conf
from typer.testing import CliRunner

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.backends.webhook import WebhookDesk
from mailwicket.cli import app
from mailwicket.config.incoming import Incoming
from mailwicket.config.keys import Key, below, keys_of
from mailwicket.config.model import Says, Table, wrong
from mailwicket.config.outgoing import Outgoing
from mailwicket.config.plugins import installed
from mailwicket.config.secret import ALLOWED, Secret
from mailwicket.senders.smtp import SmtpSender
from mailwicket.sources.imap import ImapSource


class Hook(Table):
    url: str
    key: Secret | None = None


class Webhook(Table):
    """As a plug-in may write it."""

    ratio: float = Field(default=0.5, ge=0)
    most: int = Field(default=1, le=9)
    wait_s: float | None = None
    count: int = 3
    names: list[str] = Field(default_factory=list)
    hooks: list[Hook] = ()  # type: ignore[assignment]
    named: dict[str, Hook] = Field(default_factory=dict)
    inner: Hook | None = None
    either: Literal["auto"] | Annotated[int, Ge(1), Le(5)] = "auto"
    odd: Any = None
    checked: str = ""
    said: Annotated[str, Says("a colour")] = "red"
    broken: bool = False

    @field_validator("checked")
    @classmethod
    def _check(cls, value: str) -> str:
        raise ValueError(f"{value} is bad")

    @field_validator("said")
    @classmethod
    def _say(cls, value: str) -> str:
        if value == "plaid":
            raise wrong("is no colour")
        return value

    @field_validator("broken")
    @classmethod
    def _break(cls, value: bool) -> bool:  # noqa: FBT001
        if value:
            raise TypeError(CANARY)
        return value


class Portal(Incoming):
    """Its user brings a token of its own."""

    wants_password: ClassVar[bool] = False
    tenant: str


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path)


def told(conf: Conf, text: str) -> list[str]:
    conf.write(f'[backend]\ntype = "hook"\n{text}')
    return [line.removeprefix("conf.d/10-test.toml:") for line in conf.lines(backends={"hook": Webhook})]


def test_our_own_adapters_are_found_with_the_models_the_reference_shows() -> None:
    found = installed()
    assert found.backends["desk"] is EmbeddedDesk
    assert found.backends["webhook"] is WebhookDesk
    assert found.sources["imap"] is ImapSource
    assert found.senders["smtp"] is SmtpSender
    assert (ImapSource.Config, EmbeddedDesk.Config.model_fields) == (Incoming, {})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ratio = -0.5\n", "3: backend.ratio: -0.5 is too small; a number, at least 0 (default 0.5)"),
        ("most = 10\n", "3: backend.most: 10 is too large; a whole number, at most 9 (default 1)"),
        ("ratio = 'x'\n", "3: backend.ratio: is no number; a number, at least 0 (default 0.5)"),
        ("wait_s = 'x'\n", "3: backend.wait_s: is no number; seconds"),
        ("count = 'x'\n", "3: backend.count: is no whole number; a whole number (default 3)"),
        ("names = 'x'\n", "3: backend.names: is no list; a list of: text"),
        ("names = [\n1,\n]\n", "4: backend.names: item 1: is no text; text"),
        ("inner = 'x'\n", "3: backend.inner: is no table; a table"),
        ("inner = {}\n", "3: backend.inner.url: is missing; text"),
        ("[backend.inner]\nurl = 'x'\nkex = 'x'\n", "5: backend.inner.kex: unknown key (nearest known key: key)"),
        ("[backend.named.a]\nurl = 1\n", "4: backend.named.a.url: is no text; text"),
        ("[backend.named]\na = 1\n", "4: backend.named.a: is no table; a table"),
        ("[[backend.hooks]]\nurl='x'\n[[backend.hooks]]\nurl = 1\n", "6: backend.hooks.url: item 2: is no text; text"),
        ("[[backend.hooks]]\nurl = 'x'\n\n[[backend.hooks]]\n", "6: backend.hooks.url: item 2: is missing; text"),
        (
            "[[backend.hooks]]\nurl = 'x'\nkey = {}\n",
            f"5: backend.hooks.key: item 1: is a table without exactly one known key; {ALLOWED}",
        ),
        ("either = 9\n", '3: backend.either: is no known word; "auto" or a whole number, 1 to 5 (default "auto")'),
        ("said = 'plaid'\n", '3: backend.said: is no colour; a colour (default "red")'),
        (f"checked = '{CANARY}'\n", '3: backend.checked: is not accepted; text (default "")'),
        ("broken = true\n", f"1: backend: cannot be checked: TypeError in {__name__}.Webhook"),
        ("typ = 1\n", "3: backend.typ: unknown key (nearest known key: type)"),
    ],
)  # fmt: skip
def test_the_keys_of_a_backend_are_told_of_as_ours_are(conf: Conf, text: str, line: str) -> None:
    lines = told(conf, text)
    assert lines == [line]
    assert CANARY not in lines[0]


def test_the_settings_hold_the_keys_of_the_chosen_backend(conf: Conf) -> None:
    assert told(conf, "ratio = 0.25\ninner = { url = 'x', key = { env = 'X' } }\n") == []
    settings = conf.read(backends={"hook": Webhook}).settings
    assert settings is not None
    assert settings.backend.type == "hook"
    assert settings.backend.keys == Webhook(ratio=0.25, inner=Hook(url="x", key=Secret({"env": "X"})))


def test_a_secret_of_a_plug_in_is_replaced_as_a_whole_but_its_table_is_not(conf: Conf) -> None:
    conf.write('[backend]\ntype = "hook"\n[backend.inner]\nurl = "x"\nkey = { env = "X" }\n', "00-a.toml")
    conf.write('[backend.inner.key]\nfile = "/x"\n')
    settings = conf.read(backends={"hook": Webhook}).settings
    assert settings is not None
    assert settings.backend.keys == Webhook(inner=Hook(url="x", key=Secret({"file": "/x"})))


def test_a_source_may_want_keys_of_its_own_and_no_password(conf: Conf) -> None:
    sources = {"imap": Incoming, "portal": Portal}
    conf.write(UNIT.replace("password", "#") + "protocol = 'portal'\ntenat = 'x'\n")
    assert conf.lines(sources=sources) == [
        "conf.d/10-test.toml:1: incoming.support.tenant: is missing; text",
        "conf.d/10-test.toml:6: incoming.support.tenat: unknown key (nearest known key: tenant)",
    ]
    conf.write(UNIT + "protocol = 'gopher'\n")
    expected = 'protocol: is not installed; "imap" or "portal" (default "imap")'
    assert conf.lines(sources=sources) == [f"conf.d/10-test.toml:5: incoming.support.{expected}"]


class Pigeon(Outgoing):
    """It carries mail for anybody."""

    wants_password: ClassVar[bool] = False
    loft: str


def test_a_sender_may_want_keys_of_its_own_and_no_password(conf: Conf) -> None:
    senders = {"smtp": Outgoing, "pigeon": Pigeon}
    table = '[outgoing.main]\nemail = "a@example.org"\nserver = "smtp.office365.com"\nprotocol = "pigeon"\n'
    conf.write(table + 'loft = "x"\n')
    settings = conf.read(senders=senders).settings
    assert settings is not None
    assert isinstance(settings.outgoing["main"], Pigeon)
    conf.write(table + 'loff = "x"\n')
    assert conf.lines(senders=senders) == [
        "conf.d/10-test.toml:1: outgoing.main.loft: is missing; text",
        "conf.d/10-test.toml:5: outgoing.main.loff: unknown key (nearest known key: loft)",
    ]
    conf.write(table)
    expected = 'is not installed; "graph" or "mapi" or "smtp" (default "smtp")'
    assert conf.lines() == [f"conf.d/10-test.toml:4: outgoing.main.protocol: {expected}"]


def test_nothing_is_below_a_plain_key() -> None:
    keys = keys_of(Webhook)
    assert below(keys["count"], "x") is None
    assert below(keys["names"], "x") is None
    assert below(keys["odd"], 0) is None
    assert keys["odd"] == Key(Any, "")


# --- entry points, from a real distribution


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site = tmp_path / "site"
    info = site / "strange-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mailwicket.backends]\ndesk = strange:Good\ngood = strange:Good\nbad = strange:Bad\nnone = strange:NONE\n"
        "raises = strange_raises:X\n[mailwicket.sources]\nplain = strange:Good\n"
        "[mailwicket.senders]\nplain = strange:Good\n"
    )
    (site / "strange.py").write_text(
        "from pydantic import BaseModel\nclass Good:\n    class Config(BaseModel):\n        pass\n"
        "class Bad:\n    Config = dict\nNONE = 5\n"
    )
    (site / "strange_raises.py").write_text("raise RuntimeError('no\\x1b[2J\\nlibrary')\n")
    monkeypatch.syspath_prepend(site)
    yield
    for name in ("strange", "strange_raises"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("distribution")
def test_a_plug_in_that_does_not_load_hurts_no_other_and_none_takes_our_names() -> None:
    found = installed()
    assert found.backends["desk"] is EmbeddedDesk
    assert found.backends["good"].Config.__module__ == "strange"
    assert set(found.backends) == {"desk", "webhook", "good"}
    assert set(found.sources) == {"graph", "imap", "mapi", "pop3"}
    assert set(found.senders) == {"smtp", "graph", "mapi"}
    assert sorted(map(str, found.broken)) == [
        "plug-in bad (mailwicket.backends) is left out: its Config is no BaseModel",
        "plug-in none (mailwicket.backends) is left out: its Config is no BaseModel",
        "plug-in plain (mailwicket.senders) is left out: its Config is no Outgoing",
        "plug-in plain (mailwicket.sources) is left out: its Config is no Incoming",
        "plug-in raises (mailwicket.backends) is left out: RuntimeError: no\x1b[2J\nlibrary",
    ]


@pytest.mark.usefixtures("distribution")
def test_check_notes_plug_ins_that_are_left_out(conf: Conf) -> None:
    conf.write('[backend]\ntype = "raises"\n')
    ended = CliRunner().invoke(app, ["check", "--conf", str(conf.directory)])
    assert ended.exit_code == 1
    assert (
        ended.stderr
        == 'conf.d/10-test.toml:2: backend.type: is not installed; "desk" or "good" or "webhook" (default "desk")\n'
    )
    assert "note: plug-in raises: is left out: RuntimeError: no\\x1b[2J\\nlibrary\n" in ended.stdout


def test_a_model_that_is_no_table_of_ours_is_read_as_its_own_config_says(conf: Conf) -> None:
    class Lax(BaseModel):
        model_config = ConfigDict(extra="forbid")
        count: int = 1

    conf.write('[backend]\ntype = "lax"\ncount = "5"\n')
    settings = conf.read(backends={"lax": Lax}).settings
    assert settings is not None
    assert settings.backend.keys == Lax(count=5)
