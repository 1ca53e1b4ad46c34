"""Outgoing mail by Microsoft Graph: `protocol = "graph"`, or `"mapi"`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import anyio
from pydantic import BaseModel

from mailwicket.errors import BlockedError
from mailwicket.net.graph.access import Access
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.ticket import read_ticket
from mailwicket.ports import Net
from mailwicket.senders._graph_config import GraphOutgoing
from mailwicket.senders._graph_draft import drafts_folder
from mailwicket.senders._graph_proof import prove, stages
from mailwicket.senders._graph_submission import GraphSubmission
from mailwicket.senders._graph_traces import Traces
from mailwicket.stages import Probe


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
            return await drafts_folder(mailbox)
        except BlockedError as error:
            if await self._only_sends(error):
                return None
            raise

    async def _only_sends(self, error: BlockedError) -> bool:
        """Tell whether *error* may mean that we may send and nothing else: a token that keeps drafts does not say so.

        What is sent without a draft shows whether that is so.
        """
        if error.reason != "mailbox_refused":
            return False
        ticket = read_ticket(await self._access.bearer.token())
        return ticket is None or ticket.may_only_send

    async def check_login(self) -> None:
        """See `ports.KnowsLogin`."""
        await self._access.bearer.token()

    @property
    def stages(self) -> Sequence[str]:
        """See `stages.ProvesConnection`."""
        return stages(self._config)

    async def prove(self, probe: Probe) -> None:
        """Test the connection in stages; see `stages.ProvesConnection`."""
        await prove(self._config, self._net, self.deadlines, probe)
