"""Outgoing mail by Microsoft Graph: `protocol = "graph"`, or `"mapi"`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import anyio
from pydantic import BaseModel

from mailwicket.errors import BlockedError, PermanentError, TransientError
from mailwicket.net.graph.access import Access
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.ticket import read_ticket
from mailwicket.ports import Net, Probe
from mailwicket.senders._graph_config import GraphOutgoing
from mailwicket.senders._graph_proof import DRAFTS, Proof, stages
from mailwicket.senders._graph_submission import GraphSubmission
from mailwicket.senders._graph_traces import Traces


class GraphSender:
    """A mailbox at Microsoft Graph by which mail is sent: a draft, then the order to send it."""

    Config: ClassVar[type[BaseModel]] = GraphOutgoing
    deadlines: ClassVar[Deadlines] = Deadlines()

    def __init__(self, name: str, config: GraphOutgoing, net: Net) -> None:
        """Serve `outgoing.NAME`. Does nothing yet."""
        self._name = name
        self._config = config
        self._net = net
        self._access = Access(config, net, "graph_send")
        self._traces = Traces()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[GraphSubmission]:
        """Open the mailbox; see `ports.Sender`."""
        mailbox = await self._access.mailbox(self.deadlines)
        try:
            async with self._net.entrance(self._config.server):
                folder = await self._open(mailbox)
            submission = GraphSubmission(mailbox, folder, self._traces, self._only_sends)
            await submission.clear_away()
            yield submission
        finally:
            with anyio.CancelScope(shield=True):  # closes sockets, waits for nobody
                await mailbox.close()

    async def _open(self, mailbox: GraphMailbox) -> str | None:
        """Return the folder of drafts; None where the application may send, and nothing else."""
        try:
            answer = await mailbox.call("GET", DRAFTS)
        except BlockedError as error:
            if await self._only_sends(error):
                return None
            raise
        except PermanentError as error:
            raise BlockedError(str(error), reason="refused") from error
        folder = answer.json.get("id") if isinstance(answer.json, dict) else None
        if not isinstance(folder, str):
            raise TransientError(f"{mailbox.place.peer} answers with what is no folder", reason="server_said")
        return folder

    async def _only_sends(self, error: BlockedError) -> bool:
        """Tell whether *error* is no wonder: the token says that it may send, and nothing else."""
        if error.reason != "mailbox_refused":
            return False
        ticket = read_ticket(await self._access.bearer.token())
        return ticket is not None and ticket.only_sends

    @property
    def stages(self) -> Sequence[str]:
        """See `ports.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `ports.ProvesConnection`."""
        await Proof(self._config, self._net, self.deadlines, probe).run()
