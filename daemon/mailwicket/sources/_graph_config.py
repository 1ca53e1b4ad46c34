"""`[incoming.NAME]` with `protocol = "graph"`: what of a mailbox's table means something at Microsoft Graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mailwicket.config.graph import (
    CLOUD_SAYS,
    GRAPH_SERVER,
    NOT_TAKEN,
    TLS_PORT,
    check_clear,
    check_provider,
    port_of,
    take_apart,
)
from mailwicket.config.incoming import Incoming
from mailwicket.config.model import HostName, Text
from mailwicket.config.reaching import TcpPort


class Graph(Incoming):
    """A mailbox at Microsoft 365, read by Microsoft Graph: tokens alone, TLS alone."""

    wants_password: ClassVar[bool] = False
    not_taken: ClassVar[Mapping[str, str]] = NOT_TAKEN
    password: ClassVar[None] = None  # type: ignore[misc]  # it takes none: that is no key of the table
    allow_plaintext: ClassVar[bool] = False  # type: ignore[misc]

    protocol: Text = Field(default="graph", description='How to speak to the server; `"mapi"` is the same.')
    server: HostName = Field(
        default=GRAPH_SERVER,
        description="Where Graph is: the host, or its URL as documentation names it.",
        json_schema_extra={"default": CLOUD_SAYS},
    )
    security: Literal["ssl", "none"] = Field(
        default="ssl", description="`none` (http) is for this machine alone, as a stand-in for tests."
    )
    port: TcpPort = Field(
        default_factory=lambda known: port_of(known.get("security")),
        json_schema_extra={"default": str(TLS_PORT)},
    )
    auth: Literal["oauth"] = Field(default="oauth", description="By the tokens of the application in `oauth` alone.")
    username: Text = Field(
        default_factory=lambda known: str(known.get("email", "")),
        description="Whose mailbox is opened: its sign-in name (UPN) or object id; a shared mailbox's, too. `me`: that "
        "of who signed in.",
        json_schema_extra={"default": "the value of email"},
    )
    folder: Text = Field(
        default="INBOX",
        description="The folder that is read: a well-known name in any language (`inbox`, `junkemail`, ...), or the "
        "names that people see, as `Inbox/Support`.",
    )
    poll_s: int = Field(default=60, ge=1, le=86_400, description="Seconds between looks.")

    _take_apart = model_validator(mode="before")(take_apart)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        check_clear(self.server, self.security)
        check_provider(self.provider, self.protocol)
        return self
