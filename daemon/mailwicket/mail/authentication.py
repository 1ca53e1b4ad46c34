"""What mail servers found out about a sender: Authentication-Results (RFC 8601), one field at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

FIELD_MAX_CHARS: Final = 8192
RESULTS_MAX: Final = 50
DEPTH_MAX: Final = 20

_SIGNS: Final = re.compile(r'[^\\"();]++|\\.|.', re.DOTALL)
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"?'
_BLANKS: Final = re.compile(r"\s+")
_JOINT: Final = re.compile(rf"({_QUOTED})| ?([./]) ?")
_PAIR: Final = re.compile(rf"""([^ "=]++) ?= ?((?:[^ "]|{_QUOTED})*+)|{_QUOTED}|[^ "=]++|=""")
_ESCAPED: Final = re.compile(r"\\(.?)")
_POLICY: Final = re.compile(r"\b(?:p|dis)=(quarantine|reject)\b", re.IGNORECASE)
_NO_POLICY: Final = re.compile(r"\bp=none\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Result:
    """One method's result."""

    method: str
    """Lower case: `dmarc`, `dkim`, `spf`, `arc`."""
    value: str
    """Lower case: `pass`, `fail`, `none`, ..."""
    properties: dict[str, str]
    """`header.from`, `header.d`, `smtp.mailfrom`, `policy.dmarc`, ...: lower case on both sides."""
    comment: str
    """What stood in brackets: many servers tell the domain's policy there."""

    @property
    def policy(self) -> str | None:
        """What the sender's domain asks for where DMARC fails (RFC 7489 6.3): `none`, `quarantine`, `reject`."""
        for name in ("policy.published-domain-policy", "policy.dmarc", "policy.p", "p", "action", "policy.action"):
            told = self.properties.get(name, "")
            if told in {"none", "quarantine", "reject"}:
                return told
            if told == "oreject":  # Microsoft: the domain says reject, the tenant softened it
                return "reject"
        if (found := _POLICY.search(self.comment)) is not None:
            return found[1].lower()
        return "none" if _NO_POLICY.search(self.comment) else None


@dataclass(frozen=True, slots=True)
class Authentication:
    """One Authentication-Results field."""

    authserv_id: str
    """Who says so, lower case; `""` where the field names nobody."""
    results: Sequence[Result]


def authentication(value: str) -> Authentication:
    """Read the field's unfolded *value*; what cannot be read is left out. Linear, whatever it holds."""
    first, *rest = _statements(value[:FIELD_MAX_CHARS])
    name, _ = first
    if "=" in name:  # no authserv-id: a form that RFC 8601 does not know
        return Authentication("", _results([first, *rest]))
    bare, *version = name.split() or [""]
    is_one = not version or (len(version) == 1 and version[0].isdigit())  # RFC 8601 2.2: an id, perhaps a version
    return Authentication(bare.strip('"').lower() if is_one else "", _results(rest))


def received_by(value: str) -> str | None:
    """Return the host that wrote a Received field (RFC 5321 4.4, `by`), lower case; None where it does not say."""
    bare = "".join(text for text, _ in _statements(value[:FIELD_MAX_CHARS])[:1])
    words = bare.split()
    for word, host in pairwise(words):
        if word.lower() == "by":
            return host.strip("[]").lower()
    return None


def _results(statements: Sequence[tuple[str, str]]) -> Sequence[Result]:
    found = []
    for text, comment in statements[:RESULTS_MAX]:
        pairs = _pairs(text)
        if not pairs or not pairs[0][0]:
            continue
        method, result = pairs[0]
        properties: dict[str, str] = {}
        for name, told in pairs[1:]:
            if name:
                properties.setdefault(name, told)
        found.append(Result(method.partition("/")[0], result, properties, comment))
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return each `name = value` in lower case, and `("", "")` for anything else.

    What stands in quotes may be a stranger's words: nothing in it is a name.
    """
    joined = _JOINT.sub(r"\1\2", _BLANKS.sub(" ", text))
    return [
        (found[1].lower(), _ESCAPED.sub(r"\1", found[2].replace('"', "")).lower()) if found[1] else ("", "")
        for found in _PAIR.finditer(joined)
    ]


def _statements(value: str) -> list[tuple[str, str]]:
    """Split at semicolons outside quotes and comments: each piece without its comments, and these."""
    pieces: list[tuple[str, str]] = []
    text: list[str] = []
    comment: list[str] = []
    depth, quoted = 0, False
    for sign in _SIGNS.findall(value):
        into = comment if depth else text
        if quoted:
            quoted = sign != '"'
            into.append(sign)
        elif sign == '"' and not depth:
            quoted = True
            into.append(sign)
        elif sign == "(" and depth < DEPTH_MAX:
            depth += 1
            text.append(" ")
        elif sign == ")" and depth:
            depth -= 1
            comment.append(" ")
        elif sign == ";" and not depth:
            pieces.append(("".join(text), "".join(comment)))
            text, comment = [], []
        else:
            into.append(sign)
    pieces.append(("".join(text), "".join(comment)))
    return pieces
