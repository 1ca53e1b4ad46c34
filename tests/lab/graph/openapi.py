"""Microsoft's own description of the mail endpoints, as the judge of what is sent to the double and of its answers.

Traps of that file, each undone here: actions name their arguments in Pascal case while the service takes camel case as
well, and createReply needs no body. An upload session's slices are not in it at all. It was cut down to what a mail
daemon uses: a property that it does not know is no offence here (the double itself refuses those that Graph lacks).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.graph.ask import pascal

if TYPE_CHECKING:
    from tests.lab.graph.description import Description

VARIABLE = "MAILWICKET_GRAPH_OPENAPI"
PREFERENCES = ("idtype", "odata.maxpagesize", "outlook.body-content-type", "outlook.timezone")
BODY_MAY_LACK = ("createReply",)
ROWS_LOOKED_AT = 3
"""Of a page: one row is made as the next one is."""


@dataclass
class Validation:
    """Where the description is at hand, whatever breaks it is kept here; else `says` tells that nothing was judged."""

    description: Description | None = None
    violations: list[str] = field(default_factory=list)
    """Of clients."""
    own: list[str] = field(default_factory=list)
    """Of the double."""
    judged: int = 0

    @classmethod
    def from_environment(cls) -> Validation:
        """Read the file that the environment names, if it does."""
        named = os.environ.get(VARIABLE)
        if not named:
            return cls()
        from tests.lab.graph.description import described

        return cls(described(Path(named).resolve()))

    @property
    def says(self) -> str:
        if self.description is None:
            return f"requests are not validated: {VARIABLE} names no file"
        return f"{self.judged} requests validated"

    def request(
        self,
        method: str,
        parts: list[str],
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        content: bytes,
    ) -> None:
        """Judge what a client sent."""
        if self.description is None:
            return
        self.judged += 1
        found = self.description.operation(method, tuple(parts))
        if found is None:
            self.violations.append(f"{method} /{'/'.join(parts)}: no such operation")
            return
        path, _ = found
        wrong = [
            *self._query(path, method.lower(), query),
            *self._prefer(headers.get("Prefer", "")),
            *self._body(path, method.lower(), headers.get("Content-Type", ""), content),
        ]
        self.violations += [f"{method} {path}: {words}" for words in wrong]

    def _query(self, path: str, method: str, query: Sequence[tuple[str, str]]) -> list[str]:
        assert self.description is not None
        known = self.description.options(path, method)
        wrong = []
        for name, text in query:
            if name.lower() not in known:
                wrong.append(f"query option {name} is not described")
                continue
            said = self.description.option_faults(known[name.lower()], text)
            wrong += [f"query option {name}: {words}" for words in said]
        return wrong

    def _prefer(self, text: str) -> list[str]:
        names = [one.partition("=")[0].strip().lower() for one in text.split(",") if one.strip()]
        return [f"Prefer: {name} is not known" for name in names if name not in PREFERENCES]

    def _body(self, path: str, method: str, kind: str, content: bytes) -> list[str]:
        assert self.description is not None
        if "requestBody" not in self.description.tree["paths"][path][method]:
            return ["a body where none is described"] if content else []
        place, body = self.description.followed("paths", path, method, "requestBody")
        if not content:
            needed = body.get("required") and not path.endswith(BODY_MAY_LACK)
            return ["no body"] if needed else []
        kind = kind.partition(";")[0].strip().lower()
        if kind not in body["content"]:
            return [f"Content-Type {kind!r} is not described"]
        if kind != "application/json":
            return []
        try:
            told = json.loads(content)
        except ValueError:
            return ["the body is no JSON"]
        place, schema = self.description.followed(*place, "content", kind, "schema")
        wrong = []
        if isinstance(told, dict) and "allOf" not in schema and "anyOf" not in schema:  # arguments of an action
            known = schema["properties"]
            told = {pascal(key) if pascal(key) in known else key: value for key, value in told.items()}
            wrong = [f"argument {key} is not described" for key in told if key not in known]
        return wrong + self.description.faults(told, *place)

    def response(self, method: str, parts: list[str], status: int, body: dict[str, Any]) -> None:
        """Judge what the double answers."""
        found = None if self.description is None else self.description.operation(method, tuple(parts))
        if self.description is None or found is None:
            return
        path, operation = found
        documented = operation.get("x-docs-status")
        if documented not in {None, status}:
            self.own.append(f"{method} {path}: {status} instead of {documented}")
        if isinstance(body.get("value"), list):
            body = body | {"value": body["value"][:ROWS_LOOKED_AT]}
        place, told = self.description.followed("paths", path, method.lower(), "responses", "2XX")
        if "content" in told:
            wrong = self.description.faults(body, *place, "content", "application/json", "schema")
            self.own += [f"{method} {path}: answered {words}" for words in wrong]

    def judge(self) -> None:
        """Let the test fail that sent what Microsoft does not describe."""
        assert not self.own, "the double breaks Microsoft's description:\n" + "\n".join(self.own)
        assert not self.violations, "sent what Microsoft does not describe:\n" + "\n".join(self.violations)
