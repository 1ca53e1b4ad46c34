"""What the tables of servers and rules must agree on with each other. Pure: models in, what is wrong out."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from mailwicket.config.incoming import Incoming
from mailwicket.config.locate import TreePath
from mailwicket.config.mistake import printable
from mailwicket.config.model import is_loopback
from mailwicket.config.outgoing import Outgoing, OutgoingRule

NAMED_MAX: Final = 5

Told = tuple[TreePath, str]
"""Where, and what is wrong there."""


class Agreement:
    """One look at all servers and rules whose own tables are good."""

    def __init__(
        self,
        incoming: Mapping[str, Incoming],
        outgoing: Mapping[str, Outgoing],
        rules: Mapping[int, OutgoingRule],
        names: Mapping[str, Collection[str]],
    ) -> None:
        """*rules* by their place in the list; *names* of all servers by table, of those too whose tables are bad."""
        self._incoming = {name: one for name, one in incoming.items() if one.enabled}
        self._outgoing = {name: one for name, one in outgoing.items() if one.enabled}
        self._disabled = outgoing.keys() - self._outgoing.keys()
        self._all: Mapping[str, Mapping[str, Incoming | Outgoing]] = {"incoming": incoming, "outgoing": outgoing}
        self._rules = rules
        self._names = names

    def errors(self) -> Iterator[Told]:
        """Yield everything that cannot be run."""
        for name, server in self._outgoing.items():
            yield from _login(name, server)
        yield from self._primaries("outgoing", self._outgoing)
        if self._outgoing:  # else nothing is ever asked of a mailbox that is one
            yield from self._primaries("incoming", self._incoming)
        known = self._names["outgoing"]
        for path, name in self._links():
            if name not in known:
                yield path, f"names no outgoing server; {_there_are(name, sorted(known))}"

    def notes(self) -> Iterator[Told]:
        """Yield what is run, and perhaps not as it was meant."""
        for path, name in self._links():
            if name in self._disabled:
                yield path, f"names outgoing.{name}, which is disabled, and is skipped"
        if len(self._outgoing) == 1:
            for name in self._disabled_primaries("outgoing"):
                words = f"is true for a server that is disabled; outgoing.{next(iter(self._outgoing))} alone is enabled"
                yield ("outgoing", name, "primary"), f"{words}, and is the primary"
        for name, server in self._all["outgoing"].items():
            if isinstance(server, Outgoing):
                for key in sorted(server.without_effect.keys() & server.model_fields_set):
                    yield ("outgoing", name, key), f"is without effect: {server.without_effect[key]}"

    def _links(self) -> Iterator[Told]:
        """Yield where an outgoing server is named, and its name: by what is disabled itself, too."""
        for place, rule in self._rules.items():
            yield ("outgoing_rule", place, "outgoing"), rule.outgoing
        for name, unit in self._all["incoming"].items():
            if isinstance(unit, Incoming) and unit.outgoing is not None:
                yield ("incoming", name, "outgoing"), unit.outgoing

    def _primaries(self, table: str, enabled: Mapping[str, Incoming | Outgoing]) -> Iterator[Told]:
        """Of several enabled servers exactly one says that it is primary; a lone one need not."""
        first = next((name for name, one in enabled.items() if one.primary), None)
        for name, one in enabled.items():
            if one.primary and name != first:
                words = f"is true for {table}.{first} as well; true for exactly one of the enabled ones"
                yield (table, name, "primary"), words
        off = self._disabled_primaries(table)
        if table == "outgoing" and len(enabled) > 1:
            for name in off:
                yield (table, name, "primary"), "is true for a server that is disabled; true for an enabled one"
            if off:
                return
        if first is None and len(enabled) > 1 and len(self._names[table]) == len(self._all[table]):
            words = f"has several that are enabled ({_listed(sorted(enabled))}); primary = true for exactly one of them"
            yield (table,), words

    def _disabled_primaries(self, table: str) -> Sequence[str]:
        return [name for name, one in self._all[table].items() if one.primary and not one.enabled]


def _login(name: str, server: Outgoing) -> Iterator[Told]:
    """How an enabled *server* is logged in to."""
    if not server.authentication:
        return
    path = ("outgoing", name)
    if server.security == "none" and not server.allow_plaintext and not is_loopback(server.server):
        yield (
            (*path, "security"),
            'says the password in the clear to another machine; "ssl" or "tls", or allow_plaintext = true',
        )


def _there_are(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.casefold(), known, 1)
    if near:
        return f"nearest: {printable(near[0])}"
    return f"there are: {_listed(known)}" if known else "there is none"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED_MAX
    return ", ".join(map(printable, names[:NAMED_MAX])) + (f" and {more} more" if more > 0 else "")
