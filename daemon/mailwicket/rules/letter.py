"""A mail with the fields of its header that only some rules look at, read when they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from mailwicket.mail.address import people
from mailwicket.mail.header import Header
from mailwicket.mail.trace import fields
from mailwicket.model import Address, Mail
from mailwicket.rules.own import canonical

LOOP_FIELD = "x-mailwicket-loop"


class Letter:
    """One mail under decision."""

    def __init__(self, mail: Mail) -> None:
        """Take the *mail*."""
        self.mail = mail

    @cached_property
    def header(self) -> Header:
        """Its header."""
        return Header(self.mail.header)

    @cached_property
    def authors(self) -> Sequence[Address]:
        """Everybody whom From names, each once: more than one proves nothing."""
        return list({canonical(one.address): one for one in people(self.header.get("from"))}.values())

    @property
    def is_plainly_from(self) -> bool:
        """Whether From can be read in one way only: other programs see the same address in it as we do."""
        return self.header.get("from").count("@") == 1

    @cached_property
    def path(self) -> Sequence[tuple[str, str]]:
        """Its Received and Authentication-Results fields, as (name, value), the top first; without the latter none."""
        if b"authentication-results" not in self.mail.header.lower():
            return ()
        return fields(self.mail.header, ("received", "authentication-results"))

    @property
    def loop_mark(self) -> str:
        """The mark that all our mail bears; `""` where there is none."""
        return self.header.get(LOOP_FIELD)

    @property
    def is_from_a_list(self) -> bool:
        """Whether a mailing list passed it on, which may have written itself into From."""
        return any(name in self.header for name in ("list-id", "mailing-list", "list-post", "x-google-group-id"))
