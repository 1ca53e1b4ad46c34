"""What becomes of closed, merged and deleted tickets, of machines' mail, of forwards, and who is copied."""

from __future__ import annotations

import pytest
from tests.stage import ANN, BOB, EVE, TINA, TOM, Stage, told

from mailwicket.model import Flag, Reason
from mailwicket.rules.outcome import Append, Create
from mailwicket.rules.reply import REOPENED_MAX

UNVERIFIED = {Flag.UNVERIFIED}
OTHERS_REPLY = "[preferences]\nreply_from_other_technician = 'reply'"


# --- closed, merged, spam


def test_a_reply_to_a_merged_ticket_goes_by_the_survivors_own_clock() -> None:
    with Stage() as stage:
        old, survivor = stage.opened(), stage.opened()
        stage.do("close", old)
        stage.world.proceed(stage.world.now.replace(day=20))
        stage.do("close", survivor)
        stage.do("merge", old, str(survivor))
        done = stage.mail(ANN, cites=stage.ours(old), days=3)
        assert (done.ticket, done.outcome.reason) == (survivor, Reason.REOPENED)
        stage.do("close", survivor)
        late = stage.mail(ANN, cites=stage.ours(old), days=8)
        assert isinstance(late.outcome, Create)
        assert late.outcome.linked_to == survivor


@pytest.mark.parametrize("action", ["add", "reopen", "new"])
def test_a_technicians_mail_never_reopens_nor_opens_another(action: str) -> None:
    with Stage(f"[preferences]\nreply_to_closed = {{action = '{action}'}}") as stage:
        ticket = stage.opened()
        stage.do("assign", ticket, TINA)
        stage.do("close", ticket)
        done = stage.mail(TINA, cites=stage.ours(ticket), verdict="pass", days=100)
        assert (done.ticket, *told(done)[:2]) == (ticket, Reason.REPLY_PUBLIC, True)
        assert stage.facts(ticket).is_closed


def test_a_reply_to_spam_is_parked_and_one_to_a_deleted_ticket_is_new() -> None:
    with Stage() as stage:
        spam, gone = stage.opened(), stage.opened()
        stage.do("spam", spam)
        stage.do("delete", gone)
        assert told(stage.mail(ANN, cites=stage.ours(spam)))[0] is Reason.TICKET_IS_SPAM
        done = stage.mail(ANN, cites=stage.ours(gone))
        assert isinstance(done.outcome, Create)
        assert (done.outcome.reason, done.outcome.linked_to) == (Reason.CREATED, None)


def test_an_automatic_answer_to_a_deleted_ticket_opens_none() -> None:
    with Stage() as stage:
        gone = stage.opened()
        stage.do("delete", gone)
        done = stage.mail(ANN, cites=stage.ours(gone), header="Auto-Submitted: auto-replied")
        assert told(done)[0] is Reason.AUTO_IGNORED


def test_a_ccs_late_reply_is_followed_up_in_his_name_with_those_whom_he_copies() -> None:
    with Stage() as stage:
        ticket = stage.opened(cc=f"{BOB}, cy@example.com")
        stage.do("close", ticket)
        done = stage.mail(BOB, cites=stage.ours(ticket), days=8, cc="dan@example.com")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.reason, done.outcome.linked_to) == (Reason.CREATED_FOLLOWUP, ticket)
        assert done.ticket is not None
        assert (stage.facts(done.ticket).requester, stage.facts(done.ticket).cc) == (BOB, {"dan@example.com"})


@pytest.mark.parametrize("action", ["add", "reopen", "new"])
def test_an_automatic_answer_to_a_closed_ticket_is_attached_in_every_mode(action: str) -> None:
    with Stage(f"[preferences]\nreply_to_closed = {{action = '{action}'}}") as stage:
        ticket = stage.opened()
        stage.do("close", ticket)
        sent = len(stage.world.post.sent)
        done = stage.mail(ANN, cites=stage.ours(ticket), days=50, header="Auto-Submitted: auto-replied")
        assert (done.ticket, *told(done)[:2]) == (ticket, Reason.AUTO_REPLY_ATTACHED, False)
        assert stage.facts(ticket).is_closed
        assert len(stage.world.post.sent) == sent


def test_a_vacation_answer_to_an_announcement_is_ignored() -> None:
    with Stage() as stage:
        announced = stage.ours(0)  # type: ignore[arg-type]
        done = stage.mail(ANN, cites=announced, header="Auto-Submitted: auto-replied")
        assert told(done)[0] is Reason.AUTO_IGNORED


