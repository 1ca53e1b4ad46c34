"""One request as a handler sees it, and what it answers."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab.graph.mailboxes import Mailbox
from tests.lab.graph.odata import Options, Prefer
from tests.lab.graph.problem import GraphError, bad_request

MEBIBYTE = 1 << 20


@dataclass
class Grant:
    """What an access token allows."""

    app: str
    user: str
    """Of a delegated token; empty for an application."""
    permissions: frozenset[str]
    """Scopes, or roles of an application."""
    audience: str
    ends_s: float
    """In the double's own time."""

    @property
    def of_application(self) -> bool:
        return not self.user


@dataclass
class Ask:
    """A request whose sender is known, at a mailbox that he may open."""

    method: str
    url: str
    """As it came, with the query: links are compared byte for byte."""
    segments: Mapping[str, str]
    """What stands in the path for `{folder}`, `{message}`, `{attachment}`."""
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    content: bytes
    mailbox: Mailbox
    grant: Grant
    prefer: Prefer
    prefix: str
    """URL of the mailbox, as it was addressed."""
    options: Options = field(default_factory=Options)

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def is_mime(self) -> bool:
        return self.content_type == "text/plain"

    def json(self) -> dict[str, Any]:
        """The body; Graph takes no other than an object."""
        if not self.content_type:
            raise bad_request("Write requests (excluding DELETE) must contain the Content-Type header declaration.")
        if self.content_type != "application/json":
            raise bad_request(
                "A supported MIME type could not be found that matches the content type of the request.",
                "RequestBodyRead",
            )
        try:
            told = json.loads(self.content)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise bad_request(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of"
                " valid JSON format."
            )
        return told

    def arguments(self, *names: str) -> dict[str, Any]:
        """Arguments of an action: each name is taken in Pascal case as well."""
        by_name = {name.lower(): name for name in names}
        told = {}
        for key, value in self.json().items():
            if key.lower() not in by_name or key not in {by_name[key.lower()], pascal(by_name[key.lower()])}:
                raise bad_request(f"The parameter '{key}' in the request payload is not a valid parameter.")
            told[by_name[key.lower()]] = value
        return told

    def mime(self, limit_bytes: int = 4 * MEBIBYTE) -> bytes:
        """A whole mail, in base64 that may be wrapped."""
        if len(self.content) > limit_bytes:
            raise GraphError(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
        try:
            raw = base64.b64decode(re.sub(rb"\s+", b"", self.content), validate=True)
        except binascii.Error:
            raw = b""
        if not raw:
            raise bad_request("Invalid base64 string for MIME content.", "ErrorMimeContentInvalidBase64String")
        return raw


def pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


@dataclass
class Answer:
    """What goes back; `content` is for what is not JSON."""

    status: int = 200
    body: dict[str, Any] | None = None
    content: bytes | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
