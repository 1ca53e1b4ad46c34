"""Delivery reports (RFC 3464): about whom, about which mail, and whether the server gave up."""

from __future__ import annotations

from collections.abc import Sequence

from mailwicket.mail.header import Header, ids, parameters
from mailwicket.model import Bounce


def bounce(
    header: Header,
    subject: str,  # noqa: ARG001
    text: str,  # noqa: ARG001
    status: Sequence[str],
    returned: Sequence[Header],
) -> Bounce | None:
    """Read the report that a mail is, or None.

    *subject* and *text* are decoded; *status* are its message/delivery-status parts, *returned* the
    headers of the mails that it returns.
    """
    if not status:  # nearly all mail
        return None
    kind, options = parameters(header.get("content-type"))
    if kind != "multipart/report" or options.get("report-type", "").casefold() not in {"delivery-status", ""}:
        return None
    lines = "\n".join(status).replace("\r\n", "\n").split("\n")
    fields = [
        (name.strip().casefold(), value.strip())
        for name, colon, value in (line.partition(":") for line in lines)
        if colon
    ]
    recipients = [value.rpartition(";")[2].strip().strip("<>") for name, value in fields if name == "final-recipient"]
    actions = [value.casefold() for name, value in fields if name == "action"]
    if not actions and not recipients:
        return None
    original = next((found[0] for one in returned if (found := ids(one.get("message-id")))), None)
    return Bounce(tuple(dict.fromkeys(recipients)), permanent="failed" in actions, original_message_id=original)
