"""A mailbox that every run finds as the one before did."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.lab.dovecot import Dovecot


class Mailbox:
    """The mail of one user, seeded once and put back before each run."""

    def __init__(self, dovecot: Dovecot, user: str, mails: Iterable[bytes]) -> None:
        """Lay *mails* into the mailbox of *user*. The server has not seen them yet when a run begins."""
        self.user = user
        self._home = dovecot.home(user)
        self._kept = dovecot.base / "kept" / user
        self._kept.parent.mkdir(exist_ok=True)
        dovecot.fill(user, mails)
        self._home.rename(self._kept)
        self.count = sum(1 for _ in (self._kept / "Maildir" / "new").iterdir())
        self.size_bytes = sum(path.stat().st_size for path in (self._kept / "Maildir" / "new").iterdir())

    def restore(self) -> None:
        """Put it back by hard links (mails are renamed, never rewritten) and let the disk come to rest."""
        shutil.rmtree(self._home, ignore_errors=True)
        subprocess.run(["cp", "-al", self._kept, self._home], check=True)
        os.sync()

    def remove(self) -> None:
        """Make room for the next."""
        for path in (self._home, self._kept):
            shutil.rmtree(path, ignore_errors=True)


def scratch(directory: Path) -> Path:
    """Return *directory*, empty."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
