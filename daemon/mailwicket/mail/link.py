"""Links and pictures in words: where they lead, and whether that is said already."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

_SCHEMES: Final = ("http://", "https://", "ftp://", "tel:", "mailto:")
_NO_DIGITS: Final = {ord(c): None for c in " -/().\xa0"}


def address_of(href: str) -> str:
    """Return where a link leads, as a person writes it: without `mailto:`; `""` for what leads nowhere outside."""
    href = "".join(href.split())
    low = href[:8].lower()
    if not low.startswith(_SCHEMES):
        return ""
    if low.startswith("mailto:"):
        return "".join(unquote(href[7:].partition("?")[0]).split())
    return href


def says(said: str, address: str) -> bool:
    """Tell whether the words of a link are its address already."""
    if "@" in address and "/" not in address:
        return address.casefold() in said.casefold()
    if address.startswith("tel:"):
        return _bare_number(said) == _bare_number(address.removeprefix("tel:"))
    return _bare_address(said) == _bare_address(address)


def _bare_address(text: str) -> str:
    text = "".join(text.casefold().split()).strip("<>()")
    return text.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")


def _bare_number(text: str) -> str:
    return text.translate(_NO_DIGITS)


def emoji(text: str) -> bool:
    """Tell whether a picture stands for a letter: mail programs send some smileys so."""
    return len(text) <= 8 and not any(c.isascii() for c in text)
