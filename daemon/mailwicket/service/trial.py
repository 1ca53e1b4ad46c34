"""The staged test of connections: what was found at each stage, how long it took, and what to do where it failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from mailwicket.errors import BlockedError, MailwicketError, StageError, TransientError
from mailwicket.stages import ConnectionReport, ProvesConnection, Stage, StageState

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""So many units are tested at a time: a provider may count their logins."""

STAGE_S: Final = 30
"""How long any stage may take, whatever its own deadlines."""

FIXES: Final[Mapping[str, str]] = {
    "timeout": "try again; if it lasts, look at the server, and at firewalls on the way to it",
    "connection_lost": "try again; if it lasts, the server's own log says why it hung up",
    "server_said": "time may mend it, as the server's words say; if it lasts, ask who runs the server",
    "throttled": "wait some minutes, or as long as it says: it counts whoever asks for that application",
    "in_use": "another program has the mailbox open: end it, or wait some minutes where it hung up without a word",
    "unreachable": "try again; if it lasts, look at the network and at the server",
}
"""By reason code, where the stage itself knows nothing better."""

ANY_FIX: Final = "ask who runs the server; its words say what it wants"
BUG_FIX: Final = "a bug of ours: please report it, with the traceback"


class Errand(Protocol):
    """Further stages that a person asked for: they may change something."""

    stages: Sequence[str]

    async def run(self, trial: Trial) -> None:
        """Go through `stages`.

        Raises:
            MailwicketError: the stage that failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit to test."""

    unit: str
    """With its kind: `incoming/NAME`."""
    server: str
    connection: object
    """The adapter, which may be one that cannot be tested."""
    more: Sequence[Errand] = ()
    """What is done behind its own stages, as far as these are good."""


@dataclass(slots=True)
class _Finding:
    detail: str = ""


class Trial:
    """One unit's test as `stages.Probe`."""

    def __init__(self, begun: Callable[[str], None], stage_s: float = STAGE_S) -> None:
        """*begun* hears of each stage as it begins; *stage_s* is the deadline of each."""
        self.taken: list[Stage] = []
        self._begun = begun
        self._stage_s = stage_s

    @contextmanager
    def stage(self, name: str, within_s: float | None = None) -> Iterator[_Finding]:
        """Take down one stage; see `stages.Probe`. *within_s* is a deadline of its own."""
        limit_s = self._stage_s if within_s is None else within_s
        self._begun(name)
        finding = _Finding()
        begun_at = time.monotonic()

        def note(state: StageState, detail: str, fix: str | None = None) -> None:
            self.taken.append(Stage(name, state, round((time.monotonic() - begun_at) * 1000), detail, fix))

        try:
            with anyio.fail_after(limit_s):
                yield finding
        except MailwicketError as error:
            note(StageState.FAILED, str(error), _fix(error))
            raise
        except TimeoutError as error:
            words = f"not done within {limit_s:g} s"
            note(StageState.FAILED, words, FIXES["timeout"])
            raise TransientError(words, reason="timeout") from error
        except Exception as error:
            note(StageState.FAILED, f"a bug: {type(error).__name__}", BUG_FIX)
            raise
        note(StageState.OK, finding.detail)


def _fix(error: MailwicketError) -> str:
    match error:
        case StageError():
            return error.fix
        case TransientError() | BlockedError():
            return FIXES.get(error.reason, ANY_FIX)
    return ANY_FIX


async def try_connections(
    candidates: Sequence[Candidate], begun: Callable[[str, str], None] = lambda _unit, _stage: None
) -> Sequence[ConnectionReport]:
    """Test all *candidates*, AT_ONCE at a time; return their reports in the same order.

    Never raises for a server. *begun* hears the unit and the name of each stage that begins.
    """
    reports: dict[int, ConnectionReport] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int, candidate: Candidate) -> None:
        async with limiter:
            reports[number] = await try_connection(candidate, lambda stage: begun(candidate.unit, stage))

    async with anyio.create_task_group() as tasks:
        for number, candidate in enumerate(candidates):
            tasks.start_soon(one, number, candidate)
    return [reports[number] for number in range(len(candidates))]


async def try_connection(
    candidate: Candidate, begun: Callable[[str], None] = lambda _: None, stage_s: float = STAGE_S
) -> ConnectionReport:
    """Test one unit. Never raises for a server, nor for a bug of its adapter."""
    connection = candidate.connection
    if not isinstance(connection, ProvesConnection):
        told = Stage("test", StageState.SKIPPED, detail="this kind of server cannot be tested in stages")
        return ConnectionReport(candidate.unit, candidate.server, [told])
    trial = Trial(begun, stage_s)
    try:
        await connection.prove(trial)
        for errand in candidate.more:
            await errand.run(trial)
    except MailwicketError:
        pass  # it is in its stage
    except Exception:  # the others are tested all the same
        log.exception("test failed unit=%s", candidate.unit)
    taken = {stage.name for stage in trial.taken}
    every = [*connection.stages, *(name for errand in candidate.more for name in errand.stages)]
    rest = [Stage(name, StageState.SKIPPED) for name in every if name not in taken]
    return ConnectionReport(candidate.unit, candidate.server, [*trial.taken, *rest])
