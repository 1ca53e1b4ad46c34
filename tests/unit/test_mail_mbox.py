"""mbox files of every dialect and age: each mail is found, none is cut, and its bytes are those of the wire."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab import mailmix

from mailwicket.mail import mbox
from mailwicket.mail.mbox import Dialect, is_folder_note, is_mbox, stretches, wire

HEADING = b"From ada@example.org Thu Jan  1 10:00:00 2026\n"
MAIL = b"From: ada@example.org\nSubject: x\n\nbody\n"
RECEIVED = datetime(2026, 1, 1, 10, tzinfo=UTC)


def read(text: bytes, dialect: Dialect = Dialect.MBOXRD) -> list[bytes]:
    return [b"".join(wire(text, one.first, one.end, dialect)) for one in stretches(text, dialect)]


def on_the_wire(raw: bytes) -> bytes:
    return raw.replace(b"\n", b"\r\n")


# --- written and read back


def quoted(raw: bytes, dialect: Dialect) -> bytes:
    if dialect is Dialect.MBOXRD:
        return re.sub(rb"^(>*From )", rb">\1", raw, flags=re.MULTILINE)
    return re.sub(rb"^(From )", rb">\1", raw, flags=re.MULTILINE) if dialect is Dialect.MBOXO else raw


def written(mails: Sequence[bytes], dialect: Dialect, line_end: bytes = b"\n", *, empty_line: bool = True) -> bytes:
    """What a program that writes *dialect* makes of *mails*, whose lines end in LF."""
    text = b""
    for raw in mails:
        if dialect is Dialect.MBOXCL2:
            body = raw.partition(b"\n\n")[2]
            length = len(body.replace(b"\n", line_end))
            raw = b"Content-Length: %d\n%b" % (length, raw)  # noqa: PLW2901
        text += HEADING + quoted(raw, dialect) + (b"\n" if empty_line else b"")
    return text.replace(b"\n", line_end)


line = st.one_of(
    st.sampled_from(
        [b"From me", b"From ", b">From you", b">>From", b">>>From x", b"From: x", b"", b" ", b">", b"\xff\0"]
    ),
    st.sampled_from([HEADING[:-1], b"From x@example.org Thu Jan  1 10:00:00 2026", b"Received: x", b"plain words"]),
    st.binary(max_size=30).map(lambda some: some.replace(b"\n", b"").replace(b"\r", b"")),
)
body = st.lists(line, max_size=12).map(lambda lines: b"".join(one + b"\n" for one in lines))
a_mail = body.map(lambda text: b"From: ada@example.org\nSubject: x\n\n" + text)
line_ends = st.sampled_from([b"\n", b"\r\n"])


@given(st.lists(a_mail, min_size=1, max_size=6), line_ends, st.booleans())
def test_what_is_written_as_mboxrd_is_read_back(mails: list[bytes], line_end: bytes, empty_line: bool) -> None:  # noqa: FBT001
    if not empty_line:  # a mail that ends in an empty line cannot be told from one that does not
        mails = [raw.rstrip(b"\n") + b"\nend\n" for raw in mails]
    text = written(mails, Dialect.MBOXRD, line_end, empty_line=empty_line)
    assert read(text) == list(map(on_the_wire, mails))


@given(st.lists(a_mail, min_size=1, max_size=6), line_ends)
def test_what_is_written_as_mboxo_is_read_back_but_for_lines_that_were_quoted_before(
    mails: list[bytes], line_end: bytes
) -> None:
    mails = [re.sub(rb"^>From ", b"<From ", raw, flags=re.MULTILINE) for raw in mails]
    assert read(written(mails, Dialect.MBOXO, line_end), Dialect.MBOXO) == list(map(on_the_wire, mails))


@given(st.lists(a_mail, min_size=1, max_size=6), line_ends)
def test_what_is_written_as_mboxcl2_is_read_back_although_nothing_is_quoted(
    mails: list[bytes], line_end: bytes
) -> None:
    mails = [raw.rstrip(b"\n") + b"\nend\n" for raw in mails]
    found = [raw.split(b"\r\n", 1)[1] for raw in read(written(mails, Dialect.MBOXCL2, line_end), Dialect.MBOXCL2)]
    assert found == list(map(on_the_wire, mails))


@settings(max_examples=200)
@given(st.lists(line, max_size=40), line_ends, st.sampled_from(Dialect))
def test_whatever_stands_in_a_file_every_byte_belongs_to_one_mail(
    lines: list[bytes], line_end: bytes, dialect: Dialect
) -> None:
    text = HEADING + line_end.join(lines)
    found = list(stretches(text, dialect))
    assert found[0].heading == 0
    assert (
        [one.heading for one in found[1:]]
        == [
            one.end + len(re.match(rb"(?:\r?\n)?", text[one.end :])[0])  # type: ignore[index]
            for one in found[:-1]
        ]
        or dialect is Dialect.MBOXCL2
    )
    assert all(one.heading < one.first <= max(one.end, one.first) for one in found)
    for one in found:
        b"".join(wire(text, one.first, one.end, dialect))


def test_a_thousand_mails_of_support_are_read_back() -> None:
    mails = [raw.replace(b"\r\n", b"\n") for raw in mailmix.mix(200, largest_bytes=100_000)]
    assert read(written(mails, Dialect.MBOXRD)) == list(map(on_the_wire, mails))


# --- odd files


@pytest.mark.parametrize(
    ("heading", "received"),
    [
        (b"From ada@example.org Thu Jan  1 10:00:00 2026", RECEIVED),
        (b"From - Thu Jan 01 10:00:00 2026", RECEIVED),
        (b"From ada@example.org Thu Jan  1 10:00 2026", RECEIVED),
        (b"From ada@example.org Thu Jan  1 12:00:00 2026 +0200", RECEIVED),
        (b"From 1612345@xxx Thu Jan 01 10:00:00 +0000 2026", RECEIVED),
        (b"From ada@example.org Thu Jan  1 10:00:00 MET 2026", RECEIVED),
        (b"From ada@example.org  Thu, 1 Jan 2026 11:00:00 +0100", RECEIVED),
        (b"From ada@example.org Thu, 01-Jan-2026 10:00:00", RECEIVED),
        (b'From "ada lovelace"@example.org Thu Jan  1 10:00:00 2026', RECEIVED),
        (b"From ada@example.org Thu Jan  1 10:00:00 2026 remote from gateway", RECEIVED),
        (b"From MAILER-DAEMON Thu Jan  1 10:00:60 2026", RECEIVED),
        (b"From may.23@example.org Thu Jan  1 10:00:00 2026", RECEIVED),
        (b"From ???@??? Thu Jan  1 10:00:00 2026", RECEIVED),
        (b"From ada@example.org Thu Feb 31 10:00:00 2026", None),
        (b"From ada@example.org", None),
        (b"From ", None),
    ],
)
def test_headings_of_every_kind_are_one(heading: bytes, received: datetime | None) -> None:
    text = (heading + b"\n" + MAIL + b"\n") * 3
    assert is_mbox(text)
    assert read(text) == [on_the_wire(MAIL)] * 3
    assert [one.received_at for one in stretches(text)] == [received] * 3


@pytest.mark.parametrize(
    "sentence",
    [
        b"From what I saw on Monday it is broken.\n",
        b"From Thu Jan 1 10:00:00 2026 on it is broken.\nIt was not before.\n",
        b"From here:\nnote: well\n",
        b"From\nFrom \n",
    ],
)
@pytest.mark.parametrize("before", [b"", b"\n"])
def test_a_sentence_that_was_not_quoted_cuts_no_mail(sentence: bytes, before: bytes) -> None:
    raw = MAIL + before + sentence + b"end\n"
    assert read((HEADING + raw + b"\n") * 2) == [on_the_wire(raw)] * 2


def test_a_mail_that_claims_a_length_swallows_no_other_unless_asked_to() -> None:
    liar = b"Content-Length: %d\n%b" % (len(b"body\n") + len(HEADING + MAIL) + 2, MAIL)
    text = b"\n".join([HEADING + liar, HEADING + MAIL, HEADING + MAIL, b""])
    assert len(read(text)) == 3
    assert len(read(text, Dialect.MBOXCL2)) == 2


@pytest.mark.parametrize("length", [b"0", b"3", b"999999999999999", b"-1", b"x", b""])
def test_a_length_that_is_wrong_is_not_believed(length: bytes) -> None:
    text = (HEADING + b"content-length: " + length + b"\n" + MAIL + b"\n") * 3
    assert len(read(text, Dialect.MBOXCL2)) == 3


def test_what_is_around_and_between_the_mails_does_no_harm() -> None:
    assert read(b"\xef\xbb\xbf\r\n\n" + HEADING + MAIL) == [on_the_wire(MAIL)]  # neither an empty line at the end
    assert read(HEADING + MAIL[:-1]) == [on_the_wire(MAIL[:-1])]
    assert read(HEADING + MAIL + b"\n\n\n" + HEADING + MAIL)[1:] == [on_the_wire(MAIL)]
    assert read(HEADING) == [b""]
    assert read(HEADING + HEADING + MAIL) == [b"", on_the_wire(MAIL)]
    assert read(HEADING[:-1]) == [b""]
    assert read(b"") == []
    assert not is_mbox(MAIL)
    assert not is_mbox(b"")


def test_lines_that_end_in_cr_lf_stay_as_they_are_and_so_does_a_bare_line_feed_among_them() -> None:
    raw = b"Subject: x\r\n\r\nbinary \n and \r alone\r\n"
    assert read(HEADING.replace(b"\n", b"\r\n") + raw + b"\r\n") == [raw]
    assert b"".join(wire(raw, 0, len(raw))) == raw
    unix = b"Subject: x\n\nkept \r\n and \r alone\n"
    assert b"".join(wire(unix, 0, len(unix))) == b"Subject: x\r\n\r\nkept \r\n and \r alone\r\n"


def test_the_notes_of_a_mail_program_are_told_from_mails() -> None:
    note = b"From: Mail System\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nThis...\n"
    about = b"Subject: what is that\n\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
    text = b"".join(HEADING + raw + b"\n" for raw in (note, about))
    assert [is_folder_note(text, one) for one in stretches(text)] == [True, False]


def test_mails_larger_than_a_piece_are_the_same_whatever_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    long = MAIL + b"x" * 500 + b"\r\n" + b">From quoted\n" * 60 + b"From: y" * 90 + b"\n>>From twice\n"
    text = written([long, MAIL, long], Dialect.MBOXRD)
    whole = read(text)
    assert whole[0] == re.sub(rb"(?<!\r)\n", b"\r\n", long)
    for size in (64, 100, 101, 150, 333):
        monkeypatch.setattr(mbox, "SLICE_BYTES", size)
        assert read(text) == whole


def test_a_file_without_another_heading_takes_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(HEADING + b"a: b\n\n" + b"From nobody\n" * 400_000)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        began = time.monotonic()
        assert len(list(stretches(text))) == 1
        assert time.monotonic() - began < 30
