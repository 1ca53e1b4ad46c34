"""Outgoing mail by Microsoft Graph: `protocol = "graph"`, or `"mapi"`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import anyio
from pydantic import BaseModel

from mailwicket.errors import BlockedError
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import Place, folder_path, with_query
from mailwicket.net.proxy import way_of
from mailwicket.ports import Bearer, Net, Probe
from mailwicket.senders._graph_config import GraphOutgoing
from mailwicket.senders._graph_looking import Traces
from mailwicket.senders._graph_proof import Proof, sends_only, stages
from mailwicket.senders._graph_submission import GraphSubmission


class GraphSender:
    """A mailbox at Microsoft Graph by which mail is sent: a draft, then the order to send it."""

    Config: ClassVar[type[BaseModel]] = GraphOutgoing
    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(self, name: str, config: GraphOutgoing, net: Net) -> None:
        """Serve `outgoing.NAME`. Does nothing yet."""
        self._name = name
        self._config = config
        self._net = net
        self._bearer: Bearer | None = None
        self._traces = Traces()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[GraphSubmission]:
        """Open the mailbox; see `ports.Sender`."""
        async with self._mailbox() as mailbox:
            async with self._net.entrance(self._config.server):
                folder = await self._open(mailbox)
            submission = GraphSubmission(mailbox, folder, self._traces, self._sends_only)
            await submission.clear_away()
            yield submission

    @asynccontextmanager
    async def _mailbox(self) -> AsyncIterator[GraphMailbox]:
        config = self._config
        self._bearer = self._bearer or self._net.bearer(config.oauth, "graph_send", config.username)
        place = Place.at(config.server, config.port, config.username, encrypted=config.security == "ssl")
        lane = self._net.lane(config.server, config.oauth, config.username)
        tls, way = await self._net.trust(config.ca_file), await way_of(config)
        mailbox = GraphMailbox(place, config.oauth, self._bearer, lane, tls, way, self.deadlines)
        try:
            yield mailbox
        finally:
            with anyio.CancelScope(shield=True):  # closes sockets, waits for nobody
                await mailbox.close()

    async def _open(self, mailbox: GraphMailbox) -> str | None:
        """Return the folder of drafts; None where the application may send, and nothing else."""
        try:
            answer = await mailbox.call("GET", with_query(folder_path("drafts"), {"$select": "id"}))
        except BlockedError as error:
            if await self._sends_only(error):
                return None
            raise
        return str(answer.json["id"])

    async def _sends_only(self, error: BlockedError) -> bool:
        """Tell whether *error* is no wonder: the token says that it may send, and nothing else."""
        bearer = self._bearer
        return bearer is not None and error.reason == "mailbox_refused" and sends_only(await bearer.token())

    @property
    def stages(self) -> Sequence[str]:
        """See `ports.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `ports.ProvesConnection`."""
        await Proof(self._config, self._net, self.deadlines, probe).run()
