"""Microsoft's own description of the mail endpoints, as the judge of what we send.

Its traps, each undone here: actions name their arguments in Pascal case while the service takes camel case as well;
createReply needs no body; a link's `$skiptoken` and `$deltatoken` stand in no original. `$batch` and the slices of an
upload session are not in it at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VARIABLE = "MAILWICKET_GRAPH_OPENAPI"


@dataclass
class Validation:
    """Where the description is at hand, whatever breaks it is kept here; else `says` tells that nothing was judged."""

    description: Any = None
    violations: list[str] = field(default_factory=list)
    says: str = f"not validated: {VARIABLE} names no file"

    @classmethod
    def from_environment(cls) -> Validation:
        return cls()

    def request(
        self,
        method: str,
        parts: list[str],
        query: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        content: bytes,
    ) -> None:
        """Judge what a client sent."""

    def response(self, method: str, parts: list[str], status: int, body: dict[str, Any]) -> None:
        """Judge what the double answers."""

    def judge(self) -> None:
        """Let the test fail that sent what Microsoft does not describe."""
        assert not self.violations, "\n".join(self.violations)
