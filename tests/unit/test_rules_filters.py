"""Which mail a mailbox takes, and how often each entry of its filter was met."""

# ruff: noqa: E501 - some samples are long lines

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from tests.stage import ANN, EVE, TINA, Stage, step, told

from mailwicket.config.filter import Filter
from mailwicket.flow.budget import Budget
from mailwicket.model import Reason
from mailwicket.rules.filters import counts, has_word, hit, may_hit
from mailwicket.rules.outcome import Create


def ignoring(**lists: object) -> Filter:
    return Filter.model_validate({"type": "ignore", **lists})


def filtering(kind: str, more: str) -> str:
    return f"[incoming.support.filter]\ntype = '{kind}'\n{more}\n"


# --- entries


@pytest.mark.parametrize(
    ("entry", "address", "hits"),
    [
        ("Spam@Example.com", "spam@example.com", True),
        ("spam@example.com", "SPAM@EXAMPLE.COM", True),
        ("spam@example.com", "spam+x@example.com", False),
        ("spam@example.com", "no-spam@example.com", False),
        ("spam@bücher.example", "spam@xn--bcher-kva.example", True),
    ],
)
def test_an_email_is_exact_but_for_case(entry: str, address: str, hits: bool) -> None:  # noqa: FBT001
    assert (hit(ignoring(emails=[entry]), [address], ()) is not None) is hits


@pytest.mark.parametrize(
    ("entry", "address", "hits"),
    [
        ("example.com", "a@example.com", True),
        ("Example.COM", "a@example.com.", True),
        ("example.com", "a@mail.example.com", False),
        ("example.com", "a@notexample.com", False),
        ("*.example.com", "a@mail.example.com", True),
        ("*.example.com", "a@a.b.example.com", True),
        ("*.example.com", "a@example.com", False),
        ("*.example.com", "a@notexample.com", False),
        ("*.bücher.example", "a@x.xn--bcher-kva.example", True),
    ],
)
def test_a_domain_is_exact_and_with_a_star_those_below_it(entry: str, address: str, hits: bool) -> None:  # noqa: FBT001
    assert (hit(ignoring(domains=[entry]), [address], ()) is not None) is hits


@pytest.mark.parametrize(
    ("word", "text", "hits"),
    [
        ("spa", "A Spa!", True),
        ("spa", "Spain", False),
        ("spa", "a spa", True),
        ("spa", "spa2", False),
        ("STRASSE", "in der Straße", True),
        ("straße", "IN DER STRASSE.", True),
        ("ΣΊΣΥΦΟΣ", "Νέος σίσυφος", True),
        ("цена", "Цена: 5", True),
        ("цена", "оценка", False),
        ("café", "Cafe\u0301 noir", True),
        ("cafe", "cafe\u0301", False),
        ("हिन्द", "हिन्दी", False),
        ("हिन्दी", "यह हिन्दी है", True),
        ("抽奖", "免费抽奖活动", True),
        ("くじ", "宝くじ当選", True),
        ("복권", "복권 당첨", True),
        ("복권", "복권방", False),
        ("ลอตเตอรี่", "ซื้อลอตเตอรี่วันนี้", True),
        ("הגרלה", "זכית בהגרלה", False),
        ("يانصيب", "ربحت يانصيب", True),
        ("free money", "Free\n   money now", True),
        ("free money", "freemoney", False),
        ("c++", "I like C++.", True),
        ("#1", "you are #1!", True),
        ("100%", "100% free", True),
        ("a", "aaaa a", True),
    ],
)
def test_keywords_are_whole_words_without_case_in_many_scripts(word: str, text: str, hits: bool) -> None:  # noqa: FBT001
    assert (hit(ignoring(keywords=[word]), (), [text]) is not None) is hits


def test_a_regular_expression_is_searched_without_case() -> None:
    rules = ignoring(keywords=[r"re:\bINV-\d{4}\b"])
    assert hit(rules, (), ["see inv-2026"]) == r"keywords: re:\bINV-\d{4}\b"
    assert hit(rules, (), ["see inv-20"]) is None


@pytest.mark.parametrize("keyword", ["re:", "re:a*", "re:.*", "re:^", "re:(x|)", " "])
def test_a_keyword_that_every_mail_has_is_refused(keyword: str) -> None:
    with pytest.raises(ValidationError, match=r"every text|empty"):
        ignoring(keywords=[keyword])
    assert hit(ignoring(keywords=["re:^$"]), (), ["x", ""]) == "keywords: re:^$"


