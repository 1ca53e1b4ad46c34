"""The test of a connection: its words, and the contracts between those who run it and those who are tested."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class StageState(StrEnum):
    """How a stage of a connection's test ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step on the way to a mail: what was found there, and what to do where it failed."""

    name: str
    state: StageState
    ms: int = 0
    detail: str = ""
    fix: str | None = None
    """In plain words; None unless it failed."""


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """How far a unit's connection works. No "report", which is RFC 3464's."""

    unit: str
    server: str
    stages: Sequence[Stage]

    @property
    def ok(self) -> bool:
        """Whether every stage is."""
        return all(stage.state is StageState.OK for stage in self.stages)


class Finding(Protocol):
    """A stage under way."""

    detail: str
    """What was found, in a line for a person. Never a secret, nothing of a mail's content."""


class Probe(Protocol):
    """Takes down the stages of a test, in their order."""

    def stage(self, name: str) -> AbstractContextManager[Finding]:
        """Measure and judge what happens inside: an error fails the stage, and goes on to end the test.

        It has a deadline of its own, which fails it as well. `StageError` brings the fix along; for others it is told
        from the reason.
        """
        ...


@runtime_checkable
class ProvesConnection(Protocol):
    """A source or sender that can be tested in stages, without changing anything on the server."""

    stages: Sequence[str]
    """Names of all stages that this configuration takes, in order. Public: `mailwicket test --json`."""

    async def prove(self, probe: Probe) -> None:
        """Go through `stages`, one `probe.stage` each. Reads only: nothing is marked, moved, deleted or sent.

        Raises:
            MailwicketError: the stage that failed; those behind it were not begun.
        """
        ...
