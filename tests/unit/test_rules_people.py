"""Who a mail is from, who is known, who is copied."""

# ruff: noqa: E501 - tables of cases

from __future__ import annotations

import pytest
from tests.stage import ANN, BOB, EVE, TINA, TOM, Stage, settings_of, step

from mailwicket.flow.configured import policy_of
from mailwicket.mail.parse import parse
from mailwicket.model import Flag, Mail
from mailwicket.rehearsal.world import KEYS
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.rules.letter import Letter
from mailwicket.rules.outcome import Create
from mailwicket.rules.own import OwnAddresses, canonical, is_plain, without_tag
from mailwicket.rules.people import sender_of
from mailwicket.rules.policy import Policy

CONF = """
[incoming.main]
email = "Desk@Example.org"
aliases = ["help@example.org", "hilfe@bücher.example"]
server = "x.example"
password = "p"
company = "acme"
trusted_authserv_ids = ["MX.example.org"]
[incoming.old]
email = "old@example.org"
aliases = ["help@example.org"]
server = "x.example"
password = "p"
enabled = false
trusted_authserv_ids = ["a"]
trusted_received_by = ["Edge.example.org"]
[technician."tina@desk.example"]
name = "Tina Tech"
groups = ["first", "second"]
addresses = ["t.tech@home.example"]
[technician."tom@desk.example"]
name = "Tom Tech"
groups = ["first"]
active = false
[group.first]
[group.second]
[company.acme]
domains = ["example.com", "*.example.net"]
[company.other]
[requester."rita@example.com"]
name = "Req, Rita"
company = "other"
[requester."ron@example.com"]
name = "Same Name"
[requester."rob@example.com"]
name = "same name"
[preferences]
requester_from_reply_to = true
"""


@pytest.fixture(scope="module")
def policy() -> Policy:
    return policy_of(settings_of(CONF), KEYS)


def mail(header: str) -> Mail:
    return parse(f"{header}\nSubject: x\n\nx\n".encode())


# --- our own addresses


@pytest.mark.parametrize(
    "address",
    ["desk@example.org", "DESK@EXAMPLE.ORG", "desk+x@example.org", "desk+1-abc@example.org", "help@example.org",
     "hilfe@xn--bcher-kva.example", "HILFE+a@bücher.example", "old@example.org", "desk@example.org."],
)  # fmt: skip
def test_every_address_of_every_mailbox_is_ours(policy: Policy, address: str) -> None:
    assert address in policy.own


@pytest.mark.parametrize(
    "address", ["d.esk@example.org", "desk@example.com", "desk", "+x@example.org", "", "xdesk@example.org"]
)
def test_no_other_is(policy: Policy, address: str) -> None:
    assert address not in policy.own


def test_an_alias_of_two_mailboxes_is_that_of_the_enabled_one(policy: Policy) -> None:
    assert policy.own.source("Help+x@example.org") == "main"
    assert policy.own.source("old@example.org") == "old"
    assert policy.own.source(ANN) is None
    assert 5 not in OwnAddresses()


def test_addresses_without_an_at_or_tag_stay(policy: Policy) -> None:
    assert canonical(" Nobody ") == "nobody"
    assert without_tag("+x@example.org") == "+x@example.org"
    assert policy.address_of("main") == "Desk@Example.org"
    assert policy.address_of(None) is policy.address_of("none") is None


@pytest.mark.parametrize(
    "odd", ["a@b@c", '"a b"@c', "a b@c", "a@b,c@d", "a%b@c", "<a@b>", "a\\@b@c", "=?x?=@b", "@a:b@c"]
)
def test_an_address_that_programs_read_differently_is_odd(odd: str) -> None:
    assert not is_plain(odd)
    assert is_plain("a.b+c=d@example.com")


def test_a_mailbox_trusts_in_lower_case_and_by_default_its_verifier_is_its_edge(policy: Policy) -> None:
    assert policy.homes["main"].trusted_received_by == policy.homes["main"].trusted_authserv_ids == {"mx.example.org"}
    assert policy.homes["old"].trusted_received_by == {"edge.example.org"}


# --- the directory


def test_people_are_found_by_all_of_their_addresses(policy: Policy) -> None:
    tina = policy.directory.find("T.Tech@HOME.example")
    assert (tina.address, tina.role, tina.active) == (TINA, Role.TECHNICIAN, True)
    assert policy.directory.find(TOM).active is False
    assert policy.directory.find("rita@example.com").role is Role.REQUESTER
    assert policy.directory.find(EVE) == Person(EVE, None, Role.GUEST)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Rita Req", "rita@example.com"),
        ("REQ,  Rita", "rita@example.com"),
        ("Tina Tech", TINA),
        ("Same Name", None),
        ("X", None),
    ],
)
def test_a_name_is_a_person_only_if_it_is_one_persons(policy: Policy, name: str, address: str | None) -> None:
    found = policy.directory.by_name(name)
    assert (None if found is None else found.address) == address


def test_members_of_a_group_are_its_active_technicians(policy: Policy) -> None:
    assert policy.directory.members("first") == [TINA]
    assert policy.directory.members(None) == policy.directory.members("third") == []


@pytest.mark.parametrize(
    ("address", "company"),
    [("x@example.com", "acme"), ("rita@example.com", "other"), ("x@a.example.net", "acme"), ("x@a.b.example.net", "acme"),
     ("x@example.net", None), ("x@sub.example.com", None), ("x@", None)],
)  # fmt: skip
def test_a_company_is_the_persons_else_his_domains(policy: Policy, address: str, company: str | None) -> None:
    assert policy.directory.company_of(address) == company


def test_an_empty_directory_knows_guests() -> None:
    assert Directory().find(ANN).role is Role.GUEST


# --- Reply-To and lists


