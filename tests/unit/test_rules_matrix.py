"""Who may say what in a ticket: each row of the reply matrix, and what changes state and people."""

from __future__ import annotations

import pytest
from tests.stage import ANN, BOB, EVE, TINA, TOM, Stage, told

from mailwicket.model import Flag, Reason, TicketStatus
from mailwicket.rehearsal.world import KEYS
from mailwicket.rules.outcome import Create

UNVERIFIED = {Flag.UNVERIFIED}
OTHERS_REPLY = "[preferences]\nreply_from_other_technician = 'reply'"


# --- the reply matrix, row by row


def test_the_requester_replies_in_public() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        assert told(stage.mail(ANN, cites=stage.ours(ticket), verdict="pass")) == (Reason.REPLY_PUBLIC, True, set())


def test_a_requester_who_is_a_technician_replies_as_the_requester() -> None:
    with Stage() as stage:
        ticket = stage.opened(TOM)
        done = stage.mail(TOM, cites=stage.ours(ticket), verdict="pass")
        assert told(done) == (Reason.REPLY_PUBLIC, True, set())
        assert told(stage.mail(TOM, cites=stage.ours(ticket)))[:2] == (Reason.REPLY_PUBLIC, True)


def test_the_requester_replies_from_another_of_his_addresses() -> None:
    with Stage() as stage:
        ticket = stage.opened("rita@example.com")
        done = stage.mail("rita@home.example", cites=stage.ours(ticket), verdict="pass")
        assert told(done) == (Reason.REPLY_PUBLIC, True, set())


def test_a_cc_replies_in_public_and_is_told_apart() -> None:
    with Stage() as stage:
        ticket = stage.opened(cc=BOB)
        assert told(stage.mail(BOB, cites=stage.ours(ticket), verdict="pass")) == (Reason.REPLY_CC, True, set())


def test_the_assigned_technician_replies_in_public() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        stage.do("assign", ticket, TINA)
        assert told(stage.mail(TINA, cites=stage.ours(ticket), verdict="pass")) == (Reason.REPLY_PUBLIC, True, set())


@pytest.mark.parametrize("more", ["", OTHERS_REPLY])
def test_the_assigned_technician_who_answers_a_note_stays_private(more: str) -> None:
    with Stage(more) as stage:
        ticket = stage.opened()
        stage.do("assign", ticket, TINA)
        note = stage.ours(ticket, internal=True)
        for technician in (TINA, TOM):
            done = stage.mail(technician, cites=[note, stage.ours(ticket)], verdict="pass")
            assert told(done) == (Reason.COLLABORATION, False, set())
            address = KEYS.plus_address("support@desk.example", ticket, internal=True)
            assert told(stage.mail(technician, to=address, verdict="pass"))[:2] == (Reason.COLLABORATION, False)


@pytest.mark.parametrize("assignee", [TINA, ""])
@pytest.mark.parametrize(("more", "reason"), [("", Reason.COLLABORATION), (OTHERS_REPLY, Reason.REPLY_PUBLIC)])
def test_another_technician_goes_by_the_preference_and_everybody_is_other_to_an_unassigned_ticket(
    assignee: str, more: str, reason: Reason
) -> None:
    with Stage(more) as stage:
        ticket = stage.opened()
        if assignee:
            stage.do("assign", ticket, assignee)
        done = stage.mail(TOM, cites=stage.ours(ticket), verdict="pass")
        assert told(done) == (reason, reason is Reason.REPLY_PUBLIC, set())


@pytest.mark.parametrize("stranger", [EVE, "rita@example.com"])
def test_an_outsider_with_a_signed_reference_or_a_stored_id_writes_a_flagged_note_and_is_no_cc(stranger: str) -> None:
    with Stage() as stage:
        ticket = stage.opened(message_id="first@example.com")
        for cited in (stage.ours(ticket), "first@example.com"):
            done = stage.mail(stranger, cites=cited, verdict="pass", cc="more@evil.example")
            assert told(done) == (Reason.COLLABORATION_STRANGER, False, {Flag.STRANGER})
        assert stage.facts(ticket).cc == frozenset()


def test_an_outsider_with_nothing_but_the_number_opens_a_ticket_of_his_own() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        done = stage.mail(EVE, subject=f"Re: [#{ticket}] Printer", verdict="pass")
        assert (done.outcome.reason, done.ticket == ticket) == (Reason.CREATED, False)


