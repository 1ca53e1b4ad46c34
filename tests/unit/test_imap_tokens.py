"""What FETCH, SEARCH and status answers say, and what is written in commands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailwicket.net.imap import tokens
from mailwicket.net.imap.reader import Response, Skipped
from mailwicket.net.imap.tokens import (
    ListedFolder,
    Value,
    read_code,
    read_date,
    read_fetch,
    read_list,
    read_search,
    read_set,
    words_of,
    write_set,
    write_sets,
)
from mailwicket.net.imap.utf7 import decode_utf7, encode_utf7, mailbox_argument


def items(*parts: bytes | Skipped) -> dict[bytes, object] | None:
    answer = read_fetch(list(parts))
    return None if answer is None else dict(answer.items)


def test_a_fetch_answer_is_read_by_attribute() -> None:
    assert items(b'* 12 fetch (uid 9 RFC822.SIZE 300 INTERNALDATE " 1-Jan-2026 10:00:00 +0000")') == {
        b"UID": b"9",
        b"RFC822.SIZE": b"300",
        b"INTERNALDATE": b" 1-Jan-2026 10:00:00 +0000",
    }


@pytest.mark.parametrize(
    "order", list(permutations((b"UID 7", b"RFC822.SIZE 12", b'INTERNALDATE " 1-Jan-2026 00:00:12 +0000"')))
)
def test_an_answer_to_a_look_is_read_alike_whichever_way_it_is_written(order: tuple[bytes, ...]) -> None:
    usual, other = (read_fetch([b"* 3 FETCH (" + space.join(order) + b")"]) for space in (b" ", b"  "))
    assert usual == other
    assert usual is not None
    assert usual.items == {b"UID": b"7", b"RFC822.SIZE": b"12", b"INTERNALDATE": b" 1-Jan-2026 00:00:12 +0000"}


def test_literals_stand_where_they_were_announced() -> None:
    assert items(b"* 1 FETCH (BODY[HEADER] {2}", b"ab", b" UID 5 BODY[]<0> {1}", b"c", b")") == {
        b"BODY[HEADER]": b"ab",
        b"UID": b"5",
        b"BODY[]<0>": b"c",
    }
    assert items(b"* 1 FETCH (UID 5 BODY[] ~{9}", Skipped(9), b")") == {b"UID": b"5", b"BODY[]": Skipped(9)}


def test_quotes_brackets_and_parentheses_are_told_apart() -> None:
    line = rb'* 1 FETCH (X "a\"* (b\\" FLAGS (\Seen $Junk ()) BODY[HEADER.FIELDS (FROM TO)] NIL UID 3)'
    assert items(line) == {
        b"X": rb'a"* (b\ '.rstrip(),
        b"FLAGS": [rb"\Seen", b"$Junk", []],
        b"BODY[HEADER.FIELDS (FROM TO)]": None,
        b"UID": b"3",
    }


@pytest.mark.parametrize(
    "line",
    [
        b"* 1 FETCH (UID 3",
        b"* 1 FETCH UID 3)",
        b"* 1 FETCH (UID)",
        b'* 1 FETCH (UID "3)',
        b"* 1 FETCH ) (",
        b"* 1 FETCH (A (" + b"(" * 100 + b")" * 102,
        b"* 1 EXISTS",
        b"* SEARCH 1",
        b"",
    ],
)
def test_what_is_no_fetch_answer_is_none(line: bytes) -> None:
    assert read_fetch([line]) is None


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_no_bytes_make_reading_fail_otherwise(parts: list[bytes]) -> None:
    response: Response = [b"* 1 FETCH (" + parts[0], *parts[1:]]
    answer = read_fetch(response)
    assert answer is None or isinstance(answer.uid, int | None)


@pytest.mark.parametrize("value", [b"-1", b"x", b"1" * 21, b"", b"9223372036854775808"])
def test_a_uid_that_is_no_number_is_none(value: bytes) -> None:
    answer = read_fetch([b'* 1 FETCH (UID "%s")' % value])
    assert answer is not None
    assert answer.uid is None


def test_search_answers_are_joined_ordered_and_each_number_is_there_once() -> None:
    told = [[b"* SEARCH 5 3"], [b"* 9 EXISTS"], [b"* SEARCH 3 4 (MODSEQ 917)"], [b"* SEARCH"], [b"* search 6"]]
    assert list(read_search(told)) == [3, 4, 5, 6]
    assert list(read_search([[b'* ESEARCH (TAG "A1") UID COUNT 3 ALL 2,10:12']])) == [2, 10, 11, 12]
    assert list(read_search([[b'* ESEARCH (TAG "A1") UID']])) == []


@given(st.lists(st.integers(1, 2**32 - 1), max_size=50), st.integers(1, 7))
def test_what_a_search_names_is_ascending_in_whatever_order_it_came(uids: list[int], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PIECE", piece)
        assert list(read_search([[b"* SEARCH " + b" ".join(b"%d" % uid for uid in uids)]])) == sorted(set(uids))


def test_a_search_that_names_more_than_a_mailbox_holds_is_a_lie() -> None:
    for line in (b"* SEARCH" + b" 1" * 2_000_001, b'* ESEARCH (TAG "A1") UID ALL 1:2000001'):
        with pytest.raises(ValueError, match="two million"):
            read_search([[line]])


@pytest.mark.parametrize("line", [b"* SEARCH 0", b"* SEARCH x", b"* SEARCH -4", b"* SEARCH 4294967296"])
def test_a_search_answer_that_cannot_be_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_search([[line]])


def test_a_set_that_names_the_whole_world_is_not_spelled_out() -> None:
    with pytest.raises(ValueError, match="two million"):
        list(read_set(b"1:4294967295"))


@given(st.sets(st.integers(1, 2**32 - 1) | st.integers(1, 60)))
def test_a_written_set_names_just_the_numbers_it_was_given(uids: set[int]) -> None:
    text = write_set(uids)
    assert (list(read_set(text.encode())) if text else []) == sorted(uids)
    parts = list(write_sets(uids, 40))
    assert sorted(uid for part in parts for uid in read_set(part.encode())) == sorted(uids)
    assert all(len(part) <= 40 for part in parts)


def test_neighbours_become_a_range_and_others_do_not() -> None:
    assert write_set([5, 1, 2, 3, 3, 9]) == "1:3,5,9"


def test_a_response_code_is_read_with_its_arguments() -> None:
    assert read_code(b"[CAPABILITY IMAP4rev1 IDLE] in") == (b"CAPABILITY", b"IMAP4rev1 IDLE")
    assert read_code(b"[tryCreate] no such folder") == (b"TRYCREATE", b"")
    assert read_code(b"no code [X]") == (b"", b"")


def test_a_date_is_aware() -> None:
    ahead = timezone(timedelta(hours=-3, minutes=-30))
    assert read_date(b" 1-Jan-2026 10:20:30 -0330") == datetime(2026, 1, 1, 10, 20, 30, tzinfo=ahead)
    assert read_date(b"31-DEC-2025 23:59:60 +0000") == datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        b"",
        b"31-Feb-2026 10:00:00 +0000",
        b"1-Foo-2026 10:00:00 +0000",
        b"1-Jan-2026 10:00:00 +9999",
        b"01-Jan-0001 00:00:00 +0100",
        b"31-Dec-9999 23:59:59 -0100",
    ],
)
def test_what_is_no_date_is_none(value: Value) -> None:
    assert read_date(value) is None


def test_words_of_a_server_are_one_printable_line() -> None:
    words = b"[ALERT] no\x1b[31m way\x00 \xe2\x80\xae\xe2\x80\xa8ok \xc3\xa9 \xff"
    assert words_of(words) == "[ALERT] no [31m way    ok \u00e9 \ufffd"
    assert len(words_of(b"x" * 10_000)) == 200


def test_words_of_a_server_are_cleaned_before_they_are_cut() -> None:
    assert words_of(b"x" * 15 + b"canary-4711", 20, {b"canary", b"canary-4711"}) == "x" * 15 + "***"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("INBOX", "INBOX"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("Tom & Ann", "Tom &- Ann"),
        ("日本語/台北", "&ZeVnLIqe-/&U,BTFw-"),  # RFC 3501 5.1.3
        ("a\r\nA1 LOGOUT", "a&AA0ACg-A1 LOGOUT"),
        ("\N{FIRE}", "&2D3dJQ-"),
    ],
)
def test_a_folder_name_goes_out_in_modified_utf_7(name: str, encoded: str) -> None:
    assert encode_utf7(name) == encoded
    assert decode_utf7(encoded) == name


@pytest.mark.parametrize("name", ["Tom & Ann", "&x", "&AA-", "&2D0-", "&&-"])
def test_a_folder_name_that_is_no_modified_utf_7_stays_as_it_is(name: str) -> None:
    assert decode_utf7(name) == name.replace("&-", "&")


@given(st.text())
def test_any_folder_name_comes_back(name: str) -> None:
    assert decode_utf7(encode_utf7(name)) == name


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ([b'* LIST (\\HasNoChildren \\Sent) "/" "Sent Mail"'], (b"Sent Mail", b"/", {b"\\hasnochildren", b"\\sent"})),
        ([b"* list () NIL INBOX"], (b"INBOX", b"", set())),
        ([b'* LIST () "\\\\" {4}', b'a"b\\', b""], (b'a"b\\', b"\\", set())),
        ([b'* LIST () "." x ("CHILDINFO" ("SUBSCRIBED"))'], (b"x", b".", set())),
        ([b'* LIST () "." '], None),
        ([b"* LIST x y z"], None),
        ([b'* LSUB () "." x'], None),
        ([b"* OK LIST"], None),
    ],
)
def test_a_list_answer_names_a_folder(response: Response, expected: tuple[bytes, bytes, set[bytes]] | None) -> None:
    found = None if expected is None else ListedFolder(expected[0], expected[1], frozenset(expected[2]))
    assert read_list(response) == found


def test_a_folder_name_is_quoted() -> None:
    assert mailbox_argument('my "own" \\ folder') == r'"my \"own\" \\ folder"'
