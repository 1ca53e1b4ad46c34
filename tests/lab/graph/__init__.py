"""A double of Microsoft Graph's mail: in a test's own loop, in a thread beside it, or as a process of its own.

    async with serving() as lab:            # in this loop
    with serving_aside() as lab:            # in a thread, for tests that run whole daemons
    python -m tests.lab.graph --port 4711   # as a process; levers below http://127.0.0.1:4711/_lab (see control.py)

    lab.base                                stands for https://graph.microsoft.com/v1.0
    lab.token_url, lab.device_url, ...      stand for https://login.microsoftonline.com/{tenant}/oauth2/v2.0/...
    lab.tokens.accept("a-token")            takes that access token, without any sign-in (user desk@example.org;
                                            application=True, permissions=..., audience=..., lifetime_s=...)
    box = lab.mailbox("desk@example.org")   makes a mailbox; traits: licensed, in_app_scope, full_access, send_as, ...
    item = box.deliver(raw, "inbox")        lays a mail in; item.immutable_id, item.rest_id, item.is_read, item.raw()
    box.messages("sentitems"), box.read(item), box.move(item, box.folder("archive")), box.take(item)
    lab.sending.sent                        mails that were accepted, with their recipients
    lab.requests, lab.asked(ending="/send") what clients asked

Switches, a noun a file: `lab.delta.manners` (partial_rows, duplicates, replays, shuffled, empty_pages ...),
`lab.delta.expire(error)`, `lab.manners` (mime, chunked, audiences), `lab.sending` (copy_delay_s, leave_delay_s,
bounces, keeps_message_id, swallows_too_long), `lab.uploads`, `lab.throttling`, `lab.tokens` (all switches of
`tests.lab.issuer.Issuer`, claims, audience). What goes wrong once: `lab.faults.add("POST */sendMail", drop="after")`,
`.throttled()`, `.busy()`, `.lost_answer()`; see `faults.Fault` for all of it. Time is `lab.clock.advance(seconds)`:
nothing waits for real.

Where MAILWICKET_GRAPH_OPENAPI names Microsoft's description, every request is judged by it, and leaving `serving`
raises for what broke it (`lab.openapi.violations`; a test that means to break it clears that list).
"""

from tests.lab.graph.lab import Lab
from tests.lab.graph.problem import GraphError
from tests.lab.graph.server import serving, serving_aside

__all__ = ["GraphError", "Lab", "serving", "serving_aside"]
