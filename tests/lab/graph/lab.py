"""All of the double in one object: what a test sets and looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.lab.graph.clock import Clock
from tests.lab.graph.delta import Deltas
from tests.lab.graph.faults import Faults
from tests.lab.graph.ids import Ids
from tests.lab.graph.mailboxes import Mailbox
from tests.lab.graph.openapi import Validation
from tests.lab.graph.problem import GraphError
from tests.lab.graph.sending import Sending
from tests.lab.graph.throttling import Throttling
from tests.lab.graph.tokens import GRAPH, GRAPH_APP, Tokens
from tests.lab.graph.uploads import Uploads
from tests.lab.graph.wire import Wire


@dataclass
class Manners:
    """How it speaks."""

    mime: str = "exchange"
    """How `$value` gives a mail: `exchange`, `rebuilt` or `verbatim` (see `exchange.given_out`)."""
    chunked: bool = True
    compressed: bool = False
    """Answers are in gzip, where the client takes it."""
    latency_s: float = 0.0
    """Of each request, while it counts as one of those at a time."""
    deletes_to: str = "recoverableitemsdeletions"
    """Where DELETE moves a message; the documentation does not tell."""
    audiences: tuple[str, ...] = (GRAPH, GRAPH_APP)
    """Of tokens that are taken, beside the double's own origin."""


@dataclass(frozen=True)
class Asked:
    """One request to Graph or to an upload session, and how it was answered."""

    method: str
    path: str
    """Raw, with the query."""
    headers: dict[str, str]
    """Without the token itself."""
    content: bytes
    status: int


@dataclass
class Lab:
    """A running double. `base` is what a client is given as Graph's base."""

    prefix: str = ""
    """A path before everything, as a gateway or another cloud may have one."""
    origin: str = ""
    clock: Clock = field(default_factory=Clock)
    ids: Ids = field(default_factory=Ids)
    faults: Faults = field(default_factory=Faults)
    wire: Wire = field(default_factory=Wire)
    manners: Manners = field(default_factory=Manners)
    openapi: Validation = field(default_factory=Validation.from_environment)
    boxes: dict[str, Mailbox] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)
    crashes: list[Exception] = field(default_factory=list)
    """Slips of the double itself."""
    delta: Deltas = field(init=False)
    sending: Sending = field(init=False)
    uploads: Uploads = field(init=False)
    throttling: Throttling = field(init=False)
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.delta = Deltas(self.clock, self.boxes)
        self.sending = Sending(self.clock)
        self.uploads = Uploads(self.clock)
        self.throttling = Throttling(self.clock)
        self.tokens = Tokens(clock=self.clock)

    # --- addresses --------------------------------------------------------------------------------------------------

    @property
    def root(self) -> str:
        return f"{self.origin}{self.prefix}"

    @property
    def base(self) -> str:
        """In the place of `https://graph.microsoft.com/v1.0`."""
        return f"{self.root}/v1.0"

    def oauth(self, endpoint: str, tenant: str = "example.org") -> str:
        """In the place of `https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{endpoint}`."""
        return f"{self.root}/{tenant}/oauth2/v2.0/{endpoint}"

    @property
    def token_url(self) -> str:
        return self.oauth("token")

    @property
    def authorize_url(self) -> str:
        return self.oauth("authorize")

    @property
    def device_url(self) -> str:
        return self.oauth("devicecode")

    # --- mailboxes --------------------------------------------------------------------------------------------------

    def mailbox(self, address: str = "desk@example.org", **traits: Any) -> Mailbox:
        """The mailbox of *address*, made where there is none; *traits* are set on it."""
        box = self.find(address)
        if box is None:
            box = self.boxes[address] = Mailbox(address, self.clock, self.ids)
        for name, value in traits.items():
            assert hasattr(box, name), name
            setattr(box, name, value)
        return box

    def find(self, address: str) -> Mailbox | None:
        """By address or alias, in any letter case."""
        wanted = address.lower()
        for box in list(self.boxes.values()):
            if wanted in {box.address.lower(), *(alias.lower() for alias in box.aliases)}:
                return box
        return None

    def known(self, user: str) -> Mailbox:
        """The mailbox that a path names.

        Raises:
            GraphError: there is none.
        """
        box = self.find(user)
        if box is None:
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        return box

    # --- a look behind ----------------------------------------------------------------------------------------------

    def seconds(self, number: float) -> timedelta:
        return timedelta(seconds=number)

    def asked(self, *, method: str = "", ending: str = "") -> list[Asked]:
        """Requests of that method whose path, without the query, ends so."""
        return [
            one
            for one in list(self.requests)
            if method in {"", one.method} and one.path.partition("?")[0].endswith(ending)
        ]
