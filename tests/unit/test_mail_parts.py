"""Every leaf of a mail is found, whatever became of its boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lab.bombs.heads import heads

from mailwicket.mail import parts
from mailwicket.mail.head import split_header
from mailwicket.mail.parts import DEPTH_MAX, MISSED_MAX, PARTS_MAX, Part, leaves

MIXED = b'Content-Type: multipart/mixed; boundary="a"'


def found(raw: bytes) -> tuple[list[Part], list[str]]:
    damage: list[str] = []
    header, begin = split_header(raw, 0, len(raw))
    return list(leaves(raw, header, begin, len(raw), damage)), damage


def bodies(raw: bytes) -> list[bytes]:
    return [raw[one.begin : one.end] for one in found(raw)[0]]


def part(body: bytes, content_type: bytes = b"text/plain") -> bytes:
    return b"Content-Type: " + content_type + b"\n\n" + body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"--a\n\none\n--a\n\ntwo\n--a--\n", [b"one", b"two"]),
        (b"--a\r\n\r\none\r\n--a\r\n\r\ntwo\r\n--a--\r\n", [b"one", b"two"]),
        (b"--a\n\none\n--a\n\ntwo", [b"one", b"two"]),
        (b"before\n--a\n\none\n--a--\nafter\n", [b"one"]),
        (b"--a \t\n\none\n--a-- \n", [b"one"]),
        (b"--a\n\none\n\n--a--", [b"one\n"]),
        (b"--a\n\n--a--", [b""]),
        (b"--a\n--a\n--a--", [b"", b""]),
        (b"--a\n\none\n--ab\n --a\n--a--", [b"one\n--ab\n --a"]),
        (b"--a\n\none\n--a--\n--a\n\ntwo\n--a--\n", [b"one", b"two"]),
        (b"Content-Type: text/plain\n\none\n--a\n\ntwo\n--a--", [b"one", b"two"]),
        (b"--a\nno header\n--a--", [b"no header"]),
        (b"--a\nNote: no header\n\nwords\n--a--", [b"Note: no header\n\nwords"]),
        (b"--a\nContent-ID: <x@y>\n\nwords\n--a--", [b"words"]),
        (b"--a", [b""]),
    ],
)
def test_parts_stand_between_the_lines_that_bear_the_boundary(body: bytes, expected: list[bytes]) -> None:
    assert bodies(heads(MIXED) + body) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/mixed",
        b"multipart/mixed; boundary=b",
        b"multipart/mixed; boundary=",
        b"multipart/mixed; boundary='a'",
    ],
)
@pytest.mark.parametrize(
    "body", [b"--a\n\none\n--a\n\ntwo\n--a--\n", b"--a\n" + part(b"one") + b"\n--a\n" + part(b"two")]
)
def test_a_boundary_that_is_not_named_or_not_rightly_is_guessed(content_type: bytes, body: bytes) -> None:
    assert [one.strip() for one in bodies(heads(b"Content-Type: " + content_type) + body)] == [b"one", b"two"]


def test_what_stands_before_a_guessed_boundary_may_be_the_words() -> None:
    raw = heads(b"Content-Type: multipart/mixed; boundary=b")
    assert bodies(raw + b"words\n--a\n" + part(b"one")) == [b"words", b"one"]
    assert bodies(raw + b"This is a message in MIME format.\n--a\n" + part(b"one")) == [b"one"]
    assert bodies(heads(b"X: y") + b"words\n--a\n" + part(b"one")) == [b"words", b"one"]


def test_a_mail_whose_type_got_lost_is_still_taken_apart() -> None:
    assert bodies(heads(b"X: y") + b"--a\n" + part(b"one") + b"\n--a--\n") == [b"one"]
    assert bodies(heads(b"Content-Type: text/plain") + b"--a\n" + part(b"one")) == [b"--a\n" + part(b"one")]
    assert bodies(heads(b"X: y") + b"-- \nNora\n") == [b"-- \nNora\n"]


def test_a_multipart_without_parts_is_a_text() -> None:
    [one], damage = found(heads(MIXED) + b"words")
    assert (one.content_type, damage) == ("text/plain", ["no_parts"])
    assert found(heads(MIXED) + b" \n") == ([], [])


def test_each_leaf_knows_what_it_stands_in() -> None:
    inner = b'multipart/alternative; boundary="b"'
    related = b'multipart/related; boundary="c"; start="<x@y>"'
    raw = heads(MIXED) + b"--a\n" + part(
        b"--b\n" + part(b"one") + b"\n--b\n" + part(b"--c\n" + part(b"two") + b"\n--c--", related) + b"\n--b--", inner
    ) + b"\n--a\n" + part(b"three") + b"\n--a--"  # fmt: skip
    one, two, three = (leaf.around for leaf in found(raw)[0])
    assert (one.kind, one.place, one.choice, one.branch, one.related) == ("multipart/alternative", 0, 2, 0, True)
    assert (two.kind, two.place, two.choice, two.branch, two.start) == ("multipart/related", 0, 2, 1, "x@y")
    assert (three.kind, three.place, three.choice, three.related, three.depth) == ("multipart/mixed", 1, 0, False, 1)


def test_what_a_report_returns_is_known_for_it() -> None:
    raw = heads(b"Content-Type: multipart/report; boundary=a") + b"--a\n" + part(b"--", b"message/rfc822") + b"\n--a--"
    assert [one.around.report for one in found(raw)[0]] == [True]


def test_a_digest_holds_mails() -> None:
    raw = heads(b"Content-Type: multipart/digest; boundary=a") + b"--a\n\nSubject: x\n\nbody\n--a\n" + part(b"y")
    assert [one.content_type for one in found(raw)[0]] == ["message/rfc822", "text/plain"]


def test_parts_beyond_the_limit_are_one() -> None:
    raw = heads(MIXED) + b"".join(b"--a\n\n%d\n" % n for n in range(PARTS_MAX + 50)) + b"--a--\n"
    told, damage = found(raw)
    assert (len(told), damage) == (PARTS_MAX + 1, ["too_many_parts"])
    assert told[-1].content_type == "application/octet-stream"
    assert raw[told[-1].begin : told[-1].end].endswith(b"\n%d\n--a--\n" % (PARTS_MAX + 49))


def test_behind_very_many_lines_that_only_look_like_a_boundary_no_part_is_looked_for() -> None:
    raw = heads(MIXED) + b"--a\n\none\n--a\n\n" + b"--a is none\n--aX\n" * MISSED_MAX + b"\n--a\n\nthree\n--a--\n"
    told, damage = found(raw)
    assert [raw[one.begin : one.end][:5] for one in told] == [b"one", b"\n--a "]
    assert (told[-1].content_type, told[-1].end, damage) == ("application/octet-stream", len(raw), ["too_many_parts"])


def test_multiparts_beyond_the_limit_are_one() -> None:
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(DEPTH_MAX + 50))
    [one], damage = found(raw)
    assert (one.content_type, one.around.depth, damage) == ("multipart/mixed", DEPTH_MAX, ["too_many_parts"])


def test_multiparts_that_are_never_closed_are_not_searched_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROUNDS_MAX", 5)
    monkeypatch.setattr(parts, "ROUND_MIN_BYTES", 0)
    raw = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(50)) + b"x" * 9999
    [one], damage = found(raw)
    assert (one.around.depth, damage) == (6, ["too_many_parts"])


@given(
    st.lists(
        st.sampled_from([b"--a", b"--a--", b"--b", b"--b--", b"", b"words", MIXED, part(b"x"), b"\r"]), max_size=20
    )
)
def test_no_leaf_reaches_over_another(lines: list[bytes]) -> None:
    raw = heads(MIXED) + b"\n".join(lines)
    at = 0
    for one in found(raw)[0]:
        assert at <= one.begin <= one.end <= len(raw)
        at = one.end


def test_a_text_that_shows_the_source_of_a_mail_has_no_parts() -> None:
    source = b"Look:\n\n" + MIXED + b"\n\n--a\nContent-Type: text/plain\n\nwords\n--a--\n"
    parts_of_it, damage = found(heads(b"From: ada@example.org") + source)
    assert [one.content_type for one in parts_of_it] == ["text/plain"]
    assert not damage
    unnamed = b"--a\nContent-Type: text/plain\n\nwords\n--a\nContent-Type: text/html\n\nwords\n--a--\n"
    assert len(found(heads(b"From: ada@example.org") + unnamed)[0]) == 2


def test_words_before_a_guessed_boundary_are_a_part_unless_they_are_what_programs_write_there() -> None:
    below = b"\n--b\nContent-Type: text/plain\n\nwords\n--b--\n"
    stock = b"This is a multi-part message in MIME format.\n"
    assert len(found(heads(MIXED) + stock + below)[0]) == 1
    assert len(found(heads(MIXED) + b"I know MIME. " * 40 + below)[0]) == 2
