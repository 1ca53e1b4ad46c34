"""What stands before a subject, and the ticket's number in it."""

# ruff: noqa: E501 - letters of all scripts are meant, and wide ones count twice

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.subject import SubjectTag, without_prefix
from mailwicket.model import TicketNumber

TAG = SubjectTag("[#{number}]")

PREFIXES = """Re RE re Aw AW Antw Antwort Sv SV Svar Odp Odg Ynt YNT
Vá Răsp Απ ΑΠ Σχετ Ответ Отв Відп השב תשובה رد پاسخ ตอบกลับ 回复 回覆 答复 返信 회신 Fw FW Fwd FWD Wg WG Doorst Videresend Redir
Továbbítás İlt ilt ΠΡΘ Пересл הועבר 转发 轉寄 転送 전달 Rép""".split()
DOUBTFUL = "R RIF Ref Res TR RV I VS Vs VB VL PD ENC HA BLS ATB".split()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_any_language_is_no_part_of_the_subject(prefix: str) -> None:
    for form in ("{}: Tor", "{} : Tor", "{}:Tor", "{}： Tor", "{}[2]: Tor", "{}(3): Tor", "Re: {}: Tor", " {}:\tTor"):
        assert without_prefix(form.format(prefix), is_answer=False) == "Tor"


@pytest.mark.parametrize("prefix", DOUBTFUL)
def test_a_prefix_that_may_be_a_word_is_cut_only_of_answers_and_behind_a_certain_one(prefix: str) -> None:
    subject = f"{prefix}: Tor"
    assert without_prefix(subject) == "Tor"
    assert without_prefix(subject, is_answer=False) == subject
    assert without_prefix(f"Re: {subject}", is_answer=False) == "Tor"


@pytest.mark.parametrize(
    "subject",
    ["Reset: done", "Regarding: x", "Forward: march", "Award: won", "Server: down", "HA: no failover", "Ref: 4711",
     "R: which version", "I: robot", "VS: code hangs", "PD: shift", "TR: 12", "Answer: 42", "fwiw: no", "12: x", "a:b"],
)  # fmt: skip
def test_a_persons_own_words_stay(subject: str) -> None:
    assert without_prefix(subject, is_answer=False) == subject


@pytest.mark.parametrize(("subject", "left"), [("Re:", "Re:"), ("Re: Fwd:", "Re: Fwd:"), ("", ""), ("  ", "")])
def test_where_nothing_else_is_left_the_subject_is_whole(subject: str, left: str) -> None:
    assert without_prefix(subject) == left


@pytest.mark.parametrize(
    ("subject", "numbers"),
    [
        ("[#42] Tor", [42]),
        ("Re: [#42]: Tor", [42]),
        ("([#42])", [42]),
        ("x[#42]y", [42]),
        ("[#42 ] [# 42] [#  42\t]", [42, 42, 42]),
        ("[#1] [#2]", [1, 2]),
        ("#42", []),
        ("[#42", []),
        ("[#]", []),
        ("[#4a2]", []),
        ("[#-42]", []),
        ("[#1234567890123456789]", []),
    ],
)
def test_the_number_is_found_whatever_stands_beside_the_tag(subject: str, numbers: list[int]) -> None:
    assert list(TAG.read(subject)) == numbers


@pytest.mark.parametrize(
    ("form", "subject", "numbers"),
    [
        ("Ticket {number}", "re: TICKET 7, tor", [7]),
        ("Ticket {number}", "ticket  7", [7]),
        ("Ticket {number}", "ticket7", [7]),
        ("Ticket {number}", "ticket 7x", [7]),
        ("INC{number}", "inc7 INC8", [7, 8]),
        ("INC{number}", "Re: INC0042: Tor", [42]),
        ("{number}#", "a7# 8#", [8]),
        ("(Anfrage: {number})", "(anfrage:7 )", [7]),
        ("INC{number}", "vinc7", []),
        (".*{number}", "a7", []),
    ],
)
def test_a_tag_of_another_form_survives_case_and_blanks(form: str, subject: str, numbers: list[int]) -> None:
    assert list(SubjectTag(form).read(subject)) == numbers


@pytest.mark.parametrize(
    ("subject", "left"),
    [
        ("Re: [#42] Tor", "Tor"),
        ("[#42] Re: Tor", "Tor"),
        ("AW: Re: [#42] Fwd: Tor [#43] auf", "Tor auf"),
        ("  Tor \t auf ", "Tor auf"),
        ("[#42]", ""),
    ],
)
def test_a_ticket_is_called_without_tags_and_prefixes(subject: str, left: str) -> None:
    assert TAG.strip(subject) == left


@given(number=st.integers(1, 10**18 - 1), before=st.text(max_size=30), after=st.text(max_size=30))
def test_what_was_written_is_read(number: int, before: str, after: str) -> None:
    assert number in TAG.read(f"{before}{TAG.write(TicketNumber(number))}{after}") or "[#" in before


@given(st.text(max_size=200))
def test_what_was_stripped_stays_as_it_is(subject: str) -> None:
    once = TAG.strip(subject)
    assert TAG.strip(once) == once or once == without_prefix(once)


@pytest.mark.parametrize("subject", ["[#" * 20_000, " " * 60_000 + "#", "Re:" * 20_000, "[# " * 20_000, "1" * 60_000])
@pytest.mark.parametrize("form", ["[#{number}]", "{number} #", "# {number}"])
def test_a_long_subject_takes_no_time(form: str, subject: str) -> None:
    begun = time.process_time()
    tag = SubjectTag(form)
    list(tag.read(subject))
    tag.strip(subject)
    assert time.process_time() - begun < 0.2
