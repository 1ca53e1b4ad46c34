"""The peer: mbsync (isync) copies the mailbox into a Maildir, every mail synced to disk."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.lab.dovecot import PASSWORD, Dovecot

from bench.mailbox import scratch

CONFIG = """
FSync yes

IMAPStore far
Host localhost
Port {port}
User {user}
Pass {password}
SSLType {ssl}
AuthMechs PLAIN
CertificateFile {ca_file}

MaildirStore near
Inbox {directory}/box

Channel all
Far :far:
Near :near:
Sync Pull New
SyncState {directory}/box/state
"""


def drain(dovecot: Dovecot, user: str, security: str, directory: Path, mails: int) -> float:
    """Return the seconds that it takes to fetch *mails* of *user*."""
    scratch(directory)
    for name in ("cur", "new", "tmp"):
        (directory / "box" / name).mkdir(parents=True)
    port, ssl = (dovecot.imaps, "IMAPS") if security == "ssl" else (dovecot.imap, "None")
    config = directory / "mbsyncrc"
    keys = {"port": port, "user": user, "password": PASSWORD, "ssl": ssl, "ca_file": dovecot.ca_file}
    config.write_text(CONFIG.format(**keys, directory=directory))
    begun = time.perf_counter()
    subprocess.run(["mbsync", "-q", "-c", config, "all"], check=True)
    took = time.perf_counter() - begun
    got = sum(1 for name in ("cur", "new") for _ in (directory / "box" / name).iterdir())
    assert got == mails, f"mbsync fetched {got} of {mails}"
    return took
