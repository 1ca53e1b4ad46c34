"""The staged test of a mailbox at Graph that sends: the way, the token, the mailbox, the right; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio

from mailwicket.errors import BlockedError, StageError
from mailwicket.net.graph.access import Access
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import SIGNED_IN
from mailwicket.net.graph.proving import ANSWER_S, Proving, first_stages, stage_error
from mailwicket.net.graph.ticket import Ticket
from mailwicket.ports import Net
from mailwicket.senders._graph_config import GraphOutgoing
from mailwicket.senders._graph_draft import drafts_folder
from mailwicket.stages import Probe


def stages(config: GraphOutgoing) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*first_stages(config), "drafts", "permission")


class Proof:
    """One run through the stages."""

    def __init__(self, config: GraphOutgoing, net: Net, deadlines: Deadlines, probe: Probe) -> None:
        """Test what *config* says."""
        self._config = config
        self._access = Access(config, net, "graph_send")
        self._proving = Proving(config, net, probe)
        self._deadlines = replace(deadlines, answer_s=min(deadlines.answer_s, ANSWER_S))
        self._probe = probe

    async def run(self) -> None:
        """Take every stage; see `stages.ProvesConnection`."""
        await self._proving.approach()
        ticket = await self._proving.token(self._access.bearer)
        mailbox = await self._access.mailbox(self._deadlines)
        try:
            await self._open_drafts(mailbox, ticket)
        finally:
            with anyio.CancelScope(shield=True):  # closes sockets, waits for nobody
                await mailbox.close()
        self._permission(ticket)

    async def _open_drafts(self, mailbox: GraphMailbox, ticket: Ticket | None) -> None:
        with self._probe.stage("drafts") as finding:
            try:
                await drafts_folder(mailbox)
            except BlockedError as error:
                if error.reason == "mailbox_refused" and ticket is not None and ticket.only_sends:
                    finding.detail = (
                        "not opened: the token lets us send and nothing else; mails go by sendMail, 3 MB at most, and "
                        "of one whose answer is lost nobody can tell whether it went (Mail.ReadWrite mends both)"
                    )
                    return
                raise stage_error(self._config, error) from error
            finding.detail = f"{self._config.username} opens; what is sent is laid down there first, as a draft"

    def _permission(self, ticket: Ticket | None) -> None:
        """Judge by what the token names; of what Exchange adds (Send As, RBAC for Applications) it says nothing."""
        config = self._config
        with self._probe.stage("permission") as finding:
            own = {config.username.casefold(), SIGNED_IN}
            told = "" if config.email.casefold() in own or config.username == SIGNED_IN else self._as_another()
            if ticket is not None and ticket.may_send:
                finding.detail = f"{', '.join(ticket.may_send)}{told}; nothing was sent"
            elif ticket is not None and not ticket.is_of_application:
                raise StageError(
                    f"the sign-in of {ticket.who} lacks the permission Mail.Send",
                    fix=f"add https://{config.server}/Mail.Send to scope in [oauth.{config.oauth}], then "
                    f'"mailwicket oauth login {config.oauth}"',
                )
            else:
                finding.detail = (
                    "the token does not name Mail.Send, which Exchange may grant all the same (RBAC for "
                    f"Applications): --send-to tells{told}"
                )

    def _as_another(self) -> str:
        return f"; as {self._config.email} only with Send As in Exchange, which no token tells"
