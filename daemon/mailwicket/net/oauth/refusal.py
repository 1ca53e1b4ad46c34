"""What a refusal of an authorization server means: who must act, and in one line what to do. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailwicket.config.oauth import SIGNED_IN
from mailwicket.errors import BlockedError, TransientError
from mailwicket.net.oauth.aadsts import (
    AADSTS,
    ADMIN,
    CONSENT,
    LATER,
    LOGIN,
    SETTINGS,
    SIGN_IN,
    UNAPPROVED,
    Meaning,
)
from mailwicket.net.oauth.answer import ErrorAnswer

RETRY_S: Final = 60.0
"""A server that is too busy to say when is left alone so long (MSAL's habit)."""

RETRY_MAX_S: Final = 3600.0


ERRORS: Final[Mapping[str, Meaning]] = {
    "invalid_grant": Meaning(SIGN_IN, f"the sign-in is no longer good: {LOGIN}"),
    "interaction_required": Meaning(SIGN_IN, f"a person must sign in again: {LOGIN}"),
    "login_required": Meaning(SIGN_IN, f"a person must sign in again: {LOGIN}"),
    "consent_required": Meaning(SIGN_IN, f"consent is missing: {LOGIN} and accept, or {CONSENT}"),
    "access_denied": Meaning(SIGN_IN, f"the sign-in was declined: {LOGIN} and accept"),
    "authorization_declined": Meaning(SIGN_IN, f"the sign-in was declined: {LOGIN} and accept"),
    "expired_token": Meaning(SIGN_IN, f"the code was not typed in in time: {LOGIN}"),
    "bad_verification_code": Meaning(SIGN_IN, f"the device code is not known: begin again ({LOGIN})"),
    "admin_policy_enforced": Meaning(
        ADMIN, "a policy of the Workspace admin forbids it: have the application trusted there"
    ),
    "org_internal": Meaning(
        SETTINGS, "the project is for users of its own organisation alone: sign in with one of them"
    ),
    "disabled_client": Meaning(SETTINGS, "the application is disabled at the provider: enable it, or register another"),
    "deleted_client": Meaning(SETTINGS, "the application is deleted at the provider: register another, set client_id"),
    "redirect_uri_mismatch": Meaning(SETTINGS, "redirect_url is not one of those registered: make them equal"),
    "invalid_client": Meaning(
        SETTINGS, "mend client_id, client_secret or certificate: the application is not accepted"
    ),
    "unauthorized_client": Meaning(
        SETTINGS, "the application may not ask this way: look at its registration, and at grant"
    ),
    "invalid_scope": Meaning(SETTINGS, "mend scope: it is not known, or not allowed for this application"),
    "invalid_resource": Meaning(SETTINGS, "mend scope: its service is not known in this tenant"),
    "invalid_target": Meaning(SETTINGS, "mend scope: its service is not known"),
    "invalid_request": Meaning(
        SETTINGS, "something that it wants is missing or not as it wants it: mend [oauth.{name}]"
    ),
    "unsupported_grant_type": Meaning(SETTINGS, "mend grant or token_url: it gives no tokens this way"),
    "unsupported_response_type": Meaning(SETTINGS, "mend grant or authorization_url: it gives no codes"),
    "temporarily_unavailable": Meaning(LATER, "it is tried again"),
    "server_error": Meaning(LATER, "it is tried again"),
    "slow_down": Meaning(LATER, "it is asked more slowly"),
    "rate_limit_exceeded": Meaning(LATER, "it is asked more slowly"),
}
"""RFC 6749 4.1.2.1 and 5.2, RFC 8628 3.5, and those of the two large providers."""

UNKNOWN: Final = Meaning(SETTINGS, "look its words up with the provider, and mend [oauth.{name}]")
NO_CONSENT: Final = Meaning(ADMIN, f"no administrator has consented to this application: {CONSENT}")
NO_PROOF: Final = Meaning(
    SETTINGS, "mend [oauth.{name}]: client_secret, certificate or key, and the clock of this machine"
)
"""Of an application that logs in by itself: nobody can sign in for it."""

GOOGLE_TESTING: Final = (
    'the project stands on "Testing", whose sign-ins end after 7 days (set it to "In production" or "Internal")'
)
GOOGLE_CAUSES: Final = (
    "the user withdrew it",
    "the account's password was changed",
    "it was unused for six months",
    "it was the oldest of too many",
    "a session policy of the Workspace",
)
TESTING_DAYS: Final = range(6, 9)


@dataclass(frozen=True, slots=True)
class Case:
    """Of whom and when something was asked."""

    name: str
    """NAME of `[oauth.NAME]`."""
    peer: str
    """The endpoint's host."""
    provider: str = "other"
    grant: str = "authorization_code"
    grant_age_days: int | None = None
    """Since a person signed in."""


def judge(case: Case, answer: ErrorAnswer) -> BlockedError | TransientError:
    """Return the failure that *answer* means: its words, then what to do."""
    meaning = meaning_of(case, answer)
    trace = f" (trace id {answer.trace_id})" if answer.trace_id else ""
    fix = meaning.words.format(name=case.name)
    text = f'oauth {case.name}: {case.peer} says "{answer.told}"{trace}; {fix}'
    if meaning.reason == LATER:
        return TransientError(
            text, reason="throttled" if "slowly" in meaning.words else "server_said", retry_after_s=RETRY_S
        )
    return BlockedError(text, reason=meaning.reason, fix=fix)


def meaning_of(case: Case, answer: ErrorAnswer) -> Meaning:
    """Return what *answer* means: Microsoft's number where it is known, else the error itself."""
    number = next((one for one in answer.numbers if one in AADSTS), None)
    if number is not None:
        found = AADSTS[number]
    elif case.provider == "google" and (told := _google(case, answer)):
        return told
    else:
        found = ERRORS.get(answer.error, UNKNOWN)
    if found.reason == SIGN_IN and case.grant not in SIGNED_IN:
        return NO_CONSENT if number in UNAPPROVED or answer.error == "consent_required" else NO_PROOF
    return found


def _google(case: Case, answer: ErrorAnswer) -> Meaning | None:
    service = case.grant == "service_account"
    if answer.error == "unauthorized_client" and service:
        return Meaning(
            ADMIN,
            "domain-wide delegation is missing: a Workspace admin allows the service account's client id the scope",
        )
    if answer.error == "invalid_grant" and service:
        return Meaning(
            SETTINGS,
            "the statement is not accepted: wrong key, a mailbox that is not there, or this machine's clock is wrong",
        )
    if answer.error == "invalid_grant":
        likely = case.grant_age_days in TESTING_DAYS
        causes = (GOOGLE_TESTING, *GOOGLE_CAUSES) if likely else (*GOOGLE_CAUSES, GOOGLE_TESTING)
        return Meaning(SIGN_IN, f"sign in again ({LOGIN}). Causes: {'; '.join(causes)}")
    return None


def judge_status(
    case: Case, status: int, retry_after: str | None, answer: ErrorAnswer | None
) -> BlockedError | TransientError:
    """Return the failure that an HTTP *status* that is no success means."""
    where = f"oauth {case.name}: {case.peer}"
    if status == 429 or status >= 500:
        words = f'"{answer.told}"' if answer else "no more than that"
        text = f"{where} answers {status} and says {words}; it is tried again"
        return TransientError(
            text, reason="throttled" if status == 429 else "server_said", retry_after_s=pause_s(retry_after)
        )
    if 300 <= status < 400:
        return _mend_url(
            f"{where} answers {status}, a redirect, and secrets do not follow one", "set the URL it leads to"
        )
    if answer is not None:
        return judge(case, answer)
    if status == 404:
        return _mend_url(f"{where} answers 404", "mend token_url or device_url")
    return TransientError(
        f"{where} answers {status} with no OAuth error: a proxy or a firewall may stand before it",
        reason="server_said",
        retry_after_s=RETRY_S,
    )


def _mend_url(said: str, fix: str) -> BlockedError:
    return BlockedError(f"{said}; {fix}", reason=SETTINGS, fix=fix)


def pause_s(retry_after: str | None) -> float:
    """Return how long to wait (RFC 9110 10.2.3, seconds); a date, nonsense or nothing is RETRY_S."""
    text = (retry_after or "").strip()
    return min(float(text), RETRY_MAX_S) if text.isascii() and text.isdigit() else RETRY_S