@pytest.mark.parametrize("who", [TINA, TOM])
@pytest.mark.parametrize(("signed", "verdict"), [(True, None), (True, "none"), (True, "fail"), (False, "pass")])
def test_a_technician_without_proof_writes_a_flagged_collaboration(
    who: str,
    signed: bool,  # noqa: FBT001 - a parameter of the case
    verdict: str | None,
) -> None:
    with Stage(OTHERS_REPLY) as stage:
        ticket = stage.opened(message_id="first@example.com")
        stage.do("assign", ticket, TINA)
        cited = stage.ours(ticket) if signed else "first@example.com"
        done = stage.mail(who, cites=cited, verdict=verdict, cc="more@evil.example")
        assert told(done) == (Reason.COLLABORATION, False, UNVERIFIED)
        assert stage.facts(ticket).cc == frozenset()


def test_a_technician_whose_domain_asks_that_such_mail_be_refused_is_parked_first() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        done = stage.mail(TINA, cites=stage.ours(ticket), verdict="fail (p=quarantine)")
        assert told(done) == (Reason.AUTH_FAILED, None, set())


def test_our_own_address_is_a_loop() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        done = stage.mail("support+x@desk.example", cites=stage.ours(ticket), verdict="pass")
        assert told(done)[0] is Reason.LOOP_OWN_ADDRESS


# --- who may change what


@pytest.mark.parametrize(
    ("author", "cited", "verdict", "changes"),
    [
        (ANN, "ours", None, True),
        (ANN, "ours", "none", True),
        (ANN, "stored", "pass", True),
        (ANN, "stored", None, False),
        (ANN, "ours", "fail", False),
        (BOB, "ours", None, True),
        (BOB, "stored", "none", False),
        (EVE, "ours", "pass", False),
    ],
)
def test_state_and_people_change_by_a_participant_with_a_pass_or_our_id_and_never_on_a_failed_verdict(
    author: str,
    cited: str,
    verdict: str | None,
    changes: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    with Stage() as stage:
        ticket = stage.opened(cc=BOB, message_id="first@example.com")
        stage.do("close", ticket)
        cites = stage.ours(ticket) if cited == "ours" else "first@example.com"
        done = stage.mail(author, cites=cites, verdict=verdict, cc="new@example.com")
        facts = stage.facts(ticket)
        assert done.ticket == ticket
        assert (facts.status is TicketStatus.OPEN) is changes
        assert ("new@example.com" in facts.cc) is changes
        assert facts.requester == ANN


def test_without_a_verifier_nobody_is_flagged_but_a_technician() -> None:
    with Stage(verifier=False) as stage:
        ticket = stage.opened()
        assert told(stage.mail(ANN, cites=stage.ours(ticket)))[2] == set()
        assert told(stage.mail(TINA, cites=stage.ours(ticket)))[2] == UNVERIFIED
        assert told(stage.mail(TINA, subject="Own request"))[2] == UNVERIFIED


def test_a_creating_mail_sets_its_ccs_whatever_the_verdict() -> None:
    with Stage() as stage:
        for verdict in (None, "none", "fail", "pass"):
            assert stage.facts(stage.opened(cc=BOB, verdict=verdict)).cc == {BOB}  # type: ignore[arg-type]


def test_an_unverified_reply_in_time_is_added_and_the_ticket_stays_closed() -> None:
    with Stage() as stage:
        ticket = stage.opened(message_id="first@example.com")
        stage.do("close", ticket)
        done = stage.mail(ANN, cites="first@example.com")
        assert told(done) == (Reason.ADDED_CLOSED, True, UNVERIFIED)
        assert stage.world.post.sent[-1].event == "added_to_closed"


def test_a_technician_with_a_pass_who_cites_the_number_alone_collaborates() -> None:
    with Stage(OTHERS_REPLY) as stage:
        ticket = stage.opened()
        done = stage.mail(TOM, subject=f"[#{ticket}] Printer", verdict="pass")
        assert (done.ticket, *told(done)) == (ticket, Reason.COLLABORATION, False, UNVERIFIED)
        without = stage.mail(TOM, subject=f"[#{ticket}] Printer")
        assert (without.outcome.reason, without.ticket == ticket) == (Reason.CREATED, False)


@pytest.mark.parametrize("by", ["number", "stored"])
def test_technician_proof_can_be_switched_off(by: str) -> None:
    with Stage("[preferences]\ntechnician_proof = 'none'", verifier=False) as stage:
        ticket = stage.opened(message_id="first@example.com")
        stage.do("assign", ticket, TINA)
        if by == "number":
            done = stage.mail(TINA, subject=f"[#{ticket}] Printer")
        else:
            done = stage.mail(TINA, cites="first@example.com")
        assert (done.ticket, *told(done)) == (ticket, Reason.REPLY_PUBLIC, True, set())


def test_of_several_from_addresses_the_first_usable_counts_and_proves_nothing() -> None:
    with Stage() as stage:
        done = stage.mail(f"{ANN}, {BOB}", verdict="pass")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.requester.address, set(done.outcome.flags)) == (ANN, UNVERIFIED)
        ticket = stage.opened()
        stage.do("assign", ticket, TINA)
        done = stage.mail(f"{TINA}, {ANN}", cites=stage.ours(ticket), verdict="pass")
        assert told(done) == (Reason.COLLABORATION, False, UNVERIFIED)


