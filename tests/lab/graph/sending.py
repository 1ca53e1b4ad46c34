"""The routes that send, and what becomes of a mail then: copies that appear late, deliveries, bounces."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.lab.graph.ask import Answer, Ask
from tests.lab.graph.bounce import report_of
from tests.lab.graph.clock import Clock
from tests.lab.graph.drafts import mail_asked, refuse_full, reply_asked
from tests.lab.graph.ids import IMMUTABLE
from tests.lab.graph.mailboxes import Mailbox, Message
from tests.lab.graph.messages import found
from tests.lab.graph.mime import parsed, recipients_of, with_header
from tests.lab.graph.problem import GraphError, bad_request

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab


@dataclass(frozen=True)
class Sent:
    """One mail that was accepted for sending."""

    mailbox: str
    recipients: tuple[str, ...]
    content: bytes
    """Without Bcc."""
    at: datetime
    way: str
    """`send`, `sendMail` or `reply`."""


@dataclass
class Sending:
    """Habits of transport, for a test to switch, and what it has taken."""

    clock: Clock
    copy_delay_s: float = 0.0
    """So late the copy appears in Sent Items; its id is unknown until then."""
    leave_delay_s: float = 0.0
    """So long a draft that was sent still looks like one."""
    keeps_message_id: bool = True
    bounces: dict[str, float] = field(default_factory=dict)
    """Addresses that do not exist, each with the delay of the bounce."""
    swallows_too_long: bool = False
    """A MIME body beyond the limit is answered 200, and never sent."""
    allowed: int | None = None
    """So many mails more are taken; then the mailbox is over its limit."""
    sent: list[Sent] = field(default_factory=list)


async def send_mail(lab: Lab, ask: Ask) -> Answer:
    """One call for all."""
    refuse_full(ask)
    keeps_copy, told = True, None
    if not ask.is_mime():
        given = ask.arguments("message", "saveToSentItems")
        keeps_copy = given.get("saveToSentItems") is not False
        told = given.get("message")
        if not isinstance(told, dict):
            raise bad_request("The required parameter 'message' is missing.", "ErrorInvalidParameter")
    try:
        content, files, bcc = mail_asked(lab, ask, told)
    except GraphError as error:
        if error.status == 413 and lab.sending.swallows_too_long:
            return Answer(200)
        raise
    item = Message(lab.ids.new(IMMUTABLE), "", "", content, lab.clock.now(), lab.clock.now(), bcc=bcc)
    item.attachments = files
    _submit(lab, ask, item, "sendMail", keeps_copy=keeps_copy)
    return Answer(202)


async def reply(lab: Lab, ask: Ask) -> Answer:
    refuse_full(ask)
    content = reply_asked(lab, ask, found(ask))
    item = Message(lab.ids.new(IMMUTABLE), "", "", content, lab.clock.now(), lab.clock.now())
    _submit(lab, ask, item, "reply", keeps_copy=True)
    return Answer(202)


async def send(lab: Lab, ask: Ask) -> Answer:
    """A draft goes out; its immutable id is that of the copy in Sent Items."""
    item, box = found(ask), ask.mailbox
    refuse_full(ask)
    if not item.is_draft:
        raise bad_request("The item was sent already.", "ErrorInvalidRequest")
    leaves_s = lab.sending.leave_delay_s
    _submit(lab, ask, item, "send", keeps_copy=True, leaves=lambda: box.take(item), leaves_s=leaves_s)
    return Answer(202)


def _submit(
    lab: Lab, ask: Ask, item: Message, way: str, *, keeps_copy: bool, leaves: Any = None, leaves_s: float = 0.0
) -> None:
    """Take a mail for sending.

    Raises:
        GraphError: nobody is to get it, or its sender may not be who it says.
    """
    box, sending = ask.mailbox, lab.sending
    raw = item.raw()
    to = [one["emailAddress"]["address"] for name in ("To", "Cc", "Bcc") for one in recipients_of(raw, name)]
    to += [one["emailAddress"]["address"] for one in item.bcc]
    if not to or any("@" not in who for who in to):
        raise bad_request("At least one recipient is not valid.", "ErrorInvalidRecipients")
    _check_sender(lab, ask, raw)
    if sending.allowed is not None:
        if not sending.allowed:
            raise GraphError(429, "ErrorMessageSubmissionBlocked", "The account is over its sending limit.")
        sending.allowed -= 1
    content = with_header(raw, "Bcc", None) if parsed(raw).get("Bcc") else raw
    sent = Sent(box.address, tuple(to), content, lab.clock.now(), way)
    sending.sent.append(sent)

    def file_copy() -> None:
        item.is_draft, item.is_read, item.content, item.attachments = False, True, content, []
        item.received = lab.clock.now()
        box.lay(item, box.folder("sentitems"))

    def leave() -> None:
        if leaves is not None:
            leaves()
        if keeps_copy:
            lab.clock.later(sending.copy_delay_s, file_copy)

    lab.clock.later(leaves_s, leave)
    for who in dict.fromkeys(to):
        _deliver(lab, box, sent, who)


def _check_sender(lab: Lab, ask: Ask, raw: bytes) -> None:
    box = ask.mailbox
    wanted = [one["emailAddress"]["address"].lower() for one in recipients_of(raw, "From")]
    user = ask.grant.user.lower()
    for address in wanted or [box.address]:
        named = lab.find(address) or box
        own = address in {box.address.lower(), *(alias.lower() for alias in box.aliases)}
        if own and (ask.grant.of_application or user == box.address.lower() or user in box.send_as):
            continue
        if not own and named is not box and (user or box.address.lower()) in named.send_as:
            continue
        raise GraphError(
            403,
            "ErrorSendAsDenied",
            "The user account which was used to submit this request does not have the right to send mail on behalf of"
            " the specified sending account.",
        )


def _deliver(lab: Lab, sender: Mailbox, sent: Sent, who: str) -> None:
    target = lab.find(who)
    if who.lower() in lab.sending.bounces:
        told = report_of(sender.address, who, sent.content, lab.clock.now())
        lab.clock.later(lab.sending.bounces[who.lower()], lambda: sender.deliver(told) and None)
    elif target is not None:
        target.deliver(sent.content)
