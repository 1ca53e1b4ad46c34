"""Our own journal: what was seen, kept, decided and settled, with its SQL and migrations."""
