"""`[incoming.NAME.filter]`: which mail a mailbox takes."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from mailwicket.config.model import AddrSpec, Says, Table, Text, wrong
from mailwicket.config.pattern import _pattern, compiled

REGEX: Final = "re:"


def _domain(value: str) -> str:
    if not re.fullmatch(r"(?:\*\.)?[^\s@*<>,;:\"()/]+", value):
        raise wrong("is no domain")
    return value


def _keyword(value: str) -> str:
    if value.startswith(REGEX):
        pattern = compiled(_pattern(value.removeprefix(REGEX)))
        if all(pattern.search(text) for text in ("", "\ue000")):  # as "re:" and "re:a*" do: every mail has such a text
            raise wrong("is a regular expression that every text has")
    return value


def _day(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise wrong("is no date") from None
    if isinstance(value, datetime):
        raise wrong("is no date")
    return value


Domain = Annotated[Text, AfterValidator(_domain), Says('a domain, or "*.domain" for those below it')]
Keyword = Annotated[Text, AfterValidator(_keyword), Says('a word or words, or "re:" and a regular expression (RE2)')]


class Filter(Table):
    """Which mail is taken: by sender, by his domain, by words in subject and body. One list that hits is enough."""

    type: Literal["allow", "ignore"] = Field(
        description="`ignore`: what the lists hit is parked. `allow`: what they do not hit is."
    )
    emails: Annotated[tuple[AddrSpec, ...], Strict(strict=False)] = Field(
        default=(), description="Addresses of senders, in whatever case."
    )
    domains: Annotated[tuple[Domain, ...], Strict(strict=False)] = Field(
        default=(), description="Domains of senders; `*.example.org` is every domain below example.org, not itself."
    )
    keywords: Annotated[tuple[Keyword, ...], Strict(strict=False)] = Field(
        default=(),
        description="Whole words in subject or body, in whatever case; never in quoted text. `re:` begins a regular "
        "expression.",
    )
    scope: Literal["all", "new"] = Field(
        default="all", description="`new`: replies to tickets pass, whatever the lists say."
    )
    mode: Literal["enforce", "log"] = Field(
        default="enforce", description="`log`: what would be parked is only noted in the decision and counted."
    )
    until: Annotated[date, BeforeValidator(_day), Says("a date such as 2026-01-31")] | None = Field(
        default=None, description="The last day (UTC) on which it counts."
    )

    @model_validator(mode="after")
    def _lets_something_pass(self) -> Self:
        if self.type == "allow" and not (self.emails or self.domains or self.keywords):
            raise wrong("is an allow filter with nothing in it: no mail at all would pass")
        return self
