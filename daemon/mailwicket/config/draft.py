"""A first conf.d as text: one mailbox, and where its tickets are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from mailwicket.config.incoming import Incoming
from mailwicket.config.keys import to_toml
from mailwicket.config.mistake import mistakes
from mailwicket.config.model import is_unit_name
from mailwicket.config.providers import by_address
from mailwicket.config.settings import Daemon

FILE_NAME: Final = "10-incoming.toml"

HEAD: Final = """\
# A mailbox whose mail becomes tickets. `mailwicket check` tells what is wrong here, docs/config.md what else there is.
"""

REMARKS: Final = {
    "security": {"ssl": "TLS from the first byte", "tls": "STARTTLS, required", "none": "in the clear"},
    "start_from": {"now": 'what comes from now on; "all" takes what lies there, too', "all": "what lies there, too"},
    "after": {
        "seen": "what becomes of a mail whose ticket is on disk",
        "leave": "mails stay as they are",
        "delete": "a mail whose ticket is on disk goes",
    },
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a newcomer said, or what was guessed."""

    email: str
    server: str
    security: str
    port: int
    username: str
    folder: str
    start_from: str
    after: str
    password_file: Path
    state_dir: Path | None
    """None: as everywhere."""
    ca_file: str | None = None

    @property
    def unit(self) -> str:
        """The name of its unit."""
        return unit_of(self.email)

    def text(self) -> str:
        """Return the file's content; the password is not in it."""
        keys = {
            "email": self.email,
            "server": self.server,
            "security": self.security,
            "port": self.port,
            "username": self.username,
            "folder": self.folder,
            "start_from": self.start_from,
            "after": self.after,
            **({} if self.ca_file is None else {"ca_file": self.ca_file}),
        }
        lines = [HEAD]
        if self.state_dir is not None:
            lines += ["[daemon]", f"state_dir = {to_toml(self.state_dir)}", ""]
            listen = [f"unix:{self.socket}", "127.0.0.1:8025"]
            lines += ["[http]", f"listen = {to_toml(listen)}   # the first is where the other commands ask", ""]
        lines.append(f"[incoming.{self.unit}]")
        for key, value in keys.items():
            remark = REMARKS.get(key, {}).get(str(value))
            lines.append(f"{key} = {to_toml(value)}" + (f"   # {remark}" if remark else ""))
        lines.append(f"password = {{ file = {to_toml(self.password_file)} }}")
        return "\n".join(lines) + "\n"

    @property
    def socket(self) -> Path:
        """Where the daemon is asked, beside what it keeps."""
        return (self.state_dir or Path()) / "admin.sock"


def unit_of(email: str) -> str:
    """Return a name for the unit of *email*: what stands before the @, as far as a name may be that."""
    name = re.sub(r"[^a-z0-9_-]+", "-", email.partition("@")[0].casefold()).strip("-_")[:64]
    return name if is_unit_name(name) else "mailbox"


def server_of(email: str) -> str:
    """Return the IMAP server of *email*: a well-known provider's by fact, else the name that is usual."""
    provider = by_address(email)
    return provider.imap.server if provider else f"imap.{email.rpartition('@')[2]}"


def complaint(key: str, value: Any) -> str | None:  # noqa: ANN401 - whatever a person said
    """Return what is wrong with *value* for a *key* of `[incoming.NAME]` or `[daemon]`, and what is allowed."""
    model = Daemon if key in Daemon.model_fields else Incoming
    needed = {"email": "a@example.org", "server": "imap.example.org"} if model is Incoming else {}
    try:
        str(value).encode()
        model.model_validate({**needed, key: value})
    except UnicodeEncodeError:
        return "is not UTF-8"
    except ValidationError as error:
        return next((one.message for one in mistakes(error, model, {}) if one.path[:1] == (key,)), None)
    return None
