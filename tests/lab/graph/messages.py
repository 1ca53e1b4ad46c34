"""The routes about one message: show it, give its MIME, change it, move it, delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.lab.graph import shape, view
from tests.lab.graph.ask import Answer, Ask
from tests.lab.graph.exchange import given_out
from tests.lab.graph.mailboxes import Message
from tests.lab.graph.mime import composed, recipients_of, with_header
from tests.lab.graph.problem import GraphError, bad_request

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab


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
    shape.check(told)
    for name in () if item.is_draft else shape.draft_only(told):
        raise bad_request(f"Update is not allowed on '{name}' of an item that was sent.", "ErrorInvalidPropertySet")
    _change(item, told)
    ask.mailbox.note_update(item, "isRead" if set(told) == {"isRead"} else "")
    return shown(ask, item)


def _change(item: Message, told: dict[str, Any]) -> None:
    item.is_read = told.get("isRead", item.is_read)
    item.categories = told.get("categories", item.categories)
    item.flag = told.get("flag", item.flag)
    if "bccRecipients" in told:
        item.bcc = told["bccRecipients"]
    rest = {key: value for key, value in told.items() if key in shape.WHILE_DRAFT and key != "bccRecipients"}
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


async def delete(lab: Lab, ask: Ask) -> Answer:
    item, box = found(ask), ask.mailbox
    expected = ask.headers.get("If-Match")
    if expected not in {None, "*", f'W/"{view.change_key(item)}"'}:
        raise GraphError(412, "ErrorIrresolvableConflict", "The change key passed in the request does not match.")
    target = box.folder(lab.manners.deletes_to)
    if item.folder_id == target.id:
        target = box.folder("recoverableitemspurges")
    box.move(item, target, "deleted")
    return Answer(204)


async def permanent_delete(_: Lab, ask: Ask) -> Answer:
    ask.mailbox.move(found(ask), ask.mailbox.folder("recoverableitemspurges"), "deleted")
    return Answer(204)
