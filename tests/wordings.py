"""Mails of every event and audience, as they would be written: for tests that read or look at them."""

# ruff: noqa: E501 - samples are long

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from mailwicket.mail.markdown import Answered, quote, written
from mailwicket.mail.wording import Context, Failure, Passage, Person, TicketWords
from mailwicket.model import Address
from mailwicket.outgoing import Answer, Audience, Event, Notice

ADA: Final = Person("Ada Example", "ada@customer.example")
BOB: Final = Person("bob.with.a.rather.long.address@department.customer.example", "bob.with.a.rather.long.address@department.customer.example")  # fmt: skip
TESS: Final = Person("Tess Technician", "tess@desk.example")
TICKET: Final = TicketWords(
    "42",
    "[#42]",
    "The printer on the second floor prints every page twice since Monday",
    group="Print and paper",
    requester=ADA,
    assignee=TESS,
    cc=(BOB,),
)
ASKED: Final = Passage(
    "Hello,\n\nsince Monday the printer on the second floor prints every page twice.\n"
    "I have switched it off and on again.\n\n"
    "https://intranet.customer.example/printers/second-floor/queue?view=all&sort=descending&session=0123456789abcdef\n\n"
    "Ada"
)
WIDE: Final = Passage(
    "A table and a picture.",
    '<p>Here is the list:</p><table width="900" border="1"><tr>'
    + "".join(f'<td width="300">Column{number}WithoutAnyBlankInIt</td>' for number in range(6))
    + '</tr></table><p style="color:black;background:#fff">Black on white.</p><img src="https://tracker.example/pixel.png" width="1400" height="40" alt="banner">'
    '<p style="width:1300px">Kind regards</p>',
)
REPLY: Final = written(
    "Hello Ada,\n\nthank you for telling us. Please try this:\n\n"
    "1. Open **Settings**, then *Finishing*.\n2. Set `copies` to 1.\n\n"
    "More is [in the manual](https://printers.example/manual).\n\nKind regards\nTess"
)
QUOTED: Final = quote(Answered(Address(ADA.name, ADA.address), datetime(2026, 3, 2, 9, 15, tzinfo=UTC), ASKED.text))
QUOTE: Final = Passage(QUOTED.text, QUOTED.html)


def notice(event: Event, audience: Audience, answer: Answer = Answer.TICKET, *, fixed: bool = False, forwarded: bool = False) -> Notice:  # fmt: skip
    return Notice(event, audience, ("somebody@customer.example",), answer=answer, fixed=fixed, forwarded=forwarded)


def about(author: Person = ADA, words: Passage = ASKED, quoted: Passage = Passage()) -> Context:  # noqa: B008 - frozen
    return Context(TICKET, author, words, quoted, desk="Help Desk", grace_days=7)


ALERT = """Outgoing/a-server-of-a-very-long-name does not work (unreachable), its mail goes by outgoing/main.
Since 2026-01-01 09:00 UTC.
To do: see why (mailwicket status); it is probed each minute, "mailwicket unblock outgoing/main" tries it at once.
"""

SAMPLES: Final[dict[str, tuple[Notice, Context]]] = {
    "created-requester": (notice(Event.CREATED, Audience.REQUESTER), about()),
    "created-fixed": (notice(Event.CREATED, Audience.REQUESTER, fixed=True), about()),
    "created-cc": (notice(Event.CREATED, Audience.CC), about()),
    "created-group": (notice(Event.CREATED, Audience.GROUP, Answer.INTERNAL), about()),
    "created-forwarded": (notice(Event.CREATED, Audience.GROUP, Answer.INTERNAL, forwarded=True), about()),
    "requester-replied": (notice(Event.REQUESTER_REPLIED, Audience.ASSIGNEE, Answer.PUBLIC), about(quoted=QUOTE)),
    "requester-replied-wide": (notice(Event.REQUESTER_REPLIED, Audience.ASSIGNEE, Answer.PUBLIC), about(words=WIDE)),
    "technician-replied": (
        notice(Event.TECHNICIAN_REPLIED, Audience.REQUESTER),
        about(TESS, Passage(REPLY.text, REPLY.html), QUOTE),
    ),
    "technician-replied-follower": (
        notice(Event.TECHNICIAN_REPLIED, Audience.FOLLOWERS, Answer.INTERNAL),
        about(TESS, Passage(REPLY.text, REPLY.html)),
    ),
    "collaboration-added": (notice(Event.COLLABORATION_ADDED, Audience.ASSIGNEE, Answer.INTERNAL), about(TESS)),
    "assigned": (notice(Event.ASSIGNED, Audience.ASSIGNEE, Answer.PUBLIC), about(TESS)),
    "assigned-requester": (notice(Event.ASSIGNED, Audience.REQUESTER), about(TESS, Passage())),
    "reopened": (notice(Event.REOPENED, Audience.ASSIGNEE, Answer.PUBLIC), about()),
    "added-to-closed": (notice(Event.ADDED_TO_CLOSED, Audience.GROUP, Answer.INTERNAL), about()),
    "delivery-failed": (
        notice(Event.DELIVERY_FAILED, Audience.ASSIGNEE, Answer.INTERNAL),
        Context(TICKET, failure=Failure(ADA.address, "550 5.1.1 User unknown; see https://mx.customer.example/why?550")),
    ),
    "closed": (notice(Event.CLOSED, Audience.REQUESTER, Answer.REOPENS), about(TESS, Passage(), QUOTE)),
    "closed-group": (notice(Event.CLOSED, Audience.GROUP, Answer.INTERNAL), about(TESS, Passage())),
    "cc-added": (
        notice(Event.CC_ADDED, Audience.REQUESTER),
        Context(TICKET, TESS, added=(BOB, Person("Carl", "carl@customer.example")), desk="Help Desk"),
    ),
    "cc-added-assignee": (notice(Event.CC_ADDED, Audience.ASSIGNEE, Answer.PUBLIC), Context(TICKET, ADA, added=(BOB,))),
    "mail-refused": (notice(Event.MAIL_REFUSED, Audience.REQUESTER, Answer.NOTHING), Context()),
    "announcement": (
        notice(Event.ANNOUNCEMENT, Audience.REQUESTER, Answer.NEW_REQUEST),
        Context(words=ASKED, subject="The printers rest on Sunday"),
    ),
    "alert": (notice(Event.ALERT, Audience.REQUESTER, Answer.NOTHING), Context(words=Passage(ALERT), subject="[warning]")),
    "marked": (
        notice(Event.TECHNICIAN_REPLIED, Audience.REQUESTER),
        Context(TICKET, TESS, Passage(REPLY.text, REPLY.html), QUOTE, delimiter="##- Please write your answer above this line -##",
                mark="[mw-42-abcdefghijklmnopqrstuvwxyz]"),
    ),
}  # fmt: skip
