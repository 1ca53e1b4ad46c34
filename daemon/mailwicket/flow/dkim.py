"""Whether a mail bears a DKIM signature of its author's domain that holds (RFC 6376): `check_dkim`.

Needs the extra `auth`. Names are looked up and signatures verified in a thread: neither holds up the event loop.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import anyio.to_thread

from mailwicket.mail.head import split_header
from mailwicket.rules.own import canonical, domain_of

log = logging.getLogger(__name__)

RAW_MAX_BYTES: Final = 50 * 1024 * 1024
SIGNATURES_MAX: Final = 5
LOOKUP_S: Final = 5
CHECK_S: Final = 20
"""A check that takes longer is none: the mail is not to wait for a name server that hangs."""

KEYS_MAX: Final = 1000

SILENT: Final = logging.getLogger(f"{__name__}.library")
"""What the library says names strangers' fields."""

SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

_SIGNATURE: Final = re.compile(rb"^dkim-signature[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)
_DOMAIN: Final = re.compile(rb"(?:^|;)\s*d\s*=\s*([^\s;]{1,255})")

Lookup = Callable[[bytes, float], bytes | None]
"""The TXT record of a name, asked for so many seconds; None where there is none."""


class DkimCheck:
    """Verifies the signatures of mails; remembers the keys that it was told, until it is made anew."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        """Ask *lookup* for keys, else the system's name servers."""
        self._lookup = lookup
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()

    async def result(self, raw: bytes, author: str) -> bool | None:
        """Tell whether a signature of *author*'s domain holds; None where there is none, or nobody knows its key."""
        domain = domain_of(canonical(author))
        found = [number for number, told in enumerate(_domains(raw)) if _is_aligned(told, domain)]
        if not found or len(raw) > RAW_MAX_BYTES:
            return None
        with anyio.move_on_after(CHECK_S):
            return await anyio.to_thread.run_sync(self._verified, raw, found[:SIGNATURES_MAX], abandon_on_cancel=True)
        return None

    def _verified(self, raw: bytes, numbers: list[int]) -> bool | None:
        import dkim  # noqa: PLC0415 - of an extra, and few ask for it

        told = False

        def key(name: bytes, timeout: float = LOOKUP_S) -> bytes | None:
            nonlocal told
            found = self._key(name, timeout)
            told = told or found is not None
            return found

        for number in numbers:
            try:
                if dkim.DKIM(raw, logger=SILENT, timeout=LOOKUP_S).verify(number, dnsfunc=key):
                    return True
            except Exception as error:  # noqa: BLE001 - what a stranger's signature does to a library is no proof
                log.debug("signature of no use: %s", type(error).__name__)
        return False if told else None

    def _key(self, name: bytes, timeout: float = LOOKUP_S) -> bytes | None:
        if (known := self._keys.get(name)) is not None:
            return known
        if self._lookup is not None:
            found = self._lookup(name, timeout)
        else:
            from dkim.dnsplug import get_txt  # noqa: PLC0415 - as above

            found = get_txt(name, timeout)
        if found is not None:
            self._keys[name] = found
            if len(self._keys) > KEYS_MAX:
                self._keys.popitem(last=False)
        return found


def _domains(raw: bytes) -> list[str]:
    """The domains that sign, in the order of their fields."""
    _, begin = split_header(raw, 0, len(raw))
    found = []
    for signature in _SIGNATURE.finditer(raw, 0, begin):
        domain = _DOMAIN.search(signature[1])
        found.append("" if domain is None else domain[1].decode("ascii", "replace").casefold())
    return found


def _is_aligned(signer: str, domain: str) -> bool:
    """Tell whether *signer* speaks for *domain*: it is it, or lies above or below it (RFC 7489 3.1.1, relaxed)."""
    if "." not in signer:
        return False
    return signer == domain or domain.endswith(f".{signer}") or signer.endswith(f".{domain}")
