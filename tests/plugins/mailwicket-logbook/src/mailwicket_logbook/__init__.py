"""A desk that keeps a logbook: one JSON line an effect, appended and synced."""

from mailwicket_logbook.desk import LogbookDesk

__all__ = ["LogbookDesk"]
