"""Ids in few bytes, for cursors that remember many of them."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Set as AbstractSet
from typing import Final

DIGEST_BYTES: Final = 8
"""Of an id. 100,000 of them meet by chance once in 3,000,000,000 mailboxes, and are 1 MiB of a cursor."""


def digest(remote_id: str) -> bytes:
    """Return what is remembered of an id."""
    return hashlib.blake2b(remote_id.encode(), digest_size=DIGEST_BYTES).digest()


def packed(digests: AbstractSet[bytes]) -> str:
    """Return them as text."""
    return b64encode(b"".join(sorted(digests))).decode("ascii")


def unpacked(text: str) -> frozenset[bytes]:
    """Return what `packed` was given."""
    joined = b64decode(text)
    return frozenset(joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES))
