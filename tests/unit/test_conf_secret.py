"""Secrets in their five forms, what can go wrong with each, and that none is ever told."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.conf import CANARY, UNIT, Conf

from mailwicket.config import secret as module
from mailwicket.config.command import run
from mailwicket.config.exposed import secrets, unresolved
from mailwicket.config.secret import LIMIT_BYTES, Secret
from mailwicket.errors import BlockedError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"s3cret\n")
    path.chmod(0o600)
    return path


def problem(value: Any) -> str | None:
    """Why it cannot be had; `reveal` says the same, with its place and the reason of the blocked unit."""
    secret = Secret(value)
    why = secret.problem()
    if why is not None:
        with pytest.raises(BlockedError) as told:
            secret.reveal()
        assert told.value.reason == "secret_missing"
        assert str(told.value) == f"secret from {secret.place} {why.removeprefix(f'its {secret.form} ')}"
        assert told.value.__cause__ is None
        assert told.value.__suppress_context__
    return why


# --- five forms


def test_text_is_the_secret_itself() -> None:
    assert Secret(" s3cret ").reveal() == " s3cret "


def test_a_file_holds_it(place: Path) -> None:
    assert Secret({"file": str(place)}).reveal() == "s3cret"


def test_a_credential_is_a_file_where_systemd_puts_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place.parent))
    assert Secret({"credential": "secret"}).reveal() == "s3cret"


def test_a_variable_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "s3crét")
    assert Secret({"env": "X"}).reveal() == "s3crét"


def test_a_command_prints_it_and_gets_neither_input_nor_terminal() -> None:
    script = "import os, sys; print('s3cret' if not sys.stdin.read() and os.getsid(0) == os.getpid() else 'no')"
    assert Secret({"command": [sys.executable, "-c", script]}).reveal() == "s3cret"


def test_it_is_read_again_each_time(place: Path) -> None:
    secret = Secret({"file": str(place)})
    assert secret.reveal() == "s3cret"
    place.write_text("other")
    assert secret.reveal() == "other"


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"x\n", "x"),
        (b"x\r\n", "x"),
        (b"x\n\n", "x\n"),
        (b" x ", " x "),
        (b"\xc3\xa4", "ä"),
        (b"x" * LIMIT_BYTES, None),
    ],
)
def test_one_line_end_behind_it_is_no_part_of_it(place: Path, content: bytes, secret: str | None) -> None:
    place.write_bytes(content)
    assert Secret({"file": str(place)}).reveal() == (secret or content.decode())


# --- what goes wrong


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"s3cret\xff", "gives no UTF-8"),
        (b"x" * (LIMIT_BYTES + 1), "gives more than 65536 bytes"),
    ],
)
def test_a_file_without_a_secret_is_told(place: Path, content: bytes, why: str) -> None:
    place.write_bytes(content)
    assert problem({"file": str(place)}) == f"its file {why}"


def test_a_file_that_is_missing_or_a_directory_or_has_no_name_is_told(tmp_path: Path) -> None:
    assert problem({"file": str(tmp_path / "no")}) == "its file cannot be read: No such file or directory"
    assert problem({"file": str(tmp_path)}) == "its file is no regular file"
    assert problem({"file": "x" * 5000}) == "its file cannot be read: File name too long"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert problem({"file": str(tmp_path / "pipe")}) == "its file is no regular file"


def test_a_missing_credential_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    unset = "its credential cannot be found: $CREDENTIALS_DIRECTORY is not set (systemd sets it: LoadCredential=)"
    assert problem({"credential": "x"}) == unset
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert problem({"credential": "x"}) == "its credential cannot be read: No such file or directory"


def test_a_variable_that_is_not_set_empty_or_no_utf_8_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X", raising=False)
    assert problem({"env": "X"}) == "its env is not set"
    monkeypatch.setenv("X", "")
    assert problem({"env": "X"}) == "its env is empty"
    monkeypatch.setenv("X", "\udcff")
    assert problem({"env": "X"}) == "its env gives no UTF-8"


def test_a_command_that_fails_is_told_by_its_status_alone() -> None:
    assert problem({"command": ["sh", "-c", f"echo {CANARY}; echo {CANARY} >&2; exit 3"]}) == (
        "its command ended with status 3"
    )


def test_a_command_that_is_not_there_or_prints_nothing_is_told(tmp_path: Path) -> None:
    missing = "its command cannot be run: No such file or directory"
    assert problem({"command": [str(tmp_path / "no")]}) == missing
    assert problem({"command": ["true"]}) == "its command is empty"
    assert problem({"command": ["x\0"]}) == "its command cannot be run: its name is none"


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND_S", 0.2)
    child = tmp_path / "child"
    begin = time.monotonic()
    assert Secret({"command": ["sh", "-c", f"sleep 60 & echo $! > {child}; wait"]}).problem() == (
        "its command did not end within 0.2 s"
    )
    number = int(child.read_text())
    while Path(f"/proc/{number}/stat").exists() and Path(f"/proc/{number}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    assert time.monotonic() - begin < 10


def test_a_command_that_closes_its_output_and_goes_on_is_ended_too() -> None:
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        run(["sh", "-c", "exec >&-; exec sleep 60"], limit_bytes=10, limit_s=0.1)
    assert time.monotonic() - begin < 10


def test_a_command_that_prints_without_end_is_stopped() -> None:
    assert problem({"command": ["yes"]}) == "its command gives more than 65536 bytes"


@pytest.mark.parametrize("number", [0, 200])
def test_output_is_cut_at_its_limit(number: int) -> None:
    ended = run(["head", "-c", str(number), "/dev/zero"], limit_bytes=100, limit_s=10)
    assert (ended.status, len(ended.output)) == (0, min(number, 100))


# --- it is never told


@pytest.mark.parametrize("value", [CANARY, {"command": ["sh", CANARY]}, {"env": CANARY}, {"file": CANARY}])
def test_neither_repr_nor_dump_tells_it(value: Any) -> None:
    class Model(BaseModel):
        secret: Secret

    model = Model.model_validate({"secret": value})
    dump = model.model_dump()
    told = f"{model!r} {model} {dump} {model.model_dump_json()} {model.secret}"
    assert CANARY not in told
    assert f"Secret({model.secret.form})" in told
    assert CANARY not in repr(run(["echo", CANARY], limit_bytes=100, limit_s=10))


def test_a_command_is_named_without_its_arguments() -> None:
    assert Secret({"command": ["pass", CANARY]}).place == 'command "pass"'
    assert Secret(CANARY).place == "conf.d"


def test_equal_secrets_are_one() -> None:
    other: object = "x"
    assert {Secret("x"), Secret("x"), Secret({"env": "x"})} == {Secret("x"), Secret({"env": "x"})}
    assert hash(Secret({"command": ["a"]})) == hash(Secret({"command": ("a",)}))
    assert Secret("x") != other


def test_a_model_takes_a_secret_as_it_is() -> None:
    class Model(BaseModel):
        secret: Secret

    secret = Secret("x")
    assert Model(secret=secret).secret is secret


# --- notes


def test_a_secret_in_a_file_for_everybody_is_noted(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(place.parent))
    conf = Conf(tmp_path)
    conf.write(UNIT, mode=0o604)
    conf.write(f'[http]\nadmin_token = {{ file = "{place}" }}\n', "20-b.toml", mode=0o644)
    literal = (
        "note: conf.d/10-test.toml:4: incoming.support.password: "
        'everybody may read this file; chmod o-r, or {file = "PATH"}'
    )
    assert conf.lines() == [literal]
    place.chmod(0o644)
    told = "note: conf.d/20-b.toml:2: http.admin_token: everybody may read its"
    assert conf.lines() == [literal, f"{told} file; chmod o-r"]
    conf.write('[http]\nadmin_token = { credential = "secret" }\n', "20-b.toml", mode=0o644)
    assert conf.lines() == [literal, f"{told} credential; chmod o-r"]


def test_a_secret_of_the_environment_or_of_a_file_for_few_is_not_noted(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    conf.write(UNIT, mode=0o640)
    assert conf.lines({"MAILWICKET__HTTP__ADMIN_TOKEN": CANARY}) == []
    assert conf.lines({"MAILWICKET__HTTP__ADMIN_TOKEN__FILE": "/no\\0file"}) == []


def test_a_secret_that_cannot_be_had_is_noted_with_its_line_and_not_its_place(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    conf.write(UNIT.replace('"canary-4711"', '{ env = "CANARY_4711" }'))
    conf.write(f'[http]\nadmin_token = {{ file = "/{CANARY}" }}\n', "20-b.toml")
    loaded = conf.read()
    assert loaded.settings is not None
    assert sorted(map(str, unresolved(loaded.settings, loaded.merged))) == [
        "conf.d/10-test.toml:4: incoming.support.password: its env is not set",
        "conf.d/20-b.toml:2: http.admin_token: its file cannot be read: No such file or directory",
    ]


def test_secrets_are_found_wherever_they_stand() -> None:
    class Inner(BaseModel):
        key: Secret
        text: str = "x"

    class Outer(BaseModel):
        many: list[Inner]
        named: dict[str, Secret]
        none: Secret | None = None

    outer = Outer.model_validate({"many": [{"key": "a"}, {"key": "b"}], "named": {"n": "c"}})
    found = {path: secret.reveal() for path, secret in secrets(outer)}
    assert found == {("many", 0, "key"): "a", ("many", 1, "key"): "b", ("named", "n"): "c"}


def test_secrets_and_certificates_of_servers_that_send_are_told_of_as_well(tmp_path: Path) -> None:
    conf = Conf(tmp_path)
    table = '[outgoing.main]\nemail = "a@example.org"\nserver = "s"\npassword = "x"\nca_file = "/nowhere/ca"\n'
    conf.write(table, mode=0o644)
    loaded = conf.read()
    words = 'everybody may read this file; chmod o-r, or {file = "PATH"}'
    assert conf.lines() == [f"note: conf.d/10-test.toml:4: outgoing.main.password: {words}"]
    assert loaded.settings is not None
    assert [str(one) for one in unresolved(loaded.settings, loaded.merged)] == [
        "conf.d/10-test.toml:5: outgoing.main.ca_file: cannot be read now: No such file or directory"
    ]
