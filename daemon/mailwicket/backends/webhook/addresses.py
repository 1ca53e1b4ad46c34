"""Where nothing may be sent: inside addresses that a name from outside could lead to (CWE-918)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

Address = IPv4Address | IPv6Address

METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    )
)
"""Where clouds give a machine its credentials; some of them look like addresses of the internet."""

THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 1122 3.2.1.3: Linux takes 0.0.0.0 for loopback
SHARED: Final = ipaddress.IPv4Network("100.64.0.0/10")  # RFC 6598
GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")  # RFC 4291 2.4: all that was ever given out
DOCUMENTATION: Final = ipaddress.IPv6Network("3fff::/20")  # RFC 9637
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
COMPATIBLE: Final = ipaddress.IPv6Network("::/96")  # RFC 4291 2.5.5.1
LOOPBACK6: Final = IPv6Address(1)


class RefusedAddressError(OSError):
    """Nothing was sent: the address is none that we send to."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Which addresses may be sent to."""

    allow_private: bool = False
    """Also those of this machine and of private networks; never a cloud's metadata, link-local or multicast."""
    loopback_only: bool = False
    """What is sent is not encrypted: it must not leave the machine."""

    def refusal(self, text: str) -> str | None:
        """Return what *text* is that nothing may be sent to, None where it may: an address, or it is refused."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return "no address"
        bare = _bare(address)
        if self.loopback_only and not bare.is_loopback:
            return "not this machine, and the request is not encrypted"
        if (never := _never(bare)) is not None:
            return never
        return None if self.allow_private else _private(bare)

    def check(self, text: str) -> None:
        """Let an address pass.

        Raises:
            RefusedAddressError: nothing may be sent to it.
        """
        if (what := self.refusal(text)) is not None:
            raise RefusedAddressError(f"{text} is {what}")

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for the one address that it will be connected to: no way leads around this.

        Raises:
            RefusedAddressError: nothing may be sent to it.
        """
        family, kind, protocol, _, where = info
        self.check(where[0])
        made = socket.socket(family, kind, protocol)
        made.settimeout(0)
        return made


class CheckedResolver(AbstractResolver):
    """Resolves a name once for each connection; one bad address among several, and none is used."""

    def __init__(self, lookup: AbstractResolver, guard: Guard) -> None:
        """Ask *lookup*, and have *guard* look at what it says."""
        self._lookup = lookup
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of *host*.

        Raises:
            RefusedAddressError: nothing may be sent to one of them.
            OSError: it has none, or nobody knows.
        """
        found = await self._lookup.resolve(host, port, family)
        if not found:
            raise OSError(f"{host} has no address")
        for one in found:
            self._guard.check(one["host"])
        return found

    async def close(self) -> None:
        """Close what was asked."""
        await self._lookup.close()


def _bare(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in NAT64 or (address in COMPATIBLE and address != LOOPBACK6):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _never(address: Address) -> str | None:
    if address in METADATA:
        return "the metadata service of a cloud"
    if address.is_multicast:
        return "multicast"
    if address.is_link_local:
        return "link-local"
    if isinstance(address, IPv4Address):
        if address in THIS_NETWORK:
            return "no address of a host"
        return "reserved" if address.is_reserved else None
    if address.scope_id is not None:
        return "link-local"
    inside = address.is_loopback or address.is_site_local or (address.is_private and not address.is_reserved)
    return None if inside or address in GLOBAL_UNICAST else "reserved"


def _private(address: Address) -> str | None:
    if address.is_loopback:
        return "this machine"
    if isinstance(address, IPv4Address) and address in SHARED:
        return "a shared address of a provider"
    if isinstance(address, IPv6Address) and (address.is_site_local or address in DOCUMENTATION):
        return "a private address"
    return None if address.is_global else "a private address"
