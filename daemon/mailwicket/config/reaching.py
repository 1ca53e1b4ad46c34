"""Keys by which a server is reached and logged in to: the same in every table that names one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mailwicket.config.model import FilePath, Text

TcpPort = Annotated[int, Field(ge=1, le=65535, description="The server's TCP port.")]

AllowPlaintext = Annotated[
    bool, Field(description='Lets `security = "none"` say the password in the clear to another machine.')
]

CaFile = Annotated[
    FilePath | None,
    Field(description="Certificates (PEM) trusted beside the system's store. Verification is never switched off."),
]

ProxyName = Annotated[
    Text | None, Field(description="The `[proxy.NAME]` by which the server is reached; unset: straight.")
]

Auth = Annotated[
    Literal["basic", "oauth"],
    Field(
        description="How to log in: `basic`, user name and password; `oauth`, a token of the application in `oauth`."
    ),
]
