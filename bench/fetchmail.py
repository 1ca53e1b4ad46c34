"""The peer: fetchmail idles on the mailbox and gives each mail to a command that writes and syncs a file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.imap_server import PASSWORD
from tests.lab.processes import mortal

from bench.mailbox import scratch

CONFIG = """
poll 127.0.0.1 service {port} protocol imap auth password user "{user}" password "{password}"
  sslproto "" keep idle mda "/bin/sh {directory}/deliver"
"""
DELIVER = 'f="{directory}/new/$$" && cat > "$f.part" && sync "$f.part" && mv "$f.part" "$f"\n'


@contextmanager
def idling(user: str, port: int, directory: Path) -> Iterator[Path]:
    """Run it; a file appears in the yielded directory for each mail that it delivered."""
    scratch(directory)
    (directory / "new").mkdir()
    config = directory / "fetchmailrc"
    config.write_text(CONFIG.format(port=port, user=user, password=PASSWORD, directory=directory))
    config.chmod(0o600)
    (directory / "deliver").write_text(DELIVER.format(directory=directory))
    command = [
        "fetchmail",
        "--fetchmailrc",
        str(config),
        "--pidfile",
        str(directory / "pid"),
        "--nodetach",
        "--nosyslog",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            mortal(command), stdout=log, stderr=log, env={"HOME": str(directory), "PATH": "/usr/bin:/bin"}
        )
    try:
        yield directory / "new"
    finally:
        process.terminate()
        process.wait(20)
