"""The staged test of a mailbox at Graph that sends: the way, the token, the mailbox, the right; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mailwicket.errors import BlockedError, StageError
from mailwicket.net.graph.claims import SENDING, Claims, claims_of
from mailwicket.net.graph.client import Deadlines, GraphMailbox
from mailwicket.net.graph.place import folder_path, with_query
from mailwicket.net.graph.proving import Proving, first_stages
from mailwicket.ports import Net, Probe
from mailwicket.senders._graph_config import GraphOutgoing

DRAFTS: Final = with_query(folder_path("drafts"), {"$select": "id"})
"""What opens a mailbox and reads nothing of it."""


def sends_only(token: str) -> bool:
    """Tell whether *token* names the right to send, and none to keep drafts."""
    return claims_of(token).sends_only


def stages(config: GraphOutgoing) -> Sequence[str]:
    """Return the stages that *config* takes, in order."""
    return (*first_stages(config), "mailbox", "permission")


class Proof:
    """One run through the stages."""

    def __init__(self, config: GraphOutgoing, net: Net, deadlines: Deadlines, probe: Probe) -> None:
        """Test what *config* says."""
        self._config = config
        self._net = net
        self._deadlines = deadlines
        self._probe = probe

    async def run(self) -> None:
        """Take every stage; see `ports.ProvesConnection`."""
        config = self._config
        proving = Proving(config, config.oauth, "graph_send", self._net, self._probe)
        async with proving.passed(self._deadlines) as (mailbox, claims):
            await self._mailbox(mailbox, claims)
            self._permission(claims)

    async def _mailbox(self, mailbox: GraphMailbox, claims: Claims) -> None:
        with self._probe.stage("mailbox") as finding:
            try:
                await mailbox.call("GET", DRAFTS)
            except BlockedError as error:
                if error.reason == "mailbox_refused" and claims.sends_only:
                    finding.detail = (
                        "not opened: the token lets us send and nothing else; mails go by sendMail, 3 MB at most, and "
                        "of one whose answer is lost nobody can tell whether it went (Mail.ReadWrite mends both)"
                    )
                    return
                raise StageError(str(error), fix=self._fix(error)) from error
            finding.detail = f"{self._config.username} opens, its drafts are kept there"

    def _permission(self, claims: Claims) -> None:
        """Judge by what the token names; of what Exchange adds (Send As, RBAC for Applications) it says nothing."""
        config = self._config
        with self._probe.stage("permission") as finding:
            as_another = config.email.casefold() != config.username.casefold() and config.username != "me"
            told = f"; as {config.email} only with Send As in Exchange, which no token tells" if as_another else ""
            found = sorted(claims.permissions & SENDING)
            if found:
                finding.detail = f"{', '.join(found)}{told}; nothing was sent"
            elif claims.scopes:
                fix = f'sign in with consent to Mail.Send: "mailwicket oauth login {config.oauth}"'
                raise StageError("the token does not let us send: Mail.Send is not among its scopes", fix=fix)
            else:
                finding.detail = (
                    "the token does not name Mail.Send; RBAC for Applications may grant it all the same: --send-to "
                    f"tells{told}"
                )

    def _fix(self, error: BlockedError) -> str:
        oauth = self._config.oauth
        match error.reason:
            case "mailbox_refused":
                return (
                    f'"mailwicket oauth status" tells what was consented to, "mailwicket oauth admin-consent {oauth}" '
                    "mends it; else let the application or the user open this mailbox in Exchange"
                )
            case "mailbox_unknown":
                return f"mend username ({self._config.username}): the address of a mailbox in Exchange Online"
            case "needs_sign_in":
                return f'"mailwicket oauth login {oauth}"'
            case "needs_admin":
                return f'"mailwicket oauth admin-consent {oauth}"'
        return "its words say what it wants"
