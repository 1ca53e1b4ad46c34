"""The first conf.d: what is guessed is right or harmless, and what is written passes `check`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conf import Conf

from mailwicket.config.draft import Draft, complaint, server_of, unit_of
from mailwicket.config.model import is_unit_name
from mailwicket.config.providers import PROVIDERS, by_address, by_server

SAID: dict[str, Any] = {
    "email": "support@example.org",
    "server": "imap.example.org",
    "security": "ssl",
    "port": 993,
    "username": "support@example.org",
    "folder": "INBOX",
    "start_from": "now",
    "after": "seen",
    "password_file": Path("/etc/mailwicket/support.password"),
    "state_dir": None,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"state_dir": Path("/srv/mail wicket")},
        {"email": "Ärger@example.org", "username": 'de"sk\\', "folder": "Entwürfe/\N{SNOWMAN}", "after": "move:Done"},
        {"start_from": "2026-01-31", "security": "tls", "port": 143, "ca_file": "/etc/ssl/own.pem"},
        {"email": "2fa@example.org", "server": "192.0.2.1"},
    ],
)
def test_what_is_written_is_good_and_says_what_was_said(tmp_path: Path, changes: dict[str, Any]) -> None:
    draft = Draft(**{**SAID, **changes})
    conf = Conf(tmp_path)
    conf.write(draft.text(), "10-incoming.toml")
    settings = conf.read().settings
    assert conf.lines() == []
    assert settings is not None
    unit = settings.incoming[draft.unit]
    for key, value in {**SAID, **changes}.items():
        if key not in {"password_file", "state_dir"}:
            assert str(getattr(unit, key)) == str(value)
    assert unit.password is not None
    assert unit.password.path == draft.password_file
    if draft.state_dir is not None:
        assert settings.daemon.state_dir == draft.state_dir
        assert settings.http.listen[0] == f"unix:{draft.state_dir}/admin.sock"


def test_a_directory_that_is_everybody_s_is_not_written() -> None:
    assert "[daemon]" not in Draft(**SAID).text()
    assert set(tomllib.loads(Draft(**SAID).text())) == {"incoming"}


@pytest.mark.parametrize(
    ("email", "unit"),
    [
        ("support@example.org", "support"),
        ("Help.Desk+EU@example.org", "help-desk-eu"),
        ("_-x@example.org", "x"),
        ("\u00e4@example.org", "mailbox"),
        (f"{'a' * 80}@example.org", "a" * 64),
    ],
)
def test_a_unit_is_named_after_its_address(email: str, unit: str) -> None:
    assert unit_of(email) == unit


@given(st.text())
def test_any_address_gives_a_name_that_a_unit_may_have(text: str) -> None:
    assert is_unit_name(unit_of(text))


@pytest.mark.parametrize(
    ("email", "server"),
    [
        ("desk@example.org", "imap.example.org"),
        ("desk@Gmail.com", "imap.gmail.com"),
        ("desk@hotmail.com", "outlook.office365.com"),
        ("desk@gmail.com.example.org", "imap.gmail.com.example.org"),
    ],
)
def test_the_server_is_a_provider_s_by_fact_or_the_usual_name(email: str, server: str) -> None:
    assert server_of(email) == server


def test_a_provider_is_known_by_its_own_names_alone() -> None:
    assert by_server("IMAP.gmail.com.") is by_address("x@googlemail.com") is PROVIDERS[0]
    assert by_server("imap.example.org") is by_server("evil-imap.gmail.com") is by_address("example.org") is None
    domains = [domain for one in PROVIDERS for domain in one.domains]
    assert len(domains) == len(set(domains))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("email", "support", "is no address"),
        ("server", "https://imap.example.org", "is no host name"),
        ("port", 0, "0 is too small"),
        ("security", "starttls", "is no known word"),
        ("after", "move:", "names no folder"),
        ("start_from", "yesterday", "is neither"),
        ("state_dir", "", "is empty"),
        ("folder", "\udcff", "is not UTF-8"),
        ("folder", "INBOX", None),
        ("start_from", "2026-01-31", None),
        ("state_dir", "/srv/x", None),
    ],
)
def test_a_wrong_answer_is_told_with_what_is_allowed(key: str, value: object, words: str | None) -> None:
    told = complaint(key, value)
    assert (told is None) if words is None else (told is not None and told.startswith(words))