def test_a_long_word_in_a_long_text_of_the_same_letter_takes_no_time() -> None:
    begun = time.process_time()
    assert not has_word("a" * 64 * 1024, "a" * 500)
    assert time.process_time() - begun < 1


BAD = [
    "(a+)+$", "(a*)*b", "(a|a)*b", "(a|aa)+$", "([a-zA-Z]+)*$", "(.*a){20}", "(.*)(.*)(.*)(.*)(.*)x", "(x+x+)+y",
    "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){30}a{30}", r"(\w+\s?)+$", r"^(\d+)*$", "((a{1,10}){1,10}){1,10}b",
    "(a{1,100}){1,10}b", "(?:a|b|ab)*c", r"(.+)\1", "(?=a+)a*b", "(?<!a)b", "((((((((((a*)*)*)*)*)*)*)*)*)*b",
    "(a.*?){15}b", "[^x]*x[^x]*y", r"(?i:(\s*\w+\s*)+)$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", BAD)
def test_a_bad_pattern_is_refused_or_takes_no_time(pattern: str) -> None:
    try:
        rules = ignoring(keywords=[f"re:{pattern}"])
    except ValueError:
        return
    for text in ("a" * 1_000_000, "ab " * 333_333, "1" * 1_000_000):
        begun = time.process_time()
        may_hit(rules, [text])
        may_hit(rules, [text[: 64 * 1024]])
        hit(rules, (), [text])
        assert time.process_time() - begun < 0.1


# --- what it does to mail


def test_lists_are_joined_by_or() -> None:
    lists = "emails = ['eve@evil.example']\ndomains = ['bad.example']\nkeywords = ['lottery']"
    with Stage(filtering("ignore", lists)) as stage:
        for author, subject in ((EVE, "a"), ("a@bad.example", "b"), (ANN, "A lottery")):
            assert told(stage.mail(author, subject=subject))[0] is Reason.FILTER_IGNORED
        assert told(stage.mail(ANN))[0] is Reason.CREATED
    with Stage(filtering("allow", lists)) as stage:
        for author, subject in ((EVE, "a"), ("a@bad.example", "b"), (ANN, "A lottery")):
            assert told(stage.mail(author, subject=subject))[0] is Reason.CREATED
        assert told(stage.mail(ANN))[0] is Reason.FILTER_NOT_ALLOWED


def test_replies_are_filtered_unless_the_scope_is_new() -> None:
    for scope, reason in (("all", Reason.FILTER_NOT_ALLOWED), ("new", Reason.REPLY_PUBLIC)):
        with Stage() as stage:
            ticket = stage.opened(ANN)
            stage.configure(filtering("allow", f"domains = ['good.example']\nscope = '{scope}'"))
            assert told(stage.mail(ANN, cites=stage.ours(ticket)))[0] is reason
            assert told(stage.mail(ANN, subject="New"))[0] is Reason.FILTER_NOT_ALLOWED


def test_the_real_sender_and_the_requester_are_both_looked_at() -> None:
    asked = "[preferences]\nrequester_from_reply_to = true\n"
    reply_to = f"Reply-To: {ANN}"
    with Stage(asked + filtering("ignore", "emails = ['ann@example.com']")) as stage:
        assert told(stage.mail(EVE, header=reply_to))[0] is Reason.FILTER_IGNORED
    with Stage(asked + filtering("ignore", "emails = ['eve@evil.example']")) as stage:
        assert told(stage.mail(EVE, header=reply_to))[0] is Reason.FILTER_IGNORED
    for either in (ANN, EVE):
        with Stage(asked + filtering("allow", f"emails = ['{either}']")) as stage:
            assert told(stage.mail(EVE, header=reply_to))[0] is Reason.CREATED


def test_the_forwarded_part_is_searched_and_quoted_text_is_not() -> None:
    forward = (
        "See.\n\n---------- Forwarded message ---------\nFrom: <cy@example.com>\nDate: x\nSubject: A lottery\n\nWin.\n"
    )
    quote = "No.\n\nOn Thu, Jan 1, 2026 at 9:00 AM Desk <support@desk.example> wrote:\n> A lottery?\n"
    with Stage(filtering("ignore", "keywords = ['lottery', 'win']")) as stage:
        assert told(stage.mail(ANN, forward, subject="Fwd: x"))[0] is Reason.FILTER_IGNORED
        assert told(stage.mail(ANN, quote, subject="Re: x"))[0] is Reason.CREATED


