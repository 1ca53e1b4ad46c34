"""From mail and from what people do to rows of the outbox, in the transaction that caused them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.fakes import NOON, FakeNet, FakeServer, FakeSource, Watcher, mail
from tests.postoffice import PostOffice, server

from mailwicket.backends.desk import EmbeddedDesk
from mailwicket.config.preferences import Preferences
from mailwicket.errors import ConflictError, UnknownError
from mailwicket.flow.intake import Intake
from mailwicket.flow.judge import Judge, Rulebook
from mailwicket.flow.posting import Moment, Post, Posting, new_nonce
from mailwicket.flow.reading import Reading
from mailwicket.flow.switchboard import Exchange, Switchboard
from mailwicket.flow.telling import Telling
from mailwicket.mail.wording import Context, Passage
from mailwicket.model import Address, TicketNumber
from mailwicket.outgoing import Event
from mailwicket.ports import Transaction
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.rules.notify import Happened
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Home, Policy
from mailwicket.rules.route import Mailbox
from mailwicket.store import attempts, outbox, outlist
from mailwicket.store.attempts import Attempt
from mailwicket.store.outbox import OutboxId
from mailwicket.store.store import Store

TESS = Person(
    "tess@example.org",
    "Tess",
    Role.TECHNICIAN,
    groups=frozenset({"first line"}),
    addresses=frozenset({"tess@example.org"}),
)
TOM = Person(
    "tom@example.org",
    "Tom",
    Role.TECHNICIAN,
    groups=frozenset({"first line"}),
    addresses=frozenset({"tom@example.org"}),
)
ANN = "Ann Example <ann@example.com>"
AUTH = "mx.example.org; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"


class House:
    """A mailbox, a desk and an outbox."""

    def __init__(self, directory: Path, exchange: Exchange, **preferences: Any) -> None:
        self.desk = EmbeddedDesk("desk", EmbeddedDesk.Config(), FakeNet(directory), now=lambda: NOON)
        self.store = Store(directory / "state", [self.desk.schema])
        self.desk.bind(self.store.write)
        self.reading = Reading(self.store)
        self.server = FakeServer()
        self.watcher = Watcher()
        home = Home(
            "support", "support@example.org", "first line",
            trusted_authserv_ids=frozenset({"mx.example.org"}), trusted_received_by=frozenset({"mx.example.org"}),
        )  # fmt: skip
        self.policy = Policy(
            own=OwnAddresses(["support@example.org"], {"support@example.org": "support"}),
            directory=Directory([TESS, TOM]),
            preferences=Preferences.model_validate(preferences),
            homes={"support": home},
            keys=self.store.keys,
        )
        self.board = Switchboard(exchange)
        numbers = itertools.count()
        self.posting = Posting(
            self.policy, {}, self.board, nonce=lambda: f"n{'abcdefghijklmnopqrstuvwxyz'[next(numbers) % 26]}"
        )
        self.telling = Telling(self.posting, lambda: self.desk)

    async def close(self) -> None:
        self.reading.close()
        await self.store.close()

    async def receive(self, *raws: bytes) -> None:
        self.server.deliver(*raws)
        self.watcher.idle = anyio.Event()
        rulebook = Rulebook("support", self.policy, telling=self.telling)
        judge = Judge(self.store, self.desk, rulebook, self.watcher, clock=lambda: NOON)
        intake = Intake("support", FakeSource(self.server), self.store, self.reading, judge, self.watcher)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(intake.run)
            with anyio.fail_after(20):
                await self.watcher.idle.wait()
            tasks.cancel_scope.cancel()

    def mails(self) -> list[dict[str, Any]]:
        return self.store.read(lambda tx: outlist.listed(tx, every=True))

    def told(self) -> list[tuple[str, list[str], list[str]]]:
        return [(one["event"], one["to"], one["cc"]) for one in self.mails()]

    def shown(self, number: int) -> dict[str, Any]:
        return dict(self.store.read(lambda tx: outlist.shown(tx, OutboxId(number))))

    def ids(self) -> list[str]:
        return [one["message_id"] for one in self.mails()]

    def kinds(self) -> list[str]:
        sql = "SELECT kind FROM event ORDER BY event_id"
        return [kind for (kind,) in self.store.read(lambda tx: tx.execute(sql).fetchall())]


MAILBOXES = {"support": Mailbox("support@example.org")}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    one = House(tmp_path, Exchange({"main": server("support@example.org")}, mailboxes=MAILBOXES))
    yield one
    await one.close()


def request(**headers: str) -> bytes:
    return mail(author=ANN, message_id=headers.pop("message_id", "q@example.com"), to="support@example.org", **headers)


def by_tess(answers: str, **headers: str) -> bytes:
    """A technician's answer, which our own edge vouches for."""
    proof = f"Authentication-Results: {AUTH}\r\nReceived: from x by mx.example.org; Thu, 01 Jan 2026 10:00:00 +0000\r\n"
    words = ("Re: Printer on fire", "It works again.\r\n", "Tess <tess@example.org>")
    return proof.encode() + mail(*words, message_id="t@example.org", in_reply_to=answers, **headers)


