"""Sending through Microsoft Graph: drafts, large files, refusals, and what is left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from tests.dialogue.graph_send import (
    ADA,
    DESK,
    ID,
    POSTED,
    SLICE,
    THREE_SLICES,
    TO_ADA,
    TWO_SLICES,
    Post,
    large,
    mail,
    post,
    scale_down,
)

from mailwicket.errors import BlockedError, PermanentError, TransientError, UncertainError
from mailwicket.mail.parse import parse
from mailwicket.model import Address
from mailwicket.net.graph.client import Deadlines
from mailwicket.outgoing import Envelope
from mailwicket.senders import _graph_draft as graph_draft
from mailwicket.senders.graph import GraphSender

OPENED = "GET mailFolders/drafts"
LISTED = "GET mailFolders/*/messages"


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Post]:
    async with post(tmp_path) as one:
        yield one


async def submit(at: Post, raw: bytes, envelope: Envelope = TO_ADA) -> None:
    async with at.sender.connect() as submission:
        said = await submission.submit(envelope, raw)
    assert [one.is_taken for one in said.values()] == [True] * len(envelope.forward_paths)


# --- a draft, then the order to send it


async def test_a_mail_is_laid_down_and_then_sent_in_two_requests(at: Post) -> None:
    await submit(at, mail())
    assert at.asked() == [OPENED, LISTED, "POST messages", "POST messages/*/send"]
    assert at.sent == [ID]
    assert at.drafts == []
    assert [one.internet_message_id for one in at.ada.messages("inbox")] == [ID]
    assert [one.internet_message_id for one in at.box.messages("sentitems")] == [ID]


async def test_every_request_asks_for_ids_that_stay_and_bears_an_id_of_its_own(at: Post) -> None:
    await submit(at, mail())
    assert all('IdType="ImmutableId"' in one.headers["Prefer"] for one in at.lab.requests)
    assert len({one.headers["client-request-id"] for one in at.lab.requests}) == len(at.lab.requests)


async def test_our_message_id_is_what_recipients_see_even_where_exchange_gave_another(at: Post) -> None:
    at.lab.sending.keeps_message_id = False
    await submit(at, mail())
    assert at.asked()[-3:] == ["POST messages", "PATCH messages/*", "POST messages/*/send"]
    assert at.sent == [ID]


async def test_a_message_id_that_cannot_be_set_keeps_no_mail_back(at: Post, caplog: pytest.LogCaptureFixture) -> None:
    at.lab.sending.keeps_message_id = False
    at.lab.faults.add("PATCH */messages/*", status=400, code="ErrorInvalidPropertySet")
    await submit(at, mail())
    assert len(at.sent) == 1
    assert "Message-ID of its own" in caplog.text


async def test_what_is_accepted_is_not_called_delivered(at: Post) -> None:
    async with at.sender.connect() as submission:
        said = await submission.submit(TO_ADA, mail())
    assert "accepted" in said[ADA].text
    assert "not delivered yet" in said[ADA].text


async def test_the_fields_about_the_thread_and_the_machine_arrive(at: Post) -> None:
    await submit(at, large(10))
    arrived = parse(at.ada.messages("inbox")[0].raw())
    assert arrived.in_reply_to == ["asked@example.org"]
    assert arrived.automatic is not None
    assert (arrived.text.strip(), arrived.html) != ("", None)


async def test_whom_the_envelope_leaves_out_gets_nothing(at: Post) -> None:
    raw = mail(to=[Address("Ada", ADA), Address(None, "ben@example.org")])
    await submit(at, raw)
    assert [one.recipients for one in at.lab.sending.sent] == [(ADA,)]


async def test_a_mail_is_sent_by_the_mailbox_that_username_names(tmp_path: Path) -> None:
    async with post(tmp_path, username="shared@example.org", token={"application": True}) as at:
        at.lab.mailbox("shared@example.org")
        at.box.send_as.add("shared@example.org")
        await submit(at, mail())
        assert [one.mailbox for one in at.lab.sending.sent] == ["shared@example.org"]


# --- large files


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    scale_down(monkeypatch)


@pytest.mark.usefixtures("small")
async def test_files_that_no_request_can_hold_follow_the_draft_before_it_is_sent(at: Post) -> None:
    await submit(at, large(75_000, 60_000, 20))
    assert at.asked()[-4:] == [
        "POST messages", "POST messages/*/attachments", "POST messages/*/attachments", "POST messages/*/send"
    ]  # fmt: skip
    arrived = parse(at.ada.messages("inbox")[0].raw())
    assert sorted((one.filename, one.size) for one in arrived.attachments) == [
        ("1.bin", 75_000), ("2.bin", 60_000), ("3.bin", 20)
    ]  # fmt: skip
    assert arrived.in_reply_to == ["asked@example.org"]
    assert arrived.html is not None


async def test_a_file_of_three_megabytes_and_more_goes_by_an_upload_session_in_slices_in_order(at: Post) -> None:
    size = 7 * 1024 * 1024 + 5
    await submit(at, large(size))
    slices = at.lab.uploads.slices
    assert [(first, total) for first, _, total in slices] == [
        (0, size), (graph_draft.SLICE_BYTES, size), (2 * graph_draft.SLICE_BYTES, size)
    ]  # fmt: skip
    assert all(last - first + 1 < 4 * 1024 * 1024 for first, last, _ in slices)
    assert not at.lab.uploads.with_authorization
    arrived = parse(at.ada.messages("inbox")[0].raw())
    assert [(one.filename, one.size) for one in arrived.attachments] == [("1.bin", size)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_slice_that_was_lost_is_asked_after_and_the_upload_goes_on(at: Post, drop: str) -> None:
    at.lab.faults.add("PUT *", drop=drop)
    await submit(at, large(TWO_SLICES))
    assert [first for first, *_ in at.lab.uploads.slices] == [0, SLICE]
    assert parse(at.ada.messages("inbox")[0].raw()).attachments[0].size == TWO_SLICES


@pytest.mark.usefixtures("small")
async def test_an_upload_session_that_ended_is_begun_anew_once(at: Post) -> None:
    at.lab.faults.add("PUT *", after=1, status=404, code="ErrorUploadSessionNotFound")
    at.lab.faults.add("GET /api/*", status=404, code="ErrorUploadSessionNotFound")
    await submit(at, large(THREE_SLICES))
    assert [first for first, *_ in at.lab.uploads.slices] == [0, 0, SLICE, 2 * SLICE]
    assert len(parse(at.ada.messages("inbox")[0].raw()).attachments) == 1


@pytest.mark.usefixtures("small")
async def test_sessions_that_all_end_leave_no_half_of_a_mail_behind(at: Post) -> None:
    at.lab.uploads.lifetime_s = 0
    with pytest.raises(TransientError, match="upload session"):
        await submit(at, large(TWO_SLICES))
    assert at.drafts == []
    assert at.sent == []


@pytest.mark.usefixtures("small")
async def test_the_last_slice_whose_answer_is_lost_hangs_no_file_on_twice(at: Post) -> None:
    at.lab.faults.add("PUT *", after=1, drop="after")
    with pytest.raises(TransientError):
        await submit(at, large(TWO_SLICES))
    assert at.drafts == []
    await submit(at, large(TWO_SLICES))
    assert len(parse(at.ada.messages("inbox")[0].raw()).attachments) == 1


@pytest.mark.usefixtures("small")
async def test_a_mailbox_in_which_no_large_file_can_be_hung_refuses_the_mail_and_not_the_server(tmp_path: Path) -> None:
    async with post(tmp_path, username="shared@example.org") as at:
        shared = at.lab.mailbox("shared@example.org", full_access={DESK}, send_as={DESK})
        with pytest.raises(PermanentError, match="larger files"):
            await submit(at, large(TWO_SLICES))
        assert shared.messages("drafts") == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("lie", [{"status": 413, "code": "RequestEntityTooLarge"}, {"lies": 200}])
async def test_mime_that_is_too_long_for_the_server_is_made_lighter_even_where_it_answers_200(
    at: Post, lie: dict[str, object]
) -> None:
    at.lab.faults.add("POST */messages", **lie)
    await submit(at, large(30_000))
    assert len(parse(at.ada.messages("inbox")[0].raw()).attachments) == 1
    assert at.asked()[-2:] == ["POST messages/*/attachments", "POST messages/*/send"]


async def test_a_mail_that_is_too_large_for_the_server_in_any_form_is_refused_alone(at: Post) -> None:
    at.lab.faults.add("POST */messages", status=413, code="ErrorMessageSizeExceeded", times=9)
    with pytest.raises(PermanentError, match="413"):
        await submit(at, mail())
    at.lab.faults.clear()
    await submit(at, mail())


# --- refusals


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "ErrorAccessDenied", "mailbox_refused"),
        (403, "ErrorSendAsDenied", "sender_refused"),
        (403, "Authorization_RequestDenied", "needs_admin"),
        (404, "MailboxNotEnabledForRESTAPI", "mailbox_unknown"),
        (507, "ErrorQuotaExceeded", "mailbox_full"),
    ],
)
@pytest.mark.parametrize("where", ["POST */messages", "POST */send"])
async def test_what_a_human_must_mend_blocks_the_server_and_leaves_no_draft(
    at: Post, where: str, status: int, code: str, reason: str
) -> None:
    at.lab.faults.add(where, status=status, code=code)
    with pytest.raises(BlockedError, match=code) as caught:
        await submit(at, mail())
    assert caught.value.reason == reason
    assert (at.drafts, at.sent) == ([], [])


async def test_a_sender_that_may_not_send_as_the_address_is_blocked_by_graph_itself(tmp_path: Path) -> None:
    async with post(tmp_path, email="boss@example.org", username=DESK) as at:
        at.lab.mailbox("boss@example.org")
        raw = mail().replace(b"<desk@example.org>", b"<boss@example.org>", 1)
        with pytest.raises(BlockedError) as caught:
            await submit(at, raw)
        assert caught.value.reason == "sender_refused"
        assert at.drafts == []


async def test_recipients_that_graph_refuses_are_the_mail_s_own_failure(at: Post) -> None:
    at.lab.faults.add("POST */send", status=400, code="ErrorInvalidRecipients")
    with pytest.raises(PermanentError, match="ErrorInvalidRecipients"):
        await submit(at, mail())
    assert at.drafts == []


@pytest.mark.parametrize("where", ["GET */drafts", "POST */messages", "POST */send"])
@pytest.mark.parametrize("status", [429, 503, 509])
async def test_a_pause_that_the_server_asks_for_is_kept_and_the_mail_is_sent_once_afterwards(
    at: Post, where: str, status: int
) -> None:
    at.lab.faults.add(where, status=status, code="ApplicationThrottled", retry_after=2)
    with pytest.raises(TransientError) as caught:
        await submit(at, mail())
    assert caught.value.retry_after_s == 2
    assert caught.value.reason == "throttled"
    before = len(at.lab.requests)
    with pytest.raises(TransientError, match="asked for a pause"):
        await submit(at, mail())
    assert len(at.lab.requests) == before  # not asked before that is over
    at.rested()
    await submit(at, mail())
    assert at.sent == [ID]
    assert at.drafts == []


async def test_a_draft_that_could_not_be_sent_yet_is_the_one_that_is_sent(at: Post) -> None:
    at.lab.faults.busy("POST */send")
    with pytest.raises(TransientError):
        await submit(at, mail())
    assert at.drafts == [ID]
    at.rested()
    await submit(at, mail())
    assert at.asked().count("POST messages") == 1
    assert (at.sent, at.drafts) == ([ID], [])


async def test_a_token_that_is_refused_is_renewed_once_and_the_order_to_send_is_given_once(at: Post) -> None:
    at.lab.faults.add("POST */send", status=401, code="InvalidAuthenticationToken")
    await submit(at, mail())
    assert at.sent == [ID]


async def test_a_mail_of_which_nobody_is_told_is_sent_by_nobody_else_meanwhile(at: Post) -> None:
    """The draft's request was lost: nothing was sent, so that another server may have the mail."""
    at.lab.faults.lost_answer("POST */messages")
    with pytest.raises(TransientError) as caught:
        await submit(at, mail())
    assert type(caught.value).__name__ != "UncertainError"
    assert at.sent == []


