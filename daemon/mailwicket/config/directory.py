"""The directory kept in files: technicians, groups, categories, companies, requesters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from mailwicket.config.filter import Domain
from mailwicket.config.model import AddrSpec, Table, Text

Addresses = Annotated[tuple[AddrSpec, ...], Strict(strict=False)]
Names = Annotated[tuple[Text, ...], Strict(strict=False)]


class Technician(Table):
    """Somebody who works at the desk, by his address."""

    name: Text | None = Field(default=None, description="What people call him.")
    groups: Names = Field(default=(), description="The technician groups that he is in.")
    active: bool = Field(default=True, description="Off: his mail is refused.")
    addresses: Addresses = Field(default=(), description="Further addresses that he writes from.")


class Group(Table):
    """A technician group: tickets are given to it."""

    name: Text | None = Field(default=None, description="What people call it.")


class Category(Table):
    """A category of tickets."""

    name: Text | None = Field(default=None, description="What people call it.")


class Company(Table):
    """A company whose people write to the desk."""

    name: Text | None = Field(default=None, description="What people call it.")
    domains: Annotated[tuple[Domain, ...], Strict(strict=False)] = Field(
        default=(), description="Domains of its people's addresses; `*.example.org` is every domain below example.org."
    )


class Requester(Table):
    """Somebody who asks the desk, by his address. Who is not here, and no technician, is a guest."""

    name: Text | None = Field(default=None, description="What people call him.")
    company: Text | None = Field(default=None, description="The company that he belongs to.")
    active: bool = Field(default=True, description="Off: his mail is refused.")
    addresses: Addresses = Field(default=(), description="Further addresses that he writes from.")