async def test_a_request_is_acknowledged_and_its_group_told_in_the_transaction_that_opened_it(house: House) -> None:
    await house.receive(request())
    assert house.told() == [
        ("created", ["ann@example.com"], []),
        ("created", ["tess@example.org"], []),
        ("created", ["tom@example.org"], []),
    ]
    first = house.mails()[0]
    assert (first["ticket"], first["from"], first["via"], first["state"]) == (
        1,
        "support@example.org",
        "main",
        "waiting",
    )
    token = house.policy.keys.read_id(first["message_id"])
    assert token is not None
    assert (token.ticket, token.row, token.internal) == (1, 1, False)
    assert house.shown(1)["route"]["by"] == "address"


async def test_an_acknowledgement_to_nobody_in_particular_holds_none_of_his_words(house: House) -> None:
    await house.receive(request())
    told = house.shown(1)
    assert "Printer" not in told["subject"] + told["text"]
    assert "[#1]" in told["subject"]


async def test_a_desk_that_sends_nothing_queues_nothing(tmp_path: Path) -> None:
    one = House(tmp_path, Exchange({"off": server(enabled=False)}, mailboxes=MAILBOXES))
    await one.receive(request())
    assert one.mails() == []
    await one.close()


async def test_a_mail_that_came_long_ago_tells_nobody(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailwicket.flow.telling.STALE", timedelta(seconds=-1))
    await house.receive(request())
    assert house.mails() == []


async def test_an_automatic_mail_is_not_acknowledged_and_for_the_others_there_are_caps(house: House) -> None:
    await house.receive(*(request(message_id=f"q{number}@example.com") for number in range(3)))
    to_ann = [one for one in house.told() if one[1] == ["ann@example.com"]]
    assert len(to_ann) == 1  # nobody vouches for her: one in 24 hours
    await house.receive(request(message_id="auto@example.com", auto_submitted="auto-generated"))
    assert len([one for one in house.told() if one[1] == ["ann@example.com"]]) == 1


async def test_the_caps_are_read_from_the_outbox_by_who_starts_anew(house: House) -> None:
    await house.receive(request())
    again = Telling(Posting(house.policy, {}, house.board))
    house.telling = again
    await house.receive(request(message_id="second@example.com"))
    assert len([one for one in house.told() if one[1] == ["ann@example.com"]]) == 1


def speak_for_all(house: House) -> None:
    """Let any technician answer the requester of an unassigned ticket."""
    preferences = house.policy.preferences.model_copy(update={"reply_from_other_technician": "reply"})
    house.policy = replace(house.policy, preferences=preferences)
    house.telling = Telling(Posting(house.policy, {}, house.board, nonce=new_nonce))


async def test_what_a_technician_answers_by_mail_is_sent_on_and_not_to_himself(house: House) -> None:
    await house.receive(request(cc="Carl <carl@example.com>"))
    notice = next(one for one in house.mails() if one["to"] == ["tess@example.org"])
    before = len(house.mails())
    speak_for_all(house)
    await house.receive(by_tess(notice["message_id"]))
    sent = house.mails()[before:]
    assert [(one["event"], one["to"], one["cc"]) for one in sent] == [
        ("technician_replied", ["ann@example.com"], ["carl@example.com"])
    ]
    assert "It works again." in house.shown(sent[0]["id"])["text"]


async def test_a_reply_goes_not_to_who_has_it_already(house: House) -> None:
    await house.receive(request(cc="Carl <carl@example.com>"))
    notice = next(one for one in house.mails() if one["to"] == ["tess@example.org"])
    before = len(house.mails())
    speak_for_all(house)
    await house.receive(by_tess(notice["message_id"], cc="carl@example.com"))
    assert [(one["to"], one["cc"]) for one in house.mails()[before:]] == [(["ann@example.com"], [])]


async def test_a_requesters_answer_is_told_to_the_group(house: House) -> None:
    await house.receive(request())
    before = len(house.mails())
    ack = house.ids()[0]
    await house.receive(mail("Re: Printer on fire", "Hurry!\r\n", ANN, message_id="r@example.com", in_reply_to=ack))
    sent = house.told()[before:]
    assert [(event, to) for event, to, _ in sent] == [
        ("requester_replied", ["tess@example.org"]), ("requester_replied", ["tom@example.org"])
    ]  # fmt: skip


def bounce(message_id: str, recipient: str, status: str = "5.1.1") -> bytes:
    action = "failed" if status.startswith("5") else "delayed"
    return (
        "From: mailer-daemon@example.com\r\nTo: support@example.org\r\nSubject: Undelivered\r\n"
        "Date: Thu, 01 Jan 2026 11:00:00 +0000\r\nMessage-ID: <b-" + message_id[:20] + status + "@example.com>\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{message_id}>\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
    ).encode()


async def test_a_delivery_report_is_noted_at_its_mail_and_told_to_technicians(house: House) -> None:
    await house.receive(request())
    await house.store.write(lambda tx: tx.execute("UPDATE outbox_recipient SET state = 'sent'"))
    before = len(house.mails())
    await house.receive(bounce(house.ids()[0], "ann@example.com"))
    assert house.mails()[0]["recipients"][0]["state"] == "bounced"
    assert {(event, to[0]) for event, to, _ in house.told()[before:]} == {
        ("delivery_failed", "tess@example.org"), ("delivery_failed", "tom@example.org")
    }  # fmt: skip


async def test_a_report_that_it_is_only_late_changes_nothing(house: House) -> None:
    await house.receive(request())
    before = len(house.mails())
    await house.receive(bounce(house.ids()[0], "ann@example.com", "4.4.1"))
    assert len(house.mails()) == before


async def test_a_recipient_who_is_refused_is_told_to_technicians_once_and_their_own_mail_is_not(house: House) -> None:
    await house.receive(request())
    before = len(house.mails())

    def refuse(tx: Transaction) -> None:
        for mail_ in outbox.claim(tx, "main", ["main"], NOON, 10):
            attempt = Attempt("main", "refused", NOON, "550 no such person")
            noted = attempts.note_attempt(tx, mail_, attempt, NOON)
            house.telling.ended(tx, mail_, attempt, noted, NOON)

    await house.store.write(refuse)
    assert house.kinds().count("DeliveryFailed") == 3
    news = house.told()[before:]
    assert {event for event, _, _ in news} == {"delivery_failed"}
    await house.store.write(refuse)
    assert len(house.told()) == before + len(news)


async def test_an_address_that_refuses_five_times_in_a_row_is_paused_until_a_person_says_so(tmp_path: Path) -> None:
    office = PostOffice(tmp_path)
    await office.queue(*(office.draft() for _ in range(5)))

    def refuse(tx: Transaction) -> list[bool]:
        for number in range(1, 6):
            tx.execute("UPDATE outbox_recipient SET state = 'sent' WHERE outbox_id = ?", (number,))
        return [outlist.note_bounce(tx, number, "Ann@Example.com", "no such person", NOON) for number in range(1, 6)]

    assert await office.store.write(refuse) == [False, False, False, False, True]
    await office.queue(office.draft(), office.draft("ann@example.com", "bob@example.com"))
    assert [row["state"] for row in office.rows()[-2:]] == ["failed", "waiting"]
    assert [one["address"] for one in office.store.read(outlist.paused)] == ["ann@example.com"]
    await office.store.write(lambda tx: outlist.unpause(tx, "ANN@example.com", NOON))
    await office.queue(office.draft())
    assert office.rows()[-1]["state"] == "waiting"
    await office.store.close()


async def test_once_a_person_has_said_so_five_more_in_a_row_are_wanted(tmp_path: Path) -> None:
    office = PostOffice(tmp_path)
    await office.queue(*(office.draft() for _ in range(11)))
    await office.store.write(lambda tx: tx.execute("UPDATE outbox_recipient SET state = 'sent'"))

    def bounced(tx: Transaction, first: int) -> list[bool]:
        said = []
        for number in range(first, first + 5):
            office.clock.forward(minutes=1)
            said.append(outlist.note_bounce(tx, number, "ann@example.com", "no such person", office.clock()))
        return said

    for first in (1, 6):
        assert await office.store.write(lambda tx, first=first: bounced(tx, first)) == [False] * 4 + [True]
        assert office.store.read(outlist.count_paused) == 1
        await office.store.write(lambda tx: outlist.unpause(tx, "ann@example.com", office.clock()))
        assert office.store.read(outlist.count_paused) == 0
        with pytest.raises(UnknownError):
            await office.store.write(lambda tx: outlist.unpause(tx, "ann@example.com", office.clock()))
    await office.store.close()


async def test_a_report_that_names_no_mail_of_ours_but_came_to_the_tickets_address_finds_the_newest(
    house: House,
) -> None:
    await house.receive(request())
    everything = {OutboxId(number): None for number in (1, 2, 3)}
    await house.store.write(lambda tx: attempts.note_sent(tx, everything, NOON))
    address = house.policy.keys.plus_address("support@example.org", TicketNumber(1))
    status = "Final-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example.com\r\n\r\n{status}--b--\r\n"
    )
    kind = 'multipart/report; report-type=delivery-status; boundary="b"'
    author = "MAILER-DAEMON@mx.example.com"
    raw = mail("Undelivered", body, author, content_type=kind, message_id="d@mx.example.com")
    await house.receive(raw.replace(b"To: desk@example.net", f"To: {address}".encode()))
    assert str(house.watcher.reasons[-1]) == "bounce_attached"
    assert house.mails()[0]["recipients"][0]["state"] == "bounced"
    assert house.told()[-1][0] == "delivery_failed"


