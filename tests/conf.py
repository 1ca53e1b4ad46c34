"""A conf.d of a test's own, read with the built-in adapters' keys or with others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mailwicket.backends.desk.desk import DeskConfig
from mailwicket.backends.webhook.config import WebhookConfig
from mailwicket.config.incoming import Incoming
from mailwicket.config.load import Loaded, load
from mailwicket.config.outgoing import Outgoing
from mailwicket.senders._graph_config import GraphOutgoing
from mailwicket.sources._graph_config import Graph
from mailwicket.sources.pop3 import Pop3

SOURCES = {"graph": Graph, "imap": Incoming, "mapi": Graph, "pop3": Pop3}
CANARY = "canary-4711"
NOTHING_SENT = "note: conf.d: outgoing: no server is enabled: nothing is ever sent\n"
"""What `check` remarks where no server sends."""
UNIT = '[incoming.support]\nemail = "support@example.org"\nserver = "imap.example.org"\npassword = "canary-4711"\n'


class Conf:
    """A directory of files that only their owner may read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "conf.d"
        self.directory.mkdir()

    def write(self, content: str | bytes, name: str = "10-test.toml", mode: int = 0o600) -> Path:
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def read(self, environ: Mapping[str, str] | None = None, **models: Any) -> Loaded:
        return load(
            self.directory,
            environ or {},
            backends=models.get("backends", {"desk": DeskConfig, "webhook": WebhookConfig}),
            sources=models.get("sources", SOURCES),
            senders=models.get("senders", {"smtp": Outgoing, "graph": GraphOutgoing, "mapi": GraphOutgoing}),
        )

    def lines(self, environ: Mapping[str, str] | None = None, **models: Any) -> list[str]:
        """Every line that is told, as `mailwicket check` prints it."""
        loaded = self.read(environ, **models)
        assert (loaded.settings is None) == bool(loaded.errors)
        return [*map(str, loaded.errors), *(f"note: {note}" for note in loaded.notes)]
