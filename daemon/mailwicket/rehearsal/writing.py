"""A scenario's mail as bytes: from an .eml beside it, or from what its step says."""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import encode_rfc2231, format_datetime
from pathlib import Path
from typing import Any, Final

from mailwicket.mail.head import split_header
from mailwicket.mail.media import type_by_name
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

BOUNDARY: Final = "=_rehearsal_b2f7c1"
BODY: Final = frozenset({"text", "html", "attach"})

Replace = Callable[[str], str]


def raw_of(told: Mapping[str, Any], beside: Path, at: datetime, replace: Replace) -> bytes:
    """Return the mail of a step; *replace* puts in what labels stand for.

    Raises:
        ScenarioError: a file cannot be read, or a key holds what it cannot.
    """
    if "file" in told:
        return _with_fields(_content(beside, told["file"], "mail"), told, at, (beside, replace))
    header = b"".join(_line(name, value) for name, value in _fields(told, at, replace))
    return header + _body(told, beside, replace)


def _content(beside: Path, name: object, where: str) -> bytes:
    try:
        return (beside / str(name)).read_bytes()
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{where}: {name}: {getattr(error, 'strerror', None) or error}") from error


def _with_fields(raw: bytes, told: Mapping[str, Any], at: datetime, by: tuple[Path, Replace]) -> bytes:
    """Put what stands beside the file in place of the file's own fields and body."""
    beside, replace = by
    has_body = not BODY.isdisjoint(told)
    if not has_body and told.keys().isdisjoint({*FIELDS, "headers", "date"}):
        return raw
    fields = [pair for pair in _fields(told, at, replace) if pair[0] != "Date" or "date" in told]
    gone = {name.lower() for name, _ in fields} | {FIELDS[key].lower() for key in FIELDS if key in told}
    _, begin = split_header(raw, 0, len(raw))
    kept: list[bytes] = []
    keep = True
    for line in raw[:begin].splitlines(keepends=True):
        if line[:1] not in (b" ", b"\t"):
            name = line.split(b":", 1)[0].strip().decode("latin-1").lower()
            keep = name not in gone and not (has_body and name.startswith(("content-", "mime-version")))
        if keep and line.strip():
            kept.append(line)
    ends = b"\r\n" if b"\r\n" in raw[:begin] else b"\n"
    body = _body(told, beside, replace) if has_body else ends + raw[begin:]
    return b"".join(_line(name, value) for name, value in fields) + b"".join(kept) + body


def _fields(told: Mapping[str, Any], at: datetime, replace: Replace) -> Sequence[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for key, name in FIELDS.items():
        if key in told and (key != "message_id" or told[key] != ""):
            fields.append((name, _joined(told[key], key, replace)))
    fields.append(("Date", _date(told.get("date", at), replace)))
    for name, value in told.get("headers", {}).items():
        if not re.fullmatch(r"[!-9;-~]+", name):
            raise ScenarioError(f"mail: headers: {name!r} is no name of a field")
        fields += ((name, replace(str(one))) for one in (value if isinstance(value, list) else [value]))
    return fields


def _date(value: Any, replace: Replace) -> str:  # noqa: ANN401 - whatever TOML holds
    """Return a moment as RFC 5322 writes it; text that is none stands as it is: odd dates can be rehearsed, too."""
    try:
        return format_datetime(moment(value, "mail: date"))
    except ScenarioError:
        if isinstance(value, str):
            return replace(value)
        raise


def _joined(value: Any, key: str, replace: Replace) -> str:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return (" " if key in {"references", "in_reply_to"} else ", ").join(replace(one) for one in value)
    raise ScenarioError(f"mail: {key} is neither text nor a list of text")


def _line(name: str, value: str) -> bytes:
    lines = value.rstrip().split("\n")
    if any(line[:1] not in {" ", "\t"} for line in lines[1:]):
        raise ScenarioError(f"mail: {name}: a line that goes on begins with a blank")
    return f"{name}: {chr(10).join(lines)}\r\n".replace("\r", "").replace("\n", "\r\n").encode()


def _body(told: Mapping[str, Any], beside: Path, replace: Replace) -> bytes:
    message = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
    text, html = told.get("text"), told.get("html")
    if text is not None or html is None:
        message.set_content(replace(str(text or "")), cte="8bit")
        if html is not None:
            message.add_alternative(replace(str(html)), subtype="html", cte="8bit")
    else:
        message.set_content(replace(str(html)), subtype="html", cte="8bit")
    if not told.get("attach"):
        return message.as_bytes()
    parts = [message.as_bytes(), *(_attached(one, beside, replace) for one in told["attach"])]
    edge = b"\r\n--" + BOUNDARY.encode()
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{BOUNDARY}"\r\n'.encode()
    return b"".join([head, *(edge + b"\r\n" + part for part in parts), edge + b"--\r\n"])


def _attached(one: Mapping[str, Any], beside: Path, replace: Replace) -> bytes:
    name = replace(str(one["filename"]))
    content = replace(str(one.get("text", ""))).encode()
    if "file" in one:
        content = _content(beside, one["file"], "mail: attach")
    kind = type_by_name(name)
    encoding = "8bit" if kind == "message/rfc822" else "base64"
    header = [
        f"Content-Type: {kind}",
        f"Content-Disposition: attachment; filename*={encode_rfc2231(name, 'utf-8')}",
        f"Content-Transfer-Encoding: {encoding}",
    ]
    return "\r\n".join([*header, "", ""]).encode() + (content if encoding == "8bit" else encodebytes(content))
