"""Where looks start, and which mails count as new."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from mailwicket.model import Renumbered
from mailwicket.sources._imap_cursor import CLOCK_ALLOWANCE, Cursor, first_cursor, renumbered_cursor

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_cursor_survives_being_written_down() -> None:
    for start_from in ("now", "all", date(2026, 1, 1)):
        cursor = first_cursor("INBOX", 7, 10, start_from, NOON)  # type: ignore[arg-type]  # of the three, each
        assert Cursor.read(cursor.write()) == cursor


@pytest.mark.parametrize(("start_from", "uidnext"), [("now", 10), ("all", 1), (date(2026, 1, 1), 1)])
def test_the_first_look_starts_where_the_configuration_says(start_from: object, uidnext: int) -> None:
    cursor = first_cursor("INBOX", 7, 10, start_from, NOON)  # type: ignore[arg-type]  # of the three, each
    assert (cursor.uidvalidity, cursor.uidnext) == (7, uidnext)


def test_a_cursor_never_goes_back() -> None:
    assert Cursor("INBOX", 7, 10).at(5).uidnext == 10
    assert Cursor("INBOX", 7, 10).at(12).uidnext == 12


@pytest.mark.parametrize(
    ("received_at", "wanted"),
    [
        (NOON, True),
        (NOON - CLOCK_ALLOWANCE, True),
        (NOON - CLOCK_ALLOWANCE - timedelta(seconds=1), False),
        (None, True),
    ],
)
def test_after_new_numbers_only_mail_since_the_first_look_is_taken(
    received_at: datetime | None, *, wanted: bool
) -> None:
    first = first_cursor("INBOX", 7, 10, "now", NOON)
    cursor, told = renumbered_cursor(first.at(50), 8, 40)
    assert told == Renumbered("INBOX", "7", "8")
    assert cursor.uidnext == 1
    assert cursor.wants(39, received_at) is wanted
    assert cursor.wants(40, received_at), "what comes after the new numbers were given is new, whatever its date"


def test_after_new_numbers_everything_is_taken_where_everything_was_wanted() -> None:
    cursor, _ = renumbered_cursor(first_cursor("INBOX", 7, 10, "all", NOON), 8, 40)
    assert cursor.wants(1, datetime(1999, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("received_at", "wanted"),
    [
        (datetime(2026, 1, 2, 0, 0, tzinfo=timezone(timedelta(hours=9))), True),
        (datetime(2026, 1, 1, 23, 59, tzinfo=timezone(timedelta(hours=-9))), False),
    ],
)
def test_a_day_is_the_day_as_the_server_writes_it(received_at: datetime, *, wanted: bool) -> None:
    assert first_cursor("INBOX", 7, 10, date(2026, 1, 2), NOON).wants(5, received_at) is wanted


@pytest.mark.parametrize(
    ("cursor", "key"),
    [
        (first_cursor("INBOX", 7, 10, "all", NOON), "UID 1:4294967295"),
        (first_cursor("INBOX", 7, 10, "now", NOON), "UID 10:4294967295"),
        (first_cursor("INBOX", 7, 1, date(2026, 1, 1), NOON), "UID 1:4294967295"),
        (first_cursor("INBOX", 7, 10, date(2026, 12, 31), NOON), "OR UID 10:4294967295 SINCE 31-Dec-2026"),
        (
            renumbered_cursor(first_cursor("INBOX", 7, 10, "now", NOON), 8, 40)[0],
            "OR UID 40:4294967295 SINCE 4-Jan-2026",
        ),
        (renumbered_cursor(first_cursor("INBOX", 7, 10, "all", NOON), 8, 40)[0], "UID 1:4294967295"),
    ],
)
def test_a_search_for_what_is_wanted_names_no_mail_that_was_not(cursor: Cursor, key: str) -> None:
    assert cursor.search_key() == key
    assert cursor.at(500).search_key() == key, "it asks for what was looked at, too"


@pytest.mark.parametrize("hours", [-12, 0, 14])
def test_a_search_by_day_names_only_mail_that_is_wanted_in_any_zone(hours: int) -> None:
    cursor, _ = renumbered_cursor(first_cursor("INBOX", 7, 10, "now", NOON), 8, 40)
    earliest_of_that_day = datetime(2026, 1, 4, tzinfo=timezone(timedelta(hours=hours)))
    assert cursor.wants(1, earliest_of_that_day)
