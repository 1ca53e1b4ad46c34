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

_POLICY: Final = re.compile(r"\bp=(none|quarantine|reject)\b", re.IGNORECASE)


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
        found = _POLICY.search(self.comment)
        return None if found is None else found[1].lower()


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
    words = name.split()
    bare = words[0].strip('"') if words else ""
    return Authentication(bare.lower() if len(words) < 3 else "", _results(rest))


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
        words = text.replace(" =", "=").replace("= ", "=").split()
        if not words or "=" not in words[0]:
            continue
        method, _, result = words[0].partition("=")
        properties: dict[str, str] = {}
        for word in words[1:]:
            name, equals, told = word.partition("=")
            if equals:
                properties.setdefault(name.lower(), told.strip('"').lower())
        found.append(Result(method.partition("/")[0].lower(), result.lower(), properties, comment))
    return found


def _statements(value: str) -> list[tuple[str, str]]:
    """Split at semicolons outside quotes and comments: each piece without its comments, and these."""
    pieces: list[tuple[str, str]] = []
    text: list[str] = []
    comment: list[str] = []
    depth, quoted, escaped = 0, False, False
    for sign in value:
        into = comment if depth else text
        if escaped:
            into.append(sign)
            escaped = False
        elif sign == "\\":
            escaped = True
        elif quoted:
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
