"""What stands below every mail of a person."""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.signature import is_device, without_armour, without_signature

DEVICES = """
Sent from my iPhone
Sent from my Verizon Wireless BlackBerry
Sent from Mail<https://go.example.com/fwlink/?LinkId=550986> for Windows 10
Get Outlook for iOS<https://aka.example/o0ukef>
Sent with [Proton Mail](https://proton.example/) secure email.
Sent from my iPhone. Please excuse typos.
Von meinem Samsung Galaxy Smartphone gesendet.
Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.
Envoyé de mon iPhone
Enviado desde mi iPhone
Inviato da iPhone
Verstuurd vanaf mijn iPhone
Sendt fra min iPhone
Skickat från min iPhone
Lähetetty iPhonesta
Wysłane z iPhone'a
Odesláno z iPhonu
iPhone'umdan gönderildi
Отправлено с iPhone
Στάλθηκε από το iPhone μου
נשלח מה-iPhone שלי
iPhoneから送信
나의 iPhone에서 보냄
发自我的iPhone
Sent from my telephone
Virus-free. www.avast.com
Sent from HEY
Sent from my Pixel 7
Sent via the Samsung Galaxy S7, an AT&T 4G LTE smartphone
Отправлено из мобильной Почты Mail.ru
삼성 갤럭시 스마트폰에서 보냈습니다.
""".strip().splitlines()

WORDS = """
Sent from my desk, is much easier than my telephone.
sent from my office
The parcel was sent from my iPhone shop.
Sent by courier
Sent from London on Monday
Sent from a magnificent torch of pixels
Sent via courier
Sent with love
Regards, Ada
I sent it
""".strip().splitlines()


@pytest.mark.parametrize("line", DEVICES)
def test_a_line_that_a_program_adds_is_known_in_its_language(line: str) -> None:
    assert is_device(line)


@pytest.mark.parametrize("line", WORDS)
def test_a_line_of_a_person_is_none(line: str) -> None:
    assert not is_device(line)


@pytest.mark.parametrize("mark", ["-- ", "--", "—", "__", "\u200b-- "])
def test_a_signature_begins_at_its_mark(mark: str) -> None:
    assert without_signature(["It runs.", "", mark, "Ada", "Cellar 3", ""]) == ["It runs."]


def test_it_may_stand_above_or_below_what_the_program_adds() -> None:
    assert without_signature(["It runs.", "", "Sent from my iPad", "-- ", "Ada"]) == ["It runs."]
    assert without_signature(["It runs.", "-- ", "Ada", "", "Sent from my iPad"]) == ["It runs."]


def test_words_below_the_line_of_a_program_stay() -> None:
    assert without_signature(["It runs.", "", "Sent from my iPad", "", "But it drips."]) == [
        "It runs.",
        "",
        "",
        "But it drips.",
    ]


def test_a_rule_between_paragraphs_is_none_but_the_footer_of_a_list_is() -> None:
    text = ["It runs.", "---", "And it drips."]
    assert without_signature(text) == text
    assert without_signature(["It runs.", "_" * 47, "pumps mailing list", "pumps@lists.example.org"]) == ["It runs."]


def test_a_name_behind_a_dash_is_one_only_alone() -> None:
    assert without_signature(["It runs.", "", "-Ada Example"]) == ["It runs."]
    for text in (["Parts:", "", "-Valve", "", "-Wheel"], ["It runs", "-Ada"], ["It runs.", "", "-as I said"]):
        assert without_signature(text) == text


def test_of_dashes_that_divide_a_text_the_last_ones_begin_it() -> None:
    assert without_signature(["One", "--", "Two", "--", "Ada"]) == ["One", "--", "Two"]
    assert without_signature(["One", "-- ", "Ada", "-- ", "The list"]) == ["One"]
    assert without_signature(["One", "-- ", "Ada", "--", "The list"]) == ["One"]


def test_a_signed_text_is_what_was_signed() -> None:
    seal = ["-----BEGIN PGP SIGNATURE-----", "", "wsBcBAEBCAAQ", "=x1", "-----END PGP SIGNATURE-----"]
    begin = ["", "-----BEGIN PGP SIGNED MESSAGE-----", "Hash: SHA256", ""]
    assert without_signature(["It runs.", "- -- ", "Ada", *seal]) == ["It runs."]
    assert without_armour([*begin, "It runs."]) == ["", "It runs."]
    for lines in ([], [""], ["It runs.", *begin]):
        assert without_armour(lines) == lines


def test_a_rule_at_the_very_end_of_a_text_stays_where_nothing_else_is_cut() -> None:
    assert without_signature(["It runs.", "-----", ""], is_last=True) == ["It runs.", "-----"]
    assert without_signature(["It runs.", "-----", "-- ", "Ada"], is_last=True) == ["It runs."]
    assert without_signature(["It runs.", "-----"]) == ["It runs."]


def test_a_closing_formula_stays() -> None:
    text = ["It runs.", "", "Best regards,", "Ada Example", "Tel. +44 20 7946 0000"]
    assert without_signature(text) == text


def test_a_mark_far_from_the_end_begins_none() -> None:
    text = ["It runs.", "--", *["and so on"] * 60]
    assert without_signature(text) == text


def test_nothing_else_is_left_of_a_mail_that_is_one() -> None:
    assert without_signature(["-- ", "Ada"]) == []
    assert without_signature(["Sent from my iPhone"]) == []


@given(
    st.lists(st.sampled_from(["Yes", "", "-- ", "---", "Sent from my iPhone", "-Ada", "a@b", "\u200b"]), max_size=30)
)
def test_what_remains_are_lines_of_the_text_in_their_order(lines: list[str]) -> None:
    rest = iter(lines)
    assert all(line in rest for line in without_signature(lines))
