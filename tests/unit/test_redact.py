"""Secrets are taken out of every text, in every form, wherever they stand in it."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailwicket import redact
from mailwicket.redact import REDACTED, SECRET_CHARS_MIN, Redactor
from mailwicket.service.logs import escaped

AWKWARD = 'pä"ss\\wörd +/?=\t€'


def knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.learn(secret)
    return redactor


def whole_digits(encoded: bytes) -> str:
    """Without the last where that would hold bits of what stands behind the secret."""
    digits = encoded.decode()
    return digits.rstrip("=")[:-1] if digits.endswith("=") else digits


SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=SECRET_CHARS_MIN, max_size=40)
WRITTEN = {
    "as it is": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "quoted": lambda text: text.replace("\\", "\\\\").replace('"', '\\"'),
    "a log line": escaped,
    "a quoted word in JSON": lambda text: json.dumps(text.replace("\\", "\\\\").replace('"', '\\"'))[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "base64": lambda text: whole_digits(b64encode(text.encode())),
    "URL-safe base64": lambda text: whole_digits(urlsafe_b64encode(text.encode())),
}
"""In which forms a secret may stand in a line."""


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@given(secret=SECRETS, before=st.text(max_size=9), after=st.text(max_size=9))
def test_whatever_the_secret_and_however_it_is_written_and_wherever_it_stands_it_goes(
    write: Callable[[str], str], secret: str, before: str, after: str
) -> None:
    written = write(secret)
    cleaned = knowing(secret).clean(before + written + after)
    assert written not in cleaned.replace(REDACTED, "\0")
    assert REDACTED in cleaned


@given(secrets=st.lists(SECRETS, max_size=5), text=st.text(max_size=200))
def test_text_without_a_secret_is_left_as_it_is(secrets: list[str], text: str) -> None:
    redactor = knowing(*secrets)
    forms = {form for secret in secrets for form in redact._forms(secret)}
    assume(not any(form in text.encode("utf-8", "surrogatepass") for form in forms))
    assert redactor.clean(text) == text


@given(secret=SECRETS, around=st.lists(st.text("xyz €ü\n", max_size=9), min_size=2, max_size=5))
def test_what_stands_around_secrets_is_left_as_it_is(secret: str, around: list[str]) -> None:
    assume(not set(secret) <= set("xyz €ü\n"))
    parts = knowing(secret).clean(secret.join(around)).split(REDACTED)
    assert "".join(parts) == "".join(around)


@pytest.mark.parametrize("shift", range(8))
def test_what_stands_around_it_stays(shift: int) -> None:
    redactor = knowing("canary-4711")
    assert redactor.clean(f"{'x' * shift}canary-4711 and on") == f"{'x' * shift}{REDACTED} and on"
    assert redactor.clean(f"{'€' * shift}canary-4711canary-4711€") == f"{'€' * shift}{REDACTED}€"
    assert redactor.clean("canary-471" * 3) == "canary-471" * 3


@pytest.mark.parametrize(
    "form",
    [
        AWKWARD,
        json.dumps(AWKWARD),
        repr(AWKWARD),
        json.dumps(repr(AWKWARD)),
        AWKWARD.replace("\t", "\\t"),
        json.dumps('LOGIN "' + AWKWARD.replace("\\", "\\\\").replace('"', '\\"')),
        f"?key={quote(AWKWARD, safe='')}&",
        f"key={quote_plus(AWKWARD)}",
    ],
)
def test_every_way_of_writing_it_goes(form: str) -> None:
    cleaned = knowing(AWKWARD).clean(f"what is {form}?")
    assert REDACTED in cleaned
    assert "rd" not in cleaned.replace(REDACTED, "")


@pytest.mark.parametrize("user", ["", "d", "de", "desk@example.org"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("secret", ["canary-4711", AWKWARD, "~~~???>>>"])
def test_base64_with_anything_before_and_behind_it_gives_nothing_back(user: str, encode: object, secret: str) -> None:
    assert callable(encode)
    for whole in (f"\0{user}\0{secret}", f"user={user}\1auth=Bearer {secret}\1\1", secret):
        cleaned = knowing(secret).clean(f"AUTHENTICATE PLAIN {encode(whole.encode()).decode()}")
        assert REDACTED in cleaned
        left = cleaned.removeprefix("AUTHENTICATE PLAIN ").replace(REDACTED, "")
        assert len(left) <= len(encode(whole.replace(secret, "").encode())) + 4, "at most its edges are left"


def test_a_secret_in_another_and_two_that_overlap_leave_nothing() -> None:
    redactor = knowing("hunter-two", "hunter-two-for-production", "production-database")
    assert redactor.clean("<hunter-two-for-production>") == f"<{REDACTED}>"
    assert redactor.clean("<hunter-two-for-production-database>") == f"<{REDACTED}>"


def test_a_key_of_several_lines_is_known_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nshort\n9w0BAQEFAASCBKcwggSj\n-----END KEY-----"
    redactor = knowing(key)
    assert redactor.clean(json.dumps(key)) == f'"{REDACTED}"'
    assert redactor.clean("<3>MIIEvQIBADANBgkqhkiG\n<3>short") == f"<3>{REDACTED}\n<3>short"


def test_short_words_are_no_secrets_here() -> None:
    redactor = knowing("secret", "", "x" * 100_000)
    assert redactor.clean("secret_missing") == "secret_missing"
    assert redactor.clean("x" * 100_000) == "x" * 100_000


def test_the_oldest_are_forgotten_and_what_is_revealed_again_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 500
    monkeypatch.setattr(redact, "SECRETS_MAX", most)
    redactor = knowing("the-first-secret", "the-second-secret")
    words = len(redactor._entries)
    redactor.learn("the-first-secret")
    assert len(redactor._entries) == words
    for number in range(most - 1):
        redactor.learn(f"number {number:08}")
    assert redactor.clean("the-first-secret the-second-secret") == f"{REDACTED} the-second-secret"
    for number in range(most):
        redactor.learn(f"again {number:09}")
    assert len(redactor._known) == most
    assert (
        redactor.clean("the-first-secret number 00000007 again 000000007")
        == f"the-first-secret number 00000007 {REDACTED}"
    )


def test_nothing_of_a_secret_is_told_by_a_dump_of_the_redactor() -> None:
    assert "canary" not in repr(knowing("canary-4711"))
