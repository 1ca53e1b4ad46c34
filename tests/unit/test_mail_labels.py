"""Header blocks that mail programs print into a mail, in all the shapes in which they come."""

# ruff: noqa: RUF001 - the letters of all scripts are meant

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.mail.label_words import WORDS
from mailwicket.mail.labels import _LABELS, header_block, quoted_header, run_on
from mailwicket.mail.named import person
from mailwicket.model import Address

CY = Address("Cy Example", "cy@example.com")


def languages() -> dict[str, dict[str, list[str]]]:
    table: dict[str, dict[str, list[str]]] = {}
    for line in WORDS.strip().splitlines():
        head, _, words = line.partition(": ")
        language, _, label = head.partition(" ")
        table.setdefault(language, {}).setdefault(label, []).extend(words.split(", "))
    return table


@pytest.mark.parametrize(("language", "words"), languages().items(), ids=list(languages()))
def test_a_block_is_read_in_every_language(language: str, words: dict[str, list[str]]) -> None:
    for author in words["from"]:
        for title in words["subject"]:
            block = f"{author}: Cy Example <cy@example.com>\n{words['date'][0]}: 3.1.\n"
            block += f"{words['to'][0]}: a\n{title}: Meter\n"
            found = header_block(block.split("\n"), 0)
            assert found is not None
            assert (found.author, found.subject, found.end) == (CY, "Meter", 4)


def test_no_word_means_two_things() -> None:
    assert [word for word, meanings in _LABELS.items() if len(meanings) > 1] == []


@pytest.mark.parametrize(
    "block",
    [
        "From: Cy Example <cy@example.com>\nDate: x\nSubject: Meter\nTo: <a@example.org>",
        "*From:* Cy Example <cy@example.com>\n*Sent:* x\n*To:* a@example.org\n*Subject:* Meter",
        "**From:** Cy Example <cy@example.com>\n**Sent:** x\n**To:** a@example.org\n**Subject:** Meter",
        "*From*: Cy Example <cy@example.com>\n*Subject*: Meter\n*To*: a",
        "*From: Cy Example <cy@example.com>*\n*Subject: Meter*\n*To: a*",
        "> From: Cy Example <cy@example.com>\n> Date: x\n> Subject: Meter\n> To: <a@example.org>",
        "From:\xa0Cy Example <cy@example.com>\nSent:\xa0x\nSubject:\xa0Meter",
        "From：Cy Example <cy@example.com>\nSent：x\nSubject：Meter",
        "De : Cy Example <cy@example.com>\nEnvoyé : x\nÀ : a\nObjet : Meter",
        "De\xa0: Cy Example <cy@example.com>\nEnvoyé\xa0: x\nÀ\xa0: a\nObjet\xa0: Meter",
        "\u200fמאת: Cy Example <cy@example.com>\n\u200fנושא: Meter",
        "From: Cy Example <cy@example.com>\r\nDate: x\r\nSubject: Meter\r",
        "From: Cy Example <cy@example.com>\nDate: x\nSubject:\n Meter\nTo: a@example.org,\n b@example.org",
        "From:\nCy Example <cy@example.com>\nDate:\nx\nTo:\na\nSubject:\nMeter",
        "From:\tCy Example <cy@example.com>\nSent:\tx\nSubject:\tMeter",
        "From: Cy Example [mailto:cy@example.com]\nSent: x\nTo: a@example.org; b@example.org\nSubject: Meter",
        "From: Cy Example <cy@example.com<mailto:cy@example.com>>\nSubject: Meter\nTo: a",
        "From: \"'Cy Example'\" <cy@example.com>\nSubject: Meter\nTo: a",
        "Betreff: Meter\nDatum: x\nVon: Cy Example <cy@example.com>\nAn: a",
        "From: Cy Example <cy@example.com>\n\nSent: x\n\nTo: a\n\nSubject: Meter",
        "From: Cy Example <cy@example.com>\nTo: a@example.org;\nb@example.org;\nc@example.org\nSubject: Meter",
        "    From: Cy Example <cy@example.com>\n    Date: x\n    Subject: Meter",
        "Von: Cy Example <cy@example.com>\nDate: x\nSubject: Meter",
        "| From | Cy Example<cy@example.com> |\n| Date | x |\n| Subject | Meter |",
        "보낸사람 : Cy Example <cy@example.com>\n제목 : Meter",
        "A\u0300: a\nDe: Cy Example <cy@example.com>\nObjet: Meter",
    ],
)
def test_a_block_is_read_in_every_shape(block: str) -> None:
    lines = block.split("\n")
    found = header_block([*lines, "", "The meter."], 0)
    assert found is not None
    assert (found.author, found.subject, found.end) == (CY, "Meter", len(lines))


@pytest.mark.parametrize(
    "text",
    [
        "From: the sky\n\nit rains",
        "To: a\nDate: b\nSubject: c\n\nx",
        "Von: jetzt an\n\nSubject: x",
        "Note: From: x",
        "",
    ],
)
def test_what_is_no_block_is_none(text: str) -> None:
    assert header_block(text.split("\n"), 0) is None


