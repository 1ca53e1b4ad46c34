"""From the outbox to servers that behave, and that do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from tests.postoffice import DOWN, REFUSED, PostOffice, field_of, server
from tests.waiting import becomes

from mailwicket.errors import PermanentError, TransientError
from mailwicket.model import Address, TicketNumber
from mailwicket.outgoing import Event, RecipientStatus
from mailwicket.rules.breaker import PROBE, Failure
from mailwicket.store import outbox

UNKNOWN = RecipientStatus(550, "5.1.1 no such person", "5.1.1")
GREYLISTED = RecipientStatus(450, "4.2.0 later", "4.2.0")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[PostOffice]:
    one = PostOffice(tmp_path)
    yield one
    await one.store.close()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[PostOffice]:
    """The primary, and the server of one mailbox."""
    one = PostOffice(
        tmp_path,
        main=server("desk@example.org", primary=True, title="Desk"),
        support=server("support@example.org"),
    )
    yield one
    await one.store.close()


# --- one server


async def test_what_is_queued_is_sent_at_once_and_noted(office: PostOffice) -> None:
    async with office.running():
        await anyio.sleep(0.05)
        (queued,) = await office.queue(office.draft("ann@example.com", "bob@example.com"))
        with anyio.fail_after(1):
            await office.post.until(1)
        await office.settled()
    row = office.row()
    assert (row["state"], row["via"], row["from"]) == ("sent", "main", "desk@example.org")
    assert {(one["address"], one["state"]) for one in row["recipients"]} == {
        ("ann@example.com", "sent"),
        ("bob@example.com", "sent"),
    }
    (envelope, raw) = office.post.taken[0]
    assert envelope.forward_paths == ["ann@example.com", "bob@example.com"]
    assert field_of(raw, "Message-ID") == f"<{queued.message_id}>"
    assert field_of(raw, "Date") == "Thu, 01 Jan 2026 12:00:00 +0000"


async def test_the_same_cause_again_queues_nothing(office: PostOffice) -> None:
    draft = office.draft()
    first, again = await office.queue(draft, draft)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.message_id == again.message_id
    assert len(office.rows()) == 1


async def test_no_connection_is_made_without_mail_and_one_serves_many(office: PostOffice) -> None:
    async with office.running():
        await anyio.sleep(0.05)
        assert office.post.connections == 0
        for _ in range(3):
            await office.queue(office.draft())
            await office.settled()
    assert len(office.post.taken) == 3
    assert office.post.connections == 1


async def test_many_mails_go_over_several_connections_and_never_over_more(tmp_path: Path) -> None:
    office = PostOffice(tmp_path, main=server(connections=3))
    await office.queue(*(office.draft() for _ in range(200)))
    async with office.running():
        await office.settled()
    assert sorted(office.post.ids) == sorted(row["message_id"] for row in office.rows())
    assert len(set(office.post.ids)) == 200
    assert office.post.open_most == 3
    await office.store.close()


async def test_mails_leave_at_the_rate_that_is_set(tmp_path: Path) -> None:
    office = PostOffice(tmp_path, main=server(rate_per_minute=600))
    await office.queue(*(office.draft() for _ in range(4)))
    begin = anyio.current_time()
    async with office.running():
        await office.post.until(4)
    assert 0.29 < anyio.current_time() - begin < 1.5
    await office.store.close()


# --- recipients


async def test_a_refused_recipient_fails_alone_and_the_others_have_it_once(office: PostOffice) -> None:
    office.post.refuses["gone@example.com"] = UNKNOWN
    office.post.refuses["grey@example.com"] = GREYLISTED
    await office.queue(office.draft("ann@example.com", "gone@example.com", "grey@example.com"))
    async with office.running():
        await office.settled(but=1)
        states = {one["address"]: (one["state"], one["code"]) for one in office.row()["recipients"]}
        assert states == {
            "ann@example.com": ("sent", 250), "gone@example.com": ("failed", 550), "grey@example.com": ("waiting", 450)
        }  # fmt: skip
        assert not office.board.breaker("main").failures
        del office.post.refuses["grey@example.com"]
        office.clock.forward(minutes=6)
        office.board.wake()
        await office.settled()
    assert [envelope.forward_paths for envelope, _ in office.post.taken] == [
        ["ann@example.com", "gone@example.com", "grey@example.com"],
        ["grey@example.com"],
    ]
    first, again = (raw for _, raw in office.post.taken)
    assert first == again
    assert office.row()["state"] == "failed"  # somebody is to see that one did not get it
    assert office.ends.seen == [(1, "later", ["gone@example.com"])]


async def test_what_is_greylisted_for_half_an_hour_arrives(office: PostOffice) -> None:
    office.post.refuses["ann@example.com"] = GREYLISTED
    await office.queue(office.draft())
    async with office.running():
        for minutes in (0, 5, 15):
            office.clock.forward(minutes=minutes)
            office.board.wake()
            await becomes(lambda tries=minutes: office.row()["attempts"] == {0: 1, 5: 2, 15: 3}[tries])
            await office.settled(but=1)
        office.post.refuses.clear()
        office.clock.forward(minutes=30)
        office.board.wake()
        await office.settled()
    assert office.row()["state"] == "sent"
    assert not office.board.breaker("main").failures


async def test_after_five_days_a_person_is_told(office: PostOffice) -> None:
    office.post.refuses["ann@example.com"] = GREYLISTED
    await office.queue(office.draft())
    async with office.running():
        await office.settled(but=1)
        office.clock.forward(days=5, minutes=1)
        office.board.wake()
        await office.settled()
    assert office.row()["state"] == "failed"
    assert office.ends.seen == [(1, "later", ["ann@example.com"])]


async def test_after_five_days_without_a_server_a_person_is_told_too(office: PostOffice) -> None:
    office.post.down = DOWN
    await office.queue(office.draft())
    office.clock.forward(days=5, minutes=1)
    async with office.running():
        await office.settled()
    assert office.ends.seen == [(1, "refused", ["ann@example.com"])]
    assert office.row()["recipients"][0]["told"] == "no server took it within 5 days"


async def test_a_mail_that_the_server_never_takes_fails_and_holds_up_no_other(office: PostOffice) -> None:
    office.post.fails = PermanentError("552 5.3.4 too big")
    await office.queue(office.draft())
    async with office.running():
        await office.settled()
        office.post.fails = None
        await office.queue(office.draft())
        await office.settled()
    assert [row["state"] for row in office.rows()] == ["failed", "sent"]
    assert not office.board.breaker("main").failures


async def test_a_mail_that_cannot_be_written_fails_and_holds_up_no_other(office: PostOffice) -> None:
    lost = outbox.File("lost.pdf", "application/pdf", outbox.Sha256("0" * 64))
    await office.queue(office.draft(files=[lost]), office.draft())
    async with office.running():
        await office.settled()
    assert [row["state"] for row in office.rows()] == ["failed", "sent"]
    assert office.row()["recipients"][0]["told"] == "the file lost.pdf is kept no more"


async def test_no_mail_overtakes_an_older_one_of_its_ticket_to_the_same_person(office: PostOffice) -> None:
    office.post.refuses["ann@example.com"] = GREYLISTED
    ticket = TicketNumber(7)
    await office.queue(
        office.draft("ann@example.com", ticket=ticket, subject="first"),
        office.draft("ann@example.com", ticket=ticket, subject="second"),
        office.draft("bob@example.com", ticket=ticket, subject="to another"),
        office.draft("carl@example.com", subject="of another ticket"),
    )
    async with office.running():
        await office.post.until(2)
        await office.settled(but=2)
        assert sorted(office.post.subjects) == ["of another ticket", "to another"]
        office.post.refuses.clear()
        office.clock.forward(minutes=10)
        office.board.wake()
        await office.settled()
    assert office.post.subjects[2:] == ["first", "second"]


# --- the unknown


async def test_one_who_must_wait_holds_up_no_other_recipient_of_the_ticket(office: PostOffice) -> None:
    office.post.refuses["grey@example.com"] = GREYLISTED
    office.post.refuses["gone@example.com"] = UNKNOWN
    people = ("ann@example.com", "gone@example.com", "grey@example.com")
    one = office.draft(*people, ticket=TicketNumber(7))
    other = office.draft(*people, ticket=TicketNumber(7))
    async with office.running() as couriers:
        await office.queue(one)
        await office.post.until(1)
        await office.settled(but=1)
        await office.queue(other)
        await office.post.until(2)
        await office.settled(but=2)
        assert [envelope.forward_paths for envelope, _ in office.post.taken] == [list(people), list(people[:2])]
        assert [state["state"] for state in office.row(2)["recipients"]] == ["sent", "failed", "waiting"]
        office.post.refuses.clear()
        office.clock.forward(minutes=10)
        couriers["main"].wake()
        await office.post.until(4)
        await office.settled()
    assert [envelope.forward_paths for envelope, _ in office.post.taken[2:]] == [["grey@example.com"]] * 2
    first, second = (row["message_id"] for row in office.rows())
    assert office.post.ids == [first, second, first, second]
    assert [row["state"] for row in office.rows()] == ["failed", "failed"]


async def test_a_connection_lost_after_data_is_tried_with_the_same_bytes_at_the_same_server(two: PostOffice) -> None:
    support = two.posts["support"]
    support.drops_after_data = 1
    await two.queue(two.draft(meant="support"))
    async with two.running() as couriers:
        await support.until(1)
        await becomes(lambda: two.row()["uncertain"])
        support.down = DOWN
        for _ in range(3):
            two.board.failed("support", two.clock(), Failure("unreachable", "no route"), permanent=False)
        two.clock.forward(minutes=2)
        two.board.wake()
        await anyio.sleep(0.1)
        assert two.posts["main"].taken == []  # it may have arrived: nobody else is asked
        support.down = None
        couriers["support"].unblock()
        await two.settled()
    assert len(support.taken) == 2
    assert support.taken[0][1] == support.taken[1][1]
    assert two.row()["state"] == "sent"
    assert two.ends.seen[0][:2] == (1, "uncertain")


async def test_a_hanging_server_is_left_and_the_mail_is_uncertain(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwicket.flow.carrying.SUBMIT_S", 0.05)
    office.post.hangs = True
    await office.queue(office.draft())
    async with office.running():
        await becomes(lambda: office.row()["uncertain"])
    assert office.row()["state"] == "waiting"
    assert office.board.breaker("main").failures == 1


async def test_a_stop_amid_a_mail_leaves_it_uncertain_and_the_others_free(office: PostOffice) -> None:
    office.post.hangs = True
    await office.queue(*(office.draft() for _ in range(3)))
    async with office.running():
        await becomes(lambda: office.waiting()[1] == 3)
        await anyio.sleep(0.02)
    assert office.waiting() == (3, 0)
    assert [row["uncertain"] for row in office.rows()] == [True, False, False]
    office.post.hangs = False
    async with office.running():
        await office.settled()
    assert len(office.post.taken) == 3


async def test_a_bug_of_an_adapter_leaves_the_mail_uncertain_and_is_told(office: PostOffice) -> None:
    office.post.fails = ZeroDivisionError("bug")
    await office.queue(office.draft(), office.draft())
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with office.running():
            await anyio.sleep(5)
    assert office.waiting() == (2, 0)
    assert [row["uncertain"] for row in office.rows()] == [True, False]


# --- failover (case 22)


async def test_three_failures_and_its_mail_goes_by_the_primary_until_it_is_back(two: PostOffice) -> None:
    main, support = two.posts["main"], two.posts["support"]
    support.down = DOWN
    await two.queue(two.draft(meant="support", event=Event.CREATED))
    async with two.running() as couriers:
        for _ in range(3):
            await becomes(lambda: support.connections)
            support.connections = 0
            await anyio.sleep(0.02)
            couriers["support"].wake()
        await main.until(1)
        await two.settled()
        raw = main.taken[0][1]
        assert field_of(raw, "From") == "desk@example.org"
        assert field_of(raw, "Reply-To") == "support@example.org"
        assert (two.row()["via"], two.row()["meant"], two.row()["attempts"]) == ("main", "support", 1)

        support.down = None
        for probes in (1, 2):
            two.clock.forward(seconds=PROBE.total_seconds())
            support.connections = 0
            couriers["support"].wake()
            await becomes(lambda: support.connections)
            await anyio.sleep(0.02)
            assert two.board.breaker("support").is_open is (probes == 1)
        await two.queue(two.draft(meant="support"))
        await support.until(1)
        assert field_of(support.taken[0][1], "From") == "support@example.org"
        assert field_of(support.taken[0][1], "Reply-To") == ""
        await two.settled()
    assert len(main.taken) == 1


async def test_answers_go_to_the_primary_mailbox_where_the_original_is_not_fetched(two: PostOffice) -> None:
    two.fetched["support"] = False
    two.posts["support"].down = REFUSED
    await two.queue(two.draft(meant="support", ticket=TicketNumber(1)))
    async with two.running():
        await two.posts["main"].until(1)
    raw = two.posts["main"].taken[0][1]
    assert (field_of(raw, "From"), field_of(raw, "Reply-To")) == ("desk@example.org", "")  # they are the same


async def test_one_refused_login_is_enough(two: PostOffice) -> None:
    two.posts["support"].down = REFUSED
    await two.queue(two.draft(meant="support"))
    async with two.running():
        await two.posts["main"].until(1)
        await two.settled()
    assert two.posts["support"].connections == 1
    assert "blocked" in two.watchers["support"].told


async def test_a_refused_sender_opens_it_too(two: PostOffice) -> None:
    two.posts["support"].fails = REFUSED
    await two.queue(two.draft(meant="support"))
    async with two.running():
        await two.posts["main"].until(1)
        await two.settled()
    assert two.row()["attempts"] == 2


async def test_an_unknown_recipient_is_no_reason_for_the_primary(two: PostOffice) -> None:
    two.posts["support"].refuses["ann@example.com"] = UNKNOWN
    await two.queue(*(two.draft(meant="support") for _ in range(5)))
    async with two.running():
        await two.settled()
    assert two.posts["main"].connections == 0
    assert {row["state"] for row in two.rows()} == {"failed"}
    assert not two.board.breaker("support").is_open


# --- case 23


async def test_with_both_down_mail_waits_in_order_and_goes_by_its_own_server(two: PostOffice) -> None:
    for post in two.posts.values():
        post.down = REFUSED
    ticket = TicketNumber(9)
    await two.queue(*(two.draft(meant="support", ticket=ticket, subject=f"n{number}") for number in range(4)))
    async with two.running() as couriers:
        await becomes(lambda: two.board.breaker("support").is_open)
        await anyio.sleep(0.05)
        assert two.waiting() == (4, 0)
        for name, post in two.posts.items():
            post.down = None
            couriers[name].unblock()
        await two.settled()
    assert two.posts["support"].subjects == ["n0", "n1", "n2", "n3"]
    assert two.posts["main"].taken == []


async def test_the_primary_down_alone_concerns_no_other(two: PostOffice) -> None:
    two.posts["main"].down = REFUSED
    await two.queue(two.draft(meant="support"), two.draft(meant="main"))
    async with two.running():
        await two.posts["support"].until(1)
        await becomes(lambda: two.waiting() == (1, 0))
    assert two.row(2)["state"] == "waiting"
    assert len(two.posts["support"].taken) == 1


async def test_a_server_that_is_down_costs_no_mail_an_attempt(office: PostOffice) -> None:
    office.post.down = DOWN
    await office.queue(office.draft())
    async with office.running() as couriers:
        await becomes(lambda: office.post.connections)
        office.post.down = None
        couriers["main"].wake()
        await office.settled()
    assert office.row()["attempts"] == 1


async def test_a_mail_that_makes_every_server_fail_does_not_take_the_primary_down(two: PostOffice) -> None:
    for post in two.posts.values():
        post.fails = TransientError("the connection was lost", reason="connection_lost")
    await two.queue(two.draft(meant="support"))
    async with two.running() as couriers:
        for _ in range(8):
            two.clock.forward(seconds=10)
            couriers["main"].wake()
            await anyio.sleep(0.02)
            couriers["support"]._round.hurry()  # without a probe, which a call would be
            two.board.wake()
            await anyio.sleep(0.02)
        assert two.board.breaker("support").is_open
        assert two.row()["attempts"] >= 4
        assert not two.board.breaker("main").is_open
        for post in two.posts.values():
            post.fails = None
        await two.queue(two.draft(meant="main"))
        await two.posts["main"].until(1)


async def test_an_idle_connection_that_the_server_ended_says_nothing_against_it(office: PostOffice) -> None:
    async with office.running():
        await office.queue(office.draft())
        await office.settled()
        office.post.fails = TransientError("gone", reason="connection_lost")
        await office.queue(office.draft())
        await becomes(lambda: office.post.connections == 2)
        office.post.fails = None
        office.clock.forward(seconds=5)
        office.board.wake()
        await office.settled()
    assert office.board.breaker("main").failures == 0


async def test_a_name_beside_the_address_and_the_null_path_are_as_configured(tmp_path: Path) -> None:
    office = PostOffice(
        tmp_path,
        main=server(
            sender_name="{technician} of {desk}", title="Help", reply_to="in@example.org", null_return_path=True
        ),
    )
    await office.queue(
        office.draft(author="Jo Doe", automatic=False),
        office.draft(to=[Address("Ann", "ann@example.com")]),
    )
    async with office.running():
        await office.settled()
    (human, raw), (machine, told) = sorted(office.post.taken, key=lambda one: one[0].reverse_path, reverse=True)
    assert (human.reverse_path, machine.reverse_path) == ("desk@example.org", "")
    assert field_of(raw, "From") == "Jo Doe of Help <desk@example.org>"
    assert field_of(told, "From") == "Help <desk@example.org>"
    assert field_of(raw, "Reply-To") == "in@example.org"
    await office.store.close()
