"""Every refusal of the tables leads to its state, and says in one line what to do."""

from __future__ import annotations

from typing import Any

import pytest

from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.oauth.aadsts import AADSTS
from mailwicket.net.oauth.answer import ErrorAnswer
from mailwicket.net.oauth.refusal import ERRORS, Case, judge, judge_status, pause_s

LOGIN = '"mailwicket oauth login office"'
CONSENT = '"mailwicket oauth admin-consent office"'

NUMBERS = [
    # Microsoft's numbers, the state they lead to, and what the line holds
    ("65001", "needs_sign_in", "nobody has consented"),
    ("65001", "needs_sign_in", CONSENT),
    ("65004", "needs_sign_in", "pressed Cancel"),
    ("90094 90095", "needs_admin", CONSENT),
    ("650052 500011", "oauth_settings", "not in the tenant"),
    ("650056 650057", "needs_admin", "lacks that API permission"),
    ("700016 700011", "oauth_settings", "client_id is not known in this tenant"),
    ("7000215", "oauth_settings", "the secret's id was pasted"),
    ("7000222", "oauth_settings", "has expired: make a new one"),
    ("7000218 900144", "oauth_settings", '"allow public client flows"'),
    ("700025", "oauth_settings", "remove client_secret"),
    ("700027 50012", "oauth_settings", "clock is wrong"),
    ("7000112 70001", "needs_admin", "disabled in the tenant"),
    ("50011 900971", "oauth_settings", "redirect_url"),
    ("50020 50034 51004 90072", "needs_sign_in", "not in this tenant"),
    ("50194 9001023 90130", "oauth_settings", "set tenant"),
    ("90002 90038", "oauth_settings", "another cloud"),
    ("50055", "needs_sign_in", "password has expired"),
    ("50126", "needs_sign_in", "wrong user name or password"),
    ("50053", "needs_sign_in", "locked"),
    ("50057", "needs_admin", "disabled"),
    ("50076 50079 50074 50072 50078", "needs_sign_in", "second factor"),
    ("53003 53000 530035 530032", "needs_admin", "exempt this application"),
    ("50105", "needs_admin", "assign"),
    ("50173 50133 70043", "needs_sign_in", "withdrawn"),
    ("700082 70008", "needs_sign_in", "90 days"),
    ("700084", "oauth_settings", "single-page"),
    ("54005 70000", "needs_sign_in", "used already"),
    ("501481", "needs_sign_in", "PKCE"),
    ("70011 28002 700022", "oauth_settings", "scope is misspelt"),
    ("70016", "needs_sign_in", "nobody has typed"),
    ("70018", "needs_sign_in", "wrong code"),
    ("70019", "needs_sign_in", "in time"),
    ("50196 90055", None, "more slowly"),
    ("90024 90033 50033 90006 90012", None, "tried again"),
]


def case(**changes: Any) -> Case:
    return Case("office", "login.example.org", **{"provider": "microsoft", **changes})


@pytest.mark.parametrize(
    ("number", "reason", "words"), [(int(n), reason, words) for ns, reason, words in NUMBERS for n in ns.split()]
)
def test_each_number_of_microsoft_leads_to_its_state_and_says_what_to_do(
    number: int, reason: str | None, words: str
) -> None:
    failure = judge(case(), ErrorAnswer("invalid_grant", f"AADSTS{number}: words", (number,), "0f-1"))
    assert isinstance(failure, TransientError if reason is None else BlockedError)
    assert reason is None or failure.reason == reason
    assert words in str(failure)
    assert f"AADSTS{number}: words" in str(failure)
    assert "trace id 0f-1" in str(failure)
    assert "\n" not in str(failure)
    assert "{" not in str(failure)


def test_every_number_that_is_known_is_tested() -> None:
    assert set(AADSTS) == {int(number) for numbers, _, _ in NUMBERS for number in numbers.split()}


@pytest.mark.parametrize("error", ERRORS)
def test_each_error_has_a_state_and_a_line(error: str) -> None:
    failure = judge(case(provider="other"), ErrorAnswer(error))
    later = error in {"temporarily_unavailable", "server_error", "slow_down", "rate_limit_exceeded"}
    assert isinstance(failure, TransientError if later else BlockedError)
    assert str(failure).startswith(f'oauth office: login.example.org says "{error}"')


def test_an_unknown_number_goes_by_the_error_and_an_unknown_error_by_its_own_words() -> None:
    known = judge(case(), ErrorAnswer("invalid_grant", "AADSTS999999: new", (999999,)))
    assert (known.reason, LOGIN in str(known)) == ("needs_sign_in", True)
    unknown = judge(case(), ErrorAnswer("brand_new", "says so"))
    assert (unknown.reason, "brand_new: says so" in str(unknown)) == ("oauth_settings", True)


def test_google_tells_all_causes_and_testing_first_when_the_sign_in_is_a_week_old() -> None:
    week = str(judge(case(provider="google", grant_age_days=7), ErrorAnswer("invalid_grant")))
    year = str(judge(case(provider="google", grant_age_days=300), ErrorAnswer("invalid_grant")))
    for one in (week, year):
        for cause in ("withdrew", "password was changed", "six months", "oldest of too many", "session policy"):
            assert cause in one
    assert week.index("Testing") < week.index("withdrew") < year.index("Testing")


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [("unauthorized_client", "needs_admin", "domain-wide delegation"), ("invalid_grant", "oauth_settings", "clock")],
)
def test_a_service_account_is_told_what_is_missing(error: str, reason: str, words: str) -> None:
    failure = judge(case(provider="google", grant="service_account"), ErrorAnswer(error))
    assert failure.reason == reason
    assert words in str(failure)


def test_an_application_by_itself_is_never_told_to_sign_in() -> None:
    failure = judge(case(provider="other", grant="client_credentials"), ErrorAnswer("invalid_grant"))
    assert failure.reason == "oauth_settings"
    assert "oauth login" not in str(failure)


@pytest.mark.parametrize(
    ("given", "pause"), [("5", 5), (None, 60), ("", 60), ("99999", 3600), ("soon", 60), ("-1", 60), ("²", 60)]
)
def test_a_pause_is_seconds_and_bounded(given: str | None, pause: float) -> None:
    assert pause_s(given) == pause


def test_a_busy_server_is_waited_for_whatever_it_says_of_errors() -> None:
    failure = judge_status(case(), 503, "7", ErrorAnswer("invalid_client"))
    assert isinstance(failure, TransientError)
    assert (failure.retry_after_s, failure.reason) == (7, "server_said")