# --- what is left behind


async def test_drafts_of_ours_that_are_never_sent_are_removed_after_an_hour_and_no_others(at: Post) -> None:
    at.box.deliver(mail(), "drafts", is_draft=True, received=at.lab.clock.now() - at.lab.seconds(4000))
    at.box.deliver(mail("<fresh@example.org>"), "drafts", is_draft=True)
    at.box.deliver(
        mail("<a.person@example.org>"), "drafts", is_draft=True, received=at.lab.clock.now() - at.lab.seconds(4000)
    )
    fresh = ID.replace("mw-7-1", "mw-7-2")
    at.box.deliver(mail(fresh), "drafts", is_draft=True)
    async with at.sender.connect():
        pass
    assert sorted(at.drafts) == sorted(["<fresh@example.org>", "<a.person@example.org>", fresh])
    async with at.sender.connect():
        pass
    assert at.asked().count(LISTED) == 1


async def test_a_draft_that_could_not_be_removed_goes_before_the_mail_is_laid_down_anew(at: Post) -> None:
    at.lab.faults.add("POST */send", status=400, code="ErrorInvalidRecipients")
    at.lab.faults.add("DELETE */messages/*", status=503)
    with pytest.raises(PermanentError):
        await submit(at, mail())
    assert at.drafts == [ID]
    at.rested()
    await submit(at, mail())
    assert (at.sent, at.drafts) == ([ID], [])


