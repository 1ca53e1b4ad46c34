"""Doubles of the outgoing servers: each says what the scenario lets it say, and keeps what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mailwicket.errors import BlockedError, TransientError, UncertainError
from mailwicket.mail.fields import is_address
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.rehearsal.scenario import ScenarioError
from mailwicket.rules.own import canonical

STATES: Final = ("up", "down", "refuses_login", "refuses_sender", "drops_after_data")
"""Of a whole server; `refuses:ADDR` and `delays:ADDR` add to one that is up."""

TAKEN: Final = RecipientStatus(250, "2.0.0 queued", "2.0.0")
REFUSED: Final = RecipientStatus(550, "5.1.1 no such user", "5.1.1")
DELAYED: Final = RecipientStatus(450, "4.2.0 greylisted, try again later", "4.2.0")


@dataclass
class Wire:
    """The outgoing server *name*, up at first."""

    name: str
    state: str = "up"
    answers: dict[str, RecipientStatus] = field(default_factory=dict)
    """What it says of some recipients, by canonical address."""
    taken: list[tuple[Envelope, bytes]] = field(default_factory=list)
    """The mails that it was handed whole, until somebody clears it."""

    def become(self, state: str) -> None:
        """Answer as *state* says from now on; a recipient's is kept until the server is said to be up, or otherwise.

        Raises:
            ScenarioError: there is no such state.
        """
        word, _, address = state.partition(":")
        if word in {"refuses", "delays"} and is_address(address.strip()):
            self.state = "up"
            self.answers[canonical(address.strip())] = REFUSED if word == "refuses" else DELAYED
        elif state in STATES:
            self.state = state
            self.answers.clear()
        else:
            allowed = ", ".join(f'"{one}"' for one in (*STATES, "refuses:ADDR", "delays:ADDR"))
            raise ScenarioError(f"server: state: is none of {allowed}")

    @property
    def lets_in(self) -> bool:
        """Whether we can connect and log in."""
        return self.state not in {"down", "refuses_login"}

    def connect(self) -> None:
        """Connect and log in; see `ports.Sender`."""
        if self.state == "down":
            raise TransientError(f"{self.name}: does not answer", reason="unreachable")
        if self.state == "refuses_login":
            raise BlockedError(f'{self.name} refuses login ("535 5.7.8 bad credentials")', reason="login_refused")

    async def submit(self, envelope: Envelope, raw: bytes) -> Mapping[str, RecipientStatus]:
        """Take a mail, or do not; see `ports.Submission`."""
        if self.state == "refuses_sender":
            said = f'{self.name} refuses mail of {envelope.reverse_path} ("554 5.2.0 SendAsDenied")'
            raise BlockedError(said, reason="sender_refused")
        if self.state == "drops_after_data":
            raise UncertainError(f"{self.name}: the connection was lost after DATA", reason="connection_lost")
        self.taken.append((envelope, raw))
        return {path: self.answers.get(canonical(path), TAKEN) for path in envelope.forward_paths}