# --- machine mail, forwards


def test_a_list_may_open_a_ticket_and_is_never_acknowledged_and_a_newsletter_may_not() -> None:
    with Stage() as stage:
        done = stage.mail(ANN, header="List-Id: <talk.example.com>\nList-Post: <mailto:talk@example.com>")
        assert isinstance(done.outcome, Create)
        assert not done.outcome.acknowledge
        for header in ("Precedence: bulk", "List-Unsubscribe: <mailto:off@example.com>"):
            assert told(stage.mail(ANN, header=header))[0] is Reason.AUTO_IGNORED


def test_our_own_id_is_one_with_our_mac_and_not_one_of_our_domain() -> None:
    with Stage() as stage:
        ours = stage.ours(stage.opened())
        assert told(stage.mail(ANN, message_id=ours))[0] is Reason.LOOP_OWN_MESSAGE
        forged = "mw-1-1-p-abc-" + "a" * 26 + "@desk.example"
        assert told(stage.mail(ANN, message_id=forged))[0] is Reason.CREATED


FORWARD = """{words}

---------- Forwarded message ---------
From: {author}
Date: Mon, Nov 2, 2026 at 10:11 AM
Subject: Door
To: <tina@desk.example>

The door is broken.
"""
USE_ORIGINAL = "[preferences]\nforwarded_by_technician_uses_original_sender = true\n"


def test_a_proven_forward_opens_a_ticket_for_a_guest_although_guests_are_off() -> None:
    with Stage(USE_ORIGINAL + "allow_guests = false") as stage:
        done = stage.mail(TINA, FORWARD.format(words="", author=f"<{EVE}>"), subject="Fwd: Door", verdict="pass")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.reason, done.outcome.requester.address) == (Reason.CREATED_FORWARD, EVE)
        assert not done.outcome.verified


def test_blocks_apply_to_whom_a_forward_is_for() -> None:
    with Stage(USE_ORIGINAL) as stage:
        text = FORWARD.format(words="", author="<blocked@example.com>")
        assert told(stage.mail(TINA, text, subject="Fwd: Door", verdict="pass"))[0] is Reason.SENDER_BLOCKED


def test_a_forward_of_technicians_only_is_created_for_the_outermost() -> None:
    with Stage(USE_ORIGINAL) as stage:
        done = stage.mail(TINA, FORWARD.format(words="", author=f"<{TOM}>"), subject="Fwd: Door", verdict="pass")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.reason, done.outcome.requester.address) == (Reason.CREATED, TINA)


def test_who_stands_behind_a_name_that_nobody_knows_is_not_asked_for_another() -> None:
    inner = FORWARD.format(words="", author=f"<{EVE}>")
    outer = f"\nFrom: Nobody Known\nSent: Monday, November 2, 2026 10:11\nTo: Tina\nSubject: FW: Door\n\n{inner}"
    with Stage(USE_ORIGINAL) as stage:
        done = stage.mail(TINA, outer, subject="FW: Door", verdict="pass")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.reason, done.outcome.requester.address) == (Reason.FORWARD_UNPARSED, TINA)


def test_labels_of_a_forward_may_mix_languages() -> None:
    text = "\nVon: Cy <cy@example.com>\nSent: Monday, November 2, 2026 10:11\nTo: Tina\nObjet: Door\n\nBroken.\n"
    with Stage(USE_ORIGINAL) as stage:
        done = stage.mail(TINA, text, subject="WG: Door", verdict="pass")
        assert isinstance(done.outcome, Create)
        assert done.outcome.requester.address == "cy@example.com"


def test_what_each_forwarder_wrote_is_a_note() -> None:
    inner = FORWARD.format(words="Tom says hello.", author=f"<{EVE}>")
    outer = FORWARD.format(words="Tina says hello.", author=f"<{TOM}>").replace("The door is broken.", inner)
    with Stage(USE_ORIGINAL) as stage:
        done = stage.mail(TINA, outer, subject="Fwd: Fwd: Door", verdict="pass")
        assert isinstance(done.outcome, Create)
        assert done.outcome.note.split("\n\n") == ["Tina says hello.", "Tom says hello."]