async def test_a_draft_whose_making_was_never_answered_goes_before_the_mail_is_laid_down_anew(at: Post) -> None:
    at.lab.faults.lost_answer("POST */messages")
    with pytest.raises(TransientError):
        await submit(at, mail())
    assert at.drafts == [ID]
    await submit(at, mail())
    assert (at.sent, at.drafts) == ([ID], [])


async def test_a_look_for_a_lost_draft_that_fails_is_made_again(at: Post) -> None:
    at.lab.faults.lost_answer("POST */messages")
    with pytest.raises(TransientError):
        await submit(at, mail())
    at.lab.faults.busy("GET */desk@example.org/messages")
    with pytest.raises(TransientError):
        await submit(at, mail())
    at.rested()
    await submit(at, mail())
    assert (at.sent, at.drafts) == ([ID], [])


async def test_a_draft_that_was_kept_of_a_mail_that_is_another_by_now_is_removed(at: Post) -> None:
    at.lab.faults.busy("POST */send")
    with pytest.raises(TransientError):
        await submit(at, mail(to=[Address("Ada", ADA), Address("Grace", "grace@example.org")]))
    at.rested()
    await submit(at, mail())
    assert (at.sent, at.drafts) == ([ID], [])


async def test_old_drafts_that_cannot_be_removed_keep_no_mail_waiting(
    at: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailwicket.senders._graph_submission.CLEARING_S", 0.1)
    at.box.deliver(mail(), "drafts", is_draft=True, received=at.lab.clock.now() - at.lab.seconds(4000))
    at.lab.faults.add("DELETE *", delay_s=60)
    with anyio.fail_after(5):
        await submit(at, mail())
    assert at.sent == [ID]


async def test_a_server_that_does_not_tell_of_old_drafts_sends_all_the_same(at: Post) -> None:
    at.lab.faults.add("GET */mailFolders/*/messages", status=400, code="InefficientFilter")
    await submit(at, mail())
    assert at.sent == [ID]


@pytest.mark.parametrize("fault", [{"status": 404, "code": "ErrorItemNotFound"}, {"status": 400, "code": "BadRequest"}])
async def test_a_mailbox_that_does_not_open_blocks_the_server(at: Post, fault: dict[str, object]) -> None:
    at.lab.faults.add("GET */drafts", **fault)
    with pytest.raises(BlockedError):
        await submit(at, mail())


# --- a server that says nothing


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("where", ["GET */drafts", "POST */messages", "POST */attachments", "PUT *", "POST */send"])
async def test_whoever_waits_for_a_server_that_says_nothing_can_leave_at_once(at: Post, where: str) -> None:
    raw = large(TWO_SLICES, POSTED)
    at.lab.faults.add(where, delay_s=60)
    with anyio.move_on_after(0.6) as scope:
        await submit(at, raw)
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 0.5


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("where", "expected"),
    [("POST */messages", TransientError), ("PUT *", TransientError), ("POST */send", UncertainError)],
)
async def test_a_server_that_says_nothing_is_given_up_in_time(
    at: Post, monkeypatch: pytest.MonkeyPatch, where: str, expected: type[TransientError]
) -> None:
    monkeypatch.setattr(GraphSender, "deadlines", Deadlines(answer_s=0.3, slowest_bytes_per_s=1e9))
    at.lab.faults.add(where, delay_s=60, times=9)
    with anyio.fail_after(5), pytest.raises(TransientError) as caught:
        await submit(at, large(TWO_SLICES))
    assert isinstance(caught.value, expected)
    assert isinstance(caught.value, UncertainError) == (where == "POST */send")
