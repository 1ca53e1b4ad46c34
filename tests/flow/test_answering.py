"""What technicians do by command and API becomes mail, in the transaction in which they do it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import NOON, FakeDesk, mail
from tests.flow.test_posting import MAILBOXES, House, by_tess, request, speak_for_all
from tests.postoffice import field_of, server

from mailwicket import failpoint as failpoints
from mailwicket.errors import ConflictError, StoreError, UnknownError
from mailwicket.flow.acting import Acting, Asked, NewTicket
from mailwicket.flow.actions import Action
from mailwicket.flow.switchboard import Exchange
from mailwicket.flow.uploads import FILES_MAX, FILES_MAX_BYTES, Upload
from mailwicket.flow.writing import Writing
from mailwicket.mail.markdown import SOURCE_MAX_CHARS
from mailwicket.model import TicketNumber
from mailwicket.net.attachments import AttachmentFiles
from mailwicket.store import audit, outbox
from mailwicket.store.outbox import Claimed, OutboxId
from mailwicket.timestamp import timestamp

TESS, TOM, ANN = "tess@example.org", "tom@example.org", "ann@example.com"
ME = Asked("uid 1000")
CHOICE = {"main": server("support@example.org", primary=True), "second": server("second@example.org")}


class Counter:
    """A house with one ticket, and somebody who acts on it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.now = NOON
        self.acting = Acting(
            house.store, lambda: house.desk, lambda: house.policy, lambda: self.now, lambda: house.telling.posting
        )

    async def act(self, do: str, asked: Asked = ME, number: int = 1, *files: Upload, **words: str) -> dict[str, Any]:
        return dict(await self.acting.act(Action(do, TicketNumber(number), **words), asked, files))

    async def new(self, *told: Any, **words: Any) -> dict[str, Any]:
        return dict(await self.acting.open(NewTicket(*told, **words), ME))

    async def shown(self, number: int = 1) -> dict[str, Any]:
        return dict(await self.acting.shown(TicketNumber(number)))

    def sent(self) -> list[tuple[str, list[str], list[str]]]:
        """What was queued since the ticket was opened."""
        return self.house.told()[self.before :]

    def last(self) -> dict[str, Any]:
        return self.house.shown(self.house.mails()[-1]["id"])

    def raw(self) -> bytes:
        """The last mail as it is sent."""
        found = self.claimed(self.house.mails()[-1]["id"])
        writing = Writing(self.house.store.raw, self.house.desk._files._directory)
        return writing.write(found, self.house.board.sent_as(found, found.meant))

    def claimed(self, number: int) -> Claimed:
        found = self.house.store.read(lambda tx: outbox.find(tx, OutboxId(number)))
        assert found is not None
        return found

    before = 0
    desk: FakeDesk | None = None


async def counters(directory: Path, exchange: Exchange, **preferences: Any) -> AsyncIterator[Counter]:
    house = House(directory, exchange, **preferences)
    await house.receive(request(cc="Carl <carl@example.com>"))
    one = Counter(house)
    one.before = len(house.mails())
    yield one
    await house.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Counter]:
    async for one in counters(tmp_path, Exchange(dict(CHOICE), mailboxes=MAILBOXES)):
        yield one


@pytest.fixture
async def choosing(tmp_path: Path) -> AsyncIterator[Counter]:
    limited = server("limited@example.org", allowed_groups=["second line"])
    servers = {**CHOICE, "limited": limited, "off": server("off@example.org", enabled=False)}
    async for one in counters(tmp_path, Exchange(servers, mailboxes=MAILBOXES, allow_choosing=True)):
        yield one


# --- a reply


