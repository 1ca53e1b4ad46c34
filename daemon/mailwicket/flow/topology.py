"""The lint of the address topology: what a configuration allows and hardly anybody means. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from mailwicket.config.incoming import Incoming
from mailwicket.config.locate import TreePath
from mailwicket.config.mistake import printable
from mailwicket.config.outgoing import Outgoing, OutgoingRule
from mailwicket.config.settings import Settings
from mailwicket.config.tables import EVENTS
from mailwicket.rules.own import OwnAddresses, canonical

Remark = tuple[TreePath, str]
"""Where, and what is odd there."""

NAMING: Final = frozenset({"is", "is_not", "in", "not_in"})
"""Operators whose values are whole names."""


def remarks(settings: Settings) -> Iterator[Remark]:
    """Yield what is odd in *settings*; none of it is an error."""
    boxes = {name: box for name, box in settings.incoming.items() if box.enabled}
    servers = {name: server for name, server in settings.outgoing.items() if server.enabled}
    if not servers:
        yield ("outgoing",), "no server is enabled: nothing is ever sent"
    if settings.preferences.email_to_ticket != "paused":
        yield from _answers(settings.incoming, servers)
    yield from _shared("incoming", {name: (box.email, *box.aliases) for name, box in boxes.items()})
    yield from _shared("outgoing", {name: (server.email,) for name, server in servers.items()})
    yield from _logins(settings, boxes)
    yield from _circles(settings)
    yield from _rules(settings)
    yield from _groups(settings)
    yield from _companies(settings)
    yield from _proof(settings, boxes)


def _answers(incoming: Mapping[str, Incoming], servers: Mapping[str, Outgoing]) -> Iterator[Remark]:
    """What is sent wants answers, and reports of failed delivery, to arrive where somebody looks."""
    fetched = _receiving({name: box for name, box in incoming.items() if box.enabled})
    off = _receiving({name: box for name, box in incoming.items() if not box.enabled})

    def nobody(address: str) -> str:
        if (name := off.source(address)) is not None:
            return f"is received by incoming.{name} alone, which is disabled"
        return "is received by no mailbox (an alias belongs into the aliases of its mailbox)"

    for name, server in servers.items():
        if server.reply_to is not None and fetched.source(server.reply_to) is None:
            yield ("outgoing", name, "reply_to"), f"{nobody(server.reply_to)}: answers do not come back"
        if fetched.source(server.email) is None:
            lost = "answers" if server.reply_to is None else "reports of failed delivery"
            yield ("outgoing", name, "email"), f"{nobody(server.email)}: {lost} do not come back"


def _receiving(boxes: Mapping[str, Incoming]) -> OwnAddresses:
    return OwnAddresses((), {address: name for name, box in boxes.items() for address in (box.email, *box.aliases)})


def _shared(table: str, addresses: Mapping[str, Iterable[str]]) -> Iterator[Remark]:
    """Two servers of one address are legal: one may send over SMTP and another by an API."""
    owners: dict[str, str] = {}
    for name, own in addresses.items():
        for place, address in enumerate(own):
            first = owners.setdefault(canonical(address), name)
            if first != name:
                path = (table, name, "aliases", place - 1) if place else (table, name, "email")
                yield (
                    path,
                    f"is an address of {table}.{first} as well, which is chosen first by it",
                )


def _logins(settings: Settings, boxes: Mapping[str, Incoming]) -> Iterator[Remark]:
    """Who logs in with an address has a mailbox of that address: mail to it arrives as well."""
    own = _receiving(settings.incoming)
    for name, box in boxes.items():
        if "@" in box.username and own.source(box.username) is None:
            yield (
                ("incoming", name, "username"),
                "is an address that is neither email nor among aliases: where mail to it arrives here, it is not ours",
            )


def _circles(settings: Settings) -> Iterator[Remark]:
    """Mail to people that comes back to the desk makes tickets of its own notices, or loops."""
    own = _receiving(settings.incoming)
    sending = OwnAddresses(
        (), {one: name for name, server in settings.outgoing.items() for one in (server.email, server.reply_to) if one}
    )
    for place, address in enumerate(settings.daemon.alert_to):
        if (name := own.source(address)) is not None:
            yield ("daemon", "alert_to", place), f"is an address of incoming.{name}: nothing is sent there"
    people: Mapping[str, Mapping[str, Any]] = {"technician": settings.technician, "requester": settings.requester}
    for table, entries in people.items():
        for address, person in entries.items():
            for one in (address, *person.addresses):
                if (name := own.source(one)) is not None:
                    yield (table, address), f"has an address of incoming.{name}: mail to him comes back to the desk"
                elif (name := sending.source(one)) is not None:
                    yield (table, address), f"has an address of outgoing.{name}: his mail is taken for our own"


def _rules(settings: Settings) -> Iterator[Remark]:
    """Rules that no mail ever reaches, and values that nothing ever has."""
    live = [
        (place, rule)
        for place, rule in enumerate(settings.outgoing_rule)
        if rule.enabled and settings.outgoing[rule.outgoing].enabled
    ]
    takes_all: int | None = None
    for number, (place, rule) in enumerate(live):
        if takes_all is not None:
            yield ("outgoing_rule", place), f"is never reached: table {takes_all + 1} takes everything"
        elif not (rule.all or rule.any):
            takes_all = place
            if live[number + 1 :]:
                yield ("outgoing_rule", place), "has no conditions and is not the last: none behind it is ever reached"
        elif (same := _same(rule, live[:number])) is not None:
            yield ("outgoing_rule", place), f"is never reached: table {same + 1} has the same conditions"
        for key in ("all", "any"):
            for one in _leaves(getattr(rule, key)):
                if (said := _unknown_value(one, settings)) is not None:
                    yield ("outgoing_rule", place, key), said


def _same(rule: OutgoingRule, before: Iterable[tuple[int, OutgoingRule]]) -> int | None:
    return next((place for place, one in before if (one.all, one.any) == (rule.all, rule.any)), None)


def _leaves(conditions: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for one in conditions:
        nested = one.get("all", one.get("any"))
        if nested is None:
            yield one
        else:
            yield from _leaves(nested)


def _unknown_value(condition: Mapping[str, Any], settings: Settings) -> str | None:
    """Say which value of *condition* nothing ever has."""
    if condition["op"] not in NAMING:
        return None
    value = condition["value"]
    values = [value] if isinstance(value, str) else value
    groups = _groups_known(settings)
    known: Mapping[str, tuple[str, Collection[str]]] = {
        "event": ("event", EVENTS),
        "received_at": ("mailbox", settings.incoming),
        **({"technician_group": ("group", groups)} if groups else {}),
    }
    if condition["field"] not in known:
        return None
    what, names = known[condition["field"]]
    folded = {name.casefold() for name in names}
    unknown = next((one for one in values if one.casefold() not in folded), None)
    return None if unknown is None else f"names no {what}: {_shown(unknown, names)}"


def _groups_known(settings: Settings) -> Collection[str]:
    """The groups that the files tell of: none where the directory is elsewhere."""
    return settings.group.keys() | {name for one in settings.technician.values() for name in one.groups}


def _groups(settings: Settings) -> Iterator[Remark]:
    known = _groups_known(settings)
    if not known:
        return
    for name, box in settings.incoming.items():
        if box.group is not None and box.group not in known:
            yield ("incoming", name, "group"), f"names no group: {_shown(box.group, known)}"
    for name, server in settings.outgoing.items():
        for place, group in enumerate(server.allowed_groups):
            if group not in known:
                yield ("outgoing", name, "allowed_groups", place), f"names no group: {_shown(group, known)}"
    for address, person in settings.technician.items() if settings.group else ():
        for place, group in enumerate(person.groups):
            if group not in settings.group:
                words = f"names no group that is declared: {_shown(group, settings.group)}"
                yield ("technician", address, "groups", place), words


def _companies(settings: Settings) -> Iterator[Remark]:
    for name, box in settings.incoming.items():
        if box.company is not None and not settings.msp.enabled:
            yield ("incoming", name, "company"), "is ignored while [msp] is not enabled"


def _proof(settings: Settings, boxes: Mapping[str, Incoming]) -> Iterator[Remark]:
    """Who is believed to be a technician: nobody, where no server of ours is believed to know."""
    preferences = settings.preferences
    if not settings.technician or preferences.technician_proof == "none" or preferences.check_dkim:
        return
    for name, box in boxes.items():
        if not box.trusted_authserv_ids:
            yield (
                ("incoming", name, "trusted_authserv_ids"),
                "is empty: technicians have no proof by mail here, so that their replies stay collaboration",
            )


def _shown(name: str, known: Collection[str]) -> str:
    """Name what is *known*; *name* itself may be anything."""
    near = difflib.get_close_matches(name, list(known), 1)
    if near:
        return f"nearest: {printable(near[0])}"
    return f"there are: {', '.join(sorted(map(printable, known))[:5])}" if known else "there is none"
