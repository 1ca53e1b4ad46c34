"""A mail as a draft in the mailbox: laid down whole, with its large files, before anybody sends it."""

from __future__ import annotations

import json as text_json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
import pybase64

from mailwicket.errors import BlockedError, MailwicketError, PermanentError, TransientError
from mailwicket.net.graph.client import GraphMailbox
from mailwicket.net.graph.failure import TooLargeError, UnsureError
from mailwicket.net.graph.place import folder_path, message_path, with_query
from mailwicket.senders._graph_mime import File, Load, is_light

log = logging.getLogger(__name__)

SMALL_BYTES: Final = 3 * 1024 * 1024
"""A smaller file goes in one request; of this size on an upload session is wanted, and below it none is given."""

SLICE_BYTES: Final = 3 * 1024 * 1024
"""Each slice must be under 4 MB."""

SESSIONS: Final = 2
"""A session that ended is begun anew once."""

DISCARD_S: Final = 10

STUCK: Final = 3
"""So often in one session a slice may be lost, or bring it no further."""

BODY: Final = "text/plain"
"""MIME, in base64."""


async def drafts_folder(mailbox: GraphMailbox) -> str:
    """Return the folder of drafts: that opens a mailbox, and reads nothing of it.

    Raises:
        MailwicketError: see `GraphMailbox.call`.
    """
    try:
        answer = await mailbox.call("GET", with_query(folder_path("drafts"), {"$select": "id"}))
    except PermanentError as error:
        raise BlockedError(str(error), reason="refused") from error
    folder = answer.json.get("id") if isinstance(answer.json, dict) else None
    if not isinstance(folder, str):
        raise TransientError(f"{mailbox.place.peer} answers with what is no folder", reason="server_said")
    return folder


