"""A scenario's mail as bytes: from an .eml beside it, or from what its step says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.mail.head import split_header
from mailwicket.rehearsal.scenario import ScenarioError, moment

FIELDS: Final = {
    "from": "From",
    "to": "To",
    "cc": "Cc",
    "reply_to": "Reply-To",
    "subject": "Subject",
    "message_id": "Message-ID",
    "in_reply_to": "In-Reply-To",
    "references": "References",
}

Replace = Callable[[str], str]


def raw_of(told: Mapping[str, Any], beside: Path, at: datetime, replace: Replace) -> bytes:
    """Return the mail of a step; *replace* puts in what labels stand for.

    Raises:
        ScenarioError: a file cannot be read, or a key holds what it cannot.
    """
    if "file" in told:
        try:
            raw = (beside / str(told["file"])).read_bytes()
        except OSError as error:
            raise ScenarioError(f"mail: {told['file']}: {error.strerror}") from error
        return _with_fields(raw, told, at, replace)
    header = [*_fields(told, at, replace)]
    body = _body(told, beside, replace)
    return b"".join(_line(name, value) for name, value in header) + body


def _with_fields(raw: bytes, told: Mapping[str, Any], at: datetime, replace: Replace) -> bytes:
    """Put the fields that stand beside the file in place of the file's own."""
    named = {name for name in FIELDS if name in told}
    if not named and "headers" not in told and "date" not in told:
        return raw
    fields = [pair for pair in _fields(told, at, replace) if pair[0] != "Message-ID" or "message_id" in told]
    if "date" not in told:
        fields = [pair for pair in fields if pair[0] != "Date"]
    new = {name.lower() for name, _ in fields}
    _, begin = split_header(raw, 0, len(raw))
    kept: list[bytes] = []
    keep = True
    for line in raw[:begin].splitlines(keepends=True):
        if line[:1] not in (b" ", b"\t"):
            keep = line.split(b":", 1)[0].strip().decode("latin-1").lower() not in new
        if keep and line.strip():
            kept.append(line)
    ends = b"\r\n" if b"\r\n" in raw[:begin] else b"\n"
    return b"".join(_line(name, value) for name, value in fields) + b"".join(kept) + ends + raw[begin:]


def _fields(told: Mapping[str, Any], at: datetime, replace: Replace) -> Sequence[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for key, name in FIELDS.items():
        if key in told:
            fields.append((name, _joined(told[key], key, replace)))
    date = told.get("date")
    if isinstance(date, str):
        fields.append(("Date", replace(date)))
    else:
        fields.append(("Date", format_datetime(at if date is None else moment(date, "mail: date"))))
    headers = told.get("headers", {})
    if not isinstance(headers, Mapping):
        raise ScenarioError("mail: headers is no table")
    for name, value in headers.items():
        fields += ((name, replace(str(one))) for one in (value if isinstance(value, list) else [value]))
    return fields


def _joined(value: Any, key: str, replace: Replace) -> str:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return (" " if key in {"references", "in_reply_to"} else ", ").join(replace(one) for one in value)
    raise ScenarioError(f"mail: {key} is neither text nor a list of text")


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode()


def _body(told: Mapping[str, Any], beside: Path, replace: Replace) -> bytes:
    message = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
    text, html = told.get("text"), told.get("html")
    if text is not None or html is None:
        message.set_content(replace(str(text or "")), cte="8bit")
        if html is not None:
            message.add_alternative(replace(str(html)), subtype="html", cte="8bit")
    else:
        message.set_content(replace(str(html)), subtype="html", cte="8bit")
    for one in told.get("attach", ()):
        if not isinstance(one, Mapping) or "filename" not in one:
            raise ScenarioError("mail: attach is a list of {filename, text} or {filename, file}")
        try:
            content = (beside / str(one["file"])).read_bytes() if "file" in one else str(one.get("text", "")).encode()
        except OSError as error:
            raise ScenarioError(f"mail: attach: {one['file']}: {error.strerror}") from error
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=str(one["filename"]))
    return message.as_bytes()
