"""Who hears of what: a sentence each."""

# ruff: noqa: E501, SIM300 - rows of a table are long; expected == actual

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.config.notification import Notification
from mailwicket.config.preferences import Preferences
from mailwicket.facts import TicketFacts
from mailwicket.model import Address, TicketNumber, TicketStatus
from mailwicket.outgoing import Answer, Audience, Event, Notice
from mailwicket.rules.directory import Directory, Person, Role
from mailwicket.rules.notify import AUDIENCE, Happened, notices
from mailwicket.rules.own import OwnAddresses
from mailwicket.rules.policy import Home, Policy

ADA: Final = "ada@customer.example"
BOB: Final = "bob@customer.example"
TESS: Final = "tess@desk.example"
TIM: Final = "tim@desk.example"
TOM: Final = "tom@desk.example"
GONE: Final = "gone@desk.example"
DESK: Final = "help@desk.example"

TICKET: Final = TicketFacts(
    TicketNumber(7), TicketStatus.OPEN, requester=ADA, cc=frozenset({BOB}), assignee=TESS, group="it", source="help"
)
UNASSIGNED: Final = replace(TICKET, assignee=None)


def technician(address: str, *also: str, active: bool = True) -> Person:
    groups = frozenset({"it"} if address != TOM else {"other"})
    return Person(address, address.partition("@")[0].title(), Role.TECHNICIAN, active, groups, None, frozenset(also))


def policy(**preferences: Any) -> Policy:
    people = [technician(TESS, "tess@home.example"), technician(TIM), technician(TOM), technician(GONE, active=False)]
    return Policy(
        own=OwnAddresses([DESK]),
        directory=Directory(people),
        preferences=Preferences.model_validate(preferences),
        homes={"help": Home("help", DESK, trusted_authserv_ids={"mx.desk.example"}), "open": Home("open")},
    )


def told(
    event: Event,
    ticket: TicketFacts | None = TICKET,
    by: str | None = None,
    notifications: Mapping[str, Any] | None = None,
    preferences: Mapping[str, Any] | None = None,
    **happened: Any,
) -> list[Notice]:
    author = None if by is None else Address(None, by)
    tables = {name: Notification.model_validate(table) for name, table in (notifications or {}).items()}
    what = Happened(event, ticket, "The printer", author, **happened)
    return list(notices(what, policy(**(preferences or {})), tables))


def who(found: list[Notice]) -> list[tuple[str, ...]]:
    """To and Cc of each mail, with a bar between where there are copies."""
    return [(*one.to, *(["|"] if one.cc else []), *one.cc) for one in found]


CREATED: Final = {"acknowledge": True, "verified": True}

