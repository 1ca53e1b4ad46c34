"""The rules: a table of cases, no server, no clock, no store."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime

import pytest

from mailwicket.facts import Facts, KnownMail, Lately, TicketFacts
from mailwicket.model import (
    Address,
    Automatic,
    Bounce,
    Flag,
    IntakeId,
    Mail,
    MessageId,
    Reason,
    Sha256,
    TicketNumber,
    TicketStatus,
)
from mailwicket.rules.case import Arrival
from mailwicket.rules.decide import decide
from mailwicket.rules.opening import OPENED_MAX
from mailwicket.rules.outcome import Append, Create, Ignore, Outcome, Quarantine
from mailwicket.rules.own import OwnAddresses, canonical
from mailwicket.rules.people import audience
from mailwicket.rules.policy import Home, Policy
from mailwicket.rules.reply import JOINED_MAX
from mailwicket.rules.schedule import PAUSES_S, pause_s

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
ANN = Address("Ann", "ann@example.org")
DESK = "desk@example.net"
SEVEN, EIGHT = (
    TicketFacts(TicketNumber(number), TicketStatus.OPEN, requester=ANN.address, source="desk") for number in (7, 8)
)
BOTH = {one.number: one for one in (SEVEN, EIGHT)}
OURS = Policy(own=OwnAddresses((), {DESK: "desk"}), homes={"desk": Home("desk", DESK, "first", "general")})
DIGEST = Sha256(hashlib.sha256(b"content").hexdigest())
OTHER = Sha256(hashlib.sha256(b"other").hexdigest())
Q = MessageId("q@example.org")

PLAIN = Mail(
    subject="Printer on fire",
    author=ANN,
    to=(Address(None, DESK),),
    cc=(),
    reply_to=(),
    message_id=MessageId("one@example.org"),
    in_reply_to=(),
    references=(),
    date=None,
    text="It burns.",
    html=None,
    is_laid_out=False,
    attachments=(),
    enclosed=(),
    automatic=None,
    bounce=None,
    header=b"From: ann@example.org\r\n",
    content_digest=DIGEST,
)
ANSWER = dataclasses.replace(PLAIN, in_reply_to=(Q,))
KNOWN = Facts(borne={Q: [TicketNumber(7)]}, tickets=BOTH)


def of(mail: Mail, facts: Facts = Facts(), *, headers_only: bool = False) -> Outcome:  # noqa: B008 - frozen
    return decide(mail, facts, OURS, Arrival("desk", NOW, NOW, headers_only))


def test_a_first_mail_opens_a_ticket_with_what_its_mailbox_says() -> None:
    outcome = of(PLAIN)
    assert isinstance(outcome, Create)
    assert (outcome.reason, outcome.requester, outcome.group, outcome.category, outcome.source) == (
        Reason.CREATED,
        ANN,
        "first",
        "general",
        "desk",
    )


def test_an_answer_joins_the_ticket_it_cites() -> None:
    outcome = of(ANSWER, KNOWN)
    assert isinstance(outcome, Append)
    assert (outcome.reason, outcome.ticket, outcome.public) == (Reason.REPLY_PUBLIC, 7, True)


def test_the_parent_counts_more_than_an_ancestor_and_a_newer_ancestor_more_than_an_older() -> None:
    a, b, c = (MessageId(f"{name}@example.org") for name in "abc")
    both = dataclasses.replace(PLAIN, in_reply_to=(a,), references=(b, c))
    parent = of(both, Facts(borne={a: [TicketNumber(7)], b: [TicketNumber(8)]}, tickets=BOTH))
    ancestor = of(both, Facts(borne={b: [TicketNumber(7)], c: [TicketNumber(8)]}, tickets=BOTH))
    assert isinstance(parent, Append)
    assert isinstance(ancestor, Append)
    assert (parent.ticket, ancestor.ticket) == (7, 8)


def test_an_answer_to_nothing_known_opens_a_ticket() -> None:
    assert of(ANSWER).reason is Reason.CREATED


def test_a_question_that_a_ticket_awaits_joins_it_late() -> None:
    outcome = of(PLAIN, Facts(awaited_by=[TicketNumber(7)], tickets=BOTH))
    assert isinstance(outcome, Append)
    assert (outcome.reason, outcome.ticket) == (Reason.JOINED_LATE, 7)


def test_a_second_copy_is_a_duplicate_and_names_the_ticket_of_the_first() -> None:
    outcome = of(PLAIN, Facts(same_id=[KnownMail(IntakeId(3), DIGEST, TicketNumber(7))]))
    assert isinstance(outcome, Ignore)
    assert (outcome.reason, outcome.ticket) == (Reason.DUPLICATE, 7)


def test_the_same_id_with_other_content_is_kept_and_flagged() -> None:
    outcome = of(PLAIN, Facts(same_id=[KnownMail(IntakeId(3), OTHER, TicketNumber(7))]))
    assert (outcome.reason, outcome.flags) == (Reason.CREATED, (Flag.SAME_ID_OTHER_CONTENT,))


@pytest.mark.parametrize("known", [True, False])
def test_without_an_id_the_content_decides(known: bool) -> None:  # noqa: FBT001 - a parameter of the case
    nameless = dataclasses.replace(PLAIN, message_id=None)
    facts = Facts(same_content=[KnownMail(IntakeId(3), DIGEST, TicketNumber(7))] if known else [])
    assert of(nameless, facts).reason is (Reason.DUPLICATE if known else Reason.CREATED)


@pytest.mark.parametrize("written", ["Desk@Example.NET", "desk+x@example.net", "desk@example.net."])
def test_our_own_address_opens_no_ticket_however_it_is_written(written: str) -> None:
    ours = dataclasses.replace(PLAIN, author=Address(None, written))
    assert of(ours).reason is Reason.LOOP_OWN_ADDRESS


def test_addresses_are_compared_without_case_and_with_their_domains_in_ascii() -> None:
    assert canonical(" Jörg@BÜCHER.example. ") == canonical("jörg@xn--bcher-kva.example")
    assert canonical("first.last@gmail.com") != canonical("firstlast@gmail.com")


def test_a_mail_without_a_sender_is_kept_for_a_person() -> None:
    outcome = of(dataclasses.replace(PLAIN, author=None))
    assert (type(outcome), outcome.reason) == (Quarantine, Reason.NO_SENDER)


def test_an_automatic_answer_is_attached_privately_and_never_opens_a_ticket() -> None:
    away = dataclasses.replace(ANSWER, automatic=Automatic("Auto-Submitted: auto-replied"))
    attached = of(away, KNOWN)
    assert isinstance(attached, Append)
    assert (attached.reason, attached.public) == (Reason.AUTO_REPLY_ATTACHED, False)
    assert of(away).reason is Reason.AUTO_IGNORED


def test_a_report_about_a_mail_of_a_ticket_is_attached_and_one_about_nothing_of_ours_is_backscatter() -> None:
    report = dataclasses.replace(
        PLAIN, author=None, bounce=Bounce(("x@example.com",), permanent=True, original_message_id=Q)
    )
    attached = of(report, KNOWN)
    assert isinstance(attached, Append)
    assert (attached.reason, attached.public) == (Reason.BOUNCE_ATTACHED, False)
    parked = of(report)
    assert (type(parked), parked.reason) == (Quarantine, Reason.BACKSCATTER)


def test_a_mail_over_the_limit_opens_a_flagged_ticket_and_a_cut_text_is_only_flagged() -> None:
    outcome = of(PLAIN, headers_only=True)
    assert (outcome.reason, outcome.flags) == (Reason.TOO_LARGE_TRUNCATED, (Flag.TRUNCATED,))
    cut = of(dataclasses.replace(PLAIN, damage=("text_cut",)))
    assert (cut.reason, cut.flags) == (Reason.CREATED, (Flag.TRUNCATED,))


def test_who_opens_or_adds_too_much_in_an_hour_is_parked() -> None:
    assert of(PLAIN, Facts(lately=Lately(opened=OPENED_MAX))).reason is Reason.LOOP_RATE
    assert of(PLAIN, Facts(lately=Lately(opened=OPENED_MAX - 1))).reason is Reason.CREATED
    assert of(ANSWER, dataclasses.replace(KNOWN, lately=Lately(joined=JOINED_MAX))).reason is Reason.LOOP_RATE
    assert of(ANSWER, dataclasses.replace(KNOWN, lately=Lately(joined=JOINED_MAX - 1))).reason is Reason.REPLY_PUBLIC


@pytest.mark.parametrize("facts", [Facts(), KNOWN, Facts(same_id=[KnownMail(IntakeId(3), DIGEST, None)])])
def test_every_decision_leaves_a_trace_of_its_steps(facts: Facts) -> None:
    trace = of(ANSWER, facts).trace
    assert next(step.rule for step in trace) == "duplicate"
    assert all(step.answer for step in trace)


def test_the_cc_of_a_ticket_has_everybody_once_but_us_and_the_author_and_an_end() -> None:
    people = [Address(None, f"p{n}@example.org") for n in range(100)]
    crowd = dataclasses.replace(
        PLAIN, cc=[Address(None, "DESK@example.net"), ANN, *people[:2], Address("Again", "P1@example.org"), *people]
    )
    found = audience(crowd, OURS, [ANN.address])
    assert (list(found.cc), list(found.left_out)) == (people[:48], people[48:])


def test_a_subject_of_nothing_but_prefixes_and_tags_has_a_name() -> None:
    for subject, told in {"": "(no subject)", "[#7]": "(no subject)", "Re: ": "Re:", "AW: Re: [#7] Tor": "Tor"}.items():
        outcome = of(dataclasses.replace(PLAIN, subject=subject))
        assert isinstance(outcome, Create)
        assert outcome.subject == told


def test_an_empty_text_opens_a_ticket() -> None:
    assert of(dataclasses.replace(PLAIN, text="")).reason is Reason.CREATED


def test_pauses_grow_to_an_end_with_jitter_and_obey_the_server() -> None:
    assert [pause_s(n, 0.0) for n in (1, 2, 100)] == [PAUSES_S[0], PAUSES_S[1], PAUSES_S[-1]]
    assert pause_s(1, 0.999) < PAUSES_S[0] * 1.5
    assert pause_s(1, 0.0, retry_after_s=90) == 90