async def test_a_reply_is_an_entry_and_one_mail_to_requester_and_ccs_from_where_he_wrote_to(here: Counter) -> None:
    told = await here.act("reply", by=TESS, text="Is it *still* burning?\n\n- yes\n- no")
    assert told["sent_to"] == [ANN, "carl@example.com"]
    assert here.sent() == [("technician_replied", [ANN], ["carl@example.com"])]
    entry = (await here.shown())["entries"][-1]
    assert (entry["kind"], entry["public"], entry["author"]) == ("reply", True, TESS)
    assert entry["text"] == "Is it *still* burning?\n\n- yes\n- no"
    raw = here.raw()
    assert field_of(raw, "From") == "support@example.org"
    assert field_of(raw, "Subject") == "Re: [#1] Printer on fire"
    assert field_of(raw, "References") == "<q@example.com>"
    assert field_of(raw, "Auto-Submitted") == ""
    assert "<em>still</em>" in raw.decode()
    token = here.house.policy.keys.read_id(here.last()["message_id"])
    assert token is not None
    assert (token.ticket, token.internal) == (1, False)


async def test_a_reply_names_people_and_cites_the_last_mail_of_those_to_whom_it_goes(here: Counter) -> None:
    later = mail("Re: Printer on fire", "And smokes.\r\n", "Carl <carl@example.com>", message_id="c@example.com",
                 in_reply_to="q@example.com")  # fmt: skip
    stranger = mail("Re: Printer on fire", "Buy!\r\n", "Eve <eve@example.com>", message_id="e@example.com",
                    in_reply_to="q@example.com")  # fmt: skip
    await here.house.receive(later, stranger)
    await here.act("reply", by=TESS, text="Poor printer.")
    raw = here.raw()
    assert field_of(raw, "References") == "<q@example.com> <c@example.com>"
    assert field_of(raw, "In-Reply-To") == "<c@example.com>"
    assert field_of(raw, "To") == "Ann Example <ann@example.com>"
    assert field_of(raw, "Cc") == "Carl <carl@example.com>"


async def test_the_requesters_words_are_quoted_to_him_alone(here: Counter) -> None:
    await here.act("reply", by=TESS, text="With a copy.")
    assert "It burns." not in here.last()["text"], "who gets a copy may not have it"
    await here.act("remove-cc", to="carl@example.com")
    await here.act("note", text="A secret.")
    await here.act("reply", by=TESS, text="Without.")
    text = here.last()["text"]
    assert text.startswith("Without.\n\nOn Thu, 01 Jan 2026 at 12:00 +0000, Ann Example wrote:\n> It burns.")
    assert "secret" not in text
    assert "<blockquote" in here.raw().decode()


async def test_what_the_requester_answers_to_a_reply_joins_its_ticket(here: Counter) -> None:
    await here.act("reply", by=TESS, text="Still burning?")
    answer = mail("Re: Printer on fire", "Yes.\r\n", f"Ann <{ANN}>", message_id="a@example.com",
                  in_reply_to=here.last()["message_id"])  # fmt: skip
    await here.house.receive(answer)
    assert [one["kind"] for one in (await here.shown())["entries"]] == ["mail", "reply", "mail"]


async def test_the_same_key_again_sends_nothing_twice_and_is_answered_as_before(here: Counter) -> None:
    asked = Asked("token", "4711")
    first = await here.act("reply", asked, by=TESS, text="Once.")
    assert await here.act("reply", asked, by=TESS, text="Once.") == first
    assert len(here.sent()) == 1
    with pytest.raises(ConflictError, match="used for something else"):
        await here.act("reply", asked, by=TESS, text="Twice.")
    assert len(here.sent()) == 1
    assert len((await here.shown())["entries"]) == 2


@pytest.mark.parametrize("name", ["commit.before", "commit.after"])
async def test_the_entry_and_its_mail_are_there_both_or_neither(
    here: Counter, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._Armed(f"{name}:1:eio"))
    with pytest.raises(StoreError):
        await here.act("reply", by=TESS, text="Now.")
    count = int(name == "commit.after")
    assert len(here.sent()) == count
    assert len((await here.shown())["entries"]) == 1 + count


