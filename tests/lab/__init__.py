"""A private Dovecot, mails by the thousand, the daemon as a process, and a ledger between them."""
