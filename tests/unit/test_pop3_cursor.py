"""What is remembered of a maildrop, and when it is taken for another one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mailwicket.model import Renumbered
from mailwicket.sources._digests import digest
from mailwicket.sources._pop3_cursor import CLOCK_ALLOWANCE, MANY, Cursor, changed, first_cursor, renumbered

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DROP = "desk@pop.example.org"


def digests(*names: str) -> frozenset[bytes]:
    return frozenset(map(digest, names))


def test_a_cursor_survives_being_written_down() -> None:
    for start_from in ("now", "all", date(2026, 1, 1)):
        cursor = first_cursor(DROP, digests("a", "b"), start_from, NOON)  # type: ignore[arg-type]  # of the three, each
        cursor = cursor.after_look(digests("a", "c"), [digest("c")], [], more=True)
        assert Cursor.read(cursor.write()) == cursor


@pytest.mark.parametrize("text", ['{"folder":"INBOX","uidvalidity":7}', "[]", "null", "nonsense"])
def test_what_is_no_cursor_of_ours_is_told_as_such(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        Cursor.read(text)


def test_from_now_on_remembers_what_lay_there_and_when_that_was() -> None:
    cursor = first_cursor(DROP, digests("a"), "now", NOON)
    assert cursor.old == digests("a")
    assert cursor.since == (NOON - CLOCK_ALLOWANCE).isoformat()
    assert not cursor.is_before(NOON - timedelta(days=9)), "ids tell it, dates need not"


def test_what_left_the_maildrop_is_forgotten_with_the_next_that_is_told_but_never_what_was_old() -> None:
    cursor = first_cursor(DROP, digests("old"), "now", NOON).after_look(
        digests("old", "a"), [digest("a")], [], more=False
    )
    assert cursor.after_look(digests(), [], [], more=False) is cursor
    later = cursor.after_look(digests("b"), [digest("b")], [], more=False)
    assert (later.old, later.told) == (digests("old"), digests("b"))


def test_dates_are_asked_for_until_everything_was_looked_at() -> None:
    cursor = first_cursor(DROP, (), date(2026, 1, 2), NOON)
    assert cursor.is_before(datetime(2026, 1, 1, 23, tzinfo=UTC))
    assert not cursor.is_before(datetime(2026, 1, 2, 0, tzinfo=UTC))
    assert not cursor.is_before(None)
    cursor = cursor.after_look(digests("a", "b"), [digest("a")], [digest("b")], more=True)
    assert cursor.by_date
    cursor = cursor.after_look(digests("a", "b"), [], [], more=False)
    assert not cursor.by_date
    assert cursor.old == digests("b")


def test_all_ids_at_once_are_new_ids_where_they_are_many() -> None:
    many = [f"a{number}" for number in range(MANY)]
    cursor = Cursor(DROP, told=digests(*many))
    other = digests(*(f"b{number}" for number in range(MANY)))
    assert changed(cursor, DROP, other, we_delete=False)
    assert not changed(cursor, DROP, other, we_delete=True), "they are gone because we deleted them"
    assert changed(Cursor(DROP, old=digests(*many)), DROP, other, we_delete=True), "these we never delete"
    assert not changed(cursor, DROP, digests("b"), we_delete=False)
    assert not changed(cursor, DROP, other | digests("a1"), we_delete=False)
    assert not changed(cursor, DROP, digests(), we_delete=False)
    assert changed(cursor, "other@pop.example.org", digests("b"), we_delete=True)


def test_new_ids_are_a_numbering_of_their_own() -> None:
    first, told = renumbered(first_cursor(DROP, digests("a"), "now", NOON), DROP)
    assert told == Renumbered("INBOX", "", "1")
    assert first.is_before(NOON - timedelta(days=1)), "what was left alone is told by its date now"
    assert renumbered(first, DROP)[1] == Renumbered("INBOX", "1", "2")
