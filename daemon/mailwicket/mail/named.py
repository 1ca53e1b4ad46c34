"""Who is named in a line that a mail program printed into a mail, in all the shapes of names and addresses."""

from __future__ import annotations

import re
from typing import Final

from mailwicket.mail.header import words
from mailwicket.model import Address

_MAILTO: Final = re.compile(r"[<\[(]\s*(?:mailto|smtp):\s*([^\s<>\[\]()]{1,320})\s*[>\])]", re.IGNORECASE)
_ADDR: Final = r"[^\s<>,;:\"()\[\]\\|]{1,200}@[^\s<>,;:\"()\[\]\\|]{1,255}"
_BRACKETED: Final = re.compile(rf"[<\[(]\s*'?({_ADDR}?)'?\s*(?=[<>\])\s])")
_ANYWHERE: Final = re.compile(_ADDR)
_DOTTED: Final = re.compile(rf"(?=[^\s@]{{1,200}}@[^\s@]{{1,200}}\.){_ADDR}")  # Notes has names like Cy Example@Office
_AFTER: Final = re.compile(r"\s*>?\s*\(([^()@]{1,200})\)")
_LEGACY: Final = re.compile(r"[<\[]\s*/[Oo]=.*")  # an X.500 name, where Exchange knows no other address
AUTHOR_MAX_CHARS: Final = 500


def person(value: str) -> tuple[Address | None, str | None]:
    """Return the address in the value of a From line, and the name in it: each None if there is none."""
    value = _MAILTO.sub(r"<\1>", value[:AUTHOR_MAX_CHARS]).strip()
    if "&lt;" in value or "=?" in value:
        value = words(value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"'))
    found = _BRACKETED.search(value) or _ANYWHERE.fullmatch(value) or _DOTTED.search(value)
    if found is None:
        return None, _name(value)
    address = (found[1] if found.re is _BRACKETED else found[0]).strip("'.").removeprefix("mailto:")
    name = _name(value[: found.start()])
    if name is None and (behind := _AFTER.match(value, found.end())):
        name = _name(behind[1])
    if name is not None and name.casefold() == address.casefold():
        name = None
    return Address(name, address), name


def _name(value: str) -> str | None:
    name = " ".join(_LEGACY.sub("", value).split()).lstrip(" ;,|:").rstrip(" <[(;,|:")
    for quote in ('"', "'", "*", "“”", "«»", "\u2018\u2019", "[]"):
        if len(name) > 1 and name[0] == quote[0] and name[-1] == quote[-1]:
            name = name[1:-1].strip()
    return name.replace('\\"', '"').strip(' "<') or None
