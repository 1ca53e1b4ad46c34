"""Who would speak in a ticket or hear of it without right: none does."""

from __future__ import annotations

import random
import re
from datetime import timedelta

import pytest
from tests.stage import ANN, BEGIN, BOB, DESK, EVE, TINA, TOM, Stage, told

from mailwicket.mail.fields import is_address
from mailwicket.mail.token import flipped
from mailwicket.model import Flag, MessageId, Reason, TicketNumber
from mailwicket.rehearsal.world import KEYS, Delivered
from mailwicket.rules.acknowledge import (
    DOMAIN_AN_HOUR,
    UNVERIFIED_A_MOMENT,
    VERIFIED_AN_HOUR,
    Acknowledged,
    may_acknowledge,
)
from mailwicket.rules.outcome import Append, Create, Quarantine
from mailwicket.rules.own import canonical

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
UNVERIFIED = {Flag.UNVERIFIED}
USE_ORIGINAL = "[preferences]\nforwarded_by_technician_uses_original_sender = true\n"
FORWARD = """Do so.

---------- Forwarded message ---------
From: Vic <vic@victim.example>
Date: Mon, Nov 2, 2026 at 10:11 AM
Subject: Pay
To: <tina@desk.example>

Pay them.
"""


# --- 1: the ticket trick


def test_a_third_partys_code_sent_to_a_tickets_address_is_for_technicians_only() -> None:
    with Stage() as stage:
        ticket = stage.opened(ANN)
        address = KEYS.plus_address(DESK, ticket)
        before = len(stage.world.post.sent)
        done = stage.mail("no-reply@saas.example", "Your code is CANARY-4711.", to=address, verdict="pass")
        assert (done.ticket, *told(done)) == (ticket, Reason.COLLABORATION_STRANGER, False, {Flag.STRANGER})
        for sent in stage.world.post.sent[before:]:
            assert ANN not in (*sent.to, *sent.cc)
            assert b"CANARY" not in sent.raw


# --- 2: guesses


def guess(stage: Stage, number: int, ticket: TicketNumber, chance: random.Random) -> Delivered:
    mac = "".join(chance.choices(LETTERS, k=26))
    who = f"s{number}@evil{number % 97}.example"
    match number % 5:
        case 0:
            return stage.mail(who, "x", subject=f"Re: [#{ticket}] Printer")
        case 1:
            return stage.mail(who, "x", to=f"support+{ticket}-{mac}@desk.example")
        case 2:
            return stage.mail(who, "x", cites=f"mw-{ticket}-{number % 9}-p-abc-{mac}@desk.example")
        case 3:
            return stage.mail(who, f"x [mw-{ticket}-{mac}]")
        case _:
            return stage.mail(who, "x", cites=f"{chance.randrange(10**9)}@mail.example")


@pytest.mark.parametrize("guesses", [500, pytest.param(10_000, marks=pytest.mark.torture)])
def test_guesses_of_strangers_join_no_ticket_and_are_told_nothing_of_it(guesses: int) -> None:
    chance = random.Random(1)
    with Stage() as stage:
        ticket = stage.opened(ANN, text="CANARY-4711")
        sent = len(stage.world.post.sent)
        for number in range(guesses):
            assert guess(stage, number, ticket, chance).ticket != ticket
        shown = stage.world.ticket(ticket)
        assert shown is not None
        assert len(shown["entries"]) == 1
        assert not any(b"CANARY" in one.raw or ANN in one.to for one in stage.world.post.sent[sent:])


@pytest.mark.parametrize("bit", range(128))
def test_a_bit_flipped_in_any_byte_of_the_mac_is_no_proof(bit: int) -> None:
    with Stage() as stage:
        ticket = stage.opened(ANN)
        ours = stage.ours(ticket)
        mac = flipped(ours, bit).rpartition("-")[2].partition("@")[0]
        assert KEYS.read_id(flipped(ours, bit)) is None
        assert stage.mail(EVE, cites=flipped(ours, bit)).ticket != ticket
        assert mac != ours.rpartition("-")[2].partition("@")[0]
        for whole in (KEYS.plus_address(DESK, ticket), KEYS.mark(ticket)):
            head, _, rest = whole.rpartition("-")
            as_id = MessageId(f"{head}-{rest[:26]}@x")
            forged = f"{head}-{flipped(as_id, bit).rpartition('-')[2].partition('@')[0]}{rest[26:]}"
            assert forged != whole
            assert stage.mail(EVE, forged, to=forged if "@" in forged else DESK).ticket != ticket