class Drafts:
    """The drafts of one mailbox."""

    def __init__(self, mailbox: GraphMailbox, removing: Callable[[str], None]) -> None:
        """Lay them down in *mailbox*; *removing* is told before one is removed."""
        self._mailbox = mailbox
        self._removing = removing

    async def create(self, mime: bytes, message_id: str | None) -> str:
        """Make a draft from *mime*; return its immutable id. Its Message-ID is *message_id*, as far as Exchange lets.

        Raises:
            UnsureError: there may be one now.
            TooLargeError: *mime* is too long, even where the answer is 200: that is no draft.
            MailwicketError: see `GraphMailbox.call`.
        """
        content = await encoded(mime)
        answer = await self._mailbox.call("POST", "messages", body=content, content_type=BODY, wanted=(200, 201))
        told = answer.json if isinstance(answer.json, dict) else {}
        if answer.status != 201 or not isinstance(told.get("id"), str):
            peer = self._mailbox.place.peer
            words = f"{peer} answers {answer.status} to a draft of {len(mime)} bytes, and names none"
            if answer.status == 200 and not is_light(mime):
                raise TooLargeError(words)
            raise UnsureError(words, reason="server_said")
        draft: str = told["id"]
        if message_id is not None and told.get("internetMessageId") != message_id:
            await self._name(draft, message_id)
        return draft

    async def _name(self, draft: str, message_id: str) -> None:
        """Have the draft bear our Message-ID: by it answers and reports are told apart, and the mail is found again."""
        try:
            await self._mailbox.call("PATCH", message_path(draft), json={"internetMessageId": message_id})
        except PermanentError as error:
            log.warning("graph keeps a Message-ID of its own server=%s: %s", self._mailbox.place.peer, error)
        except Exception:
            await self.discard(draft)
            raise

    async def hang(self, draft: str, load: Load) -> None:
        """Hang the files of *load* on *draft*, one by one.

        Raises:
            MailwicketError: see `GraphMailbox.call`; the draft is not whole then.
        """
        for file in load.files:
            await self._hang(draft, file)

    async def discard(self, draft: str) -> bool:
        """Remove *draft*; return whether we did: not where it is gone already, or stays after some seconds."""
        self._removing(draft)
        with anyio.move_on_after(DISCARD_S):
            try:
                await self._mailbox.call("DELETE", message_path(draft), wanted=(204,))
            except MailwicketError as error:
                log.info("graph draft not removed server=%s: %s", self._mailbox.place.peer, error)
                return False
            return True
        return False

    # --- files ------------------------------------------------------------------------------------------------------

    async def _hang(self, draft: str, file: File) -> None:
        if len(file.content) < SMALL_BYTES:
            try:
                await self._post(draft, file)
            except TooLargeError:
                if len(file.content) < SMALL_BYTES - 64 * 1024:
                    raise
            else:
                return
        for _ in range(SESSIONS):
            if await self._upload(draft, file):
                return
        words = f"{self._mailbox.place.peer} ends the upload session before a file of {len(file.content)} bytes is over"
        raise TransientError(words, reason="server_said")

    async def _post(self, draft: str, file: File) -> None:
        head = {"@odata.type": "#microsoft.graph.fileAttachment", **_described(file)}
        body = await anyio.to_thread.run_sync(partial(_with_content, head, file.content))
        await self._mailbox.call(
            "POST", f"{message_path(draft)}/attachments", body=body, content_type="application/json", wanted=(201,)
        )

    async def _upload(self, draft: str, file: File) -> bool:
        """Send *file* to a session of its own; False where the session ended before."""
        mailbox, size = self._mailbox, len(file.content)
        item = {"attachmentType": "file", "size": size, **_described(file)}
        path = f"{message_path(draft)}/attachments/createUploadSession"
        try:
            session = (await mailbox.call("POST", path, json={"AttachmentItem": item}, wanted=(200, 201))).json
        except BlockedError as error:
            if error.reason != "mailbox_refused":
                raise
            # The draft was taken: it is this way to hang files on it that is refused, as it is to a person in
            # another's mailbox. The server is well.
            raise PermanentError(f"{error}; larger files cannot be hung on a mail in this mailbox") from error
        url = session.get("uploadUrl") if isinstance(session, dict) else None
        if not isinstance(url, str):
            raise TransientError(f"{mailbox.place.peer} opens an upload session nowhere", reason="server_said")
        return await self._fill(url, file.content, _next(session, 0))

    async def _fill(self, url: str, content: bytes, at: int) -> bool:
        """PUT *content* from *at* on, slice by slice; go on where the session says that it waits."""
        size, stuck = len(content), 0
        while at < size:
            piece = content[at : at + SLICE_BYTES]
            span = f"bytes {at}-{at + len(piece) - 1}/{size}"
            headers = {"Content-Type": "application/octet-stream", "Content-Range": span}
            try:
                answer = await self._mailbox.upload(url, piece, headers)
                if answer.status == 201:
                    return True
                reached: int | None = _next(answer.json, at + len(piece))
            except BlockedError:
                return False
            except (UnsureError, PermanentError) as error:
                reached = await self._reached(url, at)
                # After its last slice a file may hang there whole: begun anew, it would hang there twice.
                if reached is None and at + len(piece) == size:
                    raise TransientError(str(error), reason="server_said") from error
            if reached is None:
                return False
            stuck += reached <= at
            if stuck > STUCK:
                break
            at = reached
        raise TransientError(f"{self._mailbox.place.peer}: an upload session gets no further", reason="server_said")

    async def _reached(self, url: str, at: int) -> int | None:
        """Ask a session how far it has got; None where it is over."""
        try:
            return _next((await self._mailbox.upload(url, None, {}, method="GET")).json, at)
        except (PermanentError, BlockedError):
            return None


async def encoded(mime: bytes) -> bytes:
    """Return *mime* in base64."""
    if len(mime) < SMALL_BYTES // 8:
        return pybase64.b64encode(mime)
    return await anyio.to_thread.run_sync(pybase64.b64encode, mime)


def _described(file: File) -> dict[str, Any]:
    told: dict[str, Any] = {"name": file.name, "contentType": file.content_type}
    return told if file.content_id is None else told | {"isInline": True, "contentId": file.content_id}


def _with_content(head: Mapping[str, Any], content: bytes) -> bytes:
    told = text_json.dumps(head).encode("ascii")
    return b'%s,"contentBytes":"%s"}' % (told[:-1], pybase64.b64encode(content))


def _next(session: Any, otherwise: int) -> int:  # noqa: ANN401 - whatever JSON holds
    """Return where the next slice begins: `nextExpectedRanges` is `["0-"]`, then `["2097152"]`."""
    ranges = session.get("nextExpectedRanges") if isinstance(session, dict) else None
    first = ranges[0] if isinstance(ranges, list) and ranges and isinstance(ranges[0], str) else ""
    begin = first.partition("-")[0]
    return int(begin) if begin.isascii() and begin.isdigit() and len(begin) < 12 else otherwise
