"""Well-known mail providers, by fact alone: which servers are theirs, and how they let programs log in.

Sources: their own pages and Thunderbird's autoconfiguration database, 2026-03.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from mailwicket.config.graph import NAMES as AT_GRAPH
from mailwicket.config.graph import SERVERS as GRAPH

APP_LOGIN: Final = "wants an app password, made in the settings of the account, in place of the account's own"
OAUTH_ONLY: Final = "takes no passwords any more (basic authentication is switched off), OAuth alone"
LOCAL_PART: Final = "knows its users by the part before @ alone"

Key = Literal[
    "google", "microsoft", "microsoft-us", "microsoft-us-dod", "microsoft-china", "outlook.com", "yahoo", "aol",
    "fastmail", "icloud", "zoho", "zoho-eu", "zoho-in", "gmx.net", "gmx.com", "web.de", "yandex", "other",
]  # fmt: skip
"""`provider` in conf.d; `other` is whoever is none of these."""


class Place(NamedTuple):
    """A server's door."""

    server: str
    port: int
    security: str


def _ssl(server: str, port: int) -> Place:
    return Place(server, port, "ssl")


def _tls(server: str) -> Place:
    return Place(server, 587, "tls")


SHORT_NAMES: Final[Mapping[str, frozenset[str]]] = {"icloud": frozenset({"imap"}), "web.de": frozenset({"imap"})}
"""Protocols over which the user name is the part before @ alone."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider."""

    key: Key
    name: str
    imap: Place
    pop3: Place | None
    smtp: Place
    login: str = ""
    """What is special about logging in, as the end of a sentence that begins with its name."""
    domains: tuple[str, ...] = ()
    """Of addresses that it gives to anybody."""
    more: tuple[str, ...] = ()
    """Further names of its servers."""

    def place(self, protocol: str) -> Place | None:
        """Return where it speaks *protocol*; None where it does not."""
        return {"imap": self.imap, "pop3": self.pop3, "smtp": self.smtp}.get(protocol)


def _plain(key: Key, name: str, domain: str, login: str = "", *domains: str, smtp: str = "smtp") -> Provider:
    """Return one whose servers are called as most are."""
    return Provider(
        key,
        name,
        _ssl(f"imap.{domain}", 993),
        _ssl(f"pop.{domain}", 995),
        _ssl(f"{smtp}.{domain}", 465),
        login,
        domains,
    )


_EXCHANGE: Final = _ssl("outlook.office365.com", 993), _ssl("outlook.office365.com", 995)

PROVIDERS: Final = (
    _plain("google", "Google", "gmail.com", APP_LOGIN, "gmail.com", "googlemail.com"),
    Provider(
        "microsoft", "Microsoft", *_EXCHANGE, _tls("smtp.office365.com"), OAUTH_ONLY, more=("outlook.office.com",)
    ),
    Provider(
        "outlook.com",
        "Microsoft",
        *_EXCHANGE,
        _tls("smtp-mail.outlook.com"),
        OAUTH_ONLY,
        ("outlook.com", "hotmail.com", "live.com", "msn.com"),
        ("imap-mail.outlook.com", "pop-mail.outlook.com"),
    ),
    _plain("yahoo", "Yahoo", "mail.yahoo.com", APP_LOGIN, "yahoo.com"),
    _plain("aol", "AOL", "aol.com", APP_LOGIN, "aol.com"),
    _plain("fastmail", "Fastmail", "fastmail.com", APP_LOGIN, "fastmail.com", "fastmail.fm"),
    Provider(
        "icloud",
        "iCloud",
        _ssl("imap.mail.me.com", 993),
        None,
        _tls("smtp.mail.me.com"),
        APP_LOGIN,
        ("icloud.com", "me.com", "mac.com"),
    ),
    _plain("zoho", "Zoho", "zoho.com", "", "zohomail.com"),
    _plain("zoho-eu", "Zoho", "zoho.eu", "", "zohomail.eu"),
    _plain("zoho-in", "Zoho", "zoho.in", "", "zohomail.in"),
    _plain("gmx.net", "GMX", "gmx.net", "", "gmx.net", "gmx.de", "gmx.at", "gmx.ch", smtp="mail"),
    _plain("gmx.com", "GMX", "gmx.com", "", "gmx.com", smtp="mail"),
    Provider(
        "web.de",
        "WEB.DE",
        _ssl("imap.web.de", 993),
        _ssl("pop3.web.de", 995),
        _ssl("smtp.web.de", 465),
        LOCAL_PART,
        ("web.de",),
    ),
    _plain("yandex", "Yandex", "yandex.com", APP_LOGIN, "yandex.com", "yandex.ru"),
)


