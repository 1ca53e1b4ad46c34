"""How Graph shows what Exchange keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.lab.graph.ask import Ask
from tests.lab.graph.clock import stamp
from tests.lab.graph.mailboxes import Attachment, Folder, Mailbox, Message
from tests.lab.graph.mime import decoded, files_of, headers_of, parsed, recipients_of, text_of

MESSAGE = (
    "id", "createdDateTime", "lastModifiedDateTime", "changeKey", "categories", "receivedDateTime", "sentDateTime",
    "hasAttachments", "internetMessageId", "subject", "bodyPreview", "importance", "parentFolderId", "conversationId",
    "conversationIndex", "isDeliveryReceiptRequested", "isReadReceiptRequested", "isRead", "isDraft", "webLink",
    "inferenceClassification", "body", "sender", "from", "toRecipients", "ccRecipients", "bccRecipients", "replyTo",
    "flag",
)  # fmt: skip
SELECTABLE = (*MESSAGE, "internetMessageHeaders", "uniqueBody")
ATTACHMENT = ("id", "name", "contentType", "size", "isInline", "lastModifiedDateTime", "contentId", "contentBytes")
FOLDER = (
    "id", "displayName", "parentFolderId", "childFolderCount", "unreadItemCount", "totalItemCount", "sizeInBytes",
    "isHidden",
)  # fmt: skip


def message_id(message: Message, *, immutable: bool) -> str:
    return message.immutable_id if immutable else message.rest_id


def message(
    item: Message, *, immutable: bool, select: Sequence[str] = (), expand: Sequence[str] = (), prefix: str = ""
) -> dict[str, Any]:
    """All of a message, or what was selected; `id` and the annotations always come."""
    wanted = select or MESSAGE
    shown = {
        "@odata.etag": f'W/"{change_key(item)}"',
        "id": message_id(item, immutable=immutable),
        "aFieldOfTomorrow@example.kind": "#unknown",
        "aFieldOfTomorrow": {"nested": [1, None]},
    }
    shown |= {name: value for name in wanted if name != "id" and (value := _property(item, name)) is not ...}
    if "attachments" in expand:
        shown["attachments"] = [attachment(one) for one in attachments(item)]
    if prefix:
        shown["@odata.context"] = f"{prefix}/$metadata#users('x')/messages/$entity"
    return shown


def change_key(item: Message) -> str:
    return f"CQAAABYAAAA{item.immutable_id[-12:-4]}{item.version:04}=="


def _property(item: Message, name: str) -> Any:  # noqa: C901, PLR0911, PLR0912 - a property a case
    raw = item.content
    match name:
        case "createdDateTime" | "receivedDateTime" | "sentDateTime":
            return stamp(item.received)
        case "lastModifiedDateTime":
            return stamp(item.changed)
        case "changeKey":
            return change_key(item)
        case "categories" | "flag":
            return getattr(item, name)
        case "hasAttachments":
            return bool(attachments(item))
        case "internetMessageId":
            return item.internet_message_id
        case "subject":
            return decoded(str(parsed(raw).get("Subject", "")))
        case "bodyPreview":
            return text_of(raw)[0][:255]
        case "importance":
            return "normal"
        case "parentFolderId":
            return item.folder_id
        case "conversationId":
            return f"AAQkAGI2-{item.immutable_id[-20:]}"
        case "isRead":
            return item.is_read
        case "isDraft":
            return item.is_draft
        case "isDeliveryReceiptRequested":
            return None
        case "isReadReceiptRequested":
            return False
        case "webLink":
            return "https://outlook.example/owa/?ItemID=x&exvsurl=1&viewmodel=ReadMessageItem"
        case "inferenceClassification":
            return "focused"
        case "body" | "uniqueBody":
            content, kind = text_of(raw)
            return {"contentType": kind, "content": content}
        case "from" | "sender":
            return next(iter(recipients_of(raw, "From")), None) or ...
        case "toRecipients" | "ccRecipients" | "replyTo":
            return recipients_of(raw, {"to": "To", "cc": "Cc", "re": "Reply-To"}[name[:2]])
        case "bccRecipients":
            return [*item.bcc, *recipients_of(raw, "Bcc")] if item.is_draft else []
        case "internetMessageHeaders":
            return [{"name": key, "value": value} for key, value in headers_of(raw)] or ...
    return ...


def value_of(item: Message, name: str) -> Any:
    """A property as `$filter` and `$orderby` compare it."""
    match name:
        case "receivedDateTime" | "sentDateTime" | "createdDateTime":
            return item.received.replace(microsecond=0)
        case "lastModifiedDateTime":
            return item.changed
        case "from" | "sender":
            return str(_property(item, name))
    found = _property(item, name)
    return None if found is ... else found


def folder(box: Mailbox, item: Folder, select: Sequence[str] = ()) -> dict[str, Any]:
    inside = box.messages(item.id)
    told = {
        "id": item.id,
        "displayName": item.display_name,
        "parentFolderId": item.parent_id or item.id,
        "childFolderCount": len(box.children(item)),
        "unreadItemCount": sum(not one.is_read for one in inside),
        "totalItemCount": len(inside),
        "sizeInBytes": sum(len(one.content) for one in inside),
        "isHidden": False,
    }
    return {key: value for key, value in told.items() if not select or key in {"id", *select}}


def attachments(item: Message) -> list[Attachment]:
    """What came in the text, and what was hung on since."""
    inside = [
        Attachment(f"{item.immutable_id[:-4]}ATT{number}=", name, content, kind)
        for number, (name, kind, content) in enumerate(files_of(item.content))
    ]
    return [*inside, *item.attachments]


def attachment(item: Attachment, select: Sequence[str] = (), content: str | None = None) -> dict[str, Any]:
    """Of a file; its *content*, in base64, comes with the attachment alone."""
    told = {
        "id": item.id,
        "name": item.name,
        "contentType": item.content_type,
        "size": len(item.content),
        "isInline": item.is_inline,
        "contentId": item.content_id,
    } | ({} if content is None else {"contentBytes": content})
    shown = {key: value for key, value in told.items() if not select or key in {"id", *select}}
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "@odata.mediaContentType": item.content_type,
        **shown,
    }


def page(ask: Ask, value: list[dict[str, Any]], links: dict[str, str], name: str = "messages") -> dict[str, Any]:
    """A collection."""
    return {"@odata.context": f"{ask.prefix}/$metadata#{name}", "value": value, **links}
