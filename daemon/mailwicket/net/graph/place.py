"""Where things are at Graph: URLs, byte for byte. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from mailwicket.config.model import is_loopback

VERSION: Final = "v1.0"

SIGNED_IN: Final = "me"
"""As `username`: the mailbox of whoever signed in, whatever its address. An application's own token has none."""

WELL_KNOWN: Final = frozenset(
    {"archive", "clutter", "conflicts", "conversationhistory", "deleteditems", "drafts", "inbox", "junkemail"}
    | {"localfailures", "msgfolderroot", "outbox", "recoverableitemsdeletions", "scheduled", "searchfolders"}
    | {"sentitems", "serverfailures", "syncissues"}
)
"""Folders that are named so in any language; at Graph in any letter case."""

PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")


def segment(text: str) -> str:
    """Return *text* as one segment of a path: ids hold `=`, `/` and `+`, and their letter case counts.

    JSON may hold half a character (a lone surrogate), of which no id is made: nothing is there by such a name.
    """
    return quote(text, safe="@", errors="replace")


def folder_path(folder: str) -> str:
    """Return the path of a folder below its mailbox; *folder* is an id or a well-known name."""
    return f"mailFolders/{segment(folder)}"


def message_path(message: str) -> str:
    """Return the path of a message below its mailbox, in whatever folder it lies."""
    return f"messages/{segment(message)}"


def with_query(path: str, query: Mapping[str, str]) -> str:
    """Return *path* with OData's options behind it; their names keep the `$`, blanks are `%20`."""
    options = "&".join(f"{name}={quote(value, safe=',:()/' + chr(39))}" for name, value in query.items())
    return f"{path}?{options}" if options else path


@dataclass(frozen=True, slots=True)
class Place:
    """One mailbox at one cloud."""

    base: str
    """Scheme, host, perhaps a port, and the version: `https://graph.microsoft.com/v1.0`."""
    mailbox: str
    """An address (UPN), an object id, or SIGNED_IN."""

    @classmethod
    def at(cls, server: str, port: int, mailbox: str, *, encrypted: bool = True) -> Place:
        """Return the *mailbox* at *server*."""
        scheme = "https" if encrypted else "http"
        host = f"[{server}]" if ":" in server else server
        shown = "" if PORTS[scheme] == port else f":{port}"
        return cls(f"{scheme}://{host}{shown}/{VERSION}", mailbox)

    @property
    def peer(self) -> str:
        """How the server is called in errors."""
        parts = urlsplit(self.base)
        return f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"

    def url(self, path: str) -> str:
        """Return the URL of *path* in this mailbox; *path* is encoded already."""
        mailbox = "me" if self.mailbox == SIGNED_IN else f"users/{segment(self.mailbox)}"
        return f"{self.base}/{mailbox}/{path}" if path else f"{self.base}/{mailbox}"

    def owns(self, link: str) -> bool:
        """Tell whether *link* leads to the same scheme, host and port: only there the token may be said."""
        return _PRINTABLE.fullmatch(link) is not None and _origin(link) == _origin(self.base)


def is_upload_url(url: str) -> bool:
    """Tell whether bytes may be sent to *url*, which a server named: https, or http on this machine."""
    origin = _origin(url) if _PRINTABLE.fullmatch(url) else None
    return origin is not None and (origin[0] == "https" or is_loopback(origin[1]))


def _origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; None of what has none, or names a user."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]