# --- what people do


def replied(house: House, tx: Transaction) -> Post:
    facts = outlist.facts(tx, TicketNumber(1))
    happened = Happened(Event.TECHNICIAN_REPLIED, facts, "Printer on fire", author=Address("Tess", "tess@example.org"))
    return Post(happened, Context(words=Passage("Done.")))


async def test_an_action_queues_its_mail_once_for_each_key(house: House) -> None:
    await house.receive(request())
    before = len(house.mails())
    for _ in range(2):
        await house.store.write(lambda tx: house.posting.post(Moment(tx, "action-1", NOON), replied(house, tx)))
    assert house.told()[before:] == [("technician_replied", ["ann@example.com"], [])]
    told = house.shown(before + 1)
    assert told["subject"] == "Re: [#1] Printer on fire"
    assert "Done." in told["text"]


async def test_a_choice_that_is_not_allowed_is_refused_and_queues_nothing(house: House) -> None:
    await house.receive(request())
    before = len(house.mails())

    def choose(tx: Transaction) -> None:
        post = replied(house, tx)
        house.posting.post(Moment(tx, "action-2", NOON), Post(post.happened, post.context, chosen="main"))

    with pytest.raises(ConflictError, match="nobody may choose"):
        await house.store.write(choose)
    assert len(house.mails()) == before
