"""The embedded desk: tickets in our own store, so that a mail and its ticket are committed together.

`desk` writes, `reading` reads for the command line, `attachments` keeps files that outlive their raw mail.
"""

from mailwicket.backends.desk.desk import EmbeddedDesk

__all__ = ["EmbeddedDesk"]
