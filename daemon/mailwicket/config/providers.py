"""Well-known mail providers, by fact alone: whose addresses are where, and how they let programs log in.

Sources: their own pages and Thunderbird's autoconfiguration database, 2026-03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

APP_LOGIN: Final = "wants an app password, made in the settings of the account, in place of the account's own"
OAUTH_ONLY: Final = "takes no passwords over IMAP any more (basic authentication is switched off), OAuth alone"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's IMAP; TLS from the first byte on port 993 for all of them."""

    name: str
    imap_server: str
    domains: tuple[str, ...] = ()
    """Of addresses that it gives to anybody."""
    login: str = ""
    """What is special about logging in, as the end of a sentence that begins with its name."""


PROVIDERS: Final = (
    Provider("Google", "imap.gmail.com", ("gmail.com", "googlemail.com"), APP_LOGIN),
    Provider("Microsoft", "outlook.office365.com", ("outlook.com", "hotmail.com", "live.com", "msn.com"), OAUTH_ONLY),
    Provider("Yahoo", "imap.mail.yahoo.com", ("yahoo.com",), APP_LOGIN),
    Provider("AOL", "imap.aol.com", ("aol.com",), APP_LOGIN),
    Provider("Fastmail", "imap.fastmail.com", ("fastmail.com", "fastmail.fm"), APP_LOGIN),
    Provider("iCloud", "imap.mail.me.com", ("icloud.com", "me.com", "mac.com"), APP_LOGIN),
    Provider("Zoho", "imap.zoho.com", ("zohomail.com",)),
    Provider("GMX", "imap.gmx.net", ("gmx.net", "gmx.de", "gmx.at", "gmx.ch")),
    Provider("GMX", "imap.gmx.com", ("gmx.com",)),
    Provider("WEB.DE", "imap.web.de", ("web.de",)),
    Provider("Yandex", "imap.yandex.com", ("yandex.com", "yandex.ru"), APP_LOGIN),
)

_BY_SERVER: Final = {one.imap_server: one for one in PROVIDERS} | {
    "outlook.office.com": PROVIDERS[1],
    "imap-mail.outlook.com": PROVIDERS[1],
}
_BY_DOMAIN: Final = {domain: one for one in PROVIDERS for domain in one.domains}


def by_server(server: str) -> Provider | None:
    """Return whose IMAP *server* is; None where that is not certain."""
    return _BY_SERVER.get(server.casefold().rstrip("."))


SUBMISSION: Final = {
    "smtp.gmail.com": "Google",
    "smtp.office365.com": "Microsoft",
    "outlook.office365.com": "Microsoft",
    "smtp-mail.outlook.com": "Microsoft",
    "smtp.mail.yahoo.com": "Yahoo",
    "smtp.aol.com": "AOL",
    "smtp.fastmail.com": "Fastmail",
    "smtp.mail.me.com": "iCloud",
    "smtp.yandex.com": "Yandex",
}
"""Servers that take mail of people who log in, and whose they are."""

_OAUTH_ONLY: Final = frozenset(one.name for one in PROVIDERS if one.login == OAUTH_ONLY)


def by_submission(server: str) -> Provider | None:
    """Return whose *server* is, which takes mail; None where that is not certain."""
    name = SUBMISSION.get(server.casefold().rstrip("."))
    return next((one for one in PROVIDERS if one.name == name), None)


def submits_without_passwords(server: str) -> str | None:
    """Return the name of the provider that switched off passwords at *server*, which takes mail; None of any other."""
    provider = by_submission(server)
    return provider.name if provider is not None and provider.name in _OAUTH_ONLY else None


def by_address(address: str) -> Provider | None:
    """Return who gave *address*; None where that is not certain, as for everybody's own domain."""
    return _BY_DOMAIN.get(address.rpartition("@")[2].casefold())


def refuses_passwords(server: str) -> str | None:
    """Return why *server* takes no password whatever it is, as the end of a sentence; None where it may."""
    provider = by_server(server)
    if provider is None or provider.login != OAUTH_ONLY:
        return None
    return f'{provider.name} {provider.login}; auth = "oauth", with an [oauth.NAME] whose provider is "microsoft"'
