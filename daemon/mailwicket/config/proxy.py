"""`[proxy.NAME]`: a proxy that servers are reached by, each by the one that its own table names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from mailwicket.config.model import Says, Table, Text, is_host, wrong
from mailwicket.config.secret import Secret

KINDS: Final = ("socks5", "socks5h", "http")


def _url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme not in KINDS or not rest:
        raise wrong("is no URL of a kind of proxy that is known")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong("is no URL") from None
    if "@" in parts.netloc:
        raise wrong("holds a user name: that and the password have keys of their own")
    if not host or not is_host(host):
        raise wrong("names no host")
    if not port:
        raise wrong("names no port")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise wrong("holds more than host and port")
    return value


class Proxy(Table):
    """A proxy that mailboxes and servers are reached by, where their `proxy` names it: SOCKS5 or HTTP CONNECT."""

    url: Annotated[
        Text, AfterValidator(_url), Says('"socks5://HOST:PORT", "socks5h://HOST:PORT" or "http://HOST:PORT"')
    ] = Field(
        description="Kind, host and port. `socks5` looks a server's name up here, the other two have the proxy do it.",
    )
    username: Text | None = Field(default=None, description="Who we are to the proxy.")
    password: Secret | None = Field(default=None, description="A secret, for `username`.")

    @model_validator(mode="after")
    def _password_is_somebody_s(self) -> Self:
        if self.password is not None and self.username is None:
            raise wrong("has a password and no username")
        return self

    @property
    def kind(self) -> Literal["socks5", "socks5h", "http"]:
        """Which kind it is."""
        return cast("Literal['socks5', 'socks5h', 'http']", self.url.partition("://")[0])

    @property
    def host(self) -> str:
        """Where it is."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0


@dataclass(frozen=True, slots=True)
class Via:
    """The proxy that a table named, with its table."""

    name: str
    proxy: Proxy


class ByProxy(Table):
    """A table whose server may be reached by a proxy: each such table has a key `proxy` of its own."""

    _via: Via | None = PrivateAttr(default=None)

    @property
    def via(self) -> Via | None:
        """The proxy that `proxy` names, once the whole configuration was read; its change is a change of this table."""
        return self._via

    def bind(self, via: Via | None) -> None:
        """Take the proxy that `proxy` names. For whoever reads the whole configuration."""
        self._via = via
