"""Which properties a message may have when it is sent to Graph, and of what kind their values are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.lab.graph.problem import bad_request


def _text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _one_of(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.lower() in names


def _record(**kinds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """An object with no other members than these."""

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and all(
            "@odata." in name or (name in kinds and kinds[name](one)) for name, one in value.items()
        )

    return fits


def _several(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(kind(one) for one in value)


_ADDRESS = _record(address=_text, name=_text)


def _recipient(value: Any) -> bool:
    return _record(emailAddress=_ADDRESS)(value) and bool(value.get("emailAddress", {}).get("address"))


ANY_TIME: dict[str, Callable[[Any], bool]] = {
    "isRead": _truth,
    "categories": _texts,
    "flag": lambda value: isinstance(value, dict),
    "importance": _one_of("low", "normal", "high"),
    "inferenceClassification": _one_of("focused", "other"),
}
WHILE_DRAFT: dict[str, Callable[[Any], bool]] = {
    "subject": _text,
    "body": _record(contentType=_one_of("text", "html"), content=_text),
    "toRecipients": _several(_recipient),
    "ccRecipients": _several(_recipient),
    "bccRecipients": _several(_recipient),
    "replyTo": _several(_recipient),
    "from": _recipient,
    "sender": _recipient,
    "internetMessageId": _text,
    "isDeliveryReceiptRequested": _truth,
    "isReadReceiptRequested": _truth,
}
WHEN_MADE: dict[str, Callable[[Any], bool]] = {
    "internetMessageHeaders": _several(_record(name=_text, value=_text)),
    "attachments": _several(lambda value: isinstance(value, dict)),
}
READ_ONLY = ("id", "changeKey", "createdDateTime", "receivedDateTime", "isDraft", "parentFolderId", "hasAttachments")


def check(told: dict[str, Any], *, made: bool = False) -> None:
    """Let properties of a message pass; *made*: also those that it has from its beginning or never.

    Raises:
        GraphError: one is unknown, read-only or of another kind.
    """
    kinds = ANY_TIME | WHILE_DRAFT | (WHEN_MADE if made else {})
    for name, value in told.items():
        if "@odata." in name:
            continue
        if name in READ_ONLY:
            raise bad_request(f"The property '{name}' is read-only and cannot be set.", "ErrorInvalidPropertySet")
        if name not in kinds:
            raise bad_request(
                f"The property '{name}' does not exist on type 'microsoft.graph.message'. Make sure to only use"
                " property names that are defined by the type.",
                "RequestBodyRead",
            )
        if not kinds[name](value):
            raise bad_request(f"The value of '{name}' cannot be converted to its type.", "RequestBodyRead")


def draft_only(names: Iterable[str]) -> list[str]:
    """Those that no longer change once a message was sent."""
    return [name for name in names if name in WHILE_DRAFT]
