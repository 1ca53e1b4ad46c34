"""Whether a mail was sent: by looking at what lies in the mailbox, so that nothing is repeated blindly.

The mailbox itself is the memory: a mail is found by its Message-ID as a draft, or as the copy in Sent Items.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

from mailwicket.errors import PermanentError, TransientError
from mailwicket.mail.token import is_of_ours
from mailwicket.net.graph.client import GraphMailbox
from mailwicket.net.graph.failure import ItemGoneError
from mailwicket.net.graph.place import folder_path, message_path, with_query
from mailwicket.rules.own import canonical

ORPHANS_MAX: Final = 100
_RECIPIENTS: Final = ("toRecipients", "ccRecipients", "bccRecipients")
_SELECTED: Final = {"$select": ",".join(("id", "isDraft", "parentFolderId", *_RECIPIENTS))}


class Fate(Enum):
    """What a look found."""

    SENT = auto()
    DRAFT = auto()
    """It is a draft still: not sent, or a moment ago."""
    VANISHED = auto()
    """The draft that was known is nowhere: on its way, as its copy in Sent Items appears late."""
    NOTHING = auto()
    """No draft was known, and there is none: never laid down, or on its way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found."""

    fate: Fate
    drafts: tuple[str, ...] = ()
    """Those that are in the way of sending it anew."""


async def look(
    mailbox: GraphMailbox,
    drafts_folder: str,
    message_id: str,
    draft: str | None,
    only_for: frozenset[str] | None = None,
) -> Seen:
    """Look for the mail *message_id*; for its *draft* first, whose immutable id the sent copy keeps.

    A copy that is not for whom it is *only_for* is another's.

    Raises:
        TransientError, BlockedError: see `GraphMailbox.call`.
    """
    try:
        found = await _found(mailbox, message_id, draft, only_for)
    except PermanentError as error:  # what is wrong is the question: of the mail it says nothing
        raise TransientError(str(error), reason="server_said") from error
    drafts = _drafts(found, drafts_folder)
    if any(not one["isDraft"] for one in found):
        return Seen(Fate.SENT, drafts)
    if drafts:
        return Seen(Fate.DRAFT, drafts)
    return Seen(Fate.NOTHING if draft is None or found else Fate.VANISHED)


async def _found(
    mailbox: GraphMailbox, message_id: str, draft: str | None, only_for: frozenset[str] | None
) -> list[Mapping[str, Any]]:
    if draft is not None:
        with suppress(ItemGoneError):
            return [_mail(mailbox, (await mailbox.call("GET", with_query(message_path(draft), _SELECTED))).json)]
    asked = {"$filter": f"internetMessageId eq '{message_id.replace(chr(39), chr(39) * 2)}'", **_SELECTED}
    listed = [_mail(mailbox, one) for one in await _listed(mailbox, with_query("messages", asked))]
    return [one for one in listed if only_for is None or one["isDraft"] or _recipients(one) == only_for]


def _mail(mailbox: GraphMailbox, told: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """Return *told*, of which nothing may be missing that decides."""
    kinds = {"id": str, "isDraft": bool, "parentFolderId": str}
    if not isinstance(told, dict) or not all(isinstance(told.get(name), kind) for name, kind in kinds.items()):
        raise TransientError(f"{mailbox.place.peer} answers with what is no mail", reason="server_said")
    return told


def _recipients(told: Mapping[str, Any]) -> set[str]:
    """Return to whom a mail went, canonical; fewer where something else stands there."""
    people = [one for name in _RECIPIENTS if isinstance(told.get(name), list) for one in told[name]]
    addresses = [one.get("emailAddress") for one in people if isinstance(one, dict)]
    named = [one.get("address") for one in addresses if isinstance(one, dict)]
    return {canonical(one) for one in named if isinstance(one, str)}


async def _listed(mailbox: GraphMailbox, path: str) -> list[Mapping[str, Any]]:
    """Return the first page of *path*: nobody has more mails of one id."""
    answer = (await mailbox.call("GET", path)).json
    rows = answer.get("value") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise TransientError(f"{mailbox.place.peer} answers with what is no list of mails", reason="server_said")
    return rows


def _drafts(found: Iterable[Mapping[str, Any]], folder: str) -> tuple[str, ...]:
    """Return those in the folder of drafts: what a person threw away, or transport holds, lies elsewhere."""
    return tuple(one["id"] for one in found if one["isDraft"] and one["parentFolderId"] == folder)


async def orphans(mailbox: GraphMailbox, drafts_folder: str, before: datetime) -> list[str]:
    """Return drafts of ours that were made *before* then, ORPHANS_MAX of them: by the form of their Message-ID.

    Raises:
        MailwicketError: see `GraphMailbox.call`.
    """
    asked = {
        "$filter": f"createdDateTime lt {before:%Y-%m-%dT%H:%M:%SZ}",
        "$select": "id,internetMessageId",
        "$top": str(ORPHANS_MAX),
    }
    listed = await _listed(mailbox, with_query(f"{folder_path(drafts_folder)}/messages", asked))
    ours = [one for one in listed if is_of_ours(str(one.get("internetMessageId") or "").strip("<>"))]
    return [one["id"] for one in ours if isinstance(one.get("id"), str)]