def test_labels_of_two_languages_need_two_beside_from() -> None:
    assert header_block(["Von: Cy", "Subject: x"], 0) is None
    assert header_block(["Von: Cy", "Subject: x", "Date: y"], 0) is not None


def test_the_words_below_a_block_are_none_of_it() -> None:
    lines = "From: Cy <cy@example.com>\nSubject: Meter\nThe meter\nruns.".split("\n")
    found = header_block(lines, 0)
    assert found is not None
    assert (found.subject, found.end) == ("Meter", 2)


def test_a_second_from_begins_another_block() -> None:
    lines = "From: Cy <cy@example.com>\nSubject: Meter\n\nFrom: Di <di@example.com>\nSubject: Old".split("\n")
    found = header_block(lines, 0)
    assert found is not None
    assert (found.end, found.author) == (2, Address("Cy", "cy@example.com"))


def test_a_quoted_header_takes_three_labels_in_six_lines() -> None:
    assert quoted_header(["From: a@b", "Sent: c", "To: d", "Subject: e", "", "f"], 0) == 4
    assert quoted_header(["From: a@b", "Sent: c", "", "f"], 0) == 0
    assert quoted_header(["Hello: a", "Sent: c", "To: d"], 0) == 0


def test_a_journey_is_no_quoted_header() -> None:
    assert quoted_header(["From: Berlin", "To: Hamburg", "Date: 3 May"], 0) == 0


def test_a_line_of_labels_without_breaks_is_split() -> None:
    line = 'From: "Cy" <cy@example.com>To: a@example.orgSent: Wednesday, 10:59:44 CESTSubject: Re: Meter: To: you'
    assert run_on(line) == [
        'From: "Cy" <cy@example.com>',
        "To: a@example.org",
        "Sent: Wednesday, 10:59:44 CEST",
        "Subject: Re: Meter: To: you",
    ]
    assert run_on("nothing: From: a") == ()


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ("Cy Example <cy@example.com>", "cy@example.com", "Cy Example"),
        ("cy@example.com", "cy@example.com", None),
        ("cy@example.com <cy@example.com>", "cy@example.com", None),
        ("cy@example.com <mailto:cy@example.com>", "cy@example.com", None),
        ("cy@example.com [mailto:cy@example.com] On Behalf Of Di", "cy@example.com", None),
        ("Doe, John <jd@example.com>", "jd@example.com", "Doe, John"),
        ('"Doe, John" <jd@example.com>', "jd@example.com", "Doe, John"),
        ("cy@example.com (Cy Example)", "cy@example.com", "Cy Example"),
        ("Cy@Work <cy@example.com>", "cy@example.com", "Cy@Work"),
        ("[Cy Example](mailto:cy@example.com)", "cy@example.com", "Cy Example"),
        ("Cy Example [cy@example.com](mailto:cy@example.com)", "cy@example.com", "Cy Example"),
        ("Cy Example (Office) <cy@example.com>", "cy@example.com", "Cy Example (Office)"),
        ("Cy Example</O=OFFICE/OU=FIRST/CN=CY>", None, "Cy Example"),
        ("Cy Example@Office", None, "Cy Example@Office"),
        ("=?utf-8?q?J=C3=B6rg?= <cy@example.com>", "cy@example.com", "Jörg"),
        ("Cy Example &lt;cy@example.com&gt;", "cy@example.com", "Cy Example"),
        ("张三<z@example.com>", "z@example.com", "张三"),
        ("Cy Example", None, "Cy Example"),
        ("", None, None),
    ],
)
def test_a_person_is_read_in_every_shape(value: str, address: str | None, name: str | None) -> None:
    assert person(value) == (None if address is None else Address(name, address), name)


@given(
    st.sampled_from(list(languages().values())),
    st.permutations(["from", "date", "to", "subject"]),
    st.sampled_from(["", "> ", "> > ", "    ", "\u200f"]),
    st.sampled_from(["{}:", "{} :", "{}\xa0:", "{}：", "*{}:*", "**{}:**", "*{}*:", "{}.:"]),
    st.sampled_from([" ", "", "\t", "\xa0"]),
    st.sampled_from(["", "\r", " "]),
)
def test_a_block_is_read_in_every_order_and_dress(
    words: dict[str, list[str]], order: list[str], lead: str, label: str, gap: str, end: str
) -> None:
    values = {"from": "Cy Example <cy@example.com>", "date": "2.6.", "to": "a@example.org", "subject": "Meter"}
    lines = [f"{lead}{label.format(words[name][0])}{gap}{values[name]}{end}" for name in order]
    found = header_block([*lines, lead.strip("\u200f"), lead + "Words."], 0)
    assert found is not None
    assert (found.author, found.subject, found.to, found.end) == (CY, "Meter", "a@example.org", 4)


@given(st.lists(st.sampled_from(["From: a@b", "To: c", "", " x", "> Date: y", "Subject:", "z", "|", "De : q", "\xa0"])))
def test_a_block_ends_behind_its_begin_and_within_the_text(lines: list[str]) -> None:
    for at in range(len(lines)):
        found = header_block(lines, at)
        assert found is None or at < found.end <= len(lines)
        assert 0 <= quoted_header(lines, at) <= len(lines) - at
