"""Secrets are taken out of every text, in every form, wherever they stand in it."""

from __future__ import annotations

import json
import random
import string
import time
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket import redact
from mailwicket.redact import REDACTED, SECRET_CHARS_MIN, Redactor

AWKWARD = 'pä"ss\\wörd +/?=\t€'
LINE = (
    "2026-11-24T14:36:47.123Z info     mail done intake=123456 source=support ticket=4711 reason=created "
    "message_id=<CAF+abc123.def@mail.example.org> took_ms=12"
)


def knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.learn(secret)
    return redactor


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=SECRET_CHARS_MIN, max_size=40),
    before=st.text(max_size=9),
    after=st.text(max_size=9),
)
def test_whatever_the_secret_and_wherever_it_stands_it_goes(secret: str, before: str, after: str) -> None:
    cleaned = knowing(secret).clean(before + secret + after)
    assert secret not in cleaned.replace(REDACTED, "\0")
    assert REDACTED in cleaned


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
    monkeypatch.setattr(redact, "SECRETS_MAX", 20)
    redactor = knowing("the-first-secret", "the-second-secret")
    words = len(redactor._entries)
    redactor.learn("the-first-secret")
    assert len(redactor._entries) == words
    for number in range(19):
        redactor.learn(f"number {number:08}")
    assert redactor.clean("the-first-secret the-second-secret") == f"{REDACTED} the-second-secret"
    for number in range(20):
        redactor.learn(f"again {number:09}")
    assert len(redactor._known) == 20
    told = redactor.clean("the-first-secret number 00000007 again 000000007")
    assert told == f"the-first-secret number 00000007 {REDACTED}"
    for secret in list(redactor._known):
        redactor._forget(secret)
    assert redactor._entries == {}


def test_nothing_of_a_secret_is_told_by_a_dump_of_the_redactor() -> None:
    assert "canary" not in repr(knowing("canary-4711"))


def best_us(redactor: Redactor, text: str, calls: int = 200) -> float:
    def took_us() -> float:
        begun = time.perf_counter()
        for _ in range(calls):
            redactor.clean(text)
        return (time.perf_counter() - begun) / calls * 1e6

    return min(took_us() for _ in range(20))


def test_a_line_costs_well_under_10_microseconds_with_a_thousand_secrets() -> None:
    chance = random.Random(4711)
    secrets = ["".join(chance.choices(string.ascii_letters + string.digits, k=24)) for _ in range(1000)]
    redactor = knowing(*secrets)
    taken = {"none": best_us(Redactor(), LINE), "clean": best_us(redactor, LINE)}
    print({name: f"{value:.2f} us" for name, value in taken.items()})
    assert taken["none"] < 1
    assert taken["clean"] < 10


def test_time_grows_with_the_text_and_no_faster() -> None:
    redactor = knowing(*(f"Support-mailbox-Secret-{number:04}!" for number in range(1000)))
    text = "Support-mailbox-Secret-" * 400
    short, long = best_us(redactor, text[:920], 5), best_us(redactor, text, 1)
    assert long / short < 40, f"{len(text) / 920:.0f} times the text, {short:.0f} and {long:.0f} us"
