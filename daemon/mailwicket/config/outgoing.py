"""`[outgoing.NAME]`: a server by which the desk's mail goes, and `[[outgoing_rule]]`: which one takes what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from mailwicket.config.model import AddrSpec, HostName, Says, Table, Text, wrong
from mailwicket.config.pattern import checked
from mailwicket.config.providers import Key
from mailwicket.config.proxy import ByProxy
from mailwicket.config.reaching import AllowPlaintext, Auth, CaFile, ProxyName, TcpPort
from mailwicket.config.secret import Secret

PORTS: Final = {"ssl": 465, "tls": 587, "none": 25}
"""RFC 8314 3.3 (submissions), RFC 6409 3.1 (submission), RFC 5321 4.5.4.2."""


def _port_default(known: dict[str, Any]) -> int:
    return PORTS.get(str(known.get("security", "ssl")), PORTS["ssl"])


def _username_default(known: dict[str, Any]) -> str:
    return str(known.get("email", ""))


def _sender_name(value: str) -> str:
    for found in re.findall(r"\{([^{}]*)\}", value):
        if found not in {"technician", "desk"}:
            raise wrong("has a placeholder other than {technician} and {desk}")
    return value


SenderName = Annotated[Text, AfterValidator(_sender_name)]


class Outgoing(ByProxy):
    """A server that takes the desk's mail, as unit `outgoing/NAME`.

    A plug-in's Config extends this class with its own keys.
    """

    wants_password: ClassVar[bool] = True
    without_effect: ClassVar[Mapping[str, str]] = {}
    """Keys that this protocol takes and does not heed, each with the reason: `check` notes them."""

    email: AddrSpec = Field(description="The address that mail is sent from; an own one, never a requester or a CC.")
    title: Text | None = Field(default=None, description="What people call it.")
    enabled: bool = Field(default=True, description="Off: nothing new goes by it; what waits for it waits.")
    primary: bool = Field(
        default=False,
        description="Takes what no other server is for, and what others cannot send now. A lone enabled server is it; "
        "of several exactly one must be.",
    )
    protocol: Text = Field(
        default="smtp", description="How to speak to the server: `smtp`, `graph` (or `mapi`), a plug-in's name."
    )
    sender_name: SenderName | None = Field(
        default=None,
        description="The name beside the address; `{technician}` and `{desk}` stand for theirs. The desk's "
        "is `title`, else that of the mailbox of this address, else the address's domain.",
    )
    reply_to: AddrSpec | None = Field(default=None, description="Where answers go, if not to `email`; an own address.")
    provider: Key = Field(
        default="other", description="Whose server it is: it fills in what is unset of `server`, `port`, `security`."
    )
    server: HostName = Field(
        description="The server's name, which its certificate must carry; may be left out where `provider` names it."
    )
    security: Literal["ssl", "tls", "none"] = Field(
        default="ssl",
        description="`ssl`: TLS from the first byte. `tls`: STARTTLS, required. `none`: in the clear; with a password "
        "on loopback only unless `allow_plaintext` is on.",
    )
    port: TcpPort = Field(
        default_factory=_port_default,
        json_schema_extra={"default": "465 with ssl, 587 with tls, 25 with none"},
    )
    allow_plaintext: AllowPlaintext = False
    ca_file: CaFile = None
    proxy: ProxyName = None
    authentication: bool = Field(default=True, description="Off: the server takes mail without login, as a relay does.")
    auth: Auth = "basic"
    oauth: Text | None = Field(
        default=None,
        description='NAME of an `[oauth.NAME]`; required with `auth = "oauth"` while `authentication` is on.',
    )
    username: Text = Field(
        default_factory=_username_default,
        description="Who logs in.",
        json_schema_extra={"default": "the value of email"},
    )
    password: Secret | None = Field(
        default=None, description='A secret; required while `enabled` and `authentication`, with `auth = "basic"`.'
    )
    allowed_groups: Annotated[tuple[Text, ...], Strict(strict=False)] = Field(
        default=(), description="Technician groups that may choose it; none named: all."
    )
    rate_per_minute: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Mails a minute, evenly spread; unset: as fast as it takes them."
    )
    connections: int = Field(default=2, ge=1, le=100, description="Connections at a time.")
    null_return_path: bool = Field(
        default=False,
        description="Whether automatic mail leaves with the null return path (RFC 3834 3.3); the relay must take it.",
    )


FIELDS: Final = (
    "module", "event", "technician_group", "assignee", "category", "company", "department", "location", "priority",
    "status", "requester.email", "requester.domain", "received_at",
)  # fmt: skip
OPERATORS: Final = ("is", "is_not", "in", "not_in", "contains", "starts_with", "matches", "exists", "missing")


def _condition(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    """A condition is `{field, op, value}`, or a nested `{all = [...]}` or `{any = [...]}`."""
    if not isinstance(value, dict):
        raise wrong("is no table")
    nested = [key for key in ("all", "any") if key in value]
    if nested:
        if len(value) != 1:
            raise wrong("has other keys beside all or any")
        inner = value[nested[0]]
        if not isinstance(inner, list | tuple):
            raise wrong("is no list of conditions")
        return {nested[0]: tuple(_condition(one) for one in inner)}
    for key in value:
        if key not in {"field", "op", "value"}:
            raise wrong("has a key other than field, op, value, all, any")
    if value.get("field") not in FIELDS:
        raise wrong(f"names no field; {', '.join(FIELDS)}")
    if value.get("op") not in OPERATORS:
        raise wrong(f"names no operator; {', '.join(OPERATORS)}")
    return _with_value(value)


def _with_value(value: dict[str, Any]) -> dict[str, Any]:
    operator, told = value["op"], value.get("value")
    if operator in {"exists", "missing"}:
        if told is not None:
            raise wrong(f"has a value, which {operator} does not take")
        return value
    if operator in {"in", "not_in"}:
        if not isinstance(told, list | tuple) or not all(isinstance(one, str) for one in told):
            raise wrong(f"has no list of text as value, which {operator} takes")
        return {**value, "value": tuple(told)}
    if not isinstance(told, str):
        raise wrong(f"has no text as value, which {operator} takes")
    if operator == "matches":
        checked(told)
    return value


Condition = Annotated[
    dict[str, Any], BeforeValidator(_condition), Says("{field, op, value}, or {all = [...]} or {any = [...]}")
]


class OutgoingRule(Table):
    """Which server takes which mail: the first enabled rule whose conditions hold decides."""

    name: Text = Field(description="What people call it; told where it decided.")
    enabled: bool = Field(default=True, description="Off: it is skipped.")
    outgoing: Text = Field(description="The name of the server.")
    all: Annotated[tuple[Condition, ...], Strict(strict=False)] = Field(
        default=(), description="Conditions that must all hold; no conditions at all: every mail."
    )
    any: Annotated[tuple[Condition, ...], Strict(strict=False)] = Field(
        default=(), description="Conditions of which one must hold."
    )
