r"""Rich text as Outlook packs it: compressed (MS-OXRTFCP), with HTML or plain text inside (MS-OXRTFEX)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mailwicket.mail.charset import clean, to_text

RTF_MAX_BYTES: Final = 512 * 1024
"""So much is unpacked and read: a file of 4 kB can say that it holds gigabytes."""

# What the compressor's dictionary holds at the start (MS-OXRTFCP 2.1.2.1).
DICTIONARY: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
WINDOW_BYTES: Final = 4096
COMPRESSED: Final = b"LZFu"
STORED: Final = b"MELA"

_TOKEN: Final = re.compile(
    r"\\([a-z]{1,32})(-?[0-9]{1,9})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|([^\\{}\r\n]+)", re.DOTALL
)
_UNSEEN: Final = frozenset({
    "colortbl", "filetbl", "fonttbl", "footer", "header", "info", "listtable", "object", "pict", "stylesheet",
    "themedata",
})  # fmt: skip
_SAID: Final = {
    "par": "\n", "line": "\n", "row": "\n", "cell": "\t", "tab": "\t",
    "emdash": "\u2014", "endash": "\u2013", "bullet": "•",
    "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ",
}  # fmt: skip
_SIGNS: Final = {"~": "\u00a0", "_": "\u2011", "-": "", "\n": "\n", "\r": "\n"}


def unpacked(packed: bytes) -> bytes:
    """Return the RTF that *packed* holds, `b""` if it is none; beyond RTF_MAX_BYTES it is cut."""
    kind = packed[8:12]
    size = min(int.from_bytes(packed[4:8], "little"), RTF_MAX_BYTES)
    if kind == STORED:
        return packed[16 : 16 + size]
    if kind != COMPRESSED:
        return b""
    out = bytearray(DICTIONARY)
    limit = len(out) + size
    at = 16
    while at < len(packed) and len(out) < limit:
        flags, at = packed[at], at + 1
        for bit in range(8):
            if not flags >> bit & 1:
                out += packed[at : at + 1]
                at += 1
                continue
            pair = int.from_bytes(packed[at : at + 2], "big")
            at += 2
            back = (len(out) - (pair >> 4)) % WINDOW_BYTES
            if back == 0 or back > len(out) or at > len(packed):
                return bytes(out[len(DICTIONARY) : limit])
            length = (pair & 15) + 2
            first = len(out) - back
            run = out[first : first + length]
            out += (run * length)[:length] if back < length else run
    return bytes(out[len(DICTIONARY) : limit])


def read(rtf: bytes) -> tuple[str, bool]:
    """Return the text that *rtf* holds, and whether that is HTML: what the writer sent before it was packed."""
    source = rtf[:RTF_MAX_BYTES].decode("latin-1")
    page = _Page("fromhtml" in source[:4096])
    for found in _TOKEN.finditer(source):
        page.take(found.groups())
    return page.text(), page.html


@dataclass(slots=True)
class _Group:
    """What holds until the closing brace."""

    unseen: bool = False
    tag: bool = False
    """Inside an `htmltag`: what stands there is HTML."""
    left_out: bool = False
    """Between `htmlrtf` and `htmlrtf0`: what stands there is for readers of RTF alone."""
    fallback: int = 1
    """How many characters stand behind a `u` for those who do not know it."""


@dataclass
class _Page:
    """The text as it is put together, token by token."""

    html: bool
    told: list[str] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)
    groups: list[_Group] = field(default_factory=list)
    group: _Group = field(default_factory=_Group)
    codepage: str = "cp1252"
    starred: bool = False
    skip: int = 0

    def take(self, token: Sequence[str | None]) -> None:
        """Take one token: exactly one kind of it is there."""
        word, number, octet, sign, brace, text = token
        if text is not None:
            self._say(text[self._skipped(len(text)) :])
        elif word is not None:
            self._command(word, int(number) if number else None)
        elif octet is not None:
            if not self._skipped(1) and self._is_seen():
                self.octets.append(int(octet, 16))
        elif brace == "{":
            self.groups.append(self.group)
            old = self.group
            self.group = _Group(old.unseen, old.tag, old.left_out, old.fallback)
        elif brace == "}":
            self.group = self.groups.pop() if self.groups else _Group()
        elif sign == "*":
            self.starred = True
            return
        elif sign is not None and not self._skipped(1):
            self._say(_SIGNS.get(sign, sign))
        self.starred = False

    def text(self) -> str:
        """Return what was said."""
        self._flush()
        told = "".join(self.told)
        # A character beyond 16 bits is told in two halves.
        return clean(told.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))

    def _command(self, word: str, number: int | None) -> None:
        group = self.group
        if word == "htmltag":
            group.tag, group.unseen = True, False
        elif word == "htmlrtf":
            group.left_out = number != 0
        elif self.starred or word in _UNSEEN:
            group.unseen = True
        elif word == "ansicpg" and number:
            self.codepage = "utf-8" if number == 65001 else f"cp{number}"
        elif word == "uc":
            group.fallback = min(max(number or 0, 0), 10)
        elif word == "u" and number is not None:
            self._say(chr(number % 65536))
            self.skip = group.fallback
        elif word in _SAID:
            self._say(_SAID[word])

    def _skipped(self, length: int) -> int:
        """Return how many of *length* characters stand for one that was told already."""
        skipped = min(self.skip, length)
        self.skip -= skipped
        return skipped

    def _is_seen(self) -> bool:
        return not self.group.unseen and not (self.html and self.group.left_out and not self.group.tag)

    def _say(self, text: str) -> None:
        if self._is_seen():
            self._flush()
            self.told.append(text)

    def _flush(self) -> None:
        if self.octets:
            self.told.append(to_text(bytes(self.octets), self.codepage))
            self.octets.clear()
