"""When a mail was written: by the book as the library reads it, otherwise as it was meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailwicket.mail.date import moment


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1 Jan 26 10:00 EST", "2026-01-01T10:00:00-05:00"),
        ("1 Jan 49 10:00 UT", "2049-01-01T10:00:00+00:00"),
        ("1 Jan 50 10:00 UT", "1950-01-01T10:00:00+00:00"),
        ("1 Jan 100 10:00 UT", "2000-01-01T10:00:00+00:00"),
        ("Friday, 21-Nov-97 09:55:06 -0600", "1997-11-21T09:55:06-06:00"),
        ("Fri, 21 Nov 1997 09(a (b)):   55  :  06 -0600", "1997-11-21T09:55:06-06:00"),
        ("Thu Jan  1 10:00:00 2026", "2026-01-01T10:00:00+00:00"),
        ("Thu Jan  1 10:00:00 CET 2026", "2026-01-01T10:00:00+01:00"),
        ("Thu Jan  1 10:00:00 2026 +0100", "2026-01-01T10:00:00+01:00"),
        ("Thu Jan  1 10:00:00 +0100 2026", "2026-01-01T10:00:00+01:00"),
        ("2026-01-01T10:00:00.123+02:00", "2026-01-01T10:00:00+02:00"),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00+00:00"),
        ("2026-01-01 10:00:00 PST", "2026-01-01T10:00:00-08:00"),
        ("2026/1/2", "2026-01-02T00:00:00+00:00"),
        ("Thu, 1 Jan 2026 10:00:00 GMT+0200", "2026-01-01T10:00:00+02:00"),
        ("Thu, 1 Jan 2026 10:00:00 UTC+2", "2026-01-01T10:00:00+02:00"),
        ("Thu, 1 Jan 2026 10:00:00 -3:30", "2026-01-01T10:00:00-03:30"),
        ("Thu, 1 Jan 2026 10:00:00 +100", "2026-01-01T10:00:00+01:00"),
        ("Thu, 1 Jan 2026 10:00:00 (CET)", "2026-01-01T10:00:00+01:00"),
        ("Thu, 1 Jan 2026 10:00:00 K", "2026-01-01T10:00:00+00:00"),
        ("Thu, 1 Jan 2026 10:00:00 nowhere", "2026-01-01T10:00:00+00:00"),
        ("Thu, 1 Jan 2026 10:00:00 +9999", "2026-01-01T10:00:00+00:00"),
        ('Thu, 1 Jan 2026 10:00:00 "GMT"', "2026-01-01T10:00:00+00:00"),
        ("Thu,1 Jan 2026 10:00:00+0100", "2026-01-01T10:00:00+01:00"),
        ("Thu 1 January 2026 10.00.30 +0100", "2026-01-01T10:00:30+01:00"),
        ("Jan 1st, 2026 10:00:00 PM EST", "2026-01-01T22:00:00-05:00"),
        ("1 Jan 2026 12:00 a.m.", "2026-01-01T00:00:00+00:00"),
        ("1 Jan 2026", "2026-01-01T00:00:00+00:00"),
        ("31 Dec 2025 24:00", "2026-01-01T00:00:00+00:00"),
        ("31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00+00:00"),
        ("mar., 3 mars 2026 10:00:00 +0100", "2026-03-03T10:00:00+01:00"),
        ("Di, 3 Mär 2026 10:00:00 +0100", "2026-03-03T10:00:00+01:00"),
        ("вт, 3 мар 2026 10:00:00 +0300", "2026-03-03T10:00:00+03:00"),
        ("01.02.2026 10:00", "2026-02-01T10:00:00+00:00"),
        ("17-6-2026 17:10:08", "2026-06-17T17:10:08+00:00"),
        ("02-01-2026 10:00", "2026-01-02T10:00:00+00:00"),
        ("02/01/2026 10:00", "2026-02-01T10:00:00+00:00"),
        ("13/01/2026 10:00", "2026-01-13T10:00:00+00:00"),
    ],
)
def test_a_date_is_read_as_it_was_meant(value: str, expected: str) -> None:
    found = moment(value)
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "10:00:00",
        "Mon, Tue",
        "0 Jan 2026",
        "99 Jan 2026",
        "32.01.2026",
        "2026-13-01",
        "29 Feb 2025 10:00",
        "1 Jan 99999 10:00",
        "1 Jan 2026 25:00",
        "1 Jan 2026 10:61",
        "1 Jan 2026 24:01",
        "31 Dec 9999 24:00",
        "(" * 500,
        "x" * 100_000 + " 1 Jan 2026",
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert moment(value) is None


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001 - the zone is drawn
def test_what_the_library_writes_is_read_again(when: datetime) -> None:
    when = when.replace(microsecond=0)
    expected = when if when.utcoffset() else when.replace(tzinfo=UTC)
    for value in (format_datetime(when), format_datetime(when) + " (some place)", format_datetime(when)[5:]):
        assert moment(value) == expected
    assert moment(when.isoformat()) == expected


STRANGE = (" ", ",", "\t", "-", "+", "0", "9", "\u0661", "\x1c", "\xa0", "(", "GMT", "-0000", "xyz", "MAR", ":", "")


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 5), st.sampled_from(STRANGE)), min_size=1, max_size=3))
@settings(max_examples=500)
def test_a_strange_date_is_read_or_is_none(changes: list[tuple[int, int, str]]) -> None:
    value = "Thu, 21 Mar 2026 10:59:07 +0130"
    for at, length, change in changes:
        value = value[:at] + change + value[at + length :]
    found = moment(value)
    assert found is None or found.tzinfo is not None


@given(st.integers(1, 28), st.integers(1970, 2068), st.sampled_from("EST EDT CST CDT MST MDT PST PDT GMT UT".split()))
def test_a_date_with_an_american_zone_is_read_as_the_library_does(day: int, year: int, zone: str) -> None:
    value = f"{day} Mar {year % 100 if year < 2000 else year} 10:00:00 {zone}"
    assert moment(value) == parsedate_to_datetime(value).replace(tzinfo=parsedate_to_datetime(value).tzinfo or UTC)
