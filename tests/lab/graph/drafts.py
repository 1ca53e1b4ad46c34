"""The routes that make drafts and hang files on them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from tests.lab.graph import shape, view
from tests.lab.graph.ask import MEBIBYTE, Answer, Ask
from tests.lab.graph.mailboxes import Attachment, Message
from tests.lab.graph.messages import found, shown
from tests.lab.graph.mime import composed, message_id_of, recipients_of, text_of, with_header
from tests.lab.graph.problem import GraphError, bad_request, no_such_item, too_large

if TYPE_CHECKING:
    from tests.lab.graph.lab import Lab

REQUEST_LIMIT = 4 * MEBIBYTE
SMALL_FILE = 3 * MEBIBYTE
MAX_OWN_HEADERS = 5


async def create(lab: Lab, ask: Ask) -> Answer:
    """A draft from JSON, or from MIME."""
    refuse_full(ask)
    content, files, bcc = mail_asked(lab, ask, None if ask.is_mime() else ask.json())
    item = ask.mailbox.deliver(content, "drafts", is_read=True, is_draft=True)
    item.attachments, item.bcc = files, bcc
    return shown(ask, item, 201)


def refuse_full(ask: Ask) -> None:
    if ask.mailbox.is_full:
        raise GraphError(507, "ErrorQuotaExceeded", "The mailbox is full.")


def mail_asked(lab: Lab, ask: Ask, told: dict[str, Any] | None) -> tuple[bytes, list[Attachment], list[dict[str, Any]]]:
    """The mail of a request: its text, files beside it, and whom its text does not name."""
    if told is None:
        return _own_ids(lab, ask.mime(REQUEST_LIMIT)), [], []
    if len(ask.content) > REQUEST_LIMIT:
        raise too_large()
    shape.check(told, made=True)
    _check_headers(told.get("internetMessageHeaders") or [])
    files = [file_asked(ask, one) for one in told.get("attachments") or ()]
    return composed(told, ask.mailbox.address), files, list(told.get("bccRecipients") or ())


def _own_ids(lab: Lab, raw: bytes) -> bytes:
    """Transport may give a mail a Message-ID of its own; one without any gets it in any case."""
    if message_id_of(raw) and lab.sending.keeps_message_id:
        return raw
    return with_header(raw, "Message-ID", f"<{lab.ids.new('AM0EX01')[:30]}@eurprd01.prod.outlook.example>")


def _check_headers(headers: list[dict[str, Any]]) -> None:
    for header in headers:
        name = header.get("name", "")
        if not name.lower().startswith("x-"):
            raise bad_request(
                f"The internet message header name '{name}' should start with 'x-' or 'X-'.",
                "InvalidInternetMessageHeader",
            )
    if len(headers) > MAX_OWN_HEADERS:
        raise bad_request(
            "Maximum number of headers in one message should be less than or equal to 5.",
            "InvalidInternetMessageHeaderCollection",
        )


async def create_reply(lab: Lab, ask: Ask) -> Answer:
    item = ask.mailbox.deliver(reply_asked(lab, ask, found(ask)), "drafts", is_read=True, is_draft=True)
    return shown(ask, item, 201)


def reply_asked(lab: Lab, ask: Ask, to: Message) -> bytes:
    """The text of an answer to a mail."""
    if ask.is_mime():
        return _own_ids(lab, ask.mime(REQUEST_LIMIT))
    told = ask.arguments("message", "comment") if ask.content else {}
    message = dict(told.get("message") or {})
    shape.check(message, made=True)
    _check_headers(message.get("internetMessageHeaders") or [])
    if told.get("comment") is not None and "body" in message:
        raise bad_request("Comment and Message.Body cannot both be given.", "ErrorInvalidRequest")
    subject = view.value_of(to, "subject")
    sender = recipients_of(to.content, "Reply-To") or recipients_of(to.content, "From")
    quoted, kind = text_of(to.content)
    words = message.get("body") or {"contentType": kind, "content": f"{told.get('comment') or ''}\r\n{quoted}"}
    given = {
        "subject": subject if re.match(r"re:", subject, re.IGNORECASE) else f"RE: {subject}",
        "toRecipients": sender,
        **message,
        "body": words,
    }
    references = " ".join(filter(None, [dict(_plain(to)).get("references", ""), to.internet_message_id]))
    threading = {"In-Reply-To": to.internet_message_id, "References": references}
    return composed(given, ask.mailbox.address, threading)


def _plain(item: Message) -> list[tuple[str, str]]:
    return [(one["name"].lower(), one["value"]) for one in view.value_of(item, "internetMessageHeaders") or ()]


# --- attachments ----------------------------------------------------------------------------------------------------


async def attachments(_: Lab, ask: Ask) -> Answer:
    listed = [view.attachment(one, ask.options.select) for one in view.attachments(found(ask))]
    return Answer(body=view.page(ask, listed, {}, "attachments"))


async def attachment(_: Lab, ask: Ask) -> Answer:
    for one in view.attachments(found(ask)):
        if one.id == ask.segments["attachment"]:
            return Answer(body=view.attachment(one, ask.options.select, base64.b64encode(one.content).decode()))
    raise no_such_item()


async def attach(_: Lab, ask: Ask) -> Answer:
    item = draft_found(ask)
    if len(ask.content) > REQUEST_LIMIT:
        raise too_large()
    item.attachments.append(file_asked(ask, ask.json()))
    ask.mailbox.note_update(item)
    return Answer(201, view.attachment(item.attachments[-1]))


def draft_found(ask: Ask) -> Message:
    item = found(ask)
    if not item.is_draft:
        raise bad_request("Items that were sent cannot be changed.", "ErrorInvalidOperation")
    return item


def file_asked(ask: Ask, told: dict[str, Any]) -> Attachment:
    """A file given in JSON."""
    if told.get("@odata.type") != "#microsoft.graph.fileAttachment":
        raise bad_request("A type named in @odata.type is missing or unknown.", "RequestBodyRead")
    try:
        content = base64.b64decode(told.get("contentBytes") or "", validate=True)
    except (binascii.Error, TypeError):
        raise bad_request("Cannot convert the literal to the expected type 'Edm.Binary'.", "RequestBodyRead") from None
    if len(content) >= SMALL_FILE:
        raise too_large("The attachment is too large for one request: create an upload session.")
    return Attachment(
        ask.mailbox.new_id(),
        str(told.get("name") or ""),
        content,
        str(told.get("contentType") or "application/octet-stream"),
        is_inline=bool(told.get("isInline")),
        content_id=told.get("contentId"),
    )
