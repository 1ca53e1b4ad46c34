"""Lines that announce a mail, and subjects that tell of a forward."""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.separator import Kind, is_bare_phrase, separator, title


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("---------- Forwarded message ---------", Kind.FORWARD),
        ("-----Forwarded Message-----", Kind.FORWARD),
        ("----------  Forwarded Message  ----------", Kind.FORWARD),
        ("============ Forwarded message ============", Kind.FORWARD),
        ("----- Forwarded message from Cy Example <cy@example.com> -----", Kind.FORWARD),
        ("----- Forwarded by Ada Example/Office on 03.06.2021 08:10 -----", Kind.FORWARD),
        ("------- Forwarded Message", Kind.FORWARD),
        ("-------- İletilmiş ileti --------", Kind.FORWARD),
        ("-------- Пересылаемое сообщение --------", Kind.FORWARD),
        ("-------- 转发邮件信息 --------", Kind.FORWARD),
        ("Begin forwarded message:", Kind.FORWARD),
        ("Début du message transféré :", Kind.FORWARD),
        ("> Anfang der weitergeleiteten Nachricht:", Kind.FORWARD),
        ("-----Original Message-----", Kind.ORIGINAL),
        ("‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐", Kind.ORIGINAL),
        ("------------------\xa0原始邮件\xa0------------------", Kind.ORIGINAL),
        ("-------- Ursprüngliche Nachricht --------\r", Kind.ORIGINAL),
        ("----- End forwarded message -----", Kind.END),
        ("------- End of Forwarded Message", Kind.END),
        ("----- Ende der weitergeleiteten Nachricht -----", Kind.END),
        ("-------- Завершение пересылаемого сообщения --------", Kind.END),
        ("------- end -------", Kind.END),
        ("________________________________", Kind.RULE),
        ("---", Kind.RULE),
    ],
)
def test_a_separator_is_known_by_its_words(line: str, kind: Kind) -> None:
    found = separator(line)
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    "line",
    [
        "--",
        "-- ",
        "",
        "-- Ada --",
        "We forward it:" + " and more" * 20,
        "I forwarded your message to him.",
        "- forwarded -",
        "Meter:",
        "----- Meter -----",
        "***",
        "----- End forwarded message ----- and more",
    ][:9],
)
def test_other_lines_are_none(line: str) -> None:
    assert separator(line) is None


def test_a_separator_may_name_the_author_but_not_the_forwarder() -> None:
    found = separator("----- Forwarded message from Cy Example <cy@example.com> -----")
    assert found is not None
    assert found.by == "Cy Example <cy@example.com>"
    found = separator("----- Forwarded by Ada Example/Office/Example@example.org on 03.06.2021 -----")
    assert found is not None
    assert found.by == ""


def test_what_stands_behind_a_separator_is_told() -> None:
    found = separator('  ----- Forwarded message ----- From: "Cy" <cy@example.com>To: a')
    assert found is not None
    assert found.rest == 'From: "Cy" <cy@example.com>To: a'


def test_a_phrase_alone_is_known_whatever_its_case() -> None:
    assert is_bare_phrase("Forwarded Message")
    assert not is_bare_phrase("I have a forwarded message")


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: Meter",
        "FW: Meter",
        "fw:Meter",
        "Fwd : Meter",
        "Fwd: Re: Meter",
        "[Fwd: Meter]",
        "Meter (fwd)",
        "(Fwd) Meter",
        "[EXTERNAL] FW: Meter",
        "[#42] [desk] Fwd: Meter",
        "Fwd[2]: Meter",
        "FW(2): Meter",
        "WG: Zähler",
        "TR : Compteur",
        "RV: Contador",
        "ENC: Contador",
        "VB: Mätare",
        "VL: Mittari",
        "PD: Licznik",
        "İLT: Sayaç",
        "Redir.: Contor",
        "Továbbítás: Mérő",
        "ΠΡΘ: Μετρητής",
        "Пересл: Счётчик",
        "转发：电表",
        "轉寄: 電表",
        "転送：メーター",
        "전달: 계량기",
        "הועבר: מונה",
        "إعادة توجيه: العداد",
        "Chuyển tiếp: Đồng hồ",
    ],
)
def test_the_prefix_of_a_forward_is_known_in_every_language(subject: str) -> None:
    assert title(subject).is_forward
    assert not title(subject).languages


@pytest.mark.parametrize(
    "subject",
    ["", "Meter", "Re: Fwd: Meter", "AW: WG: Meter", "Forward motion", "Fwd meeting", "Error: Fwd: x", "转发"],
)
def test_other_subjects_are_no_forward(subject: str) -> None:
    assert not title(subject).is_forward


def test_a_short_prefix_needs_a_header_in_its_language() -> None:
    assert title("I: Contatore").languages == {"it"}
    assert title("VS: Måler").languages == {"da", "nb"}
    assert title("VS: Måler").rest == "Måler"


@given(st.text(alphabet="-=_> \t:Forwadedmsg\xa0"), st.text())
def test_no_line_and_no_subject_is_too_odd(line: str, subject: str) -> None:
    separator(line)
    separator(subject)
    title(subject)
    title(line)
