"""`[incoming.NAME]`: a mailbox whose mail becomes tickets."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from mailwicket.config.filter import Filter
from mailwicket.config.model import AddrSpec, HostName, Says, Text, wrong
from mailwicket.config.providers import Key
from mailwicket.config.proxy import ByProxy
from mailwicket.config.reaching import AllowPlaintext, Auth, CaFile, ProxyName, TcpPort
from mailwicket.config.secret import Secret

TLS_PORT: Final = 993
"""RFC 8314 7.2: imaps."""

CLEAR_PORT: Final = 143
"""RFC 9051 2.1: imap."""


def _after(value: str) -> str:
    if value not in {"seen", "leave", "delete"} and not value.removeprefix("move:").strip():
        raise wrong("names no folder to move to")
    if value not in {"seen", "leave", "delete"} and not value.startswith("move:"):
        raise wrong("is no known word")
    return value


def _start_from(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    """A date may also be text (from the environment, from JSON); a time of day is not offered."""
    if isinstance(value, str) and value not in {"now", "all"}:
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise wrong("is neither a known word nor a date") from None
    if isinstance(value, datetime) or not isinstance(value, str | date):
        raise wrong("is neither a known word nor a date")
    return value


def _username_default(known: dict[str, Any]) -> str:
    return str(known.get("email", ""))


def _port_default(known: dict[str, Any]) -> int:
    return TLS_PORT if known.get("security") == "ssl" else CLEAR_PORT


class Incoming(ByProxy):
    """One mailbox, polled and idled on as unit `incoming/NAME`.

    A plug-in's Config extends this class with its own keys, and may redeclare `port` with its own default. One that
    logs in without a password says so by `wants_password`.
    """

    wants_password: ClassVar[bool] = True

    email: AddrSpec = Field(description="The mailbox's own address; mail from it is never answered or made a ticket.")
    aliases: Annotated[tuple[AddrSpec, ...], Strict(strict=False)] = Field(
        default=(), description="Further addresses whose mail arrives here; own ones, as `email` is."
    )
    title: Text | None = Field(default=None, description="What people call it.")
    group: Text | None = Field(default=None, description="Technician group of the tickets from here.")
    category: Text | None = Field(default=None, description="Category of the tickets from here.")
    company: Text | None = Field(default=None, description="Company of the tickets from here.")
    enabled: bool = Field(default=True, description="Off: nothing is fetched, and `password` may be missing.")
    protocol: Text = Field(
        default="imap", description="How to speak to the server: `imap`, `pop3`, `graph` (or `mapi`), a plug-in's name."
    )
    provider: Key = Field(
        default="other",
        description="Whose server it is: it fills in what is unset of `server`, `port`, `security`, `username`.",
    )
    server: HostName = Field(
        description="The server's name, which its certificate must carry; may be left out where `provider` names it."
    )
    security: Literal["ssl", "tls", "none"] = Field(
        default="ssl",
        description="`ssl`: TLS from the first byte. `tls`: STARTTLS, required. `none`: in the clear, on loopback only "
        "unless `allow_plaintext` is on.",
    )
    port: TcpPort = Field(
        default_factory=_port_default,
        json_schema_extra={"default": f'{TLS_PORT} with "ssl", else {CLEAR_PORT}'},
    )
    allow_plaintext: AllowPlaintext = False
    ca_file: CaFile = None
    proxy: ProxyName = None
    auth: Auth = "basic"
    oauth: Text | None = Field(default=None, description='NAME of an `[oauth.NAME]`; required with `auth = "oauth"`.')
    username: Text = Field(
        default_factory=_username_default,
        description="Who logs in.",
        json_schema_extra={"default": "the value of email"},
    )
    password: Secret | None = Field(
        default=None, description='A secret; required while `enabled` with `auth = "basic"`.'
    )
    folder: Text = Field(default="INBOX", description="The folder that is read.")
    poll_s: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="Seconds between looks where the server cannot tell of new mail (IDLE); also the slow sweep beside "
        "IDLE.",
    )
    start_from: Annotated[
        Literal["now", "all"] | Annotated[date, Says("a date")],
        BeforeValidator(_start_from),
        Says('"now", "all" or a date such as 2026-01-31'),
    ] = Field(
        default="now",
        description="What of the mail that lies there at the very first look is taken: none of it, all, or what came "
        "on that day or later.",
    )
    after: Annotated[Text, AfterValidator(_after), Says('"seen", "leave", "delete" or "move:FOLDER"')] = Field(
        default="seen",
        description="What becomes of the server's copy once the ticket is on disk: marked as seen, left as it is, "
        "deleted, or moved.",
    )
    max_mail_bytes: int = Field(
        default=50 * 1024 * 1024,
        ge=1,
        le=2**40,
        description="Bytes. A larger mail becomes a ticket from its headers alone, flagged, and is never deleted.",
    )
    filter: Filter | None = Field(default=None, description="Which mail it takes; unset: all. Its keys: below.")
    primary: bool = Field(
        default=False,
        description="The mailbox that answers go to where the one of their ticket is not fetched, and that a ticket "
        "without one belongs to. A lone enabled mailbox is it; of several exactly one must be, once an outgoing server "
        "is enabled.",
    )
    outgoing: Text | None = Field(
        default=None, description="The outgoing server by which mail of its tickets goes, where no rule says otherwise."
    )
    trusted_authserv_ids: Annotated[tuple[Text, ...], Strict(strict=False)] = Field(
        default=(),
        description="Names under which our own mail servers tell in Authentication-Results (RFC 8601) whether a sender "
        "is who he says. None: nobody is told apart, and technicians have no proof by mail.",
    )
    trusted_received_by: Annotated[tuple[Text, ...], Strict(strict=False)] = Field(
        default=(),
        description="Hosts of our own edge, as their Received fields name them (`by`): what stands below the first one "
        "was written outside and is not believed.",
        json_schema_extra={"default": "the value of trusted_authserv_ids"},
    )