def test_an_answer_of_a_technician_with_a_mail_attached_is_an_answer() -> None:
    body = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\n'
        "See there.\n"
        "--b\nContent-Type: message/rfc822\n\nFrom: cy@example.com\nSubject: x\n\ny\n--b--\n"
    )
    head, _, rest = body.partition("\n\n")
    with Stage() as stage:
        ticket = stage.opened()
        stage.do("assign", ticket, TINA)
        done = stage.mail(TINA, rest, subject="Re: Printer", header=head, cites=stage.ours(ticket), verdict="pass")
        assert (done.ticket, done.outcome.reason) == (ticket, Reason.REPLY_PUBLIC)
        new = stage.mail(TINA, rest, subject="Fwd: Printer", header=head, cites=stage.ours(ticket), verdict="pass")
        assert isinstance(new.outcome, Create)


@pytest.mark.parametrize(
    ("text", "reopens"),
    [
        ("Thanks!", False),
        ("Thank you, and have a nice day.\n\n-- \nAnn", False),
        ("Thanks!\n\nOn Thu, Jan 1, 2026 at 9:00 AM Desk <support@desk.example> wrote:\n> It is done.\n", False),
        ("No thanks.", True),
        ("Thanks, but " + "it still burns and " * 10, True),
        ("Thanks" + "!" * 2000, True),
        ("> Thanks?\nNo.", True),
    ],
)
def test_only_a_short_thanks_leaves_a_ticket_closed(text: str, reopens: bool) -> None:  # noqa: FBT001
    with Stage("[preferences]\nno_reopen_patterns = ['^thank']") as stage:
        ticket = stage.opened()
        stage.do("close", ticket)
        done = stage.mail(ANN, text, cites=stage.ours(ticket))
        assert done.outcome.reason is (Reason.REOPENED if reopens else Reason.ADDED_CLOSED)


def test_max_cc_counts_those_who_come_later() -> None:
    with Stage("[preferences]\nmax_cc = 3") as stage:
        ticket = stage.opened(cc="a@example.com, b@example.com")
        done = stage.mail(ANN, cites=stage.ours(ticket), cc="c@example.com, d@example.com")
        assert isinstance(done.outcome, Append)
        assert (len(stage.facts(ticket).cc), set(done.outcome.flags)) == (3, {Flag.TOO_MANY_CC, Flag.UNVERIFIED})


def test_company_counts_only_with_msp_and_a_requester_of_another_is_flagged() -> None:
    company = '[company.acme]\n[company.other]\ndomains = ["example.com"]\n'
    conf = Stage().conf.replace('group = "first"', 'group = "first"\ncompany = "acme"', 1) + company
    with Stage(conf=conf) as stage:
        done = stage.mail(ANN, verdict="pass")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.company, set(done.outcome.flags)) == (None, set())
    with Stage(conf=conf + "[msp]\nenabled = true") as stage:
        done = stage.mail(ANN, verdict="pass")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.company, set(done.outcome.flags)) == ("acme", {Flag.COMPANY_MISMATCH})


def test_a_body_over_the_limit_is_cut_and_flagged() -> None:
    with Stage() as stage:
        done = stage.mail(ANN, "It begins.\r\n" + "It goes on and on.\r\n" * 60_000 + "It ends.", verdict="pass")
        assert told(done) == (Reason.CREATED, True, {Flag.TRUNCATED})
        assert done.mail.text.startswith("It begins.")
        assert "It ends." not in done.mail.text


def test_a_ticket_is_opened_again_by_mail_only_so_often_within_an_hour() -> None:
    with Stage() as stage:
        stage.world.proceed(stage.world.now.replace(minute=0))
        ticket = stage.opened()
        reasons = []
        for _ in range(REOPENED_MAX + 1):
            if not stage.facts(ticket).is_closed:
                stage.do("close", ticket)
            reasons.append(stage.mail(ANN, cites=stage.ours(ticket)).outcome.reason)
        assert reasons == [Reason.REOPENED] * REOPENED_MAX + [Reason.ADDED_CLOSED]
        assert stage.mail(ANN, cites=stage.ours(ticket), days=1).outcome.reason is Reason.REOPENED


def test_while_guests_are_off_a_guest_who_is_not_on_the_ticket_adds_nothing_to_it() -> None:
    with Stage("[preferences]\nallow_guests = false") as stage:
        ticket = stage.opened("rita@example.com", cc=BOB)
        assert told(stage.mail(EVE, cites=stage.ours(ticket), verdict="pass"))[0] is Reason.GUEST_NOT_ALLOWED
        assert told(stage.mail(BOB, cites=stage.ours(ticket), verdict="pass"))[0] is Reason.REPLY_CC
        stage.do("close", ticket)
        late = stage.mail(BOB, cites=stage.ours(ticket), days=30)
        assert (late.outcome.reason, late.ticket == ticket) == (Reason.CREATED_FOLLOWUP, False)


