"""What a mail says, as `mailwicket explain --json` prints it: a contract with other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mailwicket.mail.address import here
from mailwicket.mail.forwarded import passed_on
from mailwicket.mail.header import Header
from mailwicket.mail.html import sanitised
from mailwicket.mail.quoted import reply_text
from mailwicket.model import Address, Mail

QUOTE_WORDS: Final = (
    "quot", "cite", "reply", "rplyfwd", "append", "border-", "top-style", "signature", "gmail_", "moz-", "olk_", "qt",
    "reference", "forwardcontent", "origbody", "stopspelling", "zwchr", "sig_", "zmail",
)  # fmt: skip
"""One of them at least stands in HTML in which a program marks a quote; laying it out again is dear."""


def explain(mail: Mail) -> dict[str, Any]:
    """Return every field that JSON consumers are promised, without `file`."""
    inner = passed_on(mail)
    author, to = mail.author, mail.to
    if author is None or not to:  # a mail that never left its host, of a user there or to one
        header = Header(mail.header)
        author = author or next(iter(here(header.get("from"))), None)
        to = to or here(header.get("to"))
    return {
        "subject": mail.subject,
        "from": None if author is None else _person(author),
        "to": _people(to),
        "cc": _people(mail.cc),
        "reply_to": _people(mail.reply_to),
        "message_id": mail.message_id,
        "in_reply_to": next(iter(mail.in_reply_to), None),
        "references": list(mail.references),
        "date": None if mail.date is None else mail.date.isoformat(),
        "text": mail.text,
        "reply_text": new_words(mail) if inner is None else inner.own_words,
        "html": None if mail.html is None else sanitised(mail.html),
        "attachments": [
            {
                "filename": one.filename,
                "content_type": one.content_type,
                "size": one.size,
                "sha256": one.sha256,
                "inline": one.inline,
                "content_id": one.content_id,
            }
            for one in mail.attachments
        ],
        "auto_submitted": {
            "value": mail.automatic is not None or mail.bounce is not None,
            "reason": mail.automatic.reason if mail.automatic else "delivery report" if mail.bounce else None,
        },
        "bounce": {
            "is_bounce": mail.bounce is not None,
            "recipients": [] if mail.bounce is None else list(mail.bounce.recipients),
            "permanent": None if mail.bounce is None else mail.bounce.permanent,
        },
        "forwarded": {
            "is_forward": inner is not None,
            "original_from": _person(inner.author) if inner and inner.author else None,
            "original_subject": inner.subject if inner else None,
            "original_text": inner.text if inner else None,
        },
        "damage": list(mail.damage),
    }


def new_words(mail: Mail) -> str:
    """Return what somebody wrote in *mail*, without what he quotes and his signature."""
    if not mail.is_laid_out or mail.html is None:
        return reply_text(mail.text)
    markup = mail.html.lower()
    return reply_text(mail.text, mail.html if any(word in markup for word in QUOTE_WORDS) else None)


def _person(one: Address) -> dict[str, str | None]:
    return {"name": one.name, "address": one.address}


def _people(found: Sequence[Address]) -> list[dict[str, str | None]]:
    return [_person(one) for one in found]
