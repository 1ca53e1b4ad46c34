"""Upload sessions: opened at Graph, fed at another origin, which wants no Authorization header."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.graph.ask import MEBIBYTE, Answer, Ask
from tests.lab.graph.clock import Clock, stamp
from tests.lab.graph.drafts import SMALL_FILE, draft_found
from tests.lab.graph.mailboxes import Attachment, Mailbox, Message
from tests.lab.graph.problem import GraphError, access_denied, bad_request

if TYPE_CHECKING:
    from datetime import datetime

    from tests.lab.graph.lab import Lab

SLICE_LIMIT = 4 * MEBIBYTE
LARGEST = 150 * MEBIBYTE
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass
class Session:
    box: Mailbox
    draft: Message
    name: str
    size: int
    content_type: str
    is_inline: bool
    content_id: str | None
    ends: datetime
    got: bytearray = field(default_factory=bytearray)


@dataclass
class Uploads:
    """All sessions that are open."""

    clock: Clock
    origin: str = ""
    """Where slices go: another one than Graph's."""
    lifetime_s: float = 3600.0
    works_for_shared: bool = False
    """Known to fail where a user writes into another's mailbox."""
    with_authorization: int = 0
    """How often somebody sent a token to the other origin."""
    slices: list[tuple[int, int, int]] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)

    def put(self, key: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """Take one slice."""
        if "Authorization" in headers:
            self.with_authorization += 1
            raise GraphError(401, "InvalidAudience", "The audience claim value is invalid.")
        session = self._open(key)
        if headers.get("Content-Type") != "application/octet-stream":
            raise GraphError(415, "ErrorInvalidContentType", "Content-Type must be application/octet-stream.")
        match = RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None:
            raise bad_request("The Content-Range header is missing or malformed.", "ErrorInvalidContentRange")
        first, last, total = (int(number) for number in match.groups())
        if total != session.size or last - first + 1 != len(content) or last >= total:
            raise bad_request("Content-Range does not fit the content.", "ErrorInvalidContentRange")
        if len(content) >= SLICE_LIMIT:
            raise GraphError(413, "RequestEntityTooLarge", "A slice must be smaller than 4 MB.")
        if first != len(session.got):
            raise GraphError(416, "ErrorInvalidRange", f"The next expected range is {len(session.got)}-.")
        session.got += content
        self.slices.append((first, last, total))
        if len(session.got) < session.size:
            return self._state(session)
        del self.sessions[key]
        made = Attachment(
            session.box.new_id(),
            session.name,
            bytes(session.got),
            session.content_type,
            is_inline=session.is_inline,
            content_id=session.content_id,
        )
        session.draft.attachments.append(made)
        session.box.note_update(session.draft)
        place = f"Users('{session.box.address}')/Messages('{session.draft.rest_id}')/Attachments('{made.id}')"
        return Answer(201, headers={"Location": f"{self.origin}/api/v2.0/{place}"})

    def look(self, key: str) -> Answer:
        return self._state(self._open(key))

    def cancel(self, key: str) -> Answer:
        self._open(key)
        del self.sessions[key]
        return Answer(204)

    def _open(self, key: str) -> Session:
        session = self.sessions.get(key)
        if session is None or self.clock.now() >= session.ends:
            self.sessions.pop(key, None)
            raise GraphError(404, "ErrorUploadSessionNotFound", "The upload session has expired or does not exist.")
        return session

    def _state(self, session: Session) -> Answer:
        told = {"expirationDateTime": stamp(session.ends), "nextExpectedRanges": [str(len(session.got))]}
        return Answer(body={"@odata.context": f"{self.origin}/api/v2.0/$metadata#UploadSession", **told})


async def create_session(lab: Lab, ask: Ask) -> Answer:
    uploads, item = lab.uploads, draft_found(ask)
    told = ask.arguments("attachmentItem").get("attachmentItem")
    if not isinstance(told, dict) or told.get("attachmentType") != "file" or not told.get("name"):
        raise bad_request("The required parameter 'AttachmentItem' is missing or incomplete.", "ErrorInvalidParameter")
    size = told.get("size")
    if not isinstance(size, int) or not 0 < size <= LARGEST:
        raise bad_request("The attachment size is not valid.", "ErrorAttachmentSizeLimitExceeded")
    if size < SMALL_FILE:
        raise bad_request(
            "The attachment is too small for an upload session.", "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"
        )
    user = ask.grant.user.lower()
    if user and user != ask.mailbox.address.lower() and not uploads.works_for_shared:
        raise access_denied()
    key = secrets.token_urlsafe(32)
    uploads.sessions[key] = Session(
        ask.mailbox,
        item,
        told["name"],
        size,
        told.get("contentType") or "application/octet-stream",
        bool(told.get("isInline")),
        told.get("contentId"),
        lab.clock.now() + lab.seconds(uploads.lifetime_s),
    )
    place = f"Users('{ask.mailbox.address}')/Messages('{item.rest_id}')/AttachmentSessions('{key[:8]}')"
    return Answer(
        201,
        {
            "@odata.context": f"{ask.prefix}/$metadata#microsoft.graph.uploadSession",
            "uploadUrl": f"{uploads.origin}/api/v2.0/{place}?authtoken={key}",
            "expirationDateTime": stamp(uploads.sessions[key].ends),
            "nextExpectedRanges": ["0-"],
        },
    )
