"""Microsoft's numbers (AADSTS...): who must act, and in one line what to do. A table, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SIGN_IN: Final = "needs_sign_in"
ADMIN: Final = "needs_admin"
SETTINGS: Final = "oauth_settings"
LATER: Final = ""
"""Not blocked: time mends it."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What stands behind a code."""

    reason: str
    words: str
    """What to do."""


def _numbers(*rows: tuple[str, str, str]) -> Mapping[int, Meaning]:
    return {int(number): Meaning(reason, words) for numbers, reason, words in rows for number in numbers.split()}


LOGIN: Final = '"mailwicket oauth login {name}"'
CONSENT: Final = '"mailwicket oauth admin-consent {name}"'

AADSTS: Final = _numbers(
    (
        "65001",
        SIGN_IN,
        (
            f"nobody has consented to this application: sign in once and accept ({LOGIN}), or have an admin "
            f"grant consent ({CONSENT})"
        ),
    ),
    ("65004", SIGN_IN, f"the user pressed Cancel on the consent page: sign in again and accept ({LOGIN})"),
    ("90094", ADMIN, f"only an administrator may approve: send him the link of {CONSENT}"),
    ("90095", ADMIN, f"the request waits for an administrator's approval; the link of {CONSENT} is quicker"),
    (
        "650052 500011",
        SETTINGS,
        (
            "the service is not in the tenant: no Exchange licence, a wrong resource in scope, or "
            "the wrong tenant or cloud"
        ),
    ),
    (
        "650056 650057",
        ADMIN,
        f"the app registration lacks that API permission, or consent for it: add it, then {CONSENT}",
    ),
    (
        "700016 700011",
        SETTINGS,
        (
            "client_id is not known in this tenant: a wrong client_id, a wrong tenant, or the "
            f"application was never consented there ({CONSENT})"
        ),
    ),
    ("7000215", SETTINGS, "wrong client_secret; often the secret's id was pasted instead of its value"),
    ("7000222", SETTINGS, "the client secret has expired: make a new one and put it into client_secret"),
    (
        "7000218 900144",
        SETTINGS,
        (
            'a secret or another field is missing: set client_secret, or switch "allow public client '
            'flows" on in the app registration'
        ),
    ),
    ("700025", SETTINGS, "the application is a public one: remove client_secret"),
    (
        "700027 50012",
        SETTINGS,
        (
            "the certificate is not accepted: another one is registered, certificate and key do not "
            "belong together, or this machine's clock is wrong"
        ),
    ),
    ("7000112 70001", ADMIN, "the application is disabled in the tenant: have it enabled"),
    ("50011 900971", SETTINGS, "redirect_url is not one of those registered for the application: make them equal"),
    (
        "50020 50034 51004 90072",
        SIGN_IN,
        (f"that account is not in this tenant: pick another account, or have it invited as a guest ({LOGIN})"),
    ),
    ("50194 9001023 90130", SETTINGS, 'this application cannot use "common": set tenant to its id'),
    ("90002 90038", SETTINGS, "the tenant's name is wrong, or it belongs to another cloud (provider)"),
    ("50055", SIGN_IN, f"the account's password has expired: change it, then {LOGIN}"),
    ("50126", SIGN_IN, f"wrong user name or password: sign in again ({LOGIN})"),
    ("50053", SIGN_IN, f"the account is locked, or this address is blocked: have it unlocked, then {LOGIN}"),
    ("50057", ADMIN, "the account is disabled: have it enabled"),
    (
        "50076 50079 50074 50072 50078",
        SIGN_IN,
        f"a second factor is wanted, or must be set up first: sign in again ({LOGIN})",
    ),
    (
        "53003 53000 530035 530032",
        ADMIN,
        (
            "blocked by conditional access, device policy or security defaults: an admin must "
            "exempt this application or this machine"
        ),
    ),
    (
        "50105",
        ADMIN,
        ("the application wants users to be assigned, and this one is not: assign him in its enterprise application"),
    ),
    (
        "50173 50133 70043",
        SIGN_IN,
        f"the sign-in was withdrawn (password changed, revoked, a rule on its age): {LOGIN}",
    ),
    ("700082 70008", SIGN_IN, f"the refresh token was not used for too long (90 days): {LOGIN}"),
    (
        "700084",
        SETTINGS,
        (
            "the redirect is registered as a single-page application (24 hours): register it as web or "
            f"native, then {LOGIN}"
        ),
    ),
    ("54005 70000", SIGN_IN, f"the code or refresh token was used already, or is revoked: {LOGIN}"),
    ("501481", SIGN_IN, f"the proof (PKCE) belongs to another sign-in: begin again ({LOGIN})"),
    ("70011 28002 700022", SETTINGS, "scope is misspelt, or names two services at once"),
    ("70016", SIGN_IN, "nobody has typed the code in yet"),
    ("70018", SIGN_IN, f"a wrong code was typed in: begin again ({LOGIN})"),
    ("70019", SIGN_IN, f"the code was not typed in in time: begin again ({LOGIN})"),
    ("50196 90055", LATER, "too many token requests: it is asked more slowly"),
    ("90024 90033 50033 90006 90012", LATER, "temporary trouble at Microsoft: it is tried again"),
)
"""Microsoft's numbers, whose meaning is for people. A number that is not here is passed through in its own words."""

UNAPPROVED: Final = frozenset({65001})
"""Where the application logs in by itself, these are an administrator's to mend: nobody can sign in for it."""
