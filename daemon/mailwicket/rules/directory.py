"""The people that the desk knows: technicians, requesters, companies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailwicket.rules.own import canonical, domain_of


class Role(StrEnum):
    """What somebody is to the desk."""

    TECHNICIAN = "technician"
    REQUESTER = "requester"
    GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the directory, or a guest."""

    address: str
    """His first address, canonical."""
    name: str | None
    role: Role
    active: bool = True
    groups: frozenset[str] = frozenset()
    company: str | None = None
    addresses: frozenset[str] = frozenset()
    """All of his addresses, canonical."""


class Directory:
    """People by address and by name, companies by domain."""

    def __init__(self, people: Iterable[Person] = (), domains: Mapping[str, str] | None = None) -> None:
        """Take *people*, and by domain (`*.` before it: all below) the company whose it is."""
        self._people: dict[str, Person] = {}
        self._by_name: dict[str, list[Person]] = {}
        for person in people:
            for address in person.addresses | {person.address}:
                self._people.setdefault(address, person)
            if person.name:
                self._by_name.setdefault(_name(person.name), []).append(person)
        self._domains = {domain.casefold(): company for domain, company in (domains or {}).items()}

    def find(self, address: str) -> Person:
        """Return who writes from *address*: a guest, where nobody is known by it."""
        told = canonical(address)
        return self._people.get(told) or Person(told, None, Role.GUEST)

    def is_technician(self, address: str) -> bool:
        """Tell whether *address* is a technician's, active or not."""
        return self.find(address).role is Role.TECHNICIAN

    def by_name(self, name: str) -> Person | None:
        """Return the one person of that display name; None for nobody, and for several."""
        found = self._by_name.get(_name(name), ())
        return found[0] if len(found) == 1 else None

    def members(self, group: str | None) -> list[str]:
        """Return the addresses of the active technicians of *group*, in the order of the configuration."""
        return [one.address for one in self.everybody() if group is not None and group in one.groups and one.active]

    def everybody(self) -> list[Person]:
        """Return each person once, in the order of the configuration."""
        return list({one.address: one for one in self._people.values()}.values())

    def company_of(self, address: str) -> str | None:
        """Return the company of the person, else of his domain."""
        person = self.find(address)
        if person.company is not None:
            return person.company
        domain = domain_of(person.address)
        if (company := self._domains.get(domain)) is not None:
            return company
        labels = domain.split(".")
        for number in range(1, len(labels)):
            if (company := self._domains.get("*." + ".".join(labels[number:]))) is not None:
                return company
        return None


def _name(text: str) -> str:
    """A display name as it is compared: "Doe, John" and "John Doe" are one."""
    last, comma, first = text.partition(",")
    return " ".join((f"{first} {last}" if comma else text).split()).casefold()