@pytest.mark.parametrize("place", ["ticket", "row", "kind", "nonce"])
def test_the_mac_covers_all_that_the_id_says(place: str) -> None:
    with Stage() as stage:
        ticket, other = stage.opened(ANN), stage.opened(BOB)
        ours = stage.ours(ticket)
        number, row, kind, nonce = re.fullmatch(r"mw-(\d+)-(\d+)-(.)-(.+)-.{26}@.+", ours).groups()  # type: ignore[union-attr]
        changed = {
            "ticket": (f"-{number}-{row}-", f"-{other}-{row}-"),
            "row": (f"-{row}-{kind}-", f"-{row}1-{kind}-"),
            "kind": (f"-{kind}-{nonce}-", f"-n-{nonce}-"),
            "nonce": (f"-{nonce}-", f"-{nonce}b-"),
        }[place]
        forged = ours.replace(*changed)
        assert forged != ours
        assert stage.mail(EVE, cites=forged).ticket not in {ticket, other}


@pytest.mark.parametrize("sign", ["ı", "İ", "ſ", "\u212a"])  # noqa: RUF001 - beyond ASCII, equal to ours without case
def test_letters_that_only_look_like_ours_are_no_proof_and_no_trouble(sign: str) -> None:
    with Stage() as stage:
        ticket = stage.opened(ANN)
        ours = stage.ours(ticket)
        forged = ours[:-40] + sign + ours[-39:]
        assert KEYS.read_id(MessageId(forged)) is None
        assert KEYS.read_address(f"support+1-{sign * 26}@desk.example") is None
        assert not KEYS.is_loop_mark(f"abc-{sign * 26}")
        assert stage.mail(EVE, f"[mw-1-{sign * 26}]", cites=f"mw-1-1-p-abc-{sign * 26}@x").ticket != ticket


# --- 3: forged From of the requester


