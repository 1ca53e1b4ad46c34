"""The Date of a mail (RFC 5322 3.3 and 4.3), and how programs write it that do not keep to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DATE_MAX_CHARS: Final = 200

# As nearly all programs write it.
_PLAIN: Final = re.compile(
    r"[A-Z][a-z][a-z], (\d\d?) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([1-9]\d\d\d) (\d\d:\d\d:\d\d) "
    r"([+-]\d\d)([0-5]\d)(?:\s|$)",
    re.ASCII,
)
_COMMENT: Final = re.compile(r"\([^()]{0,200}\)")
_ROUND_COLON: Final = re.compile(r"\s*:\s*")
_CLOCK: Final = re.compile(
    r"(?<![\d:])(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,]\d{1,9})?)?(?:\s?([AaPp])\.?[Mm]\b\.?)?(?![\d:])", re.ASCII
)
_CLOCK_DOTS: Final = re.compile(r"(?<![\d.])(\d{1,2})[.h](\d{2})(?:\.(\d{2}))?()(?![\d.])", re.ASCII)
_ISO: Final = re.compile(
    r"(?<!\d)(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[Tt\s]\s{0,3}(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?)?\s?"
    r"(Z|z|UTC|GMT|[+-]\d{2}:?\d{2})?(?![\d:])",
    re.ASCII,
)
_OFFSET: Final = re.compile(
    r"(?<![\w-])(?:(?:GMT|UTC?|Z)\s?)?([+-])(\d{1,2}):?(\d{2})?(?![\d:])", re.IGNORECASE | re.ASCII
)
_NUMBER: Final = re.compile(r"(?<![\w+])\d{1,4}(?=st\b|nd\b|rd\b|th\b|\b)", re.ASCII)
_NUMERIC: Final = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?!\d)", re.ASCII)
_NAME: Final = re.compile(r"[^\W\d_]{1,20}")

# RFC 5322 4.3, and the names that stand in dates of mails. What has several meanings has the one met most in mail.
_ZONES: Final = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "west": 60, "bst": 60, "ist": 330, "cet": 60, "met": 60, "mez": 60,
    "mewt": 60, "cest": 120, "mest": 120, "mesz": 120, "eet": 120, "sast": 120, "cat": 120, "eest": 180, "msk": 180,
    "eat": 180, "trt": 180, "msd": 240, "gst": 240, "pkt": 300, "yekt": 300, "npt": 345, "ict": 420, "wib": 420,
    "hkt": 480, "sgt": 480, "myt": 480, "awst": 480, "pht": 480, "jst": 540, "kst": 540, "acst": 570, "aest": 600,
    "acdt": 630, "aedt": 660, "nzst": 720, "nzdt": 780, "nst": -210, "ndt": -150, "ast": -240, "adt": -180, "brt": -180,
    "brst": -120, "art": -180, "clt": -240, "clst": -180, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
    "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600,
}  # fmt: skip

# Months of programs that translate them: by their first letters, where these are no English month's.
_TRANSLATED: Final = {
    "janv": 1, "jän": 1, "ene": 1, "gen": 1, "янв": 1, "févr": 2, "fév": 2, "fev": 2, "фев": 2, "mär": 3, "mrz": 3,
    "mars": 3, "maa": 3, "мар": 3, "avr": 4, "abr": 4, "апр": 4, "mai": 5, "mei": 5, "mag": 5, "май": 5, "мая": 5,
    "juin": 6, "giu": 6, "июн": 6, "juil": 7, "lug": 7, "июл": 7, "août": 8, "aoû": 8, "ago": 8, "авг": 8, "set": 9,
    "сен": 9, "okt": 10, "out": 10, "ott": 10, "окт": 10, "ноя": 11, "dez": 12, "déc": 12, "dic": 12, "дек": 12,
}  # fmt: skip


def moment(value: str) -> datetime | None:
    """Return a Date field as an aware moment; None where it says none.

    A zone that is missing or unknown is UTC, as "-0000" is (RFC 5322 3.3); 24:00 and a leap second are the moment
    after. Two digits of a year are of 1950 to 2049 (RFC 5322 4.3).
    """
    try:
        if plain := _PLAIN.match(value):
            day, month, year, clock, hours, minutes = plain.groups()
            number = MONTHS.index(month.lower()) + 1
            return datetime.fromisoformat(f"{year}-{number:02}-{day:0>2}T{clock}{hours}:{minutes}")
    except ValueError:
        pass
    try:
        return _read(value[:DATE_MAX_CHARS])
    except (ValueError, OverflowError):
        return None


def _read(value: str) -> datetime | None:
    text = value
    for _ in range(value.count("(")):  # comments within comments
        text = _COMMENT.sub(" ", text)
    text = _ROUND_COLON.sub(":", text).strip()
    if iso := _ISO.search(text):
        year, month, day, hour, minute, second, zone = iso.groups()
        offset = _offset(zone or text[iso.end() :], value)
        return _moment((int(year), int(month), int(day)), (int(hour or 0), int(minute or 0), int(second or 0)), offset)
    numeric = _NUMERIC.search(text)
    rest = text[: numeric.start()] + " " + text[numeric.end() :] if numeric else text
    clock, after = (0, 0, 0), rest
    if found := _CLOCK.search(rest) or _CLOCK_DOTS.search(rest):
        clock, after = _clock(found), rest[found.end() :]
        rest = rest[: found.start()] + " " + after
    day = _numeric_day(numeric) if numeric else _day(_OFFSET.sub(" ", rest))
    return _moment(day, clock, _offset(after, value)) if day else None


def _clock(found: re.Match[str]) -> tuple[int, int, int]:
    hour, minute, second, half = int(found[1]), int(found[2]), int(found[3] or 0), (found[4] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    return hour, minute, second


def _numeric_day(found: re.Match[str]) -> tuple[int, int, int]:
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    if found[2] != "/" or first > 12:
        return year, second, first
    return year, first, second  # slashes are American, as far as they can be


def _day(text: str) -> tuple[int, int, int] | None:
    month = next((number for name in reversed(_NAME.findall(text)) if (number := _month(name.casefold()))), 0)
    numbers: list[str] = _NUMBER.findall(text)
    if not month or len(numbers) < 2:
        return None
    day, year = numbers[:2]
    if len(day) > 2:
        day, year = year, day
    full = int(year) + (1900 if len(year) == 3 or (len(year) < 3 and int(year) >= 50) else 2000 if len(year) < 3 else 0)
    return full, month, int(day)


def _month(name: str) -> int:
    if name in _TRANSLATED or name[:4] in _TRANSLATED:
        return _TRANSLATED.get(name) or _TRANSLATED[name[:4]]
    if name[:3] in MONTHS:
        return MONTHS.index(name[:3]) + 1
    return _TRANSLATED.get(name[:3], 0)


def _offset(text: str, whole: str) -> int:
    """Return the minutes east of Greenwich that *text* says, or else a comment of the *whole* field."""
    if found := _OFFSET.search(text):
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        return 0 if minutes >= 24 * 60 else minutes if found[1] == "+" else -minutes
    names: list[str] = _NAME.findall(text) + _NAME.findall(" ".join(_COMMENT.findall(whole)))
    return next((_ZONES[name.casefold()] for name in names if name.casefold() in _ZONES), 0)


def _moment(day: tuple[int, int, int], clock: tuple[int, int, int], offset: int) -> datetime | None:
    hour, minute, second = clock
    if minute > 59 or second > 60 or (hour, minute, second) > (24, 0, 0):
        return None
    zone = timezone(timedelta(minutes=offset)) if offset else UTC
    return datetime(*day, tzinfo=zone) + timedelta(hours=hour, minutes=minute, seconds=second)
