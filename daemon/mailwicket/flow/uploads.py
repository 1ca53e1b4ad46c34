"""Files that a technician sends along: bounded, and durable under their hash before anything names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio.to_thread

from mailwicket.errors import ConflictError
from mailwicket.mail.attachment import bare
from mailwicket.mail.entity import OCTETS
from mailwicket.mail.fields import is_media_type
from mailwicket.model import Attachment, Sha256

FILES_MAX: Final = 30

FILES_MAX_BYTES: Final = 18 * 1024 * 1024
"""Of all together: as base64, and with a text beside it, a mail of 25 MiB, which is what most servers take."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as somebody hands it over."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


async def keep_all(uploads: Sequence[Upload], keep: Callable[[Sha256, bytes], None]) -> list[Attachment]:
    """Have *keep* take what *uploads* hold, in a thread; return them as an entry has them.

    Kept twice is kept once. What no ticket comes to name does no harm but to the disk.

    Raises:
        ConflictError: they are too many, or too large.
        StoreError: our disk.
    """
    if (why := objection([len(one.content) for one in uploads])) is not None:
        raise ConflictError(why)
    return await anyio.to_thread.run_sync(_kept, uploads, keep) if uploads else []


def objection(sizes: Sequence[int]) -> str | None:
    """Tell why files of these *sizes* in bytes cannot be sent along; None: they can."""
    if len(sizes) > FILES_MAX:
        return f"{len(sizes)} files are too many: at most {FILES_MAX} go with a mail"
    if sum(sizes) > FILES_MAX_BYTES:
        return f"the files hold {sum(sizes)} bytes: at most {FILES_MAX_BYTES} go with a mail, all together"
    return None


def _kept(uploads: Sequence[Upload], keep: Callable[[Sha256, bytes], None]) -> list[Attachment]:
    attachments = []
    for one in uploads:
        sha256 = Sha256(hashlib.sha256(one.content).hexdigest())
        keep(sha256, one.content)
        kind = one.content_type.strip().casefold()
        attachments.append(
            Attachment(
                filename=bare(one.filename),
                content_type=kind if is_media_type(kind) else OCTETS,
                size=len(one.content),
                sha256=sha256,
                inline=False,
                content_id=None,
                span=(0, 0),
                encoding="",
            )
        )
    return attachments
