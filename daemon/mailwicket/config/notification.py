"""`[notification.EVENT]`: what people hear of, and in which words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from mailwicket.config.model import Table, Text


class Notification(Table):
    """One event's mail. What is unset is as shipped."""

    enabled: bool | None = Field(default=None, description="Whether it is sent; unset: as shipped.")
    to: (
        Annotated[tuple[Literal["requester", "cc", "assignee", "followers", "group"], ...], Strict(strict=False)] | None
    ) = Field(default=None, description="Who hears of it; unset: as shipped.")
    subject: Text | None = Field(default=None, description="A template (Jinja, in a sandbox); unset: as shipped.")
    text: str | None = Field(default=None, description="The plain body, a template; unset: as shipped.")
    html: str | None = Field(default=None, description="The HTML body, a template that escapes; unset: as shipped.")
