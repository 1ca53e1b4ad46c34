"""HTML bodies: readable text from them, and what of them a person may be shown."""

from __future__ import annotations

from mailwicket.mail.marked import own_part
from mailwicket.mail.markup import MARKUP_MAX_CHARS, without_data
from mailwicket.mail.render import Page

__all__ = ["own_part", "sanitised", "to_plain"]


def to_plain(markup: str) -> str:
    """Return the words of *markup* as a person sees them: blocks as lines, quotes behind `> `, links by address.

    Where all of it is hidden, it is shown: losing words is worse.
    """
    markup = without_data(markup)[:MARKUP_MAX_CHARS]
    page = Page()
    text = page.read(markup)
    return text if text or not page.hid else Page(show_hidden=True).read(markup)


def sanitised(markup: str) -> str:
    """Return *markup* as `display.sanitised` leaves it: fit to be shown in a page."""
    from mailwicket.mail import display  # noqa: PLC0415 - only those who show a mail need it and the cleaner behind it

    return display.sanitised(markup)