async def test_a_reply_to_a_closed_ticket_is_sent_and_it_stays_closed(here: Counter) -> None:
    await here.act("close", by=TESS)
    assert (await here.act("reply", by=TESS, text="One more thing."))["status"] == "closed"
    assert here.sent()[-1] == ("technician_replied", [ANN], ["carl@example.com"])


async def test_who_was_taken_off_gets_no_reply(here: Counter) -> None:
    await here.act("remove-cc", to="carl@example.com")
    assert (await here.act("reply", by=TESS, text="Only you."))["sent_to"] == [ANN]


async def test_a_technicians_own_request_is_answered_by_others_and_he_hears_not_of_his_own(here: Counter) -> None:
    await here.new(TESS, "My chair", by=TOM)
    assert (await here.act("reply", number=2, by=TESS, text="Me."))["sent_to"] == []
    assert (await here.act("reply", number=2, by=TOM, text="You."))["sent_to"] == [TESS]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"text": " \n"}, "a reply without words"),
        ({"text": "x" * (SOURCE_MAX_CHARS + 1)}, "at most 80000 characters"),
        ({"text": "x", "by": "eve@example.org"}, "no technician"),
        ({"text": "x", "outgoing": "second"}, "nobody may choose the outgoing server"),
    ],
)
async def test_a_reply_that_is_refused_changes_and_sends_nothing(
    here: Counter, words: dict[str, str], said: str
) -> None:
    with pytest.raises((ConflictError, UnknownError), match=said):
        await here.act("reply", **words)
    assert here.sent() == []
    assert len((await here.shown())["entries"]) == 1
    assert here.house.store.read(audit.rows) == []


async def pause_ann(here: Counter) -> None:
    """As five mails that were refused would."""
    row = (ANN, timestamp(NOON), "5 permanent bounces in a row")
    sql = "INSERT INTO paused_address (address, since, why) VALUES (?, ?, ?)"
    await here.house.store.write(lambda tx: tx.execute(sql, row))


async def test_who_cannot_be_reached_is_told_to_the_technician_and_on_the_ticket(here: Counter) -> None:
    await pause_ann(here)
    told = await here.act("reply", by=TESS, text="Hello?")
    assert (told["sent_to"], told["not_sent_to"]) == (["carl@example.com"], [ANN])
    entries = (await here.shown())["entries"]
    assert [(one["kind"], one["public"]) for one in entries[1:]] == [("reply", True), ("event", False)]
    assert entries[-1]["text"].startswith(f"Not sent to {ANN}: 5 mails in a row were refused there")
    assert "not_sent_to" not in await here.act("note", text="x")


async def test_who_answers_by_mail_somebody_who_cannot_be_reached_hears_of_it(here: Counter) -> None:
    await pause_ann(here)
    notice = next(one for one in here.house.mails() if one["to"] == [TESS])
    speak_for_all(here.house)
    await here.house.receive(by_tess(notice["message_id"]))
    assert [event for event, _, _ in here.sent()] == ["technician_replied", "delivery_failed", "delivery_failed"]
    assert "5 mails in a row were refused there" in here.last()["text"]


# --- by which server


async def test_a_server_that_a_user_chose_sends_his_reply_and_the_audit_tells(choosing: Counter) -> None:
    await choosing.act("reply", by=TESS, text="By the other.", outgoing="second")
    last = choosing.last()
    assert (last["via"], last["from"], last["chosen"]) == ("second", "second@example.org", "second")
    assert last["route"]["by"] == "choice"
    (row,) = choosing.house.store.read(audit.rows)
    assert (row["action"], row["detail"]) == ("ticket.reply", {"by": TESS, "outgoing": "second"})


