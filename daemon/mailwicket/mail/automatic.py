"""Whether a machine wrote a mail, so that nothing may answer it by itself (RFC 3834)."""

from __future__ import annotations

from mailwicket.mail.header import Header, words
from mailwicket.model import Automatic

BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
MARKS = ("x-autoreply", "x-autorespond", "x-auto-reply-from")


def automatic(header: Header, subject: str, text: str) -> Automatic | None:  # noqa: ARG001
    """Tell why a machine is held to have written the mail, or None; List-Id alone does not make it automatic.

    Source: RFC 3834 5 (Auto-Submitted other than "no") and its relatives. An unreadable value counts as
    automatic: a missing answer costs less than a mail loop.
    """
    submitted = header.get("auto-submitted").partition(";")[0].strip().casefold()
    if submitted and submitted != "no":
        return Automatic(f"Auto-Submitted: {words(submitted)[:80]}")
    precedence = header.get("precedence").strip().casefold()
    if precedence in BULK:
        return Automatic(f"Precedence: {precedence}")
    for name in MARKS:
        if name in header and header.get(name).strip().casefold() not in {"no", "false"}:
            return Automatic(name)
    return None