@pytest.mark.parametrize(
    ("reply_to", "person", "is_flagged"),
    [
        ("", EVE, False),
        (EVE.upper(), EVE, False),
        (ANN, ANN, True),
        (f"{ANN}, {BOB}", ANN, True),
        ("desk+x@example.org", EVE, True),
        (f"noreply@example.com, {BOB}", BOB, True),
        ("no-reply@example.com", EVE, True),
        (f"x@unknown, {ANN}", ANN, True),
        (TINA, EVE, True),
        (f"{TINA}, {ANN}", ANN, True),
        ("list@lists.example", EVE, True),
        ("nonsense", EVE, False),
    ],
)
def test_the_first_usable_reply_to_asks(policy: Policy, reply_to: str, person: str, is_flagged: bool) -> None:  # noqa: FBT001
    header = f"From: Eve <{EVE}>\nReply-To: {reply_to}\nList-Post: <mailto:List@lists.example?subject=x>"
    found = sender_of(Letter(mail(header)), policy)
    assert found is not None
    assert (canonical(found.person.address), canonical(found.author.address)) == (person, EVE)
    assert (Flag.REPLY_TO_MISMATCH in found.flags) is is_flagged
    assert found.person.name == "Eve"


def test_a_technicians_reply_to_may_be_a_technicians(policy: Policy) -> None:
    found = sender_of(Letter(mail(f"From: {TOM}\nReply-To: {TINA}")), policy)
    assert found is not None
    assert found.person.address == TINA


def test_without_the_preference_from_asks_and_the_difference_is_flagged() -> None:
    with Stage() as stage:
        done = stage.mail(EVE, header=f"Reply-To: {ANN}")
        assert isinstance(done.outcome, Create)
        assert done.outcome.requester.address == EVE
        assert Flag.REPLY_TO_MISMATCH in done.outcome.flags
        assert "Reply-To ann@example.com is not asked for" in step(done.outcome, "author")


@pytest.mark.parametrize(
    "evidence", ["List-Id: <x>", "Mailing-List: x", "List-Post: <mailto:x@y.example>", "X-Google-Group-Id: 1"]
)
@pytest.mark.parametrize(
    ("original", "author"),
    [
        (f"X-Original-From: Ann <{ANN}>\nReply-To: {BOB}", ANN),
        (f"X-Original-Sender: {ANN}", ANN),
        (f"X-Original-From: desk@example.org\nX-Original-Sender: {ANN}", ANN),
        (f"Reply-To: desk@example.org, {BOB}", BOB),
        ("Reply-To: noreply@example.com", None),
        ("", None),
    ],
)
def test_who_was_replaced_by_a_list_is_found_and_without_one_it_is_a_loop(
    policy: Policy, evidence: str, original: str, author: str | None
) -> None:
    header = f"From: Ann via Desk <help@example.org>\n{original}"
    found = sender_of(Letter(mail(f"{header}\n{evidence}".replace("\n\n", "\n"))), policy)
    assert (None if found is None else found.author.address) == author
    assert found is None or found.is_rescued
    assert sender_of(Letter(mail(header.strip())), policy) is None


# --- who is copied


@pytest.mark.parametrize(
    ("cc_from", "copied"),
    [("['cc']", {BOB}), ("['to']", {"cy@example.com"}), ("['to', 'cc']", {BOB, "cy@example.com"}), ("[]", set())],
)
def test_recipients_become_ccs_by_their_kind(cc_from: str, copied: set[str]) -> None:
    with Stage(f"[preferences]\ncc_from = {cc_from}") as stage:
        assert stage.facts(stage.opened(to="support@desk.example, cy@example.com", cc=f"{BOB}, {ANN}")).cc == copied


@pytest.mark.parametrize(
    ("kind", "cc", "followers"), [("cc", {TINA}, set()), ("follower", set(), {TINA}), ("drop", set(), set())]
)
def test_a_technician_among_the_recipients(kind: str, cc: set[str], followers: set[str]) -> None:
    with Stage(f"[preferences]\ntechnician_cc = '{kind}'") as stage:
        facts = stage.facts(stage.opened(cc=f"{TINA}, {TINA.upper()}"))
        assert (facts.cc, facts.followers) == (cc, followers)


def test_two_addresses_of_one_person_are_one_cc() -> None:
    with Stage() as stage:
        ticket = stage.opened(cc="rita@home.example, rita@example.com")
        assert stage.facts(ticket).cc == {"rita@home.example"}
        stage.mail(ANN, cites=stage.ours(ticket), cc="rita@example.com")
        assert stage.facts(ticket).cc == {"rita@home.example"}


def test_replies_copy_nobody_where_that_is_the_preference() -> None:
    with Stage("[preferences]\ncc_from_replies = 'never'") as stage:
        ticket = stage.opened()
        stage.mail(ANN, cites=stage.ours(ticket), verdict="pass", cc=BOB)
        assert stage.facts(ticket).cc == frozenset()


def test_a_technicians_proven_note_copies_nobody_but_a_colleague_follows() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        stage.mail(TOM, cites=stage.ours(ticket), cc=TINA)
        assert stage.facts(ticket).followers == frozenset()
        stage.mail(TOM, cites=stage.ours(ticket), verdict="pass", cc=f"{BOB}, {TINA}")
        facts = stage.facts(ticket)
        assert (facts.cc, facts.followers) == (frozenset(), {TINA})


def test_a_technicians_proven_reply_copies_whom_it_names() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        stage.do("assign", ticket, TINA)
        stage.mail(TINA, cites=stage.ours(ticket), verdict="pass", cc=f"{BOB}, {TOM}")
        facts = stage.facts(ticket)
        assert (facts.cc, facts.followers) == ({BOB}, {TOM})
