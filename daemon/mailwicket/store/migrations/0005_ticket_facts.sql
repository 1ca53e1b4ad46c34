-- What the rules need to know of a ticket: who is on it, whose it is, where it is at home, when it was closed.
-- Addresses are canonical. Facts of tickets that are older than this are filled in by their desk.
ALTER TABLE ticket_facts ADD COLUMN requester TEXT NOT NULL DEFAULT '';
ALTER TABLE ticket_facts ADD COLUMN people TEXT NOT NULL DEFAULT '';     -- JSON {"cc", "followers", "removed"}; '' = nobody
ALTER TABLE ticket_facts ADD COLUMN assignee TEXT;
ALTER TABLE ticket_facts ADD COLUMN "group" TEXT;
ALTER TABLE ticket_facts ADD COLUMN category TEXT;
ALTER TABLE ticket_facts ADD COLUMN company TEXT;
ALTER TABLE ticket_facts ADD COLUMN source TEXT;
ALTER TABLE ticket_facts ADD COLUMN closed_at TEXT;
ALTER TABLE ticket_facts ADD COLUMN merged_into INTEGER;

-- The keys of the MACs in our Message-IDs and addresses; the newest signs, all verify.
CREATE TABLE mac_key (
    key_id  INTEGER PRIMARY KEY,
    key     BLOB NOT NULL,
    made_at TEXT NOT NULL
) STRICT;

-- What admins did and which configurations were loaded: appended only, each row's hash covers the one before.
CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    object   TEXT NOT NULL,
    detail   TEXT NOT NULL,                 -- JSON object; no secrets
    hash     TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is only appended to'); END;
CREATE TRIGGER audit_is_never_cut BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is only appended to'); END;

-- How much waits for which reason, and since when, is asked at every scrape.
CREATE INDEX decision_waiting ON decision (reason, decided_at) WHERE parked = 1;

-- The last row of the audit: rows that are cut off its end are missed by it.
CREATE TABLE audit_head (
    audit_id INTEGER NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
INSERT INTO audit_head (audit_id, hash) VALUES (0, '');

-- What was asked for under an Idempotency-Key, and how it was answered.
CREATE TABLE asked (
    key    TEXT NOT NULL PRIMARY KEY,
    at     TEXT NOT NULL,
    digest TEXT NOT NULL,                   -- of the request: another one under the same key is refused
    answer TEXT NOT NULL
) STRICT, WITHOUT ROWID;
