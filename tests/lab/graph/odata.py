"""Query options as Graph reads them: strictly, and only those that it supports at the place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from tests.lab.graph.clock import moment
from tests.lab.graph.problem import GraphError, bad_request

MAX_TOP = 1000
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"eq": eq, "ne": ne, "ge": ge, "gt": gt, "le": le, "lt": lt}
TERM = re.compile(r"\s*([A-Za-z][A-Za-z/]*)\s+(eq|ne|ge|gt|le|lt)\s+('(?:[^']|'')*'|[^\s']+)\s*")


@dataclass(frozen=True)
class Term:
    """One comparison of a `$filter`."""

    name: str
    operator: str
    value: Any

    def holds(self, value: Any) -> bool:
        return value is not None and COMPARISONS[self.operator](value, self.value)


@dataclass(frozen=True)
class Options:
    """What a first request asks for; of a delta query it is baked into the token."""

    select: tuple[str, ...] = ()
    top: int | None = None
    skip: int = 0
    terms: tuple[Term, ...] = ()
    orderby: tuple[tuple[str, bool], ...] = ()
    """Properties, each with whether it is descending."""
    expand: tuple[str, ...] = ()
    count: bool = False
    change_type: str = ""
    others: dict[str, str] = field(default_factory=dict)


def options(query: Sequence[tuple[str, str]], supported: Iterable[str], properties: Iterable[str]) -> Options:
    """Read them.

    Raises:
        GraphError: one is unknown here, given twice, or says nothing that makes sense.
    """
    told: dict[str, str] = {}
    for name, value in query:
        if name not in supported:
            raise bad_request(f"The query parameter '{name}' is not supported.")
        if name in told:
            raise bad_request(
                f"Query option '{name}' was specified more than once, but it must be specified at most once."
            )
        told[name] = value
    known = set(properties)
    read = Options(
        select=_names(told.get("$select", ""), known),
        top=_number("$top", told.get("$top"), 1, MAX_TOP),
        skip=_number("$skip", told.get("$skip"), 0, 1 << 31) or 0,
        terms=_terms(told.get("$filter", ""), known),
        orderby=_order(told.get("$orderby", ""), known),
        expand=_names(told.get("$expand", ""), {"attachments", "childFolders"}),
        count=_truth("$count", told.get("$count")),
        change_type=told.get("changeType", ""),
        others={key: value for key, value in told.items() if not key.startswith("$")},
    )
    if read.terms and read.orderby:
        _in_step(read)
    return read


def _names(text: str, known: set[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    for name in names:
        if name not in known:
            raise bad_request(f"Parsing OData Select and Expand failed: Could not find a property named '{name}'.")
    return names


def _number(option: str, text: str | None, least: int, most: int) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d+", text):
        raise bad_request(f"Invalid value '{text}' for {option} query option found.")
    if not least <= int(text) <= most:
        raise bad_request(f"The limit of '{most}' for {option} query has been exceeded.", "ErrorInvalidUrlQuery")
    return int(text)


def _truth(option: str, text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise bad_request(f"Invalid value '{text}' for {option} query option found.")
    return text == "true"


def _terms(text: str, known: set[str]) -> tuple[Term, ...]:
    found = []
    for part in re.split(r"\s+and\s+", text) if text else ():
        match = TERM.fullmatch(part)
        if match is None or match[1] not in known:
            raise bad_request(f"Invalid filter clause: '{part}'.", "ErrorInvalidUrlQueryFilter")
        found.append(Term(match[1], match[2], _literal(match[1], match[3])))
    return tuple(found)


def _literal(name: str, text: str) -> str | bool | datetime:
    quoted = text.startswith("'")
    try:
        if name.endswith("DateTime"):
            return moment(text)  # in quotes it is none
        if name.startswith("is") or name == "hasAttachments":
            return {"true": True, "false": False}[text]
        if quoted:
            return text[1:-1].replace("''", "'")
    except (ValueError, KeyError):
        pass
    raise bad_request(f"A value of an incompatible kind was found for '{name}'.", "ErrorInvalidUrlQueryFilter")


def _order(text: str, known: set[str]) -> tuple[tuple[str, bool], ...]:
    found = []
    for part in text.split(",") if text else ():
        name, _, way = part.strip().partition(" ")
        if name not in known or way not in {"", "asc", "desc"}:
            raise bad_request(f"Invalid orderby clause: '{part}'.")
        found.append((name, way == "desc"))
    return tuple(found)


def _in_step(read: Options) -> None:
    """Properties of `$orderby` must come first in `$filter`, in the same order."""
    filtered = [term.name for term in read.terms]
    ordered = [name for name, _ in read.orderby]
    if filtered[: len(ordered)] != ordered:
        raise GraphError(400, "InefficientFilter", "The restriction or sort order is too complex for this operation.")


@dataclass(frozen=True)
class Prefer:
    """What the header of that name says (RFC 7240), as far as Graph heeds it."""

    immutable: bool = False
    page_size: int | None = None
    applied: tuple[str, ...] = ()


def prefer(values: Iterable[str]) -> Prefer:
    immutable, size, applied = False, None, []
    for one in (part.strip() for value in values for part in value.split(",")):
        name, _, value = one.partition("=")
        bare = value.strip('"')
        match name.strip().lower():
            case "idtype":
                immutable = bare.lower() == "immutableid"
                applied.append(f"IdType={bare}")
            case "odata.maxpagesize" if bare.isdigit() and int(bare):
                size = min(int(bare), MAX_TOP)
                applied.append(f"odata.maxpagesize={bare}")
            case "outlook.body-content-type":
                applied.append(one)
    return Prefer(immutable, size, tuple(applied))
