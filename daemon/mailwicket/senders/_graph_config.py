"""`[outgoing.NAME]` with `protocol = "graph"`: what of a server's table means something at Microsoft Graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mailwicket.config.graph import (
    CLOUD_SAYS,
    GRAPH_SERVER,
    NOT_TAKEN,
    check_clear,
    check_provider,
    port_of,
    take_apart,
)
from mailwicket.config.model import AddrSpec, HostName, Text
from mailwicket.config.outgoing import Outgoing, SenderName
from mailwicket.config.reaching import TcpPort

RATE_PER_MINUTE = 30
"""Exchange Online's limit for a mailbox."""

AT_ONCE = 4
"""Requests that a mailbox may have under way for one application."""


def _port_default(known: dict[str, Any]) -> int:
    return port_of(known.get("security"))


def _username_default(known: dict[str, Any]) -> str:
    return str(known.get("email", ""))


def _nobody(_: str) -> None:
    """Whoever asks for the name hears that there is none: what leaves here is what Exchange would make of it."""


class GraphOutgoing(Outgoing):
    """A mailbox at Microsoft Graph by which mail is sent: it has no envelope, no password and no name of its own."""

    wants_password: ClassVar[bool] = False
    without_effect: ClassVar[Mapping[str, str]] = {
        "sender_name": "Microsoft Graph shows the name that the mailbox has in Exchange"
    }

    not_taken: ClassVar[Mapping[str, str]] = NOT_TAKEN | {
        "null_return_path": "Microsoft Graph has no return path but the mailbox's own",
    }

    password: ClassVar[None] = None  # type: ignore[misc]  # no key of this table, as those below
    allow_plaintext: ClassVar[bool] = False  # type: ignore[misc]
    null_return_path: ClassVar[bool] = False  # type: ignore[misc]

    protocol: Text = Field(default="graph", description="How to speak to the server: `graph`; `mapi` is the same.")
    email: AddrSpec = Field(
        description="The address that mail is sent from: the mailbox's own, or one that it may send as (Send As)."
    )
    sender_name: Annotated[SenderName, AfterValidator(_nobody)] | None = Field(
        default=None, description="Without effect: Microsoft Graph shows the name that the mailbox has in Exchange."
    )
    server: HostName = Field(
        default=GRAPH_SERVER,
        description='The host of the cloud, or its URL: "https://graph.microsoft.us" (docs/graph.md).',
        json_schema_extra={"default": CLOUD_SAYS},
    )
    security: Literal["ssl", "none"] = Field(
        default="ssl", description="`none`: in the clear, which is for tests on this machine alone."
    )
    port: TcpPort = Field(
        default_factory=_port_default,
        json_schema_extra={"default": "443"},
    )
    authentication: Literal[True] = Field(default=True, description="Microsoft Graph takes mail from nobody unknown.")
    auth: Literal["oauth"] = Field(default="oauth", description="How to log in: by a token; Graph knows no passwords.")
    username: Text = Field(
        default_factory=_username_default,
        description="The mailbox by which mail is sent: its address or its id; `me` is that of who signed in.",
        json_schema_extra={"default": "the value of email"},
    )
    rate_per_minute: int = Field(
        default=RATE_PER_MINUTE,
        ge=1,
        le=1_000_000,
        description="Mails a minute; Exchange Online takes 30 of a mailbox.",
    )
    connections: int = Field(
        default=1,
        ge=1,
        le=AT_ONCE,
        description="Mails at a time; their requests take turns (Microsoft allows 4 at once).",
    )

    _take_apart = model_validator(mode="before")(take_apart)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        check_clear(self.server, self.security)
        check_provider(self.provider, self.protocol)
        return self
