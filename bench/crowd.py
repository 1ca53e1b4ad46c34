"""A Dovecot for a thousand mailboxes that idle: as on a large server its sessions sleep, and some notices get lost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.lab.dovecot import MAIL_GID, MAIL_UID, Dovecot

BOXES_PER_UID: Final = 100
"""Linux gives a user 128 watchers of files (fs.inotify.max_user_instances), and each idling session needs one."""

USERDB: Final = re.compile(r"userdb \{.*?\n\}", re.DOTALL)

MORE: Final = """
imap_hibernate_timeout = 5s
imap_idle_notify_interval = 29m
default_client_limit = 20000
default_process_limit = 5000
service imap {
  process_limit = 5000
  unix_listener imap-master {
    user = $default_internal_user
  }
}
service imap-hibernate {
  unix_listener imap-hibernate {
    mode = 0666
  }
}
"""


class Crowd(Dovecot):
    """Its users are `0000` to `9999`; as root a hundred of them share a user of the system."""

    def _config(self) -> str:
        """Let sessions sleep after 5 s, and say nothing for the sake of saying something."""
        text = super()._config() + MORE
        return (
            text if os.getuid() else USERDB.sub(f"userdb {{\n  driver = passwd-file\n  args = {self._users}\n}}", text)
        )

    @property
    def _users(self) -> Path:
        return self.base / "users"

    def owner(self, user: str) -> int:
        """See the class."""
        return MAIL_UID if os.getuid() else MAIL_UID + int(user) // BOXES_PER_UID

    def settle(self, users: Iterable[str]) -> None:
        """Make their homes; the server makes the rest."""
        lines = []
        for user in users:
            home, uid = self.home(user), self.owner(user)
            home.mkdir()
            os.chown(home, uid, MAIL_GID)
            lines.append(f"{user}::{uid}:{MAIL_GID}::{home}::\n")
        self._users.write_text("".join(lines))

    def memory_mib(self) -> float:
        """What all its processes hold, shared pages divided among them (PSS)."""
        found = 0
        for path in Path("/proc").glob("[0-9]*/smaps_rollup"):
            try:
                if os.getpgid(int(path.parent.name)) == self._process.pid:
                    found += pss_bytes(path)
            except (OSError, StopIteration):
                continue
        return found / 1024 / 1024


def pss_bytes(rollup: Path) -> int:
    """Return the proportional share of a process, from its `smaps_rollup`."""
    return next(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:")) * 1024
