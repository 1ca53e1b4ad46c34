"""Aimed at what reads delivery reports and looks for the marks of machines."""

from __future__ import annotations

from typing import Final

BOMBS: Final[dict[str, bytes]] = {}
