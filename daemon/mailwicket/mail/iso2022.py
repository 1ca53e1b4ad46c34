"""ISO 2022: text in seven bits that changes its alphabet by escapes, as Japanese and Korean mail programs write it.

The codecs of the library read what the standards allow (RFC 1468, RFC 1557). This reads the rest: the
extensions of Windows (circled numbers, half-width katakana), missing designations, escapes cut off.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"\x1b([$(.)*+&][()@A-Z]{0,2}[@A-Z]?)")
_HIGH: Final = bytes(one | 0x80 if 0x20 < one < 0x7F else one for one in range(256))
# What an escape announces, to the codec that reads it in eight bits.
_ALPHABETS: Final = {
    b"(B": "ascii",
    b"(J": "ascii",
    b"(H": "ascii",
    b"(I": "cp932",  # half-width katakana: one byte a letter
    b"$@": "euc_jis_2004",
    b"$B": "euc_jis_2004",
    b"$(@": "euc_jis_2004",
    b"$(B": "euc_jis_2004",
    b"$(O": "euc_jis_2004",
    b"$(Q": "euc_jis_2004",
    b"$A": "gb18030",
    b"$(A": "gb18030",
    b"$(C": "cp949",
    b"$(D": "jis x 0212",
    b"$(P": "jis x 0213 plane 2",
}


def japanese(content: bytes) -> str:
    """Return *content*, ISO-2022-JP in any of its dialects, as text; what no dialect knows becomes U+FFFD."""
    told: list[str] = []
    alphabet, at = "ascii", 0
    for escape in _ESCAPE.finditer(content):
        told.append(_stretch(content[at : escape.start()], alphabet))
        name = escape[1]
        known = next((name[:length] for length in (3, 2) if name[:length] in _ALPHABETS), None)
        at = escape.end() if known is None else escape.start() + 1 + len(known)
        alphabet = _ALPHABETS.get(known or b"", alphabet)
    told.append(_stretch(content[at:], alphabet))
    return "".join(told)


def _stretch(content: bytes, alphabet: str) -> str:
    if alphabet == "ascii":
        return content.decode("cp932", "replace")
    if alphabet in {"jis x 0212", "jis x 0213 plane 2"}:
        pairs = content.translate(_HIGH)
        marked = b"".join(b"\x8f" + pairs[at : at + 2] for at in range(0, len(pairs), 2))
        return marked.decode("euc_jp" if alphabet == "jis x 0212" else "euc_jis_2004", "replace")
    return content.translate(_HIGH).decode(alphabet, "replace")


def korean(content: bytes) -> str:
    """Return *content*, ISO-2022-KR (RFC 1557), as text: between shift out and shift in stand pairs."""
    told: list[str] = []
    for number, stretch in enumerate(content.replace(b"\x1b$)C", b"").split(b"\x0e")):
        pairs, _, letters = stretch.partition(b"\x0f") if number else (b"", b"", stretch)
        told += [
            pairs.translate(_HIGH).decode("cp949", "replace"),
            letters.replace(b"\x0f", b"").decode("cp949", "replace"),
        ]
    return "".join(told)
