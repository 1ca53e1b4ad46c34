"""What is to be done for an outgoing server, and how an attempt ends: decided by a clock that a test sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.fakes import NOON
from tests.postoffice import DOWN, REFUSED, Ends, Minutes, server

from mailwicket.errors import BlockedError, PermanentError, StoreError, TransientError, UncertainError
from mailwicket.flow.handing import OWN_FAULT, UNCERTAIN, ConnectionOverError, Ending, Handing, Office
from mailwicket.flow.rounds import LOOK_S, SHARE, Round
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.mail.token import Keyring
from mailwicket.model import Address, TicketNumber
from mailwicket.outgoing import Envelope, Event, RecipientStatus
from mailwicket.rehearsal.post import at_once
from mailwicket.rules.breaker import GOOD_PROBES, PROBE
from mailwicket.rules.schedule import PAUSES_S
from mailwicket.store import outbox
from mailwicket.store.attempts import PAUSES
from mailwicket.store.database import JOURNAL, migrate
from mailwicket.store.outbox import Claimed, Draft, SentAs

ANN, BOB = "ann@example.com", "bob@example.com"
TAKEN, GONE, LATER = RecipientStatus(250, "ok"), RecipientStatus(550, "gone"), RecipientStatus(450, "later")


class Desk:
    """An outbox in memory, with one server."""

    def __init__(self) -> None:
        self.clock = Minutes()
        self.board = Switchboard(Exchange({"main": server()}))
        self.office = Office(self.board, self._write, Ends(), self.clock, lambda: 0.0)
        self.round = Round("main", self.office)
        self.tx = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self.tx, (JOURNAL,))
        self._count = 0

    async def _write(self, mail: Claimed, sent_as: SentAs) -> bytes:
        if mail.words["text"] == "unwritable":
            raise PermanentError("cannot be written")
        return f"From: {sent_as.address}\r\n\r\n{mail.words['text']}\r\n".encode()

    def queue(self, count: int = 1, text: str = "words", *to: str) -> None:
        for _ in range(count):
            self._count += 1
            people = [Address(None, one) for one in to or (ANN,)]
            ticket = TicketNumber(self._count)
            draft = Draft(f"test-{self._count}", Event.CLOSED, ticket, people, [], "s", text, None, "main", {}, "x.org")
            outbox.queue(self.tx, draft, Keyring([b"k" * 32]), "abc", self.clock())

    def claim(self) -> Claimed:
        (mail,) = outbox.claim(self.tx, "main", ["main"], self.clock(), 1)
        return mail

    def hand(
        self, answer: Mapping[str, RecipientStatus] | BaseException, *, attempts: int = 0, rested: bool = False
    ) -> Ending:
        """Queue a mail to two and hand it over to a server that gives *answer*."""
        self.queue(1, "words", ANN, BOB)
        mail = replace(self.claim(), attempts=attempts)
        begun: list[Claimed] = []

        async def begin(one: Claimed, _sent_as: SentAs) -> None:
            begun.append(one)

        async def submit(_mail: Claimed, envelope: Envelope, _raw: bytes) -> Mapping[str, RecipientStatus]:
            assert (begun, list(envelope.forward_paths)) == ([mail], [ANN, BOB])
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return at_once(Handing("main", self.office).hand(mail, begin, submit, rested=rested))


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.tx.close()


# --- a server's round


def test_a_connection_is_wanted_when_there_is_mail_and_a_further_one_for_more(desk: Desk) -> None:
    assert desk.round.wait_s(desk.tx, 0.0) == LOOK_S
    desk.queue()
    assert desk.round.wait_s(desk.tx, 0.0) == 0
    assert desk.round.wait_s(desk.tx, 0.0, 1) > 0
    desk.queue(SHARE)
    assert desk.round.wait_s(desk.tx, 0.0, 1) == 0


def test_mail_that_is_due_later_is_waited_for(desk: Desk) -> None:
    desk.queue()
    desk.clock.forward(seconds=-12)
    assert desk.round.wait_s(desk.tx, 0.0) == 12
    desk.clock.forward(minutes=-5)
    assert desk.round.wait_s(desk.tx, 0.0) == LOOK_S


def test_a_server_that_failed_rests_and_one_outage_counts_once_for_all_its_connections(desk: Desk) -> None:
    desk.queue(2 * SHARE)
    outages = desk.round.outages
    assert desk.round.failed(DOWN, outages, 100.0) == PAUSES_S[0]
    assert desk.round.failed(DOWN, outages, 100.0) is None
    assert desk.round.wait_s(desk.tx, 100.0) == PAUSES_S[0]
    assert desk.round.is_wanted(desk.tx, 101.0)
    assert not desk.round.is_wanted(desk.tx, 101.0, 1)  # one connection finds out
    assert desk.round.failed(TransientError("later", retry_after_s=90), desk.round.outages, 101.0) == 90
    desk.round.hurry()
    assert desk.round.is_wanted(desk.tx, 101.0)


@pytest.mark.parametrize(("failure", "times"), [(DOWN, 3), (REFUSED, 1)])
def test_a_broken_server_is_probed_and_has_its_mail_back_after_good_probes(
    desk: Desk, failure: TransientError | BlockedError, times: int
) -> None:
    desk.queue()
    for _ in range(times):
        assert desk.round.next_probe is None
        desk.round.failed(failure, desk.round.outages, 0.0)
    assert desk.round.next_probe == NOON + PROBE
    assert not desk.round.is_wanted(desk.tx, 1000.0)
    for number in range(GOOD_PROBES):
        desk.clock.forward(seconds=60)
        assert desk.round.until_probe_s() == 0
        assert desk.round.let_in() is (number == GOOD_PROBES - 1)
    assert desk.round.next_probe is None
    assert desk.round.is_wanted(desk.tx, 0.0)


# --- how an attempt ends


@pytest.mark.parametrize(
    ("answer", "outcome", "wait", "raises"),
    [
        ({ANN: TAKEN, BOB: TAKEN}, "sent", timedelta(), None),
        ({ANN: TAKEN, BOB: GONE}, "refused", timedelta(), None),
        ({ANN: GONE, BOB: LATER}, "later", PAUSES[0], None),
        (PermanentError("552 too big"), "refused", timedelta(), ConnectionOverError),
        (TransientError("421"), "server", timedelta(seconds=PAUSES_S[0]), TransientError),
        (BlockedError("554 5.2.0 SendAsDenied"), "server", timedelta(), BlockedError),
        (UncertainError("lost after DATA"), "uncertain", UNCERTAIN, UncertainError),
        (ValueError("a bug"), "uncertain", UNCERTAIN, ValueError),
        (KeyboardInterrupt(), "uncertain", timedelta(), KeyboardInterrupt),
    ],
)
def test_what_the_server_did_says_what_becomes_of_the_mail_and_of_the_connection(
    desk: Desk,
    answer: Mapping[str, RecipientStatus] | BaseException,
    outcome: str,
    wait: timedelta,
    raises: type[BaseException] | None,
) -> None:
    ending = desk.hand(answer)
    assert (ending.attempt.outcome, ending.attempt.next_attempt) == (outcome, NOON + wait)
    assert ending.attempt.sent_as is not None
    assert type(ending.raises) is (raises or type(None))


def test_what_is_no_fault_of_the_server_only_ends_the_connection(desk: Desk) -> None:
    rested = desk.hand(TransientError("421 idle too long"), rested=True)
    assert not rested.attempt.counted
    assert isinstance(rested.raises, ConnectionOverError)
    its_own = desk.hand(TransientError("lost"), attempts=OWN_FAULT)
    assert its_own.attempt.next_attempt == NOON + PAUSES[0]
    assert isinstance(its_own.raises, ConnectionOverError)
    assert isinstance(desk.hand(StoreError("disk full"), attempts=OWN_FAULT).raises, StoreError)


def test_a_mail_that_cannot_be_written_is_never_begun(desk: Desk) -> None:
    desk.queue(1, "unwritable")

    async def never(*_: object) -> Mapping[str, RecipientStatus]:
        raise AssertionError

    ending = at_once(Handing("main", desk.office).hand(desk.claim(), never, never))  # type: ignore[arg-type]
    assert (ending.attempt.outcome, ending.attempt.sent_as, ending.raises) == ("refused", None, None)