TABLE: Final[list[tuple[str, list[tuple[str, ...]], dict[str, Any]]]] = [
    ("a request is acknowledged and the group hears of it",
     [(ADA,), (TESS,), (TIM,)], {"event": Event.CREATED, "by": ADA, **CREATED}),
    ("a request that may not be acknowledged is told to the group alone",
     [(TESS,), (TIM,)], {"event": Event.CREATED, "by": ADA}),
    ("copies of an acknowledgement go one by one, where they are asked for",
     [(ADA,), (BOB,)],
     {"event": Event.CREATED, "by": ADA, **CREATED, "notifications": {"created": {"to": ["requester", "cc"]}}}),
    ("an unverified sender cannot have others written to",
     [(ADA,)],
     {"event": Event.CREATED, "by": ADA, "acknowledge": True, "notifications": {"created": {"to": ["requester", "cc"]}}}),
    ("the technician of a forward is told, once, for whom the request was made",
     [(ADA,), (TIM,), (TESS,)], {"event": Event.CREATED, "by": ADA, "forwarder": Address(None, TIM), **CREATED}),
    ("a technician who asks for help himself is no news to himself as one of the group",
     [(TIM,), (TESS,)], {"event": Event.CREATED, "ticket": replace(TICKET, requester=TIM), "by": TIM, **CREATED}),
    ("what the requester says goes to the assigned technician",
     [(TESS,)], {"event": Event.REQUESTER_REPLIED, "by": ADA}),
    ("what a CC says goes to the assigned technician, too",
     [(TESS,)], {"event": Event.REQUESTER_REPLIED, "by": BOB}),
    ("where nobody is assigned the group hears of a reply, each by his own mail",
     [(TESS,), (TIM,)], {"event": Event.REQUESTER_REPLIED, "ticket": UNASSIGNED, "by": ADA}),
    ("where the assigned technician is gone the group hears of a reply",
     [(TESS,), (TIM,)], {"event": Event.REQUESTER_REPLIED, "ticket": replace(TICKET, assignee=GONE), "by": ADA}),
    ("where the assigned one is no technician any more the group hears of a reply",
     [(TESS,), (TIM,)], {"event": Event.REQUESTER_REPLIED, "ticket": replace(TICKET, assignee=BOB), "by": ADA}),
    ("a technician's reply goes to requester and CCs in one mail",
     [(ADA, "|", BOB)], {"event": Event.TECHNICIAN_REPLIED, "by": TESS}),
    ("a requester who got the technician's own mail is not sent the same again",
     [(BOB,)], {"event": Event.TECHNICIAN_REPLIED, "by": TESS, "reached": frozenset({"Ada@Customer.Example"})}),
    ("where everybody got the technician's own mail nothing is sent",
     [], {"event": Event.TECHNICIAN_REPLIED, "by": TESS, "reached": frozenset({ADA, BOB})}),
    ("without the CC switch a technician's reply goes to the requester alone",
     [(ADA,)], {"event": Event.TECHNICIAN_REPLIED, "by": TESS,
                "notifications": {"technician_replied": {"to": ["requester"]}}}),
    ("a CC whom a technician took off hears no more",
     [(ADA,)], {"event": Event.TECHNICIAN_REPLIED, "by": TESS, "ticket": replace(TICKET, removed=frozenset({BOB}))}),
    ("a technician who is the requester's CC does not get his own reply",
     [(ADA,)], {"event": Event.TECHNICIAN_REPLIED, "by": "tess@home.example",
                "ticket": replace(TICKET, cc=frozenset({TESS}))}),
    ("a note goes to the assigned technician and the followers",
     [(TESS,), (TOM,)], {"event": Event.COLLABORATION_ADDED, "ticket": replace(TICKET, followers=frozenset({TOM})),
                         "by": TIM, "public": False}),
    ("a note of the assigned technician is told to the followers alone",
     [(TOM,)], {"event": Event.COLLABORATION_ADDED, "ticket": replace(TICKET, followers=frozenset({TOM, TESS})),
                "by": TESS, "public": False}),
    ("a note never goes to a follower who is no technician",
     [(TESS,)], {"event": Event.COLLABORATION_ADDED, "ticket": replace(TICKET, followers=frozenset({BOB, GONE})),
                 "by": TIM, "public": False}),
    ("a note never goes to requester or CC, whatever is configured",
     [(TESS,)], {"event": Event.COLLABORATION_ADDED, "by": TIM, "public": False,
                 "notifications": {"collaboration_added": {"to": ["requester", "cc", "assignee"]}}}),
    ("a note about a technician's own request is not told to him",
     [], {"event": Event.COLLABORATION_ADDED, "ticket": replace(TICKET, requester=TESS), "by": TIM, "public": False}),
    ("an assignment is told to whom it is given",
     [(TESS,)], {"event": Event.ASSIGNED, "by": TIM}),
    ("who takes a ticket himself is not told",
     [], {"event": Event.ASSIGNED, "by": TESS}),
    ("a ticket that is taken from somebody is no news to the group",
     [], {"event": Event.ASSIGNED, "ticket": UNASSIGNED, "by": TIM}),
    ("a reopened ticket is told to the assigned technician",
     [(TESS,)], {"event": Event.REOPENED, "by": ADA}),
    ("a reopened ticket without assignee is told to the group",
     [(TESS,), (TIM,)], {"event": Event.REOPENED, "ticket": UNASSIGNED, "by": ADA}),
    ("words on a closed ticket are told to the assigned technician, else the group",
     [(TESS,), (TIM,)], {"event": Event.ADDED_TO_CLOSED, "ticket": UNASSIGNED, "by": ADA}),
    ("a failed delivery is told to the assigned technician although a machine says so",
     [(TESS,)], {"event": Event.DELIVERY_FAILED, "by_machine": True}),
    ("a failed delivery of a ticket without assignee is told to the group",
     [(TESS,), (TIM,)], {"event": Event.DELIVERY_FAILED, "ticket": UNASSIGNED, "by_machine": True}),
    ("a failed delivery is not told to requester or CC, whatever is configured",
     [], {"event": Event.DELIVERY_FAILED, "notifications": {"delivery_failed": {"to": ["requester", "cc"]}}}),
    ("the close is told to the requester",
     [(ADA,)], {"event": Event.CLOSED, "by": TESS}),
    ("the close is told to the CCs in the same mail, where that is asked for",
     [(ADA, "|", BOB)], {"event": Event.CLOSED, "by": TESS, "notifications": {"closed": {"to": ["requester", "cc"]}}}),
    ("a new CC is told to requester and assignee",
     [(ADA,), (TESS,)], {"event": Event.CC_ADDED, "by": BOB}),
    ("who adds a CC is not told",
     [(TESS,)], {"event": Event.CC_ADDED, "by": ADA}),
    ("a refused sender hears nothing by default",
     [], {"event": Event.MAIL_REFUSED, "ticket": None, "by": ADA, **CREATED}),
    ("a refused sender is told where that is asked for",
     [(ADA,)], {"event": Event.MAIL_REFUSED, "ticket": None, "by": ADA, **CREATED,
                "preferences": {"refusal_notice": True}}),
    ("an unverified sender is never told that he was refused",
     [], {"event": Event.MAIL_REFUSED, "ticket": None, "by": ADA, "acknowledge": True,
          "notifications": {"mail_refused": {"enabled": True}}}),
    ("an announcement goes to each by his own mail, once, and not to who makes it",
     [(ADA,), (BOB,)], {"event": Event.ANNOUNCEMENT, "ticket": None, "by": TESS,
                        "audience": [ADA, BOB, "Ada@customer.example", TESS]}),
    ("an announcement goes to nobody who is inactive, ourselves or a robot",
     [(ADA,)], {"event": Event.ANNOUNCEMENT, "ticket": None,
                "audience": [GONE, DESK, "help+x@desk.example", "noreply@customer.example", ADA]}),
    ("our own addresses and those that nobody reads are never written to",
     [], {"event": Event.TECHNICIAN_REPLIED, "by": TESS,
          "ticket": replace(TICKET, requester="no-reply@customer.example", cc=frozenset({DESK, "mailer-daemon@x.example"}))}),
    ("an address that no mail can be written to keeps it from nobody else",
     [(ADA, "|", BOB)], {"event": Event.TECHNICIAN_REPLIED, "by": TESS, "ticket": replace(TICKET, cc=frozenset(
         {BOB, "x@foo..bar", "'x@customer.example", "=?x?=@a.example", "a b@c.example"}))}),
    ("what a machine wrote is no news",
     [], {"event": Event.REQUESTER_REPLIED, "by": ADA, "by_machine": True}),
    ("an event that is switched off is told to nobody",
     [], {"event": Event.CLOSED, "by": TESS, "notifications": {"closed": {"enabled": False}}}),
    ("the audience can be chosen for each event",
     [(TESS,), (TIM,)], {"event": Event.CLOSED, "by": TOM, "notifications": {"closed": {"to": ["assignee", "group"]}}}),
    ("an empty audience is nobody",
     [], {"event": Event.CLOSED, "by": TOM, "notifications": {"closed": {"to": []}}}),
    ("a technician who is assignee, follower and of the group hears once",
     [(TESS,), (TIM,)], {"event": Event.REOPENED, "by": ADA, "ticket": replace(TICKET, followers=frozenset({"tess@home.example"})),
                         "notifications": {"reopened": {"to": ["assignee", "followers", "group"]}}}),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "happened"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_who_hears(expected: list[tuple[str, ...]], happened: dict[str, Any]) -> None:
    assert expected == who(told(**happened))


def test_every_event_has_an_audience() -> None:
    assert set(Event) == set(AUDIENCE)


def test_an_acknowledgement_to_whom_nobody_vouches_for_has_fixed_words() -> None:
    found = told(Event.CREATED, by=ADA, acknowledge=True)
    assert [True, False, False] == [one.fixed for one in found]
    assert [True, False, False] == [one.acknowledges for one in found]
    assert not told(Event.CREATED, by=ADA, **CREATED)[0].fixed


def test_only_a_technicians_reply_is_not_automatic() -> None:
    assert [False] == [one.automatic for one in told(Event.TECHNICIAN_REPLIED, by=TESS)]
    for event in Event:
        if event is not Event.TECHNICIAN_REPLIED:
            assert all(one.automatic for one in told(event, by=TIM, audience=[ADA], **CREATED))


def test_what_is_for_technicians_only_is_marked_so() -> None:
    assert [True] == [one.internal for one in told(Event.COLLABORATION_ADDED, by=TIM, public=False)]
    assert [True] == [one.internal for one in told(Event.DELIVERY_FAILED)]
    assert [True] == [one.internal for one in told(Event.ADDED_TO_CLOSED, by=TIM, public=False)]
    assert [False] == [one.internal for one in told(Event.REQUESTER_REPLIED, by=ADA)]


@pytest.mark.parametrize(
    ("event", "ticket", "preferences", "answers"),
    [
        (Event.REQUESTER_REPLIED, TICKET, {}, [Answer.PUBLIC]),
        (Event.REQUESTER_REPLIED, replace(TICKET, source="open"), {}, [Answer.INTERNAL]),
        (Event.REQUESTER_REPLIED, replace(TICKET, source=None), {}, [Answer.INTERNAL]),
        (Event.REQUESTER_REPLIED, replace(TICKET, source="open"), {"check_dkim": True}, [Answer.PUBLIC]),
        (Event.REQUESTER_REPLIED, replace(TICKET, source="open"), {"technician_proof": "none"}, [Answer.PUBLIC]),
        (Event.REQUESTER_REPLIED, UNASSIGNED, {}, [Answer.INTERNAL, Answer.INTERNAL]),
        (Event.REQUESTER_REPLIED, UNASSIGNED, {"reply_from_other_technician": "reply"}, [Answer.PUBLIC, Answer.PUBLIC]),
        (Event.COLLABORATION_ADDED, TICKET, {"reply_from_other_technician": "reply"}, [Answer.INTERNAL]),
        (Event.TECHNICIAN_REPLIED, TICKET, {}, [Answer.TICKET]),
        (Event.CLOSED, replace(TICKET, status=TicketStatus.CLOSED), {}, [Answer.REOPENS]),
        (Event.CLOSED, replace(TICKET, status=TicketStatus.CLOSED),
         {"reply_to_closed": {"action": "add"}}, [Answer.STAYS_CLOSED]),
        (Event.CLOSED, replace(TICKET, status=TicketStatus.CLOSED),
         {"reply_to_closed": {"action": "new"}}, [Answer.NEW_REQUEST]),
        (Event.CLOSED, replace(TICKET, status=TicketStatus.CLOSED),
         {"reply_to_closed": {"action": "reopen", "grace_days": 0}}, [Answer.NEW_REQUEST]),
    ],
)  # fmt: skip
def test_each_mail_tells_what_its_answer_does(
    event: Event, ticket: TicketFacts, preferences: dict[str, Any], answers: list[Answer]
) -> None:
    by = TIM if event in {Event.COLLABORATION_ADDED, Event.TECHNICIAN_REPLIED, Event.CLOSED} else ADA
    public = event is not Event.COLLABORATION_ADDED
    assert answers == [one.answer for one in told(event, ticket, by, preferences=preferences, public=public)]


def test_an_answer_to_an_announcement_is_a_new_request() -> None:
    assert [Answer.NEW_REQUEST] == [one.answer for one in told(Event.ANNOUNCEMENT, None, audience=[ADA])]


def test_a_copy_is_for_whom_it_says() -> None:
    found = told(Event.CREATED, by=ADA, **CREATED)
    assert [Audience.REQUESTER, Audience.GROUP, Audience.GROUP] == [one.audience for one in found]


# --- whatever happens -----------------------------------------------------------------------------------------------

EVERYBODY: Final = [
    ADA,
    BOB,
    TESS,
    TIM,
    TOM,
    GONE,
    DESK,
    "help+x@desk.example",
    "noreply@x.example",
    "tess@home.example",
    "",
]
somebody: Final = st.sampled_from(EVERYBODY)
several: Final = st.frozensets(st.sampled_from(EVERYBODY[:-1]), max_size=5)
tables: Final = st.fixed_dictionaries({
    "enabled": st.sampled_from([None, True]),
    "to": st.none() | st.lists(st.sampled_from([one.value for one in Audience]), max_size=5, unique=True),
})  # fmt: skip


@settings(max_examples=500)
@given(
    event=st.sampled_from([one for one in Event if one is not Event.ALERT]),  # that goes to whomever an admin names
    requester=somebody.filter(bool),
    assignee=st.none() | somebody,
    by=st.none() | somebody.filter(bool),
    cc=several,
    followers=several,
    reached=several,
    flags=st.fixed_dictionaries({name: st.booleans() for name in ("public", "by_machine", "acknowledge", "verified")}),
    status=st.sampled_from(list(TicketStatus)),
    table=tables,
    forwarder=st.none() | somebody.filter(bool),
)
def test_whatever_happens_nobody_hears_who_must_not(
    event: Event,
    requester: str,
    assignee: str | None,
    by: str | None,
    cc: frozenset[str],
    followers: frozenset[str],
    reached: frozenset[str],
    flags: dict[str, bool],
    status: TicketStatus,
    table: dict[str, Any],
    forwarder: str | None,
) -> None:
    ticket = TicketFacts(
        TicketNumber(7),
        status,
        requester=requester,
        cc=cc,
        followers=followers,
        assignee=assignee,
        group="it",
    )
    told_by = None if forwarder is None else Address(None, forwarder)
    found = told(event, ticket, by, {event.value: table}, reached=reached, audience=[*cc], forwarder=told_by, **flags)
    known = policy().directory
    heard = [one for notice in found for one in (*notice.to, *notice.cc)]
    people = [known.find(one).address for one in heard]
    assert len(people) == len(set(people))
    assert not set(heard) & {DESK, "help+x@desk.example", "noreply@x.example", GONE, ""}
    for notice in found:
        assert notice.to
        for_technicians = notice.audience in {Audience.ASSIGNEE, Audience.FOLLOWERS, Audience.GROUP}
        if for_technicians or notice.internal or notice.answer in {Answer.PUBLIC, Answer.INTERNAL}:
            assert not notice.cc
            assert all(known.find(one).role is Role.TECHNICIAN and known.find(one).active for one in notice.to)
        if notice.internal:
            assert known.find(requester).address not in {known.find(one).address for one in notice.to}
            assert notice.answer is Answer.INTERNAL
        if notice.fixed:
            assert notice.to == (requester,)
        assert notice.automatic or notice.event is Event.TECHNICIAN_REPLIED
        if not notice.automatic:
            assert flags["public"]
    if by is not None and event not in {Event.CREATED, Event.MAIL_REFUSED}:
        assert known.find(by).address not in people
    if event is Event.TECHNICIAN_REPLIED:
        spoken_to = [
            one
            for notice in found
            if not notice.internal and notice.audience in {Audience.REQUESTER, Audience.CC}
            for one in (*notice.to, *notice.cc)
        ]
        assert not set(spoken_to) & reached
