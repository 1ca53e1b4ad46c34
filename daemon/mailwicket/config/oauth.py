"""`[oauth.NAME]`: an application that is registered with a provider, by which mailboxes log in without a password."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict, model_validator

from mailwicket.config.model import FilePath, Says, Table, Text, is_loopback, wrong
from mailwicket.config.secret import Secret
from mailwicket.model import Use

Grant = Literal["authorization_code", "device_code", "client_credentials", "service_account"]
Resource = Literal["mail", "graph"]
"""A token opens one of Microsoft's two doors, never both."""

Provider = Literal[
    "microsoft", "microsoft-us", "microsoft-us-dod", "microsoft-china", "outlook.com", "google", "yahoo", "aol",
    "fastmail", "yandex", "other",
]  # fmt: skip

SIGNED_IN: Final = frozenset({"authorization_code", "device_code"})
"""Grants that a person gives once; afterwards a refresh token is kept."""

ANY_TENANT: Final = frozenset({"common", "organizations", "consumers"})
PLAIN_SCOPES: Final = frozenset({"offline_access", "openid", "profile", "email"})
"""They belong to no resource (OpenID Connect Core 5.4, 11)."""

LOOPBACK_REDIRECT: Final = "http://localhost:8026"
"""RFC 8252 7.3; both providers take any port of this host for an installed application."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider's addresses and scopes; `{tenant}` stands for the tenant."""

    authorization_url: str = ""
    token_url: str = ""
    device_url: str = ""
    delegated: tuple[tuple[Use, str], ...] = ()
    """The scopes by use, of a person's grant."""
    app_only: tuple[tuple[Resource, str], ...] = ()
    offline: str = ""
    """The scope that brings a refresh token."""
    graph: str = ""
    """Where Graph is; scopes that begin so are its."""
    tenant: str = "common"
    """Stands in the URLs where none is written."""


def _microsoft(login: str, mail: str, app_mail: str, graph: str, tenant: str = "common") -> Preset:
    root = f"https://{login}/{{tenant}}/oauth2/v2.0"
    return Preset(
        f"{root}/authorize",
        f"{root}/token",
        f"{root}/devicecode",
        (
            ("imap", f"https://{mail}/IMAP.AccessAsUser.All"),
            ("pop3", f"https://{mail}/POP.AccessAsUser.All"),
            ("smtp", f"https://{mail}/SMTP.Send"),
            ("graph", f"https://{graph}/Mail.ReadWrite"),
            ("graph_send", f"https://{graph}/Mail.Send"),
        ),
        (("mail", f"https://{app_mail}/.default"), ("graph", f"https://{graph}/.default")),
        "offline_access",
        f"https://{graph}",
        tenant,
    )


def _one_scope(authorization_url: str, token_url: str, scope: str) -> Preset:
    """Return one whose scope is the same for all of mail."""
    return Preset(authorization_url, token_url, delegated=(("imap", scope), ("pop3", scope), ("smtp", scope)))


_WORLD: Final = "login.microsoftonline.com", "outlook.office.com", "outlook.office365.com", "graph.microsoft.com"
_FASTMAIL: Final = "https://www.fastmail.com/dev/protocol"

