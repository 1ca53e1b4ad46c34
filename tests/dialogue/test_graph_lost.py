"""Answers that are lost at Microsoft Graph: what became of a mail is looked for, and nothing is repeated blindly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import pytest
from tests.dialogue.graph_send import ADA, DESK, ID, TO_ADA, TWO_SLICES, Post, large, mail, post, scale_down, sender

from mailwicket.errors import BlockedError, PermanentError, TransientError, UncertainError
from mailwicket.model import Address
from mailwicket.outgoing import Envelope, RecipientStatus
from mailwicket.senders._graph_submission import GraphSubmission

PATIENCE_S = GraphSubmission.patience_s
MINUTE_S = 60


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Post]:
    async with post(tmp_path) as one:
        yield one


async def lose(at: Post, where: str = "POST */send", raw: bytes | None = None, **fault: object) -> None:
    """Submit a mail whose answer is lost."""
    at.lab.faults.add(where, **(fault or {"drop": "after"}))
    with pytest.raises(UncertainError):
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, raw or mail())


async def resume(at: Post, raw: bytes | None = None) -> Mapping[str, RecipientStatus] | None:
    async with at.sender.connect() as submission:
        return await submission.resume(TO_ADA, raw or mail())


async def resumed(at: Post, raw: bytes | None = None) -> bool:
    told = await resume(at, raw)
    assert told is None or told[ADA].is_taken
    return told is not None


def restart(at: Post, directory: Path) -> None:
    """Whoever sends from now on remembers nothing."""
    at.sender = sender(at.lab, directory, {})


# --- what is known of the draft


async def test_a_mail_that_lies_in_sent_items_was_sent(at: Post) -> None:
    await lose(at)
    assert await resumed(at)
    assert (at.sent, at.drafts) == ([ID], [])
    assert at.asked()[-1] == "GET messages/*"  # by the id that its draft had


@pytest.mark.parametrize(
    "fault", [{"drop": "after"}, {"status": 504, "code": "GatewayTimeout"}, {"status": 500, "code": "x"}, {"lies": 200}]
)
async def test_every_answer_but_202_to_the_order_to_send_leaves_the_mail_uncertain(
    at: Post, fault: dict[str, object]
) -> None:
    await lose(at, **fault)


async def test_a_copy_that_appears_late_is_waited_for_and_nothing_is_sent_twice(at: Post) -> None:
    at.lab.sending.copy_delay_s = 40
    await lose(at)
    assert not await resumed(at)  # 404: on its way
    at.lab.clock.advance(41)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_a_draft_that_vanished_and_left_no_copy_was_sent(at: Post) -> None:
    at.lab.sending.copy_delay_s = 1e9
    await lose(at)
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_a_draft_that_still_lies_there_after_minutes_is_sent_and_only_once(at: Post) -> None:
    await lose(at, drop="before")
    assert not await resumed(at)
    assert at.sent == []
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert (at.sent, at.drafts) == ([ID], [])
    assert [one.internet_message_id for one in at.ada.messages("inbox")] == [ID]


async def test_a_draft_that_leaves_late_is_not_sent_twice(at: Post) -> None:
    at.lab.sending.leave_delay_s = 40
    await lose(at)
    assert not await resumed(at)
    at.lab.clock.advance(41)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_a_draft_that_cannot_be_removed_is_not_replaced_either(at: Post) -> None:
    await lose(at, drop="before")
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    at.lab.faults.add("DELETE */messages/*", status=412, code="ErrorIrresolvableConflict")
    assert not await resumed(at)
    assert at.sent == []
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_a_look_that_fails_decides_nothing(at: Post) -> None:
    await lose(at)
    at.lab.faults.busy("GET */messages/*")
    with pytest.raises(TransientError):
        await resume(at)
    at.rested()
    assert await resumed(at)


async def test_a_draft_that_we_had_removed_ourselves_is_no_sign_that_it_was_sent(at: Post) -> None:
    at.lab.manners.deletes_to = "recoverableitemspurges"
    await lose(at, drop="before")
    at.lab.faults.add("DELETE *", drop="after", times=2)  # the client asks once more by itself
    await at.passes(PATIENCE_S)
    assert not await resumed(at)
    assert (at.sent, at.drafts) == ([], [])
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_a_draft_that_was_kept_is_not_sent_once_we_had_it_removed(at: Post) -> None:
    at.lab.manners.deletes_to = "recoverableitemspurges"
    at.lab.faults.add("POST */send", status=503)
    with pytest.raises(TransientError):
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, mail())
    await at.passes(MINUTE_S)
    assert not await resumed(at)  # whoever stopped us in between left it as begun
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert (at.sent, at.drafts) == ([ID], [])


async def test_a_draft_that_was_there_and_then_once_was_not_is_no_sign_that_it_was_sent(at: Post) -> None:
    await lose(at, drop="before")
    await at.passes(PATIENCE_S)
    at.lab.faults.add("GET */messages/*", status=404, code="ErrorItemNotFound")
    at.lab.faults.add("GET */messages", body='{"value": []}')
    assert not await resumed(at)
    assert await resumed(at)
    assert (at.sent, at.drafts) == ([ID], [])


async def test_an_order_that_arrives_while_its_draft_is_being_removed_sends_the_mail_and_nobody_else_does(
    at: Post, tmp_path: Path
) -> None:
    at.lab.sending.copy_delay_s = MINUTE_S + 40
    with anyio.CancelScope() as life:
        at.lab.faults.add("POST */send", does=life.cancel, held_s=PATIENCE_S + 1)
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, mail())
    restart(at, tmp_path)
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    arrives = at.lab.faults.add("DELETE *", delay_s=0.05, does=lambda: at.lab.clock.advance(5))
    assert not await resumed(at)
    assert (arrives.hit, at.sent) == (1, [ID])
    await at.passes(MINUTE_S)
    assert not await resumed(at)
    await at.passes(MINUTE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_what_a_look_shows_is_as_old_as_its_question(at: Post, tmp_path: Path) -> None:
    at.lab.sending.copy_delay_s = 40
    await lose(at)
    restart(at, tmp_path)
    at.lab.faults.add("GET */messages", after=1, answered=lambda: at.lab.clock.advance(PATIENCE_S))
    assert not await resumed(at)
    assert await resumed(at)
    assert at.sent == [ID]


@pytest.mark.parametrize("copy_delay_s", [0, 40, 1e9])
async def test_a_draft_that_is_ordered_anew_and_refused_then_may_have_been_sent_by_the_first_order(
    at: Post, copy_delay_s: float
) -> None:
    at.lab.sending.copy_delay_s = copy_delay_s
    at.lab.faults.add("POST */send", lies=503)  # as a gateway says it of a server behind it that went away
    for expected in (TransientError, UncertainError):
        with pytest.raises(TransientError) as caught:
            async with at.sender.connect() as submission:
                await submission.submit(TO_ADA, mail())
        assert type(caught.value) is expected
        await at.passes(MINUTE_S)
    assert await resumed(at) == (copy_delay_s < MINUTE_S)
    assert at.sent == [ID]


async def test_a_draft_that_is_ordered_anew_and_refused_then_is_laid_down_anew_where_it_was_not_sent(at: Post) -> None:
    at.lab.faults.add("POST */send", status=503)
    at.lab.faults.add("POST */send", status=400, code="ErrorInvalidRecipients", times=2)
    for expected in (TransientError, UncertainError):
        with pytest.raises(TransientError) as caught:
            async with at.sender.connect() as submission:
                await submission.submit(TO_ADA, mail())
        assert type(caught.value) is expected
        await at.passes(PATIENCE_S)
    with pytest.raises(PermanentError, match="ErrorInvalidRecipients"):
        await resume(at)
    assert (at.sent, at.drafts) == ([], [])


async def test_a_draft_that_somebody_removed_before_it_was_ordered_is_laid_down_anew(at: Post) -> None:
    at.lab.faults.add("POST */send", does=lambda: at.box.take(at.box.messages("drafts")[0]))
    with pytest.raises(UncertainError):
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, mail())
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"id": "x"}', '{"id": "x", "isDraft": 0}'])
async def test_an_answer_without_what_decides_decides_nothing(at: Post, body: str) -> None:
    await lose(at)
    at.lab.faults.add("GET */messages/*", body=body)
    with pytest.raises(TransientError, match="no mail"):
        await resume(at)
    assert await resumed(at)


# --- nothing is remembered: after a death


SOME = Envelope(DESK, (ADA, "grace@example.org"))
TO_BOTH = mail(to=[Address("Ada", ADA), Address("Grace", "grace@example.org")])


@pytest.mark.parametrize(("left", "sent"), [(SOME, 0), (TO_ADA, 1)])
async def test_a_copy_of_what_others_had_before_is_no_sign_that_the_rest_have_it(
    at: Post, left: Envelope, sent: int
) -> None:
    """By SMTP with the same mailbox, say, which files a copy as well; then that server failed."""
    at.box.deliver(TO_BOTH, "sentitems")
    for expected in (sent == 0, sent == 1):
        async with at.sender.connect() as submission:
            assert (await submission.resume(left, TO_BOTH) is not None) == expected
        await at.passes(PATIENCE_S)
        if expected:
            break
    assert len(at.lab.sending.sent) == sent
    assert all(one.recipients == (ADA,) for one in at.lab.sending.sent)


async def test_after_a_death_a_copy_for_the_rest_alone_is_found(at: Post, tmp_path: Path) -> None:
    at.lab.faults.add("POST */send", drop="after")
    with pytest.raises(UncertainError):
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, TO_BOTH)
    restart(at, tmp_path)
    async with at.sender.connect() as submission:
        assert await submission.resume(TO_ADA, TO_BOTH) is not None
    assert len(at.sent) == 1


async def test_after_a_death_a_mail_that_was_sent_is_found_by_its_message_id(at: Post, tmp_path: Path) -> None:
    await lose(at)
    restart(at, tmp_path)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_after_a_death_between_draft_and_order_the_mail_is_sent_once_and_no_draft_is_left(
    at: Post, tmp_path: Path
) -> None:
    await lose(at, drop="before")
    restart(at, tmp_path)
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert (at.sent, at.drafts) == ([ID], [])


async def test_after_a_death_amid_the_files_no_half_of_a_mail_is_sent(
    at: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale_down(monkeypatch)
    raw = large(TWO_SLICES)
    with anyio.CancelScope() as life:
        at.lab.faults.add("PUT *", after=1, drop="before", does=life.cancel)
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, raw)
    await at.lab.wire.quiet()
    assert at.drafts == [ID]
    restart(at, tmp_path)
    assert not await resumed(at, raw)
    await at.passes(PATIENCE_S)
    assert await resumed(at, raw)
    assert (at.sent, at.drafts) == ([ID], [])
    assert len(at.lab.sending.sent[0].content) > TWO_SLICES


async def test_after_a_death_before_the_draft_the_mail_is_sent_once_it_cannot_be_on_its_way(at: Post) -> None:
    assert not await resumed(at)
    assert at.sent == []
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_after_a_death_a_copy_that_appears_late_is_waited_for(at: Post, tmp_path: Path) -> None:
    at.lab.sending.copy_delay_s = 40
    await lose(at)
    restart(at, tmp_path)
    assert not await resumed(at)
    at.lab.clock.advance(41)
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_what_a_person_threw_away_is_no_draft_that_waits(at: Post, tmp_path: Path) -> None:
    await lose(at, drop="before")
    (draft,) = at.box.messages("drafts")
    at.box.move(draft, at.box.folder("deleteditems"))
    restart(at, tmp_path)
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]
    assert len(at.box.messages("deleteditems")) == 1


async def test_a_draft_that_was_known_and_thrown_away_was_not_sent(at: Post) -> None:
    await lose(at, drop="before")
    (draft,) = at.box.messages("drafts")
    at.box.move(draft, at.box.folder("deleteditems"))
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_an_old_draft_that_was_cleared_away_before_it_was_decided_was_not_sent(
    at: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lose(at, drop="before")
    monkeypatch.setattr("mailwicket.senders._graph_submission.SWEEP_S", -60)  # every draft is old, at every connection
    at.lab.manners.deletes_to = "recoverableitemspurges"
    assert not await resumed(at)
    await at.passes(PATIENCE_S)
    assert await resumed(at)
    assert (at.sent, at.drafts) == ([ID], [])


async def test_a_question_that_graph_does_not_understand_says_nothing_of_the_mail(at: Post, tmp_path: Path) -> None:
    await lose(at)
    restart(at, tmp_path)
    at.lab.faults.add("GET */messages", status=400, code="InefficientFilter", after=1)
    with pytest.raises(TransientError, match="InefficientFilter"):
        await resume(at)
    assert await resumed(at)


async def test_an_empty_answer_about_a_draft_tells_nothing(at: Post) -> None:
    await lose(at)
    at.lab.faults.add("GET */messages/*", lies=200)
    with pytest.raises(TransientError, match="no mail"):
        await resume(at)
    assert await resumed(at)
    assert at.sent == [ID]


async def test_a_small_draft_whose_making_is_answered_with_nothing_is_made_anew_and_sent_once(at: Post) -> None:
    at.lab.faults.add("POST */messages", lies=200)
    async with at.sender.connect() as submission:
        with pytest.raises(TransientError, match="names none"):
            await submission.submit(TO_ADA, mail())
        await submission.submit(TO_ADA, mail())
    assert (at.sent, at.drafts) == ([ID], [])


async def test_an_id_with_a_quote_in_it_is_looked_for_as_it_is(at: Post) -> None:
    odd = "<it's.one&two=3@example.org>"
    await lose(at, raw=mail(odd))
    at.sender._traces.forget(odd)
    assert await resumed(at, mail(odd))
    assert at.sent == [odd]


# --- who may only send


ONLY = {"permissions": ["Mail.Send"]}


@pytest.fixture
async def only(tmp_path: Path) -> AsyncIterator[Post]:
    async with post(tmp_path, token=ONLY) as one:
        yield one


async def test_who_may_only_send_sends_in_one_request(only: Post) -> None:
    async with only.sender.connect() as submission:
        await submission.submit(TO_ADA, mail())
    assert only.asked() == ["GET mailFolders/drafts", "POST sendMail"]
    assert only.sent == [ID]
    assert [one.internet_message_id for one in only.box.messages("sentitems")] == [ID]


async def test_who_may_read_and_send_sends_in_one_request_once_a_draft_is_refused(tmp_path: Path) -> None:
    async with post(tmp_path, token={"permissions": ["Mail.Read", "Mail.Send"]}) as at:
        async with at.sender.connect() as submission:
            await submission.submit(TO_ADA, mail())
            await submission.submit(TO_ADA, mail(ID.replace("mw-7-1", "mw-7-2")))
        assert at.asked()[-3:] == ["POST messages", "POST sendMail", "POST sendMail"]


async def test_where_the_token_does_not_tell_a_refused_draft_is_reason_to_try(tmp_path: Path) -> None:
    async with post(tmp_path, token={"token": "opaque"}) as at:
        for match in ("GET */drafts", "POST */messages"):
            at.lab.faults.add(match, status=403, code="ErrorAccessDenied")
            async with at.sender.connect() as submission:
                await submission.submit(TO_ADA, mail())
            assert at.asked()[-1] == "POST sendMail"
        at.lab.faults.add("GET */drafts", status=403, code="ErrorAccessDenied")
        at.lab.faults.add("POST */sendMail", status=403, code="ErrorAccessDenied")
        async with at.sender.connect() as submission:
            with pytest.raises(BlockedError, match="sendMail"):
                await submission.submit(TO_ADA, mail())


async def test_what_is_lost_there_is_not_repeated_but_left_to_a_person(only: Post) -> None:
    await lose(only, "POST */sendMail")
    with pytest.raises(PermanentError, match="outbox retry"):
        await resume(only)
    assert only.sent == [ID]


async def test_a_mail_that_is_too_long_there_is_refused_before_it_is_sent_and_where_the_answer_is_200(
    only: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PermanentError, match="3000000"):
        async with only.sender.connect() as submission:
            await submission.submit(TO_ADA, large(3_000_000))
    only.lab.sending.swallows_too_long = True
    monkeypatch.setattr("mailwicket.senders._graph_submission.MIME_BYTES", 10_000_000)
    with pytest.raises(PermanentError, match="200 in place of 202"):
        async with only.sender.connect() as submission:
            await submission.submit(TO_ADA, large(4_000_000))
    assert only.sent == []


async def test_a_refusal_of_a_token_that_could_write_is_no_reason_to_send_without_drafts(tmp_path: Path) -> None:
    async with post(tmp_path) as at:
        at.box.in_app_scope = False
        at.lab.faults.add("GET */drafts", status=403, code="ErrorAccessDenied")
        with pytest.raises(Exception, match="ErrorAccessDenied"):
            async with at.sender.connect():
                pass
    assert DESK not in at.sent