def test_quoted_html_is_not_searched_where_the_mail_is_html() -> None:
    kind = "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8"
    quote = (
        '<div class="gmail_quote"><div class="gmail_attr">On Thu Ann wrote:<br></div><blockquote>lottery</blockquote>'
    )
    with Stage(filtering("ignore", "keywords = ['lottery']")) as stage:
        assert (
            told(stage.mail(ANN, f"<div>Fine.</div>{quote}</div>", header=kind, subject="Re: x"))[0] is Reason.CREATED
        )


def test_a_signature_is_searched_and_what_is_quoted_below_it_is_not() -> None:
    text = "Hello.\n\n-- \nAnn\nUnsubscribe here\n\nOn Thu, Jan 1, 2026 at 9:00 AM Desk <d@desk.example> wrote:\n> lottery\n"
    with Stage(filtering("ignore", "keywords = ['unsubscribe']")) as stage:
        assert told(stage.mail(ANN, text))[0] is Reason.FILTER_IGNORED
    with Stage(filtering("ignore", "keywords = ['lottery']")) as stage:
        assert told(stage.mail(ANN, text))[0] is Reason.CREATED


def test_what_is_only_logged_passes_and_is_told_and_counted() -> None:
    with Stage(filtering("ignore", "keywords = ['lottery']\nmode = 'log'")) as stage:
        done = stage.mail(ANN, subject="A lottery")
        assert isinstance(done.outcome, Create)
        assert "would be filter_ignored" in step(done.outcome, "filter")
        assert done.outcome.hits == ("keywords: lottery",)
        assert stage.world.hits() == {("support", "keywords: lottery"): 1}


@pytest.mark.parametrize(
    ("now", "is_in_force"),
    [("2026-01-31T23:59:59+00:00", True), ("2026-02-01T00:00:00+00:00", False), ("2026-02-01T00:30:00+01:00", True)],
)
def test_the_last_day_is_included_and_ends_in_utc(now: str, is_in_force: bool) -> None:  # noqa: FBT001
    rules = ignoring(emails=["a@example.com"], until="2026-01-31")
    assert counts(rules, datetime.fromisoformat(now).astimezone(UTC)) is is_in_force
    assert counts(rules, datetime.fromisoformat(now)) is is_in_force


def test_after_its_last_day_a_filter_has_no_effect() -> None:
    with Stage(filtering("allow", "domains = ['good.example']\nuntil = 2025-12-31")) as stage:
        assert told(stage.mail(ANN))[0] is Reason.CREATED


def test_machines_that_are_allowed_may_open_a_ticket_and_are_never_acknowledged() -> None:
    robot, automatic = "monitor@good.example", "Auto-Submitted: auto-generated"
    with Stage(filtering("allow", "domains = ['good.example']")) as stage:
        done = stage.mail(robot, header=automatic)
        assert isinstance(done.outcome, Create)
        assert not done.outcome.acknowledge
        assert told(stage.mail("support@desk.example", header=automatic))[0] is Reason.LOOP_OWN_ADDRESS
    with Stage(filtering("allow", "domains = ['good.example']\nmode = 'log'")) as stage:
        assert told(stage.mail(robot, header=automatic))[0] is Reason.AUTO_IGNORED


def test_an_allow_filter_with_nothing_in_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="no mail at all would pass"):
        Filter.model_validate({"type": "allow"})


# --- counting


def test_each_entry_is_counted_once_a_mail_and_so_is_no_entry() -> None:
    with Stage(filtering("ignore", "emails = ['eve@evil.example']\nkeywords = ['lottery']")) as stage:
        ticket = stage.opened(ANN)
        stage.do("close", ticket)
        for _ in range(3):
            stage.mail(EVE)
        stage.mail(ANN, subject="lottery")
        stage.mail(ANN, cites=stage.ours(ticket), days=30)  # a late reply: looked at as a reply and as a new mail
        stage.mail(TINA, cites=stage.ours(ticket), verdict="pass")
        hits = stage.world.hits()
        assert hits["support", "emails: eve@evil.example"] == 3
        assert hits["support", "keywords: lottery"] == 1
        assert hits["support", "no entry"] == 3


def test_a_count_begins_at_nothing_and_keeps_mailboxes_apart() -> None:
    budget = Budget()
    assert budget.hits() == {}
    budget.note_hits("a", ["domains: x.example", "no entry"])
    budget.note_hits("b", ["no entry"])
    budget.note_hits("a", ["no entry"])
    assert budget.hits() == {("a", "domains: x.example"): 1, ("a", "no entry"): 2, ("b", "no entry"): 1}
