"""Outgoing mail over SMTP: `protocol = "smtp"`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from mailwicket.config.outgoing import Outgoing


class SmtpSender:
    """A server that takes mail (RFC 6409)."""

    Config: ClassVar[type[BaseModel]] = Outgoing
