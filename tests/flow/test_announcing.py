"""Announcements: who gets one, each one row of the outbox, and what comes back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import NOON, mail
from tests.flow.test_posting import MAILBOXES, TESS, House, request
from tests.postoffice import server

from mailwicket.config.notification import Notification
from mailwicket.errors import ConflictError, UnknownError
from mailwicket.flow.announcing import Announcement, Announcing
from mailwicket.flow.posting import Posting
from mailwicket.flow.switchboard import Exchange
from mailwicket.flow.writing import Writing
from mailwicket.ports import Transaction
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.store import announcements, attempts, outbox, outlist
from mailwicket.store.announcements import AnnouncementId
from mailwicket.store.outbox import OutboxId


def person(address: str, **keys: Any) -> Person:
    addresses = frozenset({address, *keys.pop("also", ())})
    return Person(address, keys.pop("name", None), Role.REQUESTER, addresses=addresses, **keys)


PEOPLE = [
    TESS,
    Person("tom@example.org", "Tom", Role.TECHNICIAN, groups=frozenset({"second line"})),
    Person("ted@example.org", "Ted", Role.TECHNICIAN, active=False, groups=frozenset({"first line"})),
    person("ada@example.com", name="Ada", company="Acme", also=("ada@example.net",)),
    person("bob@example.com", active=False, company="Acme"),
    person("cleo@example.net", name="Cleo"),
    person("noreply@example.net"),
]
NEWS = Announcement(["requesters"], "We move", "On **Monday**.\n\n<b>Bring</b> boxes.")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    exchange = Exchange({"main": server("support@example.org")}, mailboxes=MAILBOXES, primary_mailbox="support")
    one = House(tmp_path, exchange)
    one.policy = replace(one.policy, directory=Directory(PEOPLE, {"acme.example": "Acme"}))
    one.posting.policy = one.policy
    yield one
    await one.close()


async def announce(house: House, asked: Announcement = NEWS, *, proceed: bool = True) -> AnnouncementId:
    def job(tx: Transaction) -> AnnouncementId:
        announcing = Announcing(tx, house.posting, NOON)
        number = announcing.announce(asked, actor="uid 0")
        if proceed:
            announcing.proceed()
        return number

    return await house.store.write(job)


async def proceed(house: House, most: int = 1000) -> int:
    return await house.store.write(lambda tx: Announcing(tx, house.posting, NOON).proceed(most))


def meant(house: House, *to: str, by: str = "") -> list[tuple[str, str | None]]:
    asked = replace(NEWS, to=to, by=by)
    found = house.store.read(lambda tx: Announcing(tx, house.posting, NOON).addressees(asked))
    return [(one.address, one.left_out) for one in found]


def shown(house: House, number: AnnouncementId) -> dict[str, Any]:
    return house.store.read(lambda tx: announcements.shown(tx, number))


def raw_of(house: House, number: int) -> bytes:
    found = house.store.read(lambda tx: outbox.find(tx, OutboxId(number)))
    assert found is not None
    return Writing(house.store.raw, Path("/nonexistent")).write(found, house.board.sent_as(found, "main"))


# --- who gets it


async def test_requesters_are_those_of_the_directory_and_whoever_has_a_ticket(house: House) -> None:
    await house.receive(request(), mail(author="Tess <tess@example.org>", message_id="t@example.org"))
    assert meant(house, "requesters") == [
        ("ada@example.com", None),
        ("bob@example.com", "inactive"),
        ("cleo@example.net", None),
        ("noreply@example.net", "nobody_reads"),
        ("ann@example.com", None),
    ]


async def test_a_sender_of_spam_is_no_requester(house: House) -> None:
    await house.receive(request())
    await house.store.write(lambda tx: tx.execute("UPDATE ticket_facts SET status = 'spam'"))
    assert "ann@example.com" not in dict(meant(house, "requesters"))


async def test_technicians_and_groups_are_the_directorys_and_who_is_away_is_told(house: House) -> None:
    assert meant(house, "technicians") == [
        ("tess@example.org", None),
        ("tom@example.org", None),
        ("ted@example.org", "inactive"),
    ]
    assert meant(house, "group:first line") == [("tess@example.org", None), ("ted@example.org", "inactive")]


async def test_all_are_requesters_and_technicians(house: House) -> None:
    assert meant(house, "all") == [*meant(house, "requesters"), *meant(house, "technicians")]


async def test_a_company_is_its_people_and_whoever_has_a_ticket_from_its_domain(house: House) -> None:
    await house.receive(mail(author="Zoe <zoe@acme.example>", message_id="z@acme.example"))
    assert meant(house, "company:Acme") == [
        ("ada@example.com", None),
        ("bob@example.com", "inactive"),
        ("zoe@acme.example", None),
    ]


async def test_addresses_may_be_written_as_in_mail_and_nobody_is_meant_twice(house: House) -> None:
    whom = (
        "Ada@Example.net, Eve <eve@example.com>",
        '"Doe, Jo" <jo@example.com>,company:Acme',
        "support+x@example.org",
    )
    assert meant(house, *whom) == [
        ("ada@example.net", None),
        ("eve@example.com", None),
        ("jo@example.com", None),
        ("bob@example.com", "inactive"),
        ("support+x@example.org", "own"),
    ]


async def test_a_long_list_of_addresses_is_read_in_no_time(house: House) -> None:
    many = ",".join(f'"{number}" <p{number}@example.com>' for number in range(5_000))
    began = time.process_time()
    assert len(meant(house, many, '"' + ",x@example.com" * 3 + '"<y@example.com>')) == 5_001
    with pytest.raises(UnknownError):
        meant(house, '"' * 20_001)
    assert time.process_time() - began < 5


async def test_who_writes_it_gets_none_himself(house: House) -> None:
    assert meant(house, "group:first line", by="tess@example.org")[0] == ("tess@example.org", "author")


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("everybody", "'everybody' names nobody; allowed are requesters, technicians, all, group:NAME"),
        ("group:third line", "no technician is in a group 'third line'; there are: first line, second line"),
        ("company:Nobody", "nobody is known of a company 'Nobody'"),
    ],
)
async def test_a_word_that_means_nobody_is_refused(house: House, to: str, said: str) -> None:
    with pytest.raises(UnknownError) as refused:
        meant(house, to)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject": " \n"}, "wants a subject"),
        ({"subject": "x" * 501}, "at most 500"),
        ({"text": " "}, "wants a text"),
        ({"text": "x" * 80_001}, "at most 80000"),
        ({"by": "ada"}, "by is the address of who writes"),
        ({"by": "ada@example.net"}, "is a requester, no technician"),
        ({"by": "ted@example.org"}, "is not active"),
        ({"to": [" , "]}, "to nobody"),
        ({"to": ["bob@example.com"]}, "nobody would get it: bob@example.com (inactive)"),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_changes_nothing(house: House, changes: Any, said: str) -> None:
    with pytest.raises(ConflictError) as refused:
        await announce(house, replace(NEWS, **changes))
    assert said in str(refused.value)
    assert house.store.read(announcements.listed) == house.mails() == []


async def test_where_nothing_is_sent_or_announcements_are_off_it_is_refused(house: House) -> None:
    off = {"announcement": Notification(enabled=False)}
    house.posting = Posting(house.policy, off, house.board)
    with pytest.raises(ConflictError) as refused:
        await announce(house)
    assert "nothing is sent" in str(refused.value)


# --- each one mail


async def test_each_gets_a_mail_of_his_own_marked_as_a_machines_for_many(house: House) -> None:
    await announce(house)
    assert house.told() == [("announcement", ["ada@example.com"], []), ("announcement", ["cleo@example.net"], [])]
    one = message_from_bytes(raw_of(house, 1))
    assert {key: one[key] for key in ("To", "Subject", "Auto-Submitted", "Precedence", "List-Id", "In-Reply-To")} == {
        "To": "Ada <ada@example.com>",
        "Subject": "We move",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "List-Id": "<announcements.example.org>",
        "In-Reply-To": None,
    }
    assert one["X-Mailwicket-Loop"]
    text, html = (str(part.get_payload(decode=True), "utf-8") for part in one.walk() if not part.is_multipart())
    assert text.startswith("On **Monday**.")
    assert "An answer to this mail is a new request." in text
    assert "On <strong>Monday</strong>." in html
    assert "&lt;b&gt;Bring" in html


async def test_mails_are_written_some_at_a_time_and_each_person_has_one_whatever_is_repeated(house: House) -> None:
    number = await announce(house, proceed=False)
    assert (shown(house, number)["state"], shown(house, number)["waiting"]) == ("sending", 2)
    assert [await proceed(house, 1) for _ in range(3)] == [1, 1, 0]
    assert [one["to"] for one in house.mails()] == [["ada@example.com"], ["cleo@example.net"]]
    await house.store.write(lambda tx: tx.execute("UPDATE announcement_recipient SET outbox_id = NULL"))
    assert await proceed(house) == 2  # as if the row had not been noted
    assert len(house.mails()) == 2


async def test_who_may_not_be_written_to_any_more_when_his_turn_comes_is_left_out(house: House) -> None:
    number = await announce(house, proceed=False)
    await house.store.write(
        lambda tx: tx.execute("INSERT INTO paused_address VALUES ('cleo@example.net', '2026', 'x', NULL)")
    )
    house.posting.policy = replace(house.policy, directory=Directory([replace(PEOPLE[3], active=False)]))
    await proceed(house)
    told = shown(house, number)
    assert (house.mails(), told["state"], told["recipients"]) == ([], "done", 0)
    assert told["left_out"] == {"inactive": 2, "nobody_reads": 1, "paused": 1}


async def test_while_nothing_can_be_sent_it_waits(house: House) -> None:
    number = await announce(house, proceed=False)
    house.board.adopt(Exchange())
    assert await proceed(house) == 0
    assert shown(house, number)["waiting"] == 2


async def test_what_is_cancelled_is_sent_to_nobody_else(house: House) -> None:
    number = await announce(house, proceed=False)
    await proceed(house, 1)
    await house.store.write(lambda tx: Announcing(tx, house.posting, NOON).cancel(number))
    told = shown(house, number)
    assert (told["state"], told["cancelled"], told["queued"], told["left_out"]["cancelled"]) == ("cancelled", 1, 0, 1)
    assert (await proceed(house), [one["state"] for one in house.mails()]) == (0, ["cancelled"])
    with pytest.raises(UnknownError):
        await house.store.write(lambda tx: Announcing(tx, house.posting, NOON).cancel(AnnouncementId(9)))


async def test_mail_about_tickets_goes_before_announcements(house: House) -> None:
    await announce(house)
    await house.receive(request())

    def claimed(tx: Transaction, limit: int) -> list[str]:
        return [one.event for one in outbox.claim(tx, "main", ["main"], NOON, limit)]

    assert await house.store.write(lambda tx: claimed(tx, 1)) == ["created"]
    assert await house.store.write(lambda tx: claimed(tx, 2)) == ["created", "announcement"]
    assert await house.store.write(lambda tx: claimed(tx, 2)) == ["announcement"]


# --- what comes back


async def test_an_answer_is_a_new_request_and_a_vacation_answer_is_nothing(house: House) -> None:
    await announce(house)
    sent = house.ids()[0]
    away = {"auto_submitted": "auto-replied", "message_id": "v@example.com"}
    await house.receive(
        mail("Re: We move", "When?\r\n", "Ada <ada@example.com>", in_reply_to=sent, message_id="a@example.com"),
        mail("Out of office", "Away.\r\n", "Cleo <cleo@example.net>", in_reply_to=house.ids()[1], **away),
    )
    assert [str(one) for one in house.watcher.reasons] == ["created", "auto_ignored"]


def bounce(house: House, row: int, address: str, number: int) -> bytes:
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n"
        f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822-headers\r\n\r\nMessage-ID: <{house.ids()[row]}>\r\n\r\n--b--\r\n"
    )
    kind = 'multipart/report; report-type=delivery-status; boundary="b"'
    author = "MAILER-DAEMON@mx.example.com"
    return mail("Undelivered", body, author, content_type=kind, message_id=f"dsn{number}@mx.example.com")


async def test_a_report_that_an_announcement_did_not_arrive_is_noted_and_opens_nothing(house: House) -> None:
    number = await announce(house)
    await house.store.write(lambda tx: attempts.note_sent(tx, {OutboxId(1): None, OutboxId(2): None}, NOON))
    await house.receive(bounce(house, 0, "ada@example.com", 1))
    assert [str(one) for one in house.watcher.reasons] == ["auto_ignored"]
    told = shown(house, number)
    assert (told["sent"], told["failed"], told["state"]) == (1, 1, "done")
    (ada, cleo) = [
        one for one in house.store.read(lambda tx: announcements.people(tx, number)) if one["state"] != "left_out"
    ]
    assert (ada["state"], "No such user" in ada["said"], cleo["state"]) == ("failed", True, "sent")
    assert len(house.mails()) == 2


async def test_five_reports_in_a_row_pause_the_address_and_the_next_announcement_leaves_it_out(house: House) -> None:
    one = replace(NEWS, to=["ada@example.com", "eve@example.com"])
    for number in range(5):
        await announce(house, one)
        rows = {OutboxId(1 + 2 * number): None, OutboxId(2 + 2 * number): None}
        await house.store.write(lambda tx, rows=rows: attempts.note_sent(tx, rows, NOON))
        await house.receive(bounce(house, 2 * number, "ada@example.com", number))
    assert [one["address"] for one in house.store.read(outlist.paused)] == ["ada@example.com"]
    assert "AddressPaused" in house.kinds()
    assert shown(house, await announce(house, one))["left_out"] == {"paused": 1}
    await house.store.write(lambda tx: outlist.unpause(tx, "ada@example.com", NOON))
    assert shown(house, await announce(house, one))["left_out"] == {}
