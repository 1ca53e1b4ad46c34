-- What people write to many. Its mails are rows of the outbox, written a few at a time: who has none yet is still to be written to.
CREATE TABLE announcement (
    announcement_id INTEGER PRIMARY KEY,
    at           TEXT NOT NULL,
    actor        TEXT NOT NULL,          -- who asked for it, as the audit has it
    by           TEXT NOT NULL,          -- the address of who writes; '' = nobody is named
    audience     TEXT NOT NULL,          -- JSON: for whom it is, in the words in which that was asked
    subject      TEXT NOT NULL,
    text         TEXT NOT NULL,          -- Markdown
    cancelled_at TEXT
) STRICT;

CREATE TABLE announcement_recipient (
    announcement_id INTEGER NOT NULL REFERENCES announcement (announcement_id),
    address   TEXT NOT NULL,             -- canonical
    name      TEXT,
    outbox_id INTEGER REFERENCES outbox (outbox_id),
    left_out  TEXT,                      -- why he gets none
    PRIMARY KEY (announcement_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX announcement_recipient_to_write ON announcement_recipient (announcement_id, address) WHERE outbox_id IS NULL AND left_out IS NULL;
CREATE INDEX outbox_announced ON outbox (next_attempt) WHERE event = 'announcement' AND state = 'waiting';

-- Of what people were told by mail, and when: once a day for each cause and unit.
CREATE TABLE alert_mailed (
    cause TEXT NOT NULL,
    unit  TEXT NOT NULL,                 -- '' = of the whole daemon
    at    TEXT NOT NULL,
    PRIMARY KEY (cause, unit)
) STRICT, WITHOUT ROWID;

-- The words of a letter go with the raw mail of its time; who got it, by which server and when, stays.
ALTER TABLE outbox ADD COLUMN reclaimed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX outbox_to_reclaim ON outbox (done_at) WHERE reclaimed = 0 AND done_at IS NOT NULL;

-- Since when an address is written to again: what bounced before that counts no more.
ALTER TABLE paused_address ADD COLUMN lifted_at TEXT;