async def test_before_he_replies_a_user_sees_to_whom_it_goes_and_what_he_may_choose(choosing: Counter) -> None:
    told = dict(await choosing.acting.offered(TicketNumber(1), TESS))
    assert told == {
        "number": 1,
        "to": [ANN],
        "cc": ["carl@example.com"],
        "outgoing": "main",
        "from": "support@example.org",
        "choices": ["main", "second"],
    }
    with pytest.raises(UnknownError, match="there is no ticket 9"):
        await choosing.acting.offered(TicketNumber(9))


async def test_where_nobody_may_choose_nothing_is_offered(here: Counter) -> None:
    told = await here.acting.offered(TicketNumber(1), TESS)
    assert (told["outgoing"], told["choices"]) == ("main", [])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("off", "outgoing/off is disabled"),
        ("nowhere", "there is no outgoing server nowhere"),
        ("limited", "outgoing/limited is not for tickets of group first line; it is for: second line"),
    ],
)
async def test_a_choice_that_cannot_be_is_refused_and_no_other_server_takes_its_place(
    choosing: Counter, name: str, said: str
) -> None:
    with pytest.raises(ConflictError, match=said):
        await choosing.act("reply", by=TESS, text="x", outgoing=name)
    assert choosing.sent() == []
    assert len((await choosing.shown())["entries"]) == 1


async def test_where_nothing_is_sent_a_reply_says_so(tmp_path: Path) -> None:
    async for one in counters(tmp_path, Exchange({"off": server(enabled=False)}, mailboxes=MAILBOXES)):
        assert (await one.act("reply", by=TESS, text="Nobody hears."))["sent_to"] == []
        assert one.house.mails() == []


# --- files


async def test_files_of_a_reply_are_kept_shown_and_sent(here: Counter) -> None:
    plan, note = Upload("../plan.pdf", "application/pdf", b"%PDF-1.7\n"), Upload("note", "no type", b"\0\1")
    await here.act("reply", ME, 1, plan, note, by=TESS, text="See the plan.")
    shown = (await here.shown())["entries"][-1]["attachments"]
    assert [(one["filename"], one["content_type"], one["size"]) for one in shown] == [
        ("plan.pdf", "application/pdf", 9),
        ("note", "application/octet-stream", 2),
    ]
    assert shown[0]["sha256"] == hashlib.sha256(plan.content).hexdigest()
    raw = here.raw()
    assert b'filename="plan.pdf"' in raw
    assert b"JVBERi0xLjcK" in raw


async def test_another_file_under_the_same_key_is_another_reply(here: Counter) -> None:
    asked, words = Asked("token", "4711"), {"by": TESS, "text": "See."}
    first = await here.act("reply", asked, 1, Upload("a", "text/plain", b"1"), **words)
    assert await here.act("reply", asked, 1, Upload("a", "text/plain", b"1"), **words) == first
    with pytest.raises(ConflictError, match="used for something else"):
        await here.act("reply", asked, 1, Upload("a", "text/plain", b"2"), **words)
    assert len(here.sent()) == 1


async def test_a_reply_may_be_files_alone(here: Counter) -> None:
    await here.act("reply", ME, 1, Upload("plan.pdf", "application/pdf", b"%PDF"), by=TESS)
    assert here.last()["attachments"][0]["filename"] == "plan.pdf"


async def test_too_many_files_and_too_large_ones_are_refused(here: Counter) -> None:
    small = Upload("a", "text/plain", b"x")
    with pytest.raises(ConflictError, match="31 files are too many: at most 30"):
        await here.act("reply", ME, 1, *[small] * (FILES_MAX + 1), by=TESS, text="x")
    with pytest.raises(ConflictError, match=f"at most {FILES_MAX_BYTES} go with a mail"):
        await here.act("reply", ME, 1, Upload("a", "text/plain", bytes(FILES_MAX_BYTES)), small, by=TESS, text="x")
    assert here.sent() == []


# --- what else people hear of


