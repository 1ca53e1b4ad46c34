"""The staged test of a mailbox at Graph that sends: the way, the token, the mailbox, the right; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence

from mailwicket.errors import BlockedError, StageError
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import SIGNED_IN
from mailwicket.net.graph.proving import admitted, first_stages, stage_error
from mailwicket.net.graph.ticket import Ticket
from mailwicket.ports import Net
from mailwicket.senders._graph_config import GraphOutgoing
from mailwicket.senders._graph_draft import drafts_folder
from mailwicket.stages import Probe


def stages(config: GraphOutgoing) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*first_stages(config), "drafts", "permission")


async def prove(config: GraphOutgoing, net: Net, deadlines: Deadlines, probe: Probe) -> None:
    """Take every stage; see `stages.ProvesConnection`."""
    async with admitted(config, net, "graph_send", deadlines, probe) as (mailbox, ticket):
        await SendingProof(mailbox, ticket, config, probe).run()


class SendingProof:
    """The stages `drafts` and `permission`, on a mailbox whose *ticket* (None: unreadable) was looked at."""

    def __init__(self, mailbox: GraphMailbox, ticket: Ticket | None, config: GraphOutgoing, probe: Probe) -> None:
        """Test what lets *mailbox* send."""
        self._mailbox = mailbox
        self._ticket = ticket
        self._config = config
        self._probe = probe

    async def run(self) -> None:
        """Take both stages."""
        await self._drafts()
        self._permission()

    async def _drafts(self) -> None:
        ticket = self._ticket
        with self._probe.stage("drafts") as finding:
            try:
                await drafts_folder(self._mailbox)
            except BlockedError as error:
                if error.reason == "mailbox_refused" and ticket is not None and ticket.only_sends:
                    finding.detail = (
                        "not opened: the token lets us send and nothing else; mails go by sendMail, 3 MB at most, and "
                        "of one whose answer is lost nobody can tell whether it went (Mail.ReadWrite mends both)"
                    )
                    return
                told = stage_error(self._config, error)
                if error.reason == "mailbox_refused" and (ticket is None or ticket.may_only_send):
                    told.fix += "; if it is to send alone (Mail.Send), mails go by sendMail, which no test can try"
                raise told from error
            finding.detail = f"{self._config.username} opens; what is sent is laid down there first, as a draft"

    def _permission(self) -> None:
        """Judge by what the token names; of what Exchange adds (Send As, RBAC for Applications) it says nothing."""
        config, ticket = self._config, self._ticket
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