def test_the_same_address_twice_in_from_is_one() -> None:
    with Stage() as stage:
        assert told(stage.mail(f"{ANN}, Ann <{ANN.upper()}>", verdict="pass"))[2] == set()


def test_a_stranger_on_a_closed_ticket_leaves_it_closed() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        stage.do("close", ticket)
        done = stage.mail(EVE, cites=stage.ours(ticket), verdict="pass", days=100)
        assert (done.ticket, *told(done)) == (ticket, Reason.COLLABORATION_STRANGER, False, {Flag.STRANGER})
        assert stage.facts(ticket).is_closed


def test_a_technician_who_is_cc_or_follower_goes_by_the_technicians_rows() -> None:
    with Stage("[preferences]\ntechnician_cc = 'cc'") as stage:
        ticket = stage.opened(cc=TOM)
        assert stage.facts(ticket).cc == {TOM}
        assert told(stage.mail(TOM, cites=stage.ours(ticket), verdict="pass"))[0] is Reason.COLLABORATION
    with Stage() as stage:
        ticket = stage.opened(cc=TOM)
        assert stage.facts(ticket).followers == {TOM}
        assert told(stage.mail(TOM, cites=stage.ours(ticket), verdict="pass"))[0] is Reason.COLLABORATION


def test_a_cc_whom_a_technician_removed_is_a_stranger_and_comes_back_by_nobodys_mail() -> None:
    with Stage() as stage:
        ticket = stage.opened(cc=BOB)
        stage.do("remove-cc", ticket, BOB)
        assert told(stage.mail(BOB, cites=stage.ours(ticket), verdict="pass"))[0] is Reason.COLLABORATION_STRANGER
        stage.mail(ANN, cites=stage.ours(ticket), verdict="pass", cc=BOB)
        assert stage.facts(ticket).cc == frozenset()


def test_who_was_removed_does_not_come_back_by_another_of_his_addresses() -> None:
    with Stage() as stage:
        ticket = stage.opened(cc="rita@example.com")
        stage.do("remove-cc", ticket, "rita@example.com")
        stage.mail(ANN, cites=stage.ours(ticket), verdict="pass", cc="rita@home.example")
        assert stage.facts(ticket).cc == frozenset()


@pytest.mark.parametrize("who", ["left@desk.example", "blocked@example.com"])
@pytest.mark.parametrize("guests", ["true", "false"])
def test_who_is_not_active_is_refused_with_new_mail_and_with_replies(who: str, guests: str) -> None:
    with Stage(f"[preferences]\nallow_guests = {guests}") as stage:
        ticket = stage.opened("rita@example.com", cc=who)
        assert told(stage.mail(who, verdict="pass"))[0] is Reason.SENDER_BLOCKED
        assert told(stage.mail(who, cites=stage.ours(ticket), verdict="pass"))[0] is Reason.SENDER_BLOCKED


def test_who_is_not_active_is_refused_by_his_reply_to_as_well() -> None:
    with Stage("[preferences]\nrequester_from_reply_to = true") as stage:
        done = stage.mail("form@example.com", header="Reply-To: blocked@example.com")
        assert told(done)[0] is Reason.SENDER_BLOCKED


def test_a_participant_by_reply_to_alone_joins_by_an_id_but_changes_nothing_with_his_own_pass() -> None:
    with Stage("[preferences]\nrequester_from_reply_to = true") as stage:
        ticket = stage.opened(message_id="first@example.com")
        stage.do("close", ticket)
        borrowed = f"Reply-To: {ANN}"
        done = stage.mail(EVE, cites="first@example.com", verdict="pass", header=borrowed, cc="new@evil.example")
        assert (done.ticket, done.outcome.reason) == (ticket, Reason.ADDED_CLOSED)
        assert Flag.UNVERIFIED in done.outcome.flags
        assert stage.facts(ticket).cc == frozenset()
        by_number = stage.mail(EVE, subject=f"[#{ticket}] x", verdict="pass", header=borrowed)
        assert by_number.ticket != ticket


def test_whom_a_list_replaced_has_no_proof_by_the_pass_of_the_list() -> None:
    with Stage(OTHERS_REPLY) as stage:
        ticket = stage.opened()
        header = f"List-Id: <support.desk.example>\nX-Original-From: {TINA}"
        done = stage.mail("support@desk.example", cites=stage.ours(ticket), verdict="pass", header=header)
        assert told(done) == (Reason.COLLABORATION, False, UNVERIFIED)