async def test_a_note_is_told_to_the_assigned_technician_and_to_nobody_outside(here: Counter) -> None:
    await here.act("assign", to=TOM, by=TESS)
    assert (await here.act("note", by=TESS, text="She is in room 4."))["sent_to"] == [TOM]
    assert here.sent()[1:] == [("collaboration_added", [TOM], [])]
    token = here.house.policy.keys.read_id(here.last()["message_id"])
    assert token is not None
    assert token.internal, "what answers it is for technicians only"
    assert (await here.act("note", by=TOM, text="My own."))["sent_to"] == []


async def test_who_is_assigned_is_told_once_and_not_by_himself(here: Counter) -> None:
    assert (await here.act("assign", to=TOM, by=TESS))["sent_to"] == [TOM]
    assert (await here.act("assign", to=TOM, by=TESS))["sent_to"] == []
    assert (await here.act("assign", to="", by=TESS))["sent_to"] == []
    assert (await here.act("assign", to=TESS, by=TESS))["sent_to"] == []
    assert here.sent() == [("assigned", [TOM], [])]


async def test_the_requester_is_told_that_his_ticket_is_closed_and_technicians_that_it_is_open_again(
    here: Counter,
) -> None:
    assert (await here.act("close", by=TESS))["sent_to"] == [ANN]
    assert here.sent() == [("closed", [ANN], [])]
    assert field_of(here.raw(), "Auto-Submitted") == "auto-generated"
    assert (await here.act("reopen", by=TESS))["sent_to"] == [TOM]
    assert "Tess opened this request again." in here.last()["text"]
    await here.act("assign", to=TOM)
    await here.act("close")
    assert (await here.act("reopen"))["sent_to"] == [TOM]
    assert "This request is open again." in here.last()["text"]


@pytest.mark.parametrize(
    ("by", "requester", "heard"),
    [
        ("", "Ada <ada@example.org>", ["ada@example.org", TESS, TOM]),
        (TESS, "Ada <ada@example.org>", ["ada@example.org", TOM]),
        (TESS, TESS, [TOM]),
    ],
)
async def test_of_a_new_ticket_its_requester_and_its_group_hear_but_for_who_opened_it(
    here: Counter, by: str, requester: str, heard: list[str]
) -> None:
    told = await here.new(requester, "Chair broken", "It wobbles.", unit="support", by=by)
    assert told["sent_to"] == sorted(heard)
    assert {event for event, _, _ in here.sent()} == {"created"}
    assert "It wobbles." in here.last()["text"]


async def test_new_tickets_in_a_row_are_acknowledged_within_the_caps(here: Counter) -> None:
    told = [await here.new("ada@example.org", f"Alarm {number}") for number in range(11)]
    assert [len(one["sent_to"]) for one in told] == [1] * 10 + [0]


async def test_what_nobody_needs_to_hear_sends_nothing(here: Counter) -> None:
    await here.house.receive(request(message_id="q2@example.com"))
    before = len(here.house.mails())
    await here.act("merge", number=2, to="1", by=TESS)
    await here.act("remove-cc", to="carl@example.com", by=TESS)
    await here.act("spam", by=TESS)
    await here.act("delete", by=TESS)
    assert len(here.house.mails()) == before


# --- tickets that are something else by now


@pytest.mark.parametrize("do", ["reply", "note", "assign", "remove-cc"])
async def test_a_merged_ticket_names_the_one_to_go_on_with(here: Counter, do: str) -> None:
    for number in (2, 3):
        await here.house.receive(request(message_id=f"q{number}@example.com", cc="carl@example.com"))
    await here.act("merge", to="2")
    await here.act("merge", number=2, to="3")
    words = {"text": "x"} if do in {"reply", "note"} else {"to": TESS if do == "assign" else "carl@example.com"}
    before = len(here.house.mails())
    with pytest.raises(ConflictError, match=r"ticket 1 is merged into ticket 3: .*; go on with ticket 3"):
        await here.act(do, **words)
    assert len(here.house.mails()) == before


