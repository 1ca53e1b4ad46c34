"""mailwicket: the email channel of a service desk as one daemon.

Support mailboxes come in, tickets come out. Start reading at `app`, which wires
every part, or at `flow.intake`, which is the way of one mail.
"""

__version__ = "0.1.0"
