"""Bounded batches: by count, because a row has a cost of its own, and by bytes, because memory has an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from mailwicket.store.journal import Kept, Seen

Row = TypeVar("Row", Seen, Kept)

PAGE_ROWS = 500  # read from the journal at a time

BATCH_MAILS = 250
BATCH_BYTES = 8 * 1024 * 1024


def batches(rows: Iterable[Row], *, mails: int = BATCH_MAILS, size_bytes: int = BATCH_BYTES) -> Iterator[list[Row]]:
    """Cut *rows* into batches in order; a mail over *size_bytes* is a batch of its own."""
    batch: list[Row] = []
    held_bytes = 0
    for row in rows:
        if batch and (len(batch) == mails or held_bytes + row.ref.size_bytes > size_bytes):
            yield batch
            batch, held_bytes = [], 0
        batch.append(row)
        held_bytes += row.ref.size_bytes
    if batch:
        yield batch
