"""Whom an announcement is for: from the words in which that is asked to people, and who of them gets nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from mailwicket.errors import UnknownError
from mailwicket.mail.address import people
from mailwicket.mail.fields import is_address
from mailwicket.model import Address
from mailwicket.rules.directory import Person, Role
from mailwicket.rules.own import canonical
from mailwicket.rules.people import is_nobody
from mailwicket.rules.policy import Policy

ALLOWED: Final = "requesters, technicians, all, group:NAME, company:NAME, or addresses"

INACTIVE: Final = "inactive"
OWN: Final = "own"
NOBODY: Final = "nobody_reads"
UNWRITABLE: Final = "unwritable"
PAUSED: Final = "paused"
AUTHOR: Final = "author"

_PIECE: Final = re.compile(r'"[^"]*"|[^",]+|[",]')
"""A comma in quotes parts nothing. Linear: of quotes only the last one can have no partner."""


class Addressee(NamedTuple):
    """Somebody who was asked for."""

    address: str
    """Canonical."""
    name: str | None
    left_out: str | None
    """Why he gets nothing; None: he does."""


class Addressees:
    """Who is meant, by one policy and by what is known of tickets."""

    def __init__(
        self,
        policy: Policy,
        askers: Mapping[str, AbstractSet[str]],
        paused: AbstractSet[str] = frozenset(),
        author: str = "",
    ) -> None:
        """Take *askers*, who has a ticket, with the companies of these; *paused* addresses; and who writes."""
        self._policy = policy
        self._askers = askers
        self._paused = paused
        self._author = policy.directory.find(author) if author else None

    def of(self, whom: Sequence[str]) -> list[Addressee]:
        """Return whom *whom* names, each person once, by the address that was named first.

        Raises:
            UnknownError: one of the words means nobody that there could be.
        """
        found: list[Addressee] = []
        known: set[str] = set()
        for word in (part for one in whom for part in _parted(one)):
            for address, name in self._meant(word):
                person = self._policy.directory.find(address)
                if not known & (person.addresses | {address}):
                    found.append(Addressee(address, name or person.name, self.why_not(address)))
                known |= person.addresses | {address}
        return found

    def why_not(self, address: str) -> str | None:
        """Return why *address* gets nothing; None: it does."""
        person = self._policy.directory.find(address)
        if address in self._policy.own:
            return OWN
        if not person.active:
            return INACTIVE
        if is_nobody(address):
            return NOBODY
        if not is_address(address):
            return UNWRITABLE
        if address in self._paused:
            return PAUSED
        if self._author is not None and address in self._author.addresses | {self._author.address}:
            return AUTHOR
        return None

    def _meant(self, word: str) -> Iterator[tuple[str, str | None]]:
        kind, colon, name = word.partition(":")
        if word == "requesters":
            yield from self._requesters()
        elif word == "technicians":
            yield from _addresses(self._technicians())
        elif word == "all":
            yield from self._requesters()
            yield from _addresses(self._technicians())
        elif colon and kind == "group":
            yield from _addresses(self._group(name.strip()))
        elif colon and kind == "company":
            yield from self._company(name.strip())
        else:
            one = _person(word)
            yield canonical(one.address), one.name

    def _technicians(self) -> list[Person]:
        return [one for one in self._policy.directory.everybody() if one.role is Role.TECHNICIAN]

    def _group(self, name: str) -> list[Person]:
        members = [one for one in self._technicians() if name in one.groups]
        if not members:
            there = sorted({group for one in self._technicians() for group in one.groups})
            raise UnknownError(f"no technician is in a group {name[:80]!r}; there are: {', '.join(there) or 'none'}")
        return members

    def _requesters(self) -> Iterator[tuple[str, str | None]]:
        """Those of the directory, and whoever has a ticket; a technician asks by the way."""
        directory = self._policy.directory
        yield from _addresses(one for one in directory.everybody() if one.role is Role.REQUESTER)
        for address in self._askers:
            if not directory.is_technician(address):
                yield address, None

    def _company(self, name: str) -> Iterator[tuple[str, str | None]]:
        """The company of a person is what the directory says, else that of his tickets."""
        found = []
        for address, told in self._requesters():
            company = self._policy.directory.company_of(address)
            if company == name or (company is None and name in self._askers.get(address, ())):
                found.append((address, told))
        if not found:
            raise UnknownError(f"nobody is known of a company {name[:80]!r}")
        yield from found


def _parted(text: str) -> Iterator[str]:
    pieces: list[str] = []
    for piece in [*_PIECE.findall(text), ","]:
        if piece != ",":
            pieces.append(piece)
            continue
        if word := "".join(pieces).strip():
            yield word
        pieces = []


def _addresses(persons: Iterator[Person] | Sequence[Person]) -> Iterator[tuple[str, str | None]]:
    return ((one.address, one.name) for one in persons)


def _person(word: str) -> Address:
    found = people(word) if "@" in word else ()
    if len(found) != 1:
        raise UnknownError(f"{word[:80]!r} names nobody; allowed are {ALLOWED}")
    return found[0]