PRESETS: Final = {
    "microsoft": _microsoft(*_WORLD),
    "outlook.com": _microsoft(*_WORLD, "consumers"),
    "microsoft-us": _microsoft(
        "login.microsoftonline.us", "outlook.office365.us", "outlook.office365.us", "graph.microsoft.us"
    ),
    "microsoft-us-dod": _microsoft(
        "login.microsoftonline.us", "outlook-dod.office365.us", "outlook-dod.office365.us", "dod-graph.microsoft.us"
    ),
    "microsoft-china": _microsoft(
        "login.chinacloudapi.cn", "partner.outlook.cn", "partner.outlook.cn", "microsoftgraph.chinacloudapi.cn"
    ),
    "google": _one_scope(
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        "https://mail.google.com/",
    ),
    "yahoo": _one_scope(
        "https://api.login.yahoo.com/oauth2/request_auth", "https://api.login.yahoo.com/oauth2/get_token", "mail-w"
    ),
    "aol": _one_scope(
        "https://api.login.aol.com/oauth2/request_auth", "https://api.login.aol.com/oauth2/get_token", "mail-w"
    ),
    "fastmail": Preset(
        "https://api.fastmail.com/oauth/authorize",
        "https://api.fastmail.com/oauth/refresh",
        delegated=(("imap", f"{_FASTMAIL}-imap"), ("pop3", f"{_FASTMAIL}-pop"), ("smtp", f"{_FASTMAIL}-smtp")),
    ),
    "yandex": Preset(
        "https://oauth.yandex.com/authorize",
        "https://oauth.yandex.com/token",
        delegated=(("imap", "mail:imap_full"), ("smtp", "mail:smtp")),
    ),
    "other": Preset(),
}


