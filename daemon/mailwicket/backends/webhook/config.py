"""`[backend] type = "webhook"`: its keys."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator
from yarl import URL

from mailwicket.backends.webhook.addresses import Guard
from mailwicket.config.model import FilePath, Says, Table, Text, is_loopback, wrong
from mailwicket.config.secret import Secret

ODD_ADDRESS: Final = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9a-fA-F]*)\.?")
"""inet_aton(3) takes "127.1", "0x7f.1" and "2130706433" for addresses; no name ends in a number (RFC 3696 2)."""


def _url(value: str) -> str:
    try:
        url = URL(value)  # the parser that will read it again when it is used: two might disagree about the host
    except ValueError:
        raise wrong("is no URL") from None
    if url.scheme not in {"https", "http"} or not url.host:
        raise wrong("is no URL of https")
    if url.raw_user is not None or url.raw_password is not None:
        raise wrong("holds a user or a password; the receiver knows us by our signature")
    if url.raw_fragment:
        raise wrong("holds a fragment, which is never sent")
    if not value.isascii() or any(character in value for character in " \\") or "%" in url.host:
        raise wrong("holds a character that a URL has not")
    if not _is_address(url.host) and ODD_ADDRESS.fullmatch(url.host):
        raise wrong("has a host that is an address in an odd form")
    return value


class WebhookConfig(Table):
    """A desk somewhere else: each effect of a mail is one signed HTTPS request, see [plugins](plugins.md)."""

    url: Annotated[Text, AfterValidator(_url), Says('"https://HOST/PATH"')] = Field(
        description="Where requests go. `http` only to this machine itself, with `allow_private`. Never told but for "
        "its host and port: a path may be a secret."
    )
    secret: Secret = Field(description="A secret: the key of the signature (HMAC-SHA256). 32 random bytes are plenty.")
    timeout_s: int = Field(default=30, ge=1, le=600, description="Seconds until an answer must be complete.")
    connections: int = Field(
        default=1,
        ge=1,
        le=100,
        description="How many requests are under way at a time. With 1 none is on its way when the receiver says stop.",
    )
    rate_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="How many requests begin in a minute, evenly spread: what a backlog may cost the receiver. Without "
        "it the receiver's own speed is the limit.",
    )
    allow_private: bool = Field(
        default=False,
        description="Let the host be in a private network or this machine; metadata services, link-local and multicast "
        "addresses are refused all the same.",
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="Certificates in PEM form, trusted beside the system's. Verification is never switched off.",
    )

    @model_validator(mode="after")
    def _check_host(self) -> WebhookConfig:
        url = URL(self.url)
        host = url.host or ""
        if url.scheme == "http" and not (self.allow_private and is_loopback(host)):
            raise wrong('has a url that is not encrypted; "https://...", http only to this machine with allow_private')
        if _is_address(host) and (what := self.guard.refusal(host)) is not None:
            raise wrong(f"has a url whose host is {what}; allow_private lets private networks and this machine be used")
        return self

    @property
    def guard(self) -> Guard:
        """Which addresses may be sent to."""
        return Guard(allow_private=self.allow_private, loopback_only=URL(self.url).scheme == "http")

    @property
    def peer(self) -> str:
        """The receiver as errors name it: no path, no query."""
        url = URL(self.url)
        return str(url.origin())

    def __repr_args__(self) -> Any:  # noqa: ANN401 - pydantic's contract
        """Keep the url's path out of every repr."""
        return [(name, self.peer if name == "url" else value) for name, value in super().__repr_args__()]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
