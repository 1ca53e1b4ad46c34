-- What its mail says of a ticket, and the id of its first mail, by which mail programs keep a thread together.
ALTER TABLE ticket_facts ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE ticket_facts ADD COLUMN root TEXT;

-- The outbox: one row a mail, written in the transaction that caused it. What fixes the mail (id, date, words) is in it;
-- only the server's part (From, Reply-To) is added when it is sent, so that another server can take over.
CREATE TABLE outbox (
    outbox_id    INTEGER PRIMARY KEY,
    cause        TEXT NOT NULL,          -- the effect that caused it, event and copy: the same again queues nothing
    ticket       INTEGER,
    event        TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    queued_at    TEXT NOT NULL,          -- also the Date of the mail
    letter       TEXT NOT NULL,          -- JSON: the words, the people, references, files by hash
    received_at  TEXT,                   -- the mailbox (incoming NAME) that the ticket is at home in
    chosen       TEXT,                   -- the outgoing server that a person chose
    route        TEXT NOT NULL DEFAULT '', -- JSON: the decision with every losing alternative
    meant        TEXT NOT NULL,          -- the server that the decision names
    via          TEXT,                   -- the server that was last asked to take it
    sent_as      TEXT,                   -- JSON: the identity that the last attempt bore
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'cancelled')),
    uncertain    INTEGER NOT NULL DEFAULT 0, -- an attempt began and nobody knows how it ended: only `via`, as `sent_as`
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_attempt TEXT NOT NULL,
    give_up_at   TEXT NOT NULL,
    claimed_until TEXT,                  -- lease of whoever is sending it now; what he did is in his slip (store/slips.py)
    done_at      TEXT
) STRICT;
CREATE UNIQUE INDEX outbox_by_cause ON outbox (cause);
CREATE UNIQUE INDEX outbox_by_message_id ON outbox (message_id);
CREATE INDEX outbox_waiting ON outbox (meant, next_attempt, outbox_id, uncertain, state) WHERE state = 'waiting' AND uncertain = 0;
CREATE INDEX outbox_uncertain ON outbox (via, next_attempt, outbox_id, uncertain, state) WHERE state = 'waiting' AND uncertain = 1;
CREATE INDEX outbox_waiting_of_ticket ON outbox (ticket, outbox_id) WHERE state = 'waiting';
CREATE INDEX outbox_by_ticket ON outbox (ticket, outbox_id) WHERE ticket IS NOT NULL;
CREATE INDEX outbox_acknowledged ON outbox (queued_at) WHERE event = 'created';

CREATE TABLE outbox_recipient (
    outbox_id INTEGER NOT NULL REFERENCES outbox (outbox_id),
    address   TEXT NOT NULL,             -- canonical; as it is written stands in the letter
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'bounced')),
    code      INTEGER,
    told      TEXT,                      -- the server's words
    at        TEXT,
    PRIMARY KEY (outbox_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_recipient_by_address ON outbox_recipient (address, outbox_id);

-- The bytes of a small mail as the server that it is meant for sends it: written when it was queued, gone when it is sent.
CREATE TABLE outbox_raw (
    outbox_id INTEGER PRIMARY KEY REFERENCES outbox (outbox_id),
    sent_as   TEXT NOT NULL,
    raw       BLOB NOT NULL
) STRICT;

CREATE TABLE outbox_attempt (
    attempt_id INTEGER PRIMARY KEY,
    outbox_id  INTEGER NOT NULL REFERENCES outbox (outbox_id),
    at         TEXT NOT NULL,
    via        TEXT NOT NULL,
    outcome    TEXT NOT NULL             -- 'sent', 'later', 'refused', 'server', 'uncertain' and the words
) STRICT;
CREATE INDEX outbox_attempt_by_mail ON outbox_attempt (outbox_id);

-- Addresses to which nothing is sent for now: too many permanent bounces in a row; a person can unblock them.
CREATE TABLE paused_address (
    address TEXT NOT NULL PRIMARY KEY,
    since   TEXT NOT NULL,
    why     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
