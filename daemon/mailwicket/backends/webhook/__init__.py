"""A desk somewhere else, told by signed HTTPS requests. What a receiver has to do: docs/plugins.md.

`desk` asks, `wire` writes and signs, `channel` sends, `answer` reads, `addresses` says where nothing may be sent.
"""

from mailwicket.backends.webhook.desk import WebhookDesk

__all__ = ["WebhookDesk"]