def _servers(provider: Provider) -> Iterator[str]:
    for place in (provider.imap, provider.pop3, provider.smtp):
        if place is not None:
            yield place.server
    yield from provider.more


_BY_KEY: Final[Mapping[str, Provider]] = {one.key: one for one in PROVIDERS}
_BY_SERVER: Final = {server: one for one in reversed(PROVIDERS) for server in _servers(one)}
_BY_DOMAIN: Final = {domain: one for one in PROVIDERS for domain in one.domains}


def by_server(server: str) -> Provider | None:
    """Return whose *server* is; None where that is not certain."""
    return _BY_SERVER.get(server.casefold().rstrip("."))


def by_address(address: str) -> Provider | None:
    """Return who gave *address*; None where that is not certain, as for everybody's own domain."""
    return _BY_DOMAIN.get(address.rpartition("@")[2].casefold())


def refuses_passwords(server: str, provider: str = "other") -> str | None:
    """Return why *server* takes no password whatever it is, as the end of a sentence; None where it may.

    *provider* is what is written of whose it is.
    """
    key = provider if provider in GRAPH else None
    if key is None and (found := by_server(server)) is not None and found.login == OAUTH_ONLY:
        key = found.key
    if key is None:
        return None
    application = "microsoft" if key == "outlook.com" else key
    return f'Microsoft {OAUTH_ONLY}; auth = "oauth", with an [oauth.NAME] whose provider is "{application}"'


def lacks(provider: object, protocol: str) -> str | None:
    """Return that *provider* does not speak *protocol*, as the end of a sentence; None where it may."""
    known = _BY_KEY.get(provider) if isinstance(provider, str) else None
    if known is None or protocol != "pop3" or known.pop3 is not None:
        return None
    return f'{known.name} has no POP3; "imap"'


def filled(values: Mapping[str, Any], protocol: str) -> Mapping[str, Any]:
    """Return a server's table with what its `provider` fills in, as far as that is unset.

    That are `server`, `port` and `security` (with a `security` of its own it is another door, which has another port),
    `username` where the provider wants another than the address, and `auth` where it takes tokens alone.
    """
    provider = values.get("provider")
    if not isinstance(provider, str):
        return values
    more: dict[str, object] = {}
    if protocol not in AT_GRAPH or "server" not in values:  # there it may be a URL, which says port and security, too
        more |= _door(provider, protocol, values.get("security"))
    email = values.get("email")
    if isinstance(email, str) and protocol in SHORT_NAMES.get(provider, ()):
        more["username"] = email.rpartition("@")[0] or email
    if provider in GRAPH and "oauth" in values:
        more["auth"] = "oauth"
    return {**more, **values}


def _door(provider: str, protocol: str, security: object) -> Iterator[tuple[str, object]]:
    known = _BY_KEY.get(provider)
    if protocol in AT_GRAPH:
        place = Place(GRAPH[provider], 443, "ssl") if provider in GRAPH else None
    else:
        place = None if known is None else known.place(protocol)
    if place is not None:
        yield "server", place.server
        if security in {None, place.security}:
            yield from (("port", place.port), ("security", place.security))
