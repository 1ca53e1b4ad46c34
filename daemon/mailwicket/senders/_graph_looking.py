"""Whether a mail was sent: by looking at what lies in the mailbox, so that nothing is repeated blindly.

The mailbox itself is the memory: a mail is found by its Message-ID as a draft, or as the copy in Sent Items. What this
process knows of a draft makes the look sharper, and nothing is lost with it; no row of ours says more than the mailbox.
"""

from __future__ import annotations

from collections import OrderedDict
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

KNOWN_MAX: Final = 1000
ORPHANS_MAX: Final = 100
_SELECTED: Final = {"$select": "id,isDraft,parentFolderId"}


@dataclass(slots=True)
class Trace:
    """What is known of a mail that may have been sent."""

    since: float
    """When that was first asked, by the event loop's clock."""
    draft: str | None
    """Its draft; None where it may have none."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A whole draft that could not be sent yet."""

    draft: str
    digest: str
    """Of the mail that it holds."""


class Traces:
    """The traces of one sender, over all its connections."""

    def __init__(self) -> None:
        """Know of none."""
        self._known: OrderedDict[str, Trace] = OrderedDict()
        self._laid: OrderedDict[str, Laid] = OrderedDict()
        self._removed: OrderedDict[str, None] = OrderedDict()
        self._doubtful: OrderedDict[str, None] = OrderedDict()
        self._swept_at: float | None = None

    def keep(self, message_id: str, now: float, draft: str | None = None) -> Trace:
        """Return the trace of a mail, begun *now* where there was none; *draft* is what was sent last."""
        trace = self._known.setdefault(message_id, Trace(now, draft))
        if draft is not None and draft != trace.draft:
            trace.since, trace.draft = now, draft
        _bound(self._known)
        return trace

    def remove(self, draft: str) -> None:
        """*draft* is about to be removed: that it is gone proves nothing from now on, and nobody sends it any more."""
        self._removed[draft] = None
        _bound(self._removed)

    def proves_sent(self, draft: str | None) -> bool:
        """Tell whether *draft*, which is nowhere to be found, was sent: nothing else makes it vanish but ourselves."""
        return draft is not None and draft not in self._removed

    def forget(self, message_id: str) -> None:
        """It is decided."""
        self._known.pop(message_id, None)

    def doubt(self, message_id: str | None) -> None:
        """A mail may have a draft that nobody will send: the answer to its making was lost."""
        if message_id is not None:
            self._doubtful[message_id] = None
            _bound(self._doubtful)

    def doubted(self, message_id: str) -> bool:
        """Tell whether that was so, once."""
        return self._doubtful.pop(message_id, ...) is None

    def put_laid(self, message_id: str | None, laid: Laid) -> None:
        """Keep a draft for the next attempt; of a mail without an id it is found by none."""
        if message_id is not None:
            self._laid[message_id] = laid
            _bound(self._laid)

    def take_laid(self, message_id: str | None) -> Laid | None:
        """Return the draft that was kept, once; None where we had it removed since."""
        laid = self._laid.pop(message_id, None) if message_id is not None else None
        return None if laid is None or laid.draft in self._removed else laid

    def sweeps(self, now: float, every_s: float) -> bool:
        """Tell whether it is time to look for what was left behind, and count that as done *now*."""
        if self._swept_at is not None and now - self._swept_at < every_s:
            return False
        self._swept_at = now
        return True


def _bound(known: OrderedDict[str, Any]) -> None:
    while len(known) > KNOWN_MAX:
        known.popitem(last=False)


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


async def look(mailbox: GraphMailbox, drafts_folder: str, message_id: str, draft: str | None) -> Seen:
    """Look for the mail *message_id*; for its *draft* first, whose immutable id the sent copy keeps.

    Raises:
        TransientError, BlockedError: see `GraphMailbox.call`.
    """
    try:
        found = await _found(mailbox, message_id, draft)
    except PermanentError as error:  # what is wrong is the question: of the mail it says nothing
        raise TransientError(str(error), reason="server_said") from error
    drafts = _drafts(found, drafts_folder)
    if any(one.get("isDraft") is False for one in found):
        return Seen(Fate.SENT, drafts)
    if drafts:
        return Seen(Fate.DRAFT, drafts)
    return Seen(Fate.NOTHING if draft is None or found else Fate.VANISHED)


async def _found(mailbox: GraphMailbox, message_id: str, draft: str | None) -> list[Mapping[str, Any]]:
    if draft is not None:
        with suppress(ItemGoneError):
            found = (await mailbox.call("GET", with_query(message_path(draft), _SELECTED))).json
            if isinstance(found, dict):
                return [found]
            raise TransientError(f"{mailbox.place.peer} answers with what is no mail", reason="server_said")
    asked = {"$filter": f"internetMessageId eq '{message_id.replace(chr(39), chr(39) * 2)}'", **_SELECTED}
    return await _listed(mailbox, with_query("messages", asked))


async def _listed(mailbox: GraphMailbox, path: str) -> list[Mapping[str, Any]]:
    """Return the first page of *path*: nobody has more mails of one id."""
    answer = (await mailbox.call("GET", path)).json
    rows = answer.get("value") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise TransientError(f"{mailbox.place.peer} answers with what is no list of mails", reason="server_said")
    return rows


def _drafts(found: Iterable[Mapping[str, Any]], folder: str) -> tuple[str, ...]:
    """Return those in the folder of drafts: what a person threw away, or transport holds, lies elsewhere."""
    return tuple(str(one["id"]) for one in found if one.get("isDraft") and one.get("parentFolderId") == folder)


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
    return [str(one["id"]) for one in listed if is_of_ours(str(one.get("internetMessageId") or "").strip("<>"))]
