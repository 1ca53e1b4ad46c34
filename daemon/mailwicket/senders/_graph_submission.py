"""Mail after mail through one mailbox at Graph: a draft, then the order to send it; success is 202 and nothing else."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

import anyio
import anyio.to_thread

from mailwicket.errors import BlockedError, PermanentError, TransientError, UncertainError
from mailwicket.net.graph.client import GraphMailbox
from mailwicket.net.graph.failure import ItemGoneError, TooLargeError, UnsureError
from mailwicket.net.graph.place import message_path
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.senders._graph_draft import BODY, Drafts, encoded
from mailwicket.senders._graph_looking import Fate, look, orphans
from mailwicket.senders._graph_mime import MIME_BYTES, Load, addressed, load, message_id_of, others_left_out
from mailwicket.senders._graph_traces import Laid, Traces

log = logging.getLogger(__name__)

T = TypeVar("T")

ACCEPTED: Final = RecipientStatus(250, "accepted (202), and not delivered yet: a report tells where it cannot be")

LARGE_BYTES: Final = 256 * 1024
"""A mail of this size is looked through aside: others wait for the event loop."""

SWEEP_S: Final = 3600
"""A draft of ours that lies so long is never sent, and so often they are looked for."""


CLEARING_S: Final = 60
"""What is left of them then waits for the next time: mail goes first."""


class GraphSubmission:
    """One mailbox; see `ports.Submission` and `ports.LooksFirst`."""

    patience_s: ClassVar[float] = 150
    """So long what is being sent may look as if it was not: as a draft still, or as nothing at all."""

    def __init__(
        self,
        mailbox: GraphMailbox,
        drafts_folder: str | None,
        traces: Traces,
        only_sends: Callable[[BlockedError], Awaitable[bool]],
    ) -> None:
        """Send by *mailbox*; without *drafts_folder* by `sendMail`, which is all that the application may do.

        *only_sends* tells whether that is what a refusal means.
        """
        self._mailbox = mailbox
        self._folder = drafts_folder
        self._traces = traces
        self._only_sends = only_sends
        self._drafts = Drafts(mailbox, traces.remove)

    # --- sending ----------------------------------------------------------------------------------------------------

    async def submit(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus]:
        """Hand *raw* over; see `ports.Submission`. What is accepted is not delivered: a report tells of that later."""
        mail = await _aside(raw, addressed, raw, envelope.forward_paths)
        message_id = message_id_of(raw)
        draft, is_new = None, True
        if self._folder is not None:
            try:
                draft, is_new = await self._laid_down(mail, message_id)
            except BlockedError as error:
                if not await self._only_sends(error):
                    raise
                self._folder = None
        if draft is None:
            await self._send_whole(mail, message_id)
        else:
            await self._send(draft, mail, message_id, is_new=is_new)
        return dict.fromkeys(envelope.forward_paths, ACCEPTED)

    async def _laid_down(self, mail: bytes, message_id: str | None) -> tuple[str, bool]:
        """Return a draft that is whole, and whether it is new: one was perhaps laid down for the same bytes before."""
        laid = self._traces.take_laid(message_id)
        if laid is not None:
            if laid.digest == await _aside(mail, _digest, mail):
                return laid.draft, False
            await self._discard(laid.draft, message_id)  # its words or its recipients are others by now
        parts = await _aside(mail, load, mail)
        try:
            return await self._lay_down(parts, message_id), True
        except TooLargeError:
            lighter = await _aside(mail, partial(load, lighter=True), mail)
            if len(lighter.files) == len(parts.files):
                raise
        return await self._lay_down(lighter, message_id), True

    async def _lay_down(self, parts: Load, message_id: str | None) -> str:
        if message_id is not None and self._folder is not None and self._traces.is_doubtful(message_id):
            for old in (await look(self._mailbox, self._folder, message_id, None)).drafts:
                await self._drafts.discard(old)
            self._traces.end_doubt(message_id)
        try:
            draft = await self._drafts.create(parts.mime, message_id)
        except UnsureError:
            self._traces.doubt(message_id)
            raise
        try:
            await self._drafts.hang(draft, parts)
        except Exception:
            await self._discard(draft, message_id)  # half of a mail: nobody may find it and send it
            raise
        return draft

    async def _discard(self, draft: str, message_id: str | None) -> None:
        """Remove *draft*; one that stays goes before the mail is laid down anew, or by `clear_away`."""
        if not await self._drafts.discard(draft):
            self._traces.doubt(message_id)

    async def _send(self, draft: str, mail: bytes, message_id: str | None, *, is_new: bool) -> None:
        peer = self._mailbox.place.peer
        try:
            answer = await self._mailbox.call("POST", f"{message_path(draft)}/send", wanted=(200, 202))
        except UnsureError as error:
            words = f"{error}; whether the mail was sent is looked for"
            raise self._unknown(words, message_id, draft, error.reason) from error
        except PermanentError as error:
            if is_new and not isinstance(error, ItemGoneError):
                await self._discard(draft, message_id)
                raise
            self._traces.remove(draft)  # by somebody; or it was sent by an earlier order, though that was answered 503
            raise self._unknown(str(error), message_id, draft, "server_said") from error
        except TransientError:
            self._traces.put_laid(message_id, Laid(draft, await _aside(mail, _digest, mail)))
            raise
        except Exception:
            await self._discard(draft, message_id)
            raise
        except BaseException:  # cancelled: it may have been sent
            self._traces.keep(message_id, draft)
            raise
        if answer.status != 202:
            words = f"{peer} answers 200 in place of 202 to the order to send; whether it did is looked for"
            raise self._unknown(words, message_id, draft, "server_said")

    async def _send_whole(self, mail: bytes, message_id: str | None) -> None:
        """Send without a draft: whether a mail went whose answer is lost nobody can tell then."""
        peer = self._mailbox.place.peer
        if len(mail) > MIME_BYTES:
            words = (
                f"{peer} takes mails of {MIME_BYTES} bytes from who may only send (Mail.Send), and this has {len(mail)}"
            )
            raise PermanentError(words)
        body = await encoded(mail)
        try:
            answer = await self._mailbox.call("POST", "sendMail", body=body, content_type=BODY, wanted=(200, 202))
        except UnsureError as error:
            raise self._unknown(f"{error}; the mail may have been sent", message_id, None, error.reason) from error
        if answer.status != 202:  # so it answered to mails that were too long, and sent none of them
            raise PermanentError(f"{peer} answers 200 in place of 202 to a mail of {len(mail)} bytes, and sent nothing")

    # --- looking ----------------------------------------------------------------------------------------------------

    async def resume(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus] | None:
        """Look what became of *raw*, and send what was not sent; see `ports.LooksFirst`.

        A draft that was sent and is nowhere to be found, look after look, was sent, unless we had it removed. One that
        lies there still after minutes was not; it is removed before the mail is laid down anew, so that it is never
        sent as well. One that is gone when it is to be removed may have left by the order, late: that is waited for.
        """
        message_id = message_id_of(raw)
        if self._folder is None or message_id is None:
            raise PermanentError(
                f"{self._mailbox.place.peer}: nobody can tell whether the mail was sent, as the application may send "
                'and not look (Mail.ReadWrite): see whether it arrived; "mailwicket outbox retry" sends it again'
            )
        trace = self._traces.keep(message_id)
        waited_s = self._traces.clock() - trace.since  # before the look: what it shows may be old when its answer comes
        only_for = others_left_out(raw, envelope.forward_paths)
        seen = await look(self._mailbox, self._folder, message_id, trace.draft, only_for)
        had_vanished, trace.vanished = trace.vanished, seen.fate is Fate.VANISHED
        accepted = dict.fromkeys(envelope.forward_paths, ACCEPTED)
        if seen.fate is Fate.SENT:
            self._traces.forget(message_id)
            for draft in seen.drafts:  # nobody may find it and send it as well
                await self._drafts.discard(draft)
            return accepted
        if waited_s < self.patience_s:
            return None
        if trace.vanished and self._traces.proves_sent(trace.draft):
            if not had_vanished:  # one answer may be wrong
                return None
            self._traces.forget(message_id)
            return accepted
        trace.since = self._traces.clock()
        for draft in seen.drafts:
            if not await self._drafts.discard(draft):
                return None
        self._traces.forget(message_id)
        return await self.submit(envelope, raw)

    async def clear_away(self) -> None:
        """Remove drafts of ours that are never sent: what a death, or a server that stood in, left behind."""
        if self._folder is None or not self._traces.sweeps(SWEEP_S):
            return
        before = datetime.now(UTC) - timedelta(seconds=SWEEP_S)
        try:
            with anyio.move_on_after(CLEARING_S):
                for draft in await orphans(self._mailbox, self._folder, before):
                    await self._drafts.discard(draft)
        except PermanentError as error:
            log.warning("graph does not tell of old drafts server=%s: %s", self._mailbox.place.peer, error)

    def _unknown(self, words: str, message_id: str | None, draft: str | None, reason: str) -> UncertainError:
        self._traces.keep(message_id, draft)
        return UncertainError(words, reason=reason)


async def _aside(mail: bytes, job: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - the job's own
    """Do *job*; for a large *mail* in a thread."""
    if len(mail) < LARGE_BYTES:
        return job(*arguments)
    return await anyio.to_thread.run_sync(partial(job, *arguments))


def _digest(mail: bytes) -> str:
    return hashlib.sha256(mail).hexdigest()