@pytest.mark.parametrize("do", ["reply", "note", "assign"])
async def test_spam_and_deleted_tickets_are_reopened_before_anybody_works_on_them(here: Counter, do: str) -> None:
    words = {"text": "x"} if do != "assign" else {"to": TESS}
    await here.act("spam")
    if do == "reply":
        with pytest.raises(ConflictError, match=r"ticket 1 is spam: .*; reopen it first"):
            await here.act(do, **words)
    else:
        await here.act(do, **words)
    await here.act("delete")
    with pytest.raises(ConflictError, match=r"ticket 1 is deleted: .*; reopen it first"):
        await here.act(do, **words)


# --- a desk elsewhere tells what its technicians did


@pytest.fixture
async def elsewhere(here: Counter) -> Counter:
    """The same store, whose tickets a desk elsewhere keeps."""
    house, desk = here.house, FakeDesk()
    keep = AttachmentFiles(house.desk._files._directory).keep
    policy, posting = lambda: house.policy, lambda: house.telling.posting
    here.acting = Acting(house.store, lambda: desk, policy, lambda: here.now, posting, keep)
    here.desk = desk
    return here


async def test_a_reply_that_a_desk_elsewhere_tells_is_sent_and_not_kept_twice(elsewhere: Counter) -> None:
    plan = Upload("plan.pdf", "application/pdf", b"%PDF-1.7\n")
    told = await elsewhere.act("reply", Asked("token", "4711"), 1, plan, by="eve@helpdesk.example", text="Done *now*.")
    assert told["sent_to"] == [ANN, "carl@example.com"]
    raw = elsewhere.raw()
    assert field_of(raw, "From") == "support@example.org"
    assert field_of(raw, "References") == "<q@example.com>"
    assert b"JVBERi0xLjcK" in raw
    assert elsewhere.desk is not None
    assert elsewhere.desk.calls == 0


async def test_what_a_desk_elsewhere_tells_twice_is_told_to_people_once(elsewhere: Counter) -> None:
    assert (await elsewhere.act("close"))["sent_to"] == [ANN]
    assert (await elsewhere.act("close"))["sent_to"] == []
    assert (await elsewhere.act("assign", to=TOM))["sent_to"] == [TOM]
    assert (await elsewhere.act("assign", to=TOM))["sent_to"] == []
    assert (await elsewhere.act("assign", to="eve@helpdesk.example"))["sent_to"] == []
    assert (await elsewhere.act("reopen"))["sent_to"] == [TESS, TOM]
    asked = Asked("token", "once")
    first = await elsewhere.act("reply", asked, text="Once.")
    assert await elsewhere.act("reply", asked, text="Once.") == first
    assert [event for event, _, _ in elsewhere.sent()].count("technician_replied") == 1


async def test_of_what_happened_elsewhere_long_ago_nobody_hears_by_mail(elsewhere: Counter) -> None:
    assert (await elsewhere.act("close", Asked("token", at=NOON - timedelta(days=6))))["status"] == "closed"
    assert (await elsewhere.act("reply", Asked("token", at=NOON - timedelta(days=6)), text="Old."))["sent_to"] == []
    assert elsewhere.sent() == []
    await elsewhere.act("reply", Asked("token", at=NOON - timedelta(days=1)), text="Late.")
    assert field_of(elsewhere.raw(), "Date").startswith("Thu, 01 Jan 2026 12:00"), "it is sent now"


async def test_tickets_that_a_desk_elsewhere_brings_in_are_acknowledged_to_nobody(elsewhere: Counter) -> None:
    assert (await elsewhere.new("ada@example.org", "Chair", number=77, unit="support"))["sent_to"] == []
    assert (await elsewhere.act("reply", number=77, text="Hello."))["sent_to"] == ["ada@example.org"]
    assert elsewhere.last()["from"] == "support@example.org"
