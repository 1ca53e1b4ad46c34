"""Whether a machine wrote a mail: never said of a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.absence import absent, automatic_subject
from mailwicket.mail.automatic import MARKS, automatic
from mailwicket.mail.header import Header
from mailwicket.mail.postmaster import MACHINES, MASTERS, server

ADA = b"From: Ada <ada@example.org>\n"


def reason(head: bytes, subject: str = "The pump leaks", text: str = "It does.") -> str | None:
    found = automatic(Header(ADA + head), subject, text)
    return found.reason if found else None


@pytest.mark.parametrize("value", ["no", "No", "no (a person)", "no; x=y", "false", ""])
def test_a_mail_that_says_so_is_a_persons(value: str) -> None:
    assert reason(f"Auto-Submitted: {value}\n".encode()) is None


@pytest.mark.parametrize("value", ["auto-replied", "auto-generated", "auto-notified", "yes", "bananas"])
def test_any_other_value_is_a_machines(value: str) -> None:
    assert reason(f"Auto-Submitted: {value}\n".encode()) == f"Auto-Submitted: {value}"


@pytest.mark.parametrize("value", ["bulk", "junk", "list", "auto_reply"])
def test_mail_for_many_is_automatic(value: str) -> None:
    assert reason(f"Precedence: {value}\n".encode()) == f"Precedence: {value}"
    assert reason(f"Precedence: {value.upper()} (x)\n".encode()) == f"Precedence: {value}"


def test_what_people_write_to_a_list_is_theirs() -> None:
    post = b"List-Id: <pumps.example.org>\nList-Post: <mailto:pumps@example.org>\nList-Unsubscribe: <https://example.org>\n"
    assert reason(post) is None
    assert reason(post + b"Precedence: list\n") is None
    assert reason(post + b"Precedence: bulk\n") is None
    assert reason(post + b"Precedence: junk\n") == "Precedence: junk"
    for mark in (b"X-Mailing-List: x@example.org\n", b"Sender: owner-x@example.org\n"):
        assert reason(mark + b"Precedence: bulk\n") is None
    assert reason(b"Mailing-List: list x@example.org\nList-Unsubscribe: <x>\nPrecedence: bulk\n") is None
    assert reason(post.replace(b"<mailto:pumps@example.org>", b"NO") + b"Precedence: list\n") == "Precedence: list"


def test_a_newsletter_answers_nobody() -> None:
    assert reason(b"List-Unsubscribe: <x>\n") == "List-Unsubscribe without List-Post"
    assert reason(b"List-Unsubscribe: <x>\nIn-Reply-To: <1@example.net>\n") is None
    assert reason(b"List-Unsubscribe: <x>\nReferences: <1@example.net>\n") is None


@pytest.mark.parametrize("name", MARKS)
def test_the_marks_of_programs_count_unless_they_say_no(name: str) -> None:
    assert reason(f"{name.title()}: yes\n".encode()) == name
    assert reason(f"{name.title()}: no\n".encode()) is None


def test_a_wish_is_no_proof_and_neither_is_an_address_that_nobody_reads() -> None:
    assert reason(b"X-Auto-Response-Suppress: All\n") is None
    found = automatic(Header(b"From: Shop <no-reply@example.com>\nReply-To: ada@example.org\n"), "Form", "It leaks.")
    assert found is None


@pytest.mark.parametrize("path", ["<>", "< >", "<MAILER-DAEMON>", "<mailer-daemon@mx.example.org>", "<#@[]>"])
def test_a_path_on_which_no_answer_comes_back_is_a_machines(path: str) -> None:
    assert reason(f"Return-Path: {path}\n".encode()) == "Return-Path: <>"


def test_a_missing_or_empty_path_says_nothing() -> None:
    assert (reason(b""), reason(b"Return-Path:\n"), reason(b"Return-Path: <ada@example.org>\n")) == (None, None, None)


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("MAILER-DAEMON@mx.example.org", "From: mailer-daemon"),
        ("Mail Delivery System <bounce@example.org>", "From: mailer-daemon"),
        ("postmaster@example.org", "From: postmaster"),
        ("Postmaster <postmaster@example.org>", "From: postmaster"),
        ("Mail Administrator <postmaster@example.org>", "From: postmaster"),
        ("Max Muster <postmaster@example.org>", None),
        ("Ada <ada@postmaster.example.org>", None),
        ("Ada <ada@mailer-daemon.example.org>", None),
        ("System Administrator <max@example.org>", None),
    ],
)
def test_an_author_who_is_no_person_is_a_machine(author: str, expected: str | None) -> None:
    found = automatic(Header(f"From: {author}\n".encode()), "x", "y")
    assert (found.reason if found else None) == expected


@pytest.mark.parametrize("kind", ["multipart/report", "multipart/report; report-type=x", "message/delivery-status"])
def test_reports_are_automatic(kind: str) -> None:
    assert str(reason(f"Content-Type: {kind}\n".encode())).startswith(kind.partition(";")[0])


SUBJECTS = """\
Automatic reply: x|Out of Office AutoReply: x|Auto: x|Automatische Antwort: x|Abwesenheitsnotiz: x
Réponse automatique : x|Respuesta automática: x|Resposta automática: x|Risposta automatica: x
Automatisch antwoord: x|Autosvar: x|Automatisk svar: x|Automatiskt svar: x|Automaattinen vastaus: x
Odpowiedź automatyczna: x|Automatická odpověď: x|Automatikus válasz: x|Răspuns automat: x
Otomatik Yanıt: x|Автоответ: x|Автоматический ответ: x|Автоматична відповідь: x
Автоматичен отговор: x|Automatski odgovor: x|Samodejni odgovor: x|Automaatvastus: x
Automātiska atbilde: x|Automatinis atsakymas: x|Αυτόματη απάντηση: x|תשובה אוטומטית: x|رد تلقائي: x
ตอบกลับอัตโนมัติ: x|Trả lời tự động: x|Balasan otomatis: x|자동 회신: x|自動応答: x|自动答复: x
自動回覆: x|[EXTERNAL] Automatic reply: x|*****SPAM***** Automatic reply: x""".replace("\n", "|").split("|")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_subject_of_an_automatic_answer_counts_with_something_beside_it(subject: str) -> None:
    assert automatic_subject(subject)
    assert reason(b"X-Auto-Response-Suppress: All\n", subject) is not None
    assert reason(b"In-Reply-To: <1@example.net>\n", subject) is not None
    assert reason(b"", subject) is None
    for prefix in ("Re: ", "AW: ", "Fwd: ", "RE: FW: "):
        assert reason(b"In-Reply-To: <1@example.net>\nX-Auto-Response-Suppress: All\n", prefix + subject) is None


@pytest.mark.parametrize(
    "text", ["> It leaks", "Yes.\n\n> It leaks", "Yes.\n\n-----Original Message-----", "Ada wrote:"]
)
def test_who_quotes_is_a_person(text: str) -> None:
    assert reason(b"In-Reply-To: <1@example.net>\n", "Out of office", text) is None


@pytest.mark.parametrize(
    "subject", ["Out of office", "Abwesend bis Montag", "Ada is out of the office.", "不在のお知らせ"]
)
def test_who_is_absent_may_be_a_person(subject: str) -> None:
    assert absent(subject)
    assert not automatic_subject(subject)
    assert reason(b"X-Auto-Response-Suppress: All\n", subject) is None


@pytest.mark.parametrize(
    "subject",
    [
        "Vacation request", "Absence de réseau", "Отсутствие интернета", "Ausencia de señal", "Assenza di rete",
        "Abwesenheiten eintragen", "Frånvaro kan inte rapporteras", "Automatic reply is not sent",
    ],
)  # fmt: skip
def test_who_lacks_something_is_a_person(subject: str) -> None:
    assert not automatic_subject(subject)
    assert reason(b"X-Auto-Response-Suppress: All\n", subject) is None
    if not subject.startswith("Automatic"):
        assert reason(b"In-Reply-To: <1@example.net>\n", subject) is None


def test_every_name_of_a_server_is_found_at_the_quick_look() -> None:
    for table, weight in ((MACHINES, 2), (MASTERS, 1)):
        for name in table:
            assert server(f"x {name}") >= weight, name


@given(st.text(max_size=300))
def test_any_subject_and_author_is_looked_at(text: str) -> None:
    assert isinstance(absent(text), bool)
    assert automatic_subject(text) <= absent(text)
    assert server(text) in {0, 1, 2}