@pytest.mark.parametrize(
    ("verdict", "reason", "flags", "adds"),
    [
        ("pass", Reason.REPLY_PUBLIC, set(), True),
        ("fail (p=reject)", Reason.AUTH_FAILED, set(), False),
        ("fail (p=none)", Reason.REPLY_PUBLIC, UNVERIFIED, False),
        (None, Reason.REPLY_PUBLIC, UNVERIFIED, False),
    ],
)
def test_a_forged_from_of_the_requester(
    verdict: str | None,
    reason: Reason,
    flags: set[Flag],
    adds: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    with Stage() as stage:
        ticket = stage.opened(ANN, message_id="first@example.com")
        done = stage.mail(ANN, cites="first@example.com", verdict=verdict, cc=EVE)
        assert (done.outcome.reason, set(done.outcome.flags)) == (reason, flags)
        assert (EVE in stage.facts(ticket).cc) is adds
        assert "authentication" in {one.rule for one in done.outcome.trace}


# --- 4: technician impersonation


@pytest.mark.parametrize("true_id", [True, False])
@pytest.mark.parametrize("verdict", [None, "none", "fail", "softfail", "temperror"])
def test_a_forged_technicians_reply_reaches_no_customer(true_id: bool, verdict: str | None) -> None:  # noqa: FBT001
    with Stage("[preferences]\nreply_from_other_technician = 'reply'") as stage:
        ticket = stage.opened(ANN)
        stage.do("assign", ticket, TINA)
        sent = len(stage.world.post.sent)
        cites = stage.ours(ticket) if true_id else f"mw-{ticket}-1-p-abc-{'a' * 26}@desk.example"
        done = stage.mail(TINA, "Pay to EVE.", cites=cites, verdict=verdict, subject="Re: Printer")
        assert done.outcome.reason in {Reason.COLLABORATION, Reason.CREATED}
        assert Flag.UNVERIFIED in done.outcome.flags
        assert not any(ANN in (*one.to, *one.cc) for one in stage.world.post.sent[sent:])


@pytest.mark.parametrize("true_id", [True, False])
@pytest.mark.parametrize("verdict", [None, "none", "fail"])
def test_a_forged_technicians_forward_opens_nothing_in_anothers_name(true_id: bool, verdict: str | None) -> None:  # noqa: FBT001
    with Stage(USE_ORIGINAL) as stage:
        ticket = stage.opened(ANN)
        cites = stage.ours(ticket) if true_id else ()
        done = stage.mail(TINA, FORWARD, subject="Fwd: Pay", cites=cites, verdict=verdict)
        assert isinstance(done.outcome, Create)
        assert (done.outcome.requester.address, set(done.outcome.flags)) == (TINA, UNVERIFIED)
        assert "proof" in "".join(one.answer for one in done.outcome.trace)


# --- 5: forged Authentication-Results

EDGE = "Received: from x by mx.desk.example with ESMTP; Thu, 1 Jan 2026 09:00:00 +0000\n"
INNER = "Received: from mx.desk.example by store.desk.example with LMTP; Thu, 1 Jan 2026 09:00:01 +0000\n"


def ar(authserv_id: str, value: str = "pass") -> str:
    return f"Authentication-Results: {authserv_id}; dmarc={value} header.from=example.com\n"


VARIANTS = {
    "our id below our edge's Received": (INNER + EDGE + ar("mx.desk.example"), False),
    "a longer id": (ar("mx.desk.example.evil") + EDGE, False),
    "a shorter id": (ar("desk.example") + EDGE, False),
    "our id in a comment": (ar("evil.example (mx.desk.example)") + EDGE, False),
    "our id as the version": (ar("evil.example mx.desk.example") + EDGE, False),
    "an encoded id": (ar("=?utf-8?q?mx.desk.example?=") + EDGE, False),
    "the forged above the true, which counts": (ar("mx.desk.evil") + ar("mx.desk.example", "fail") + EDGE, False),
    "the true above, the forged below": (ar("mx.desk.example", "fail") + EDGE + ar("mx.desk.example"), False),
    "in capitals it is ours": (ar("MX.Desk.EXAMPLE") + EDGE, True),
    "with a version it is ours": (ar("mx.desk.example 1") + EDGE, True),
    "with a comment it is ours": (ar("mx.desk.example (our edge)") + EDGE, True),
    "folded and quoted it is ours": (INNER + ar('\n "mx.desk.example"') + EDGE, True),
}


@pytest.mark.parametrize(("header", "passes"), VARIANTS.values(), ids=VARIANTS)
def test_only_what_our_own_edge_wrote_is_believed(header: str, passes: bool) -> None:  # noqa: FBT001
    with Stage() as stage:
        done = stage.mail(ANN, header=header)
        assert isinstance(done.outcome, Create)
        assert done.outcome.verified is passes
        assert (Flag.UNVERIFIED in done.outcome.flags) is not passes


def test_without_a_configured_verifier_no_field_is_believed() -> None:
    with Stage(verifier=False) as stage:
        done = stage.mail(ANN, header=ar("mx.desk.example") + EDGE)
        assert isinstance(done.outcome, Create)
        assert not done.outcome.verified


def test_without_a_received_of_our_edge_the_topmost_trusted_field_counts() -> None:
    with Stage() as stage:
        for first, second, passes in (("pass", "fail", True), ("fail", "pass", False)):
            done = stage.mail(ANN, header=ar("mx.desk.example", first) + ar("mx.desk.example", second))
            assert isinstance(done.outcome, Create)
            assert done.outcome.verified is passes


# --- 6: CC injection


def test_a_forged_reply_adds_nobody_and_a_true_one_adds_whom_it_copies_and_tells_him_nothing_old() -> None:
    with Stage() as stage:
        ticket = stage.opened(ANN, message_id="first@example.com", text="CANARY-1")
        stage.mail(ANN, "CANARY-2", cites=stage.ours(ticket))
        sent = len(stage.world.post.sent)
        stage.mail(ANN, cites="first@example.com", cc=EVE)
        assert not any(EVE in (*one.to, *one.cc) for one in stage.world.post.sent[sent:])
        assert stage.facts(ticket).cc == frozenset()
        stage.mail(ANN, cites=stage.ours(ticket), verdict="pass", cc=BOB)
        assert stage.facts(ticket).cc == {BOB}
        assert not any(b"CANARY" in one.raw for one in stage.world.post.sent if BOB in (*one.to, *one.cc))


# --- 7: relay by acknowledgement


def acknowledged(stage: Stage) -> list[str]:
    return [one.to[0] for one in stage.world.post.sent if one.event == "created" and one.to[0] not in {TINA, TOM}]


@pytest.mark.parametrize("domains", [1000, pytest.param(1, marks=pytest.mark.torture)])
def test_a_thousand_mails_in_the_name_of_a_thousand_victims_are_acknowledged_no_more_than_the_bucket(
    domains: int,
) -> None:
    with Stage() as stage:
        for number in range(1000):
            stage.mail(f"v{number}@victim{number % domains}.example", "CANARY-text", subject=f"CANARY {number}")
            stage.world.proceed(stage.world.now - timedelta(seconds=0.7))
        assert stage.world.now - BEGIN <= timedelta(minutes=5)
        assert 0 < len(acknowledged(stage)) <= UNVERIFIED_A_MOMENT
        receipts = [one for one in stage.world.post.sent if "victim" in one.to[0]]
        assert not any(b"CANARY" in one.raw for one in receipts)


def test_a_thousand_mails_in_the_name_of_one_victim_are_acknowledged_once() -> None:
    with Stage() as stage:
        for number in range(1000):
            stage.mail("vic@victim.example", subject=f"CANARY {number}")
        assert acknowledged(stage) == ["vic@victim.example"]


def test_the_eleventh_acknowledgement_within_an_hour_is_not_sent_to_anybody() -> None:
    sent: list[Acknowledged] = []
    for minute in range(20):
        now = BEGIN + timedelta(minutes=minute)
        if may_acknowledge(ANN, sent, now, verified=True):
            sent.append(Acknowledged(now, ANN))
    assert len(sent) == VERIFIED_AN_HOUR
    assert may_acknowledge(ANN, sent, BEGIN + timedelta(hours=1, minutes=1), verified=True)


def test_a_domain_has_a_bucket_of_its_own() -> None:
    sent = [Acknowledged(BEGIN, f"a{number}@example.com") for number in range(DOMAIN_AN_HOUR)]
    now = BEGIN + timedelta(minutes=30)
    assert not may_acknowledge(ANN, sent, now, verified=True)
    assert may_acknowledge(EVE, sent, now, verified=True)


def test_a_victim_named_by_reply_to_or_by_a_forward_is_not_acknowledged_as_verified() -> None:
    with Stage(USE_ORIGINAL + "requester_from_reply_to = true") as stage:
        for number in range(20):
            stage.mail(EVE, verdict="pass", header="Reply-To: vic@victim.example", subject=f"a {number}")
        stage.mail(TINA, FORWARD, subject="Fwd: Pay", verdict="pass")
        assert acknowledged(stage) == ["vic@victim.example"]


# --- 8: loops


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Precedence: bulk",
        "Return-Path: <>",
        "X-Autoreply: yes",
        "List-Unsubscribe: <mailto:x@example.com>",
        f"X-Mailwicket-Loop: {KEYS.loop_mark('abc')}",
    ],
)
def test_machines_lists_and_our_own_mail_are_not_answered(header: str) -> None:
    with Stage() as stage:
        done = stage.mail(ANN, header=header)
        assert not isinstance(done.outcome, Create)
        assert stage.world.post.sent == []


