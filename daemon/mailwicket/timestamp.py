"""How a moment is written wherever mailwicket writes one, and read where people write one."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def moment_of(text: str, zone: tzinfo | None = None) -> datetime:
    """Return what RFC 3339's *text*, or a day, stands for, in UTC; *zone* is meant where it tells no offset.

    Raises:
        ValueError: it is none, tells no offset and *zone* is None, or lies in UTC beyond the years 1 to 9999.
    """
    told = datetime.fromisoformat(text)
    if told.tzinfo is None and zone is None:
        raise ValueError("has no offset")
    try:
        return (told if told.tzinfo is not None else told.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is of no year that is known") from error
