"""Mails that are made to keep their reader busy, each aimed at another of its loops: name to bytes, a few MB."""

from __future__ import annotations

from typing import Final

from tests.lab.bombs import markup, replies, reports, structure, words
from tests.lab.bombs.heads import heads

BOMBS: Final = structure.BOMBS | words.BOMBS | markup.BOMBS | replies.BOMBS | reports.BOMBS

__all__ = ["BOMBS", "heads"]