def test_the_mark_of_a_loop_silences_nobody_without_our_mac() -> None:
    with Stage() as stage:
        done = stage.mail(ANN, header=f"X-Mailwicket-Loop: abc-{'a' * 26}\nX-Loop: support@desk.example")
        assert isinstance(done.outcome, Create)


def test_a_robot_without_headers_that_answers_every_mail_of_ours_stops() -> None:
    with Stage() as stage:
        answers, seen = 0, 0
        stage.mail("robot@shop.example")
        while seen < len(stage.world.post.sent):
            sent = stage.world.post.sent[seen]
            seen += 1
            if "robot@shop.example" in sent.to:
                answers += 1
                stage.mail("robot@shop.example", subject="We got your mail")
        assert answers <= 1


def facing(one: Stage, other: Stage, subject: str) -> int:
    """Have two desks hand each other what they send, with nothing left of it but From, To and Subject."""
    mails = [(one, "support@two.example", DESK, subject)]
    taken = {id(one): 0, id(other): 0}
    count = 0
    while mails and count < 50:
        desk, author, to, subject = mails.pop(0)
        count += 1
        desk.world.proceed(desk.world.now + timedelta(seconds=1))
        raw = f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nWe have it.\r\n"
        desk.world.deliver(raw.encode(), "support", desk.world.now)
        peer = other if desk is one else one
        sent = desk.world.post.sent[taken[id(desk)] :]
        taken[id(desk)] = len(desk.world.post.sent)
        mails += [(peer, mail.sender, author, mail.subject) for mail in sent if author in (*mail.to, *mail.cc)]
    return count


@pytest.mark.parametrize("already", [0, 3])
@pytest.mark.parametrize("subject", ["Hello", "[#1] Your request", "[#2] Re: Your request"])
def test_two_desks_with_automatic_replies_that_face_each_other_fall_silent(subject: str, already: int) -> None:
    with Stage(verifier=False) as one, Stage(verifier=False) as two:
        two.conf = two.conf.replace(DESK, "support@two.example")
        two.configure("")
        for number in range(already):
            one.opened(f"a{number}@example.com")
        assert facing(one, two, subject) <= 5


# --- 9: address confusion

