-- Whether a mail waits for a server that is disabled or gone: it is kept, and holds up no other mail of its ticket.
ALTER TABLE outbox ADD COLUMN resting INTEGER NOT NULL DEFAULT 0;