def test_what_nobody_can_be_sent_or_reads_is_no_cc() -> None:
    with Stage() as stage:
        odd = f'"a b"@example.com, a@b@example.com, x%y@example.com, {"l" * 250}@example.com, noreply@example.com'
        ticket = stage.opened(cc=f"{odd}, {BOB}, undisclosed-recipients:;")
        assert stage.facts(ticket).cc == {BOB}


def test_email_to_ticket_off_lets_replies_join_and_parks_what_would_open_a_ticket() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        stage.configure("[preferences]\nemail_to_ticket = 'off'")
        assert told(stage.mail(ANN, cites=stage.ours(ticket)))[0] is Reason.REPLY_PUBLIC
        assert told(stage.mail(EVE, cites=stage.ours(ticket)))[0] is Reason.COLLABORATION_STRANGER
        assert told(stage.mail(ANN))[0] is Reason.EMAIL_TO_TICKET_OFF
        stage.do("close", ticket)
        assert told(stage.mail(ANN, cites=stage.ours(ticket), days=30))[0] is Reason.EMAIL_TO_TICKET_OFF


@pytest.mark.parametrize("policy", ["flag", "off"])
def test_a_failed_verdict_parks_nothing_unless_that_is_the_policy(policy: str) -> None:
    with Stage(f"[preferences]\nauth_policy = '{policy}'") as stage:
        ticket = stage.opened()
        stage.do("close", ticket)
        done = stage.mail(ANN, cites=stage.ours(ticket), verdict="fail (p=reject)")
        looked = policy == "flag"
        assert told(done) == (Reason.ADDED_CLOSED if looked else Reason.REOPENED, True, UNVERIFIED if looked else set())


def test_a_late_reply_passes_a_filter_of_new_mail() -> None:
    with Stage() as stage:
        ticket = stage.opened()
        stage.do("close", ticket)
        for scope, reason in (("new", Reason.CREATED_FOLLOWUP), ("all", Reason.FILTER_NOT_ALLOWED)):
            stage.configure(f"[incoming.support.filter]\ntype = 'allow'\ndomains = ['x.example']\nscope = '{scope}'")
            assert told(stage.mail(ANN, cites=stage.ours(ticket), days=30))[0] is reason


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize("to", ["one@desk.example, two@desk.example", "TWO@desk.example, One@desk.example"])
def test_a_mail_to_two_mailboxes_ends_alike_whichever_is_looked_at_first(order: tuple[str, str], to: str) -> None:
    conf = "".join(
        f'[incoming.{name}]\nemail = "{name}@desk.example"\nserver = "x.example"\npassword = "p"\ngroup = "{name}"\n'
        for name in ("one", "two")
    )
    with Stage(conf=conf) as stage:
        first, second = (stage.mail(ANN, to=to, message_id="same@example.com", source=name) for name in order)
        assert isinstance(first.outcome, Create)
        home = "one" if to.startswith("one") else "two"
        other = "two" if home == "one" else "one"
        assert (first.outcome.source, first.outcome.group) == (home, home)
        assert first.outcome.told == [f"also addressed to {other}@desk.example ({other})"]
        assert (second.outcome.reason, second.ticket) == (Reason.DUPLICATE, first.ticket)
    with Stage("[preferences]\ncross_mailbox = 'per_mailbox'", conf=conf) as stage:
        both = [stage.mail(ANN, to=to, message_id="same@example.com", source=name) for name in order]
        assert [one.outcome.group for one in both if isinstance(one.outcome, Create)] == list(order)
        for name, one in zip(order, both, strict=True):
            reply = stage.mail(ANN, to=f"{name}@desk.example", cites="same@example.com", source=name)
            assert (reply.outcome.reason, reply.ticket) == (Reason.REPLY_PUBLIC, one.ticket)


def test_a_blind_copy_is_at_home_where_it_arrived() -> None:
    with Stage() as stage:
        done = stage.mail(ANN, to="undisclosed-recipients:;")
        assert isinstance(done.outcome, Create)
        assert (done.outcome.source, done.outcome.group) == ("support", "first")
