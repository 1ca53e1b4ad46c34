"""Our own addresses: none of them is ever a requester or a CC, whatever case or plus-tag it is written with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache


@lru_cache(maxsize=10_000)
def canonical(address: str) -> str:
    """Return the form in which addresses are compared: case-folded, its domain in ASCII (RFC 5891)."""
    local, at, domain = address.strip().rpartition("@")
    if not at:
        return address.strip().casefold()
    domain = domain.rstrip(".").casefold()
    if not domain.isascii():
        with suppress(UnicodeError):
            domain = domain.encode("idna").decode("ascii")
    return f"{local.casefold()}@{domain}"


_ODD = re.compile(r"[\s\"\\()<>\[\],;:%!]|=\?|@.*@")


def is_plain(address: str) -> bool:
    """Tell whether every program reads the same recipient in *address*: nothing quoted, routed or encoded in it."""
    return _ODD.search(address) is None


def without_tag(address: str) -> str:
    """Return a canonical *address* without its plus-tag (RFC 5233)."""
    local, _, domain = address.rpartition("@")
    bare, plus, _ = local.partition("+")
    return f"{bare}@{domain}" if plus and bare else address


def domain_of(address: str) -> str:
    """Return the domain of a canonical *address*."""
    return address.rpartition("@")[2]


class OwnAddresses:
    """Every address at which the desk receives or sends: of disabled servers, too."""

    def __init__(self, addresses: Iterable[str] = (), sources: Mapping[str, str] | None = None) -> None:
        """Take all own *addresses*, and by address the mailbox (`NAME`) whose address or alias it is."""
        self._sources = {canonical(address): name for address, name in (sources or {}).items()}
        self._all = frozenset(canonical(address) for address in addresses) | self._sources.keys()

    def __contains__(self, address: object) -> bool:
        """Tell whether *address*, however it is written, is one of ours."""
        if not isinstance(address, str):
            return False
        told = canonical(address)
        return told in self._all or without_tag(told) in self._all

    def source(self, address: str) -> str | None:
        """Return the mailbox that receives at *address*; None where none does."""
        told = canonical(address)
        return self._sources.get(told) or self._sources.get(without_tag(told))