CONFUSING = [
    "ann@example.com@evil.example",
    "<ann@example.com>@evil.example",
    "<ann@example.com@evil.example>",
    '"ann@example.com"@evil.example',
    '"ann@example.com" <eve@evil.example>',
    '"ann@example.com <ann@example.com>" <eve@evil.example>',
    "ann@example.com <eve@evil.example>",
    "<ann@example.com> <eve@evil.example>",
    "<eve@evil.example> ann@example.com",
    "eve@evil.example, ann@example.com",
    "ann@example.com, eve@evil.example",
    "ann@example.com (eve@evil.example)",
    "eve@evil.example (ann@example.com)",
    "(ann@example.com) eve@evil.example",
    "eve(ann@example.com)@evil.example",
    "eve@(ann@example.com)evil.example",
    "Group: ann@example.com, eve@evil.example;",
    "ann@example.com:eve@evil.example;",
    "undisclosed: ; ann@example.com, eve@evil.example",
    "=?utf-8?q?ann=40example.com?= <eve@evil.example>",
    "=?utf-8?q?ann=40example=2Ecom?=@evil.example",
    "=?utf-8?q?ann=40example.com=3E?= <eve@evil.example>",
    "=?utf-8?q?=3Cann=40example.com=3E=2C?= eve@evil.example",
    "=?utf-8?q?ann=40example.com?=",
    "=?utf-8?b?YW5uQGV4YW1wbGUuY29t?=, eve@evil.example",
    "<@example.com:eve@evil.example>",
    "<@evil.example,@example.com:ann@example.com>",
    'eve@evil.example"ann@example.com"',
    "ann@example.com;eve@evil.example",
    "ann@example.com\\0eve@evil.example",
    "ann@example.com\\@evil.example",
    "ann @ example.com, eve@evil.example",
    "eve@evil.example\\, <ann@example.com>",
    '"ann@example.com\\" <eve@evil.example>',
    '"\\"ann@example.com" <eve@evil.example>',
    "ann@example.com%00@evil.example",
    "ann@example.com\u3000<eve@evil.example>",
    "ann@example\u3002com <eve@evil.example>",
    "ann@[127.0.0.1] <eve@evil.example>",
    "[ann@example.com](mailto:eve@evil.example)",
    "ann@example.com\r\n <eve@evil.example>",
    "eve@evil.example\r\nFrom: ann@example.com",
]


@pytest.mark.parametrize("seen", ["example.com", "evil.example", None])
@pytest.mark.parametrize("author", CONFUSING)
def test_who_was_verified_is_who_is_answered_or_the_mail_is_unverified(author: str, seen: str | None) -> None:
    told_of = "" if seen is None else f" header.from={seen}"
    header = f"Authentication-Results: mx.desk.example; dmarc=pass{told_of}\r\n"
    raw = f"{header}From: {author}\r\nTo: {DESK}\r\nSubject: x\r\n\r\nx\r\n".encode()
    with Stage("[preferences]\nallow_guests = true") as stage:
        done = stage.world.deliver(raw, "support", BEGIN)
        outcome = done.outcome
        if isinstance(outcome, Quarantine):
            assert outcome.reason is Reason.NO_SENDER
            return
        assert isinstance(outcome, Create)
        address = outcome.requester.address
        assert done.ticket is not None
        assert stage.facts(done.ticket).requester == canonical(address)
        if Flag.UNVERIFIED not in outcome.flags:
            assert canonical(address).rpartition("@")[2] == (seen or address.rpartition("@")[2])
            assert seen or (address in author and author.count("@") == 1)
            assert re.fullmatch(r"[a-z]+@[a-z.]+", address)
        answered = [one.to for one in stage.world.post.sent if one.to not in ([TINA], [TOM])]
        assert answered == ([[canonical(address)]] if is_address(canonical(address)) else [])


def test_a_stranger_with_the_name_of_the_requester_is_a_stranger() -> None:
    with Stage() as stage:
        ticket = stage.opened(f"Ann <{ANN}>")
        done = stage.mail(f'"{ANN}" <{EVE}>', cites=stage.ours(ticket), verdict="pass")
        assert isinstance(done.outcome, Append)
        assert done.outcome.reason is Reason.COLLABORATION_STRANGER


def test_who_writes_a_mail_with_an_id_that_he_has_seen_draws_no_answer_to_it_away() -> None:
    with Stage() as stage:
        ticket = stage.opened(ANN, message_id="seen@mail.example", cc=BOB)
        for number in range(12):
            assert stage.opened(EVE, text=f"evil {number}", message_id="seen@mail.example") != ticket
        answers = [stage.mail(who, "Indeed.", cites="seen@mail.example") for who in (ANN, BOB)]
        assert [one.ticket for one in answers] == [ticket, ticket]