def _endpoint(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong("is no URL with https:// and a host") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise wrong("is no URL with https:// and a host")
    if parts.scheme == "http" and not is_loopback(host):
        raise wrong("is http, which is for this machine alone")
    if parts.username or parts.password or parts.fragment:
        raise wrong("has a user, a password or a fragment")
    return value


def _tenant(value: str) -> str:
    if not all(one.isalnum() or one in "-." for one in value):
        raise wrong("is neither a tenant's id nor its domain")
    return value


Endpoint = Annotated[Text, AfterValidator(_endpoint), Says('a URL with "https://", or "http://" on this machine')]


def _filled(key: str) -> Callable[[dict[str, Any]], str | None]:
    """Have the provider's own value stand where none was written."""

    def default(known: dict[str, Any]) -> str | None:
        preset = PRESETS.get(str(known.get("provider")), PRESETS["other"])
        url: str = getattr(preset, key)
        return url.format(tenant=known.get("tenant") or preset.tenant) or None

    return default


def _endpoint_field(key: str, what: str) -> Any:  # noqa: ANN401 - what pydantic's Field is declared to return
    return Field(
        default_factory=_filled(key), description=what, json_schema_extra={"default": "the provider's", "fills": True}
    )


class OAuth(Table):
    """One registered application, and how tokens are got for it; mailboxes name it by `oauth`."""

    provider: Provider = Field(default="other", description="Whose URLs and scopes fill in what is not written here.")
    tenant: Annotated[Text, AfterValidator(_tenant), Says("a tenant's id or domain")] | None = Field(
        default=None,
        description="Microsoft's tenant, part of the URLs; without it `common`, of `outlook.com` `consumers`. "
        "`client_credentials` wants one.",
    )
    grant: Grant = Field(
        default="authorization_code",
        description="How tokens are got: a person signs in once with a browser (`authorization_code`) or with a code "
        "on any other device (`device_code`); or the application by itself (`client_credentials`; `service_account` is "
        "Google's).",
    )
    client_id: Text = Field(
        description="The application's id, as the provider's console shows it; of a service account its address."
    )
    client_secret: Secret | None = Field(default=None, description="A secret; a public client has none.")
    client_secret_expires: Annotated[date, Strict(strict=False), Says("a date")] | None = Field(
        default=None, description="The day on which the secret ends; people are told from 30 days before."
    )
    certificate: FilePath | None = Field(
        default=None, description="A certificate (PEM) that is registered in place of a secret; wants `key`."
    )
    key: Secret | None = Field(
        default=None,
        description="A secret: the private key (PEM) of `certificate` or of the service account, or that account's "
        "whole JSON file.",
    )
    authorization_url: Endpoint | None = _endpoint_field("authorization_url", "Where a browser is sent to sign in.")
    token_url: Endpoint | None = _endpoint_field("token_url", "Where tokens are got.")
    device_url: Endpoint | None = _endpoint_field("device_url", "Where a code for another device is got.")
    scope: Text | None = Field(
        default=None,
        description="What is asked for, words with blanks between. Unset: what the mailboxes that name this need.",
        json_schema_extra={"default": "what is needed"},
    )
    redirect_url: Endpoint = Field(
        default=LOOPBACK_REDIRECT,
        description="Where the browser comes back to: `mailwicket oauth login` listens there if it is this machine; or "
        "`/oauth/callback` below `[http] public_url`. As it is registered with the provider.",
    )

    @property
    def preset(self) -> Preset:
        """What the provider fills in."""
        return PRESETS[self.provider]

    @property
    def is_microsoft(self) -> bool:
        """Whether it is one of Microsoft's clouds."""
        return bool(self.preset.graph)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """What the chosen grant needs is there, and it is one that the provider has."""
        self._check_provider()
        needed = {"authorization_code": ("authorization_url",), "device_code": ("device_url",)}.get(self.grant, ())
        for name in (*needed, "token_url"):
            if getattr(self, name) is None:
                raise wrong(f"has no {name}, which grant = {self.grant!r} needs")
        if (self.certificate is None) != (self.key is None) and self.grant != "service_account":
            raise wrong("has one of certificate and key without the other")
        if self.certificate is not None and self.client_secret is not None:
            raise wrong("has a client_secret and a certificate; one of them proves who we are")
        if self.grant == "service_account" and self.key is None:
            raise wrong('has no key, which grant = "service_account" needs')
        if self.grant == "client_credentials" and self.client_secret is None and self.certificate is None:
            raise wrong("has neither client_secret nor certificate, and grant = 'client_credentials' needs one")
        return self

    def _check_provider(self) -> None:
        if self.tenant is not None and not self.is_microsoft:
            raise wrong("has a tenant, which only Microsoft knows")
        if self.is_microsoft and self.grant == "service_account":
            raise wrong("has a grant of Google's; Microsoft's is 'client_credentials'")
        if (
            self.is_microsoft
            and self.grant == "client_credentials"
            and (self.tenant or self.preset.tenant) in ANY_TENANT
        ):
            raise wrong("has no tenant of its own, which grant = 'client_credentials' needs: its id or domain")
        if self.provider == "google" and self.grant == "device_code":
            raise wrong("has grant = 'device_code', by which Google gives no token for mail")
        if self.provider == "google" and self.grant == "client_credentials":
            raise wrong("has grant = 'client_credentials'; Google's is 'service_account'")


def resource_of(use: Use) -> Resource:
    """Return which token *use* wants."""
    return "graph" if use.startswith("graph") else "mail"


def scopes(oauth: OAuth, uses: Collection[Use], resource: Resource | None = None) -> tuple[str, ...]:
    """Return the scopes to ask for, for *uses* (none known: reading by IMAP); of one *resource* where a token is meant.

    Least scope: what is written, else what the uses need.
    """
    if oauth.scope is not None:
        words = tuple(dict.fromkeys(oauth.scope.split()))
        return tuple(one for one in words if resource is None or _belongs(oauth, one, resource))
    every: tuple[Use, ...] = tuple(uses) or ("imap",)
    wanted = [use for use in every if resource is None or resource_of(use) == resource]
    preset = oauth.preset
    if oauth.grant == "client_credentials":
        doors = {resource_of(use) for use in wanted}
        return tuple(scope for door, scope in preset.app_only if door in doors)
    found = [scope for use, scope in preset.delegated if use in wanted]
    offline = [preset.offline] if preset.offline and oauth.grant in SIGNED_IN else []
    return tuple(dict.fromkeys([*found, *offline]))


def _belongs(oauth: OAuth, scope: str, resource: Resource) -> bool:
    if scope in PLAIN_SCOPES:
        return True
    graph = oauth.preset.graph
    is_graph = bool(graph) and scope.casefold().startswith(f"{graph}/")
    return is_graph == (resource == "graph") or not graph
