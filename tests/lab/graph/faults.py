"""What goes wrong with a request: each fault names the requests that it is for and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.lab.graph.problem import GraphError


@dataclass
class Fault:
    """One thing that goes wrong. Fields are also those of `POST /_lab/faults`."""

    match: str = "*"
    """Method and path below the version, as in `GET */$value` or `POST */sendMail` (fnmatch)."""
    times: int = 1
    after: int = 0
    """So many requests that match pass by first."""
    status: int = 0
    """Answer with this, and do nothing else; below 400 with nothing in it."""
    code: str = "UnknownError"
    message: str = ""
    retry_after: int | None = None
    html: bool = False
    """The answer is a page for people."""
    body: str | None = None
    """All is done, and this is the answer's content, whatever it is."""
    headers: dict[str, str] = field(default_factory=dict)
    does: Callable[[], object] = lambda: None
    """Called before anything is done: what somebody else does at this moment. Not by way of `/_lab`."""
    answered: Callable[[], object] = lambda: None
    """Called when all is done, before the answer: what happens while it is on its way. Not by way of `/_lab`."""
    delay_s: float = 0.0
    """Wait before anything is done."""
    held_s: float = 0.0
    """Wait before anything is done until so much of the double's own time has passed, whoever goes away meanwhile."""
    answer_delay_s: float = 0.0
    """Wait when all is done, before the answer."""
    drop: str = ""
    """Cut the connection: `before` anything is done, or `after` all is done but the answer."""
    cut_after: int | None = None
    """Of the answer's content so many bytes are sent; then the connection is cut."""
    pace_s: float = 0.0
    """Pause after each piece of the answer's content."""
    piece: int = 1024
    lies: int = 0
    """All is done, and this status is the answer, with nothing in it."""
    hit: int = 0

    def is_for(self, asked: str) -> bool:
        return self.times > 0 and fnmatchcase(asked, self.match)

    def spare(self) -> None:
        """The request never came so far."""
        if self is not NONE:
            self.times += 1
            self.hit -= 1

    def error(self) -> GraphError | None:
        """The answer, where the fault is one."""
        if not self.status:
            return None
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return GraphError(self.status, self.code, self.message or self.code, headers)


NONE = Fault(times=0)


@dataclass
class Faults:
    """Those that wait for their request, oldest first."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, match: str = "*", **more: Any) -> Fault:
        fault = Fault(match, **more)
        self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        self.waiting.clear()

    def take(self, asked: str) -> Fault:
        """The one for this request."""
        for fault in list(self.waiting):
            if not fault.is_for(asked):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            fault.hit += 1
            return fault
        return NONE

    # --- by name ----------------------------------------------------------------------------------------------------

    def throttled(self, match: str = "*", *, retry_after: int | None = None, times: int = 1) -> Fault:
        return self.add(
            match,
            times=times,
            status=429,
            code="ApplicationThrottled",
            message="Application is over its MailboxConcurrency limit.",
            retry_after=retry_after,
        )

    def busy(self, match: str = "*", *, status: int = 503, retry_after: int | None = None, times: int = 1) -> Fault:
        """503, 504 or 509."""
        code = {503: "ServiceUnavailable", 504: "GatewayTimeout", 509: "BandwidthLimitExceeded"}[status]
        return self.add(match, times=times, status=status, code=code, retry_after=retry_after)

    def lost_answer(self, match: str, *, times: int = 1) -> Fault:
        """All is done, and nobody hears of it."""
        return self.add(match, times=times, drop="after")
