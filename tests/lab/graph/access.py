"""Who may do what in whose mailbox."""

from __future__ import annotations

from tests.lab.graph.ask import Ask
from tests.lab.graph.problem import GraphError, access_denied

PERMISSIONS = {
    "read": {"Mail.Read", "Mail.ReadWrite"},
    "write": {"Mail.ReadWrite"},
    "send": {"Mail.Send"},
}


def checked(ask: Ask, needs: str) -> None:
    """Let *ask* pass.

    Raises:
        GraphError: no licence, a permission that is missing, a mailbox that is not the user's or the application's.
    """
    box, grant = ask.mailbox, ask.grant
    if not box.licensed:
        raise GraphError(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    wanted = PERMISSIONS[needs]
    if grant.of_application:
        if not wanted & grant.permissions:
            raise access_denied()
        if not box.in_app_scope:
            raise access_denied("Access to OData is disabled.")
        return
    user = grant.user.lower()
    if user == box.address.lower():
        if not wanted & grant.permissions:
            raise access_denied()
        return
    if not {f"{name}.Shared" for name in wanted} & grant.permissions:
        raise access_denied()
    if user not in {who.lower() for who in box.full_access}:
        raise access_denied()
