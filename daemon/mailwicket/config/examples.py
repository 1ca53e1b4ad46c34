"""Examples of each table for the reference: a test loads every one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ERRORS: Final = """\
conf.d/10-incoming.toml:2: incoming.support.password: is missing, and the mailbox is enabled; {secret}
conf.d/10-incoming.toml:3: incoming.support.email: is no address; an address, "local@domain"
conf.d/10-incoming.toml:5: incoming.support.pasword: unknown key (nearest known key: password)
conf.d/10-incoming.toml:6: incoming.support.poll_s: 0 is too small; seconds, 1 to 86400 (default 60)"""
"""What `check` tells of the example of mistakes in the reference; `secret`: the forms of one."""

EXAMPLES: Final[Mapping[str, str]] = {
    "daemon": """\
[daemon]
state_dir = "/srv/mailwicket"
log_format = "json"
""",
    "http": """\
[http]
listen = ["unix:/run/mailwicket/admin.sock", "127.0.0.1:9025"]
admin_token = { file = "/etc/mailwicket/admin.token" }
""",
    "store": """\
[store]
raw_keep_days = 365
""",
    "backend": """\
[backend]
type = "desk"
""",
    "webhook": """\
[backend]
type = "webhook"
url = "https://desk.example.org/mailwicket"
secret = { credential = "webhook" }
rate_per_minute = 600
""",
    "incoming.NAME": """\
[incoming.support]
email = "support@example.org"
aliases = ["help@example.org"]
server = "imap.example.org"
password = { file = "/etc/mailwicket/support.password" }
group = "First level"
start_from = 2026-01-31
after = "move:Done"
trusted_authserv_ids = ["mx.example.org"]
""",
    "incoming.NAME graph": """\
[incoming.support]
email = "support@example.org"
protocol = "graph"
oauth = "office"
folder = "Inbox/Support"
after = "move:Archive"
# server = "https://graph.microsoft.us"   # a national cloud

[oauth.office]
provider = "microsoft"
tenant = "example.org"
client_id = "6731de76-14a6-49ae-97bc-6eba6914391e"
""",
    "incoming.NAME pop3": """\
[incoming.support]
email = "support@example.org"
protocol = "pop3"
server = "pop.example.org"
password = { file = "/etc/mailwicket/support.password" }
after = "delete"
""",
    "incoming.NAME.filter": """\
[incoming.support]
email = "support@example.org"
server = "imap.example.org"
password = { file = "/etc/mailwicket/support.password" }

[incoming.support.filter]
type = "ignore"
domains = ["*.example.com"]
keywords = ["lottery", "re:you (have )?won"]
mode = "log"
""",
    "outgoing.NAME": """\
[outgoing.main]
email = "support@example.org"
server = "smtp.example.org"
security = "tls"
password = { file = "/etc/mailwicket/main.password" }
sender_name = "{technician} (Example desk)"
primary = true

[outgoing.relay]
email = "billing@example.org"
server = "relay.example.org"
security = "tls"
port = 25
authentication = false
""",
    "outgoing.NAME graph": """\
[oauth.office]
provider = "microsoft"
tenant = "example.org"
grant = "client_credentials"
client_id = "6731de76-14a6-49ae-97bc-6eba6914391e"
client_secret = { file = "/etc/mailwicket/office.secret" }

[outgoing.main]
email = "support@example.org"
protocol = "graph"
oauth = "office"
""",
    "outgoing_rule": """\
[outgoing.main]
email = "support@example.org"
server = "smtp.example.org"
password = { file = "/etc/mailwicket/main.password" }
primary = true

[outgoing.bulk]
email = "news@example.org"
server = "bulk.example.org"
password = { file = "/etc/mailwicket/bulk.password" }

[[outgoing_rule]]
name = "Announcements, and closed tickets of guests"
outgoing = "bulk"
any = [
  { field = "event", op = "is", value = "announcement" },
  { all = [
    { field = "event", op = "is", value = "closed" },
    { field = "company", op = "missing" },
  ] },
]
""",
    "notification": """\
[notification.closed]
enabled = false

[notification.created]
to = ["requester"]
subject = "We have your request"
""",
    "proxy": """\
[proxy.office]
url = "socks5h://proxy.example.org:1080"
username = "mailwicket"
password = { file = "/etc/mailwicket/proxy.password" }

[incoming.support]
email = "support@example.org"
server = "imap.example.org"
password = { file = "/etc/mailwicket/support.password" }
proxy = "office"
""",
    "oauth": """\
[oauth.office]
provider = "microsoft"
tenant = "example.org"
grant = "device_code"
client_id = "6731de76-14a6-49ae-97bc-6eba6914391e"
""",
    "preferences": """\
[preferences]
allow_guests = false
cc_from = ["to", "cc"]
forwarded_by_technician_uses_original_sender = true
reply_to_closed = { action = "reopen", grace_days = 14 }
""",
    "preferences.reply_to_closed": """\
[preferences.reply_to_closed]
action = "new"
""",
    "msp": """\
[msp]
enabled = true
""",
    "technician": """\
[technician."ann@example.org"]
name = "Ann"
groups = ["First level"]
addresses = ["ann@example.com"]
""",
    "group": """\
[group."First level"]
name = "First level support"
""",
    "category": """\
[category.Hardware]
name = "Hardware and printers"
""",
    "company": """\
[company.Example]
domains = ["example.com", "*.example.com"]
""",
    "requester": """\
[requester."cy@example.com"]
name = "Cy"
company = "Example"
""",
}
"""An example of each table, and of each type of backend that has keys."""
