"""Everything the demonstration needs, set up in one folder and taken down again."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskStatus

from mailwicket.app import Daemon
from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.load import load
from mailwicket.config.settings import Settings
from mailwicket.demo.imap_server import LOOPBACK, imap_server
from mailwicket.demo.smtp_sink import smtp_sink
from mailwicket.errors import MailwicketError
from mailwicket.sources.imap import ImapSource

ADDRESS: Final = "support@example.org"

CONF: Final = """\
[daemon]
state_dir = {state_dir}

[http]
listen = [{socket}]

[incoming.support]
email = "{address}"
server = "{host}"
port = {port}
security = "none"       # on loopback alone
password = {{ file = {password} }}
start_from = "all"      # the mails that lie there already, too
poll_s = 1              # this server does not tell an idler of mail that came just before
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts, and what others need to reach them."""

    daemon: Daemon
    conf: Path
    smtp_port: int


@asynccontextmanager
async def staged(place: Path, mails: Sequence[bytes]) -> AsyncIterator[Stage]:
    """Run the daemon in the folder *place* on a mailbox that holds *mails*.

    Raises:
        MailwicketError: *place* cannot be used, in words.
    """
    password = secrets.token_urlsafe()  # the port is open to everybody on this machine
    async with imap_server(ADDRESS, password) as mailbox, smtp_sink(mailbox.append) as smtp_port:
        for raw in mails:
            await mailbox.append(raw)
        conf = _write_conf(place, mailbox.port, password)
        daemon = Daemon(_settings(conf), {"desk": EmbeddedDesk}, {"imap": ImapSource})
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(_run, daemon)
                yield Stage(daemon, conf, smtp_port)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.move_on_after(daemon.settings.daemon.stop_timeout_s, shield=True):
                await daemon.close()


async def _run(daemon: Daemon, *, task_status: TaskStatus[None]) -> None:
    await daemon.run(task_status.started)


def _write_conf(place: Path, port: int, password: str) -> Path:
    """Write a conf.d of one file that serves the other commands as well."""
    secret = place / "support.password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    conf = place / "conf.d"
    conf.mkdir()
    quoted = {  # a string of JSON is one of TOML
        "state_dir": json.dumps(str(place / "state")),
        "socket": json.dumps(f"unix:{place / 'admin.sock'}"),
        "password": json.dumps(str(secret)),
    }
    text = CONF.format(address=ADDRESS, host=LOOPBACK, port=port, **quoted)
    (conf / "demo.toml").write_text(text, encoding="utf-8")
    return conf


def _settings(conf: Path) -> Settings:
    """Read what was written; the environment and plug-ins of this machine play no part."""
    loaded = load(conf, {}, backends={"desk": EmbeddedDesk.Config}, sources={"imap": ImapSource.Config}, senders={})
    if loaded.settings is None:
        raise MailwicketError("; ".join(map(str, loaded.errors)))
    return loaded.settings
