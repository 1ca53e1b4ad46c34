"""The routes about one message: show it, give its MIME, change it, move it, delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.lab.graph import view
from tests.lab.graph.ask import Answer, Ask
from tests.lab.graph.exchange import given_out
from tests.lab.graph.mailboxes import Message
from tests.lab.graph.mime import composed, recipients_of, with_header
from tests.lab.graph.problem import GraphError, bad_request

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab

ANY_TIME = ("isRead", "categories", "flag", "importance", "inferenceClassification")
WHILE_DRAFT = (
    "subject", "body", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "from", "sender",
    "internetMessageId", "isDeliveryReceiptRequested", "isReadReceiptRequested",
)  # fmt: skip
WRITABLE = (*ANY_TIME, *WHILE_DRAFT)
READ_ONLY = ("id", "changeKey", "createdDateTime", "receivedDateTime", "isDraft", "parentFolderId", "hasAttachments")


def found(ask: Ask) -> Message:
    return ask.mailbox.message(ask.segments["message"])


def shown(ask: Ask, item: Message, status: int = 200) -> Answer:
    body = view.message(
        item, immutable=ask.prefer.immutable, select=ask.options.select, expand=ask.options.expand, prefix=ask.prefix
    )
    return Answer(status, body)


async def get(_: Lab, ask: Ask) -> Answer:
    return shown(ask, found(ask))


async def get_value(lab: Lab, ask: Ask) -> Answer:
    item = found(ask)
    raw = given_out(item, ask.mailbox.address, lab.manners.mime)
    return Answer(content=raw, content_type="text/plain")


async def patch(_: Lab, ask: Ask) -> Answer:
    item, told = found(ask), ask.json()
    check_properties(told, (*WRITABLE, *READ_ONLY))
    for name in told:
        if name in READ_ONLY:
            raise bad_request(f"The property '{name}' is read-only and cannot be set.", "ErrorInvalidPropertySet")
        if name in WHILE_DRAFT and not item.is_draft:
            raise bad_request(f"Update is not allowed on '{name}' of an item that was sent.", "ErrorInvalidPropertySet")
    _change(item, told)
    ask.mailbox.note_update(item, "isRead" if set(told) == {"isRead"} else "")
    return shown(ask, item)


def check_properties(told: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in told:
        if name not in known and "@odata." not in name:
            raise bad_request(
                f"The property '{name}' does not exist on type 'microsoft.graph.message'. Make sure to only use"
                " property names that are defined by the type.",
                "RequestBodyRead",
            )


def _change(item: Message, told: dict[str, Any]) -> None:
    if isinstance(told.get("isRead"), bool):
        item.is_read = told["isRead"]
    elif "isRead" in told:
        raise bad_request("Cannot convert a primitive value to the expected type 'Edm.Boolean'.", "RequestBodyRead")
    item.categories = told.get("categories", item.categories)
    item.flag = told.get("flag", item.flag)
    if "bccRecipients" in told:
        item.bcc = told["bccRecipients"]
    rest = {key: value for key, value in told.items() if key in WHILE_DRAFT and key != "bccRecipients"}
    if "body" in rest:  # made anew from what it says, which keeps no other part
        kept = {"subject": "Subject", "internetMessageId": "Message-ID"}
        before = {key: view.value_of(item, key) for key in kept}
        before |= {"toRecipients": recipients_of(item.content, "To"), "ccRecipients": recipients_of(item.content, "Cc")}
        sender = recipients_of(item.content, "From")
        item.content = composed({"from": sender[0] if sender else None, **before, **rest}, "")
        return
    written = {"subject": "Subject", "internetMessageId": "Message-ID"}
    lists = {"toRecipients": "To", "ccRecipients": "Cc", "replyTo": "Reply-To"}
    for key, value in rest.items():
        if key in written:
            item.content = with_header(item.content, written[key], value)
        elif key in lists:
            who = ", ".join(one["emailAddress"]["address"] for one in value)
            item.content = with_header(item.content, lists[key], who or None)


async def move(_: Lab, ask: Ask) -> Answer:
    item = found(ask)
    target = ask.arguments("destinationId").get("destinationId")
    if not isinstance(target, str) or not target:
        raise bad_request("The required parameter 'destinationId' is missing.", "ErrorInvalidParameter")
    ask.mailbox.move(item, ask.mailbox.folder(target))
    return shown(ask, item, 201)


async def delete(_: Lab, ask: Ask) -> Answer:
    item, box = found(ask), ask.mailbox
    expected = ask.headers.get("If-Match")
    if expected not in {None, "*", f'W/"{view.change_key(item)}"'}:
        raise GraphError(412, "ErrorIrresolvableConflict", "The change key passed in the request does not match.")
    bin_ = box.folder("deleteditems")
    if item.folder_id in {bin_.id, box.folder("recoverableitemsdeletions").id}:
        box.move(item, box.folder("recoverableitemspurges"))
    else:
        box.move(item, box.folder("recoverableitemsdeletions"))
    return Answer(204)


async def permanent_delete(_: Lab, ask: Ask) -> Answer:
    ask.mailbox.move(found(ask), ask.mailbox.folder("recoverableitemspurges"))
    return Answer(204)
