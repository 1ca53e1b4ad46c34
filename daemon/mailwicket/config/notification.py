"""`[notification.EVENT]`: what people hear of, and in which words."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from mailwicket.config.model import Says, Table, Text, wrong


def _template(value: str) -> str:
    from mailwicket.template import check_template  # noqa: PLC0415 - Jinja is loaded for those who write templates

    if (told := check_template(value)) is not None:
        raise wrong(told)
    return value


Template = Annotated[str, AfterValidator(_template), Says("a template (notifications.md)")]
Line = Annotated[Text, AfterValidator(_template), Says("a template (notifications.md), one line")]


class Notification(Table):
    """One event's mail. What is unset is as shipped."""

    enabled: bool | None = Field(default=None, description="Whether it is sent; unset: as shipped.")
    to: (
        Annotated[tuple[Literal["requester", "cc", "assignee", "followers", "group"], ...], Strict(strict=False)] | None
    ) = Field(default=None, description="Who hears of it; unset: as shipped.")
    subject: Line | None = Field(default=None, description="A template (Jinja, in a sandbox); unset: as shipped.")
    text: Template | None = Field(default=None, description="The plain body, a template; unset: as shipped.")
    html: Template | None = Field(
        default=None, description="The HTML body, a template that escapes; unset: as shipped."
    )
