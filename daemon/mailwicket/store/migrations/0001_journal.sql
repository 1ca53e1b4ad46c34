-- The journal: one row a mail, from the first sight of it to the last change of its server's copy.

-- Names this store in the keys of its effects, so that two stores never share one.
CREATE TABLE instance (
    instance TEXT NOT NULL
) STRICT;

-- Where a source's next look starts; written in the transaction that notes what the last look found.
CREATE TABLE source_cursor (
    source    TEXT NOT NULL PRIMARY KEY,
    cursor    TEXT NOT NULL,
    looked_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- States: docs/states.md. A mail is identified by its place; Message-ID is a hint.
CREATE TABLE intake (
    intake_id       INTEGER PRIMARY KEY,
    source          TEXT NOT NULL,
    folder          TEXT NOT NULL,
    epoch           TEXT NOT NULL,      -- UIDVALIDITY
    remote_id       TEXT NOT NULL,      -- UID
    size_bytes      INTEGER NOT NULL,   -- as announced
    received_at     TEXT,
    state           TEXT NOT NULL CHECK (state IN ('seen', 'fetched', 'done', 'settled', 'gone')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    raw_file        TEXT,               -- relative to the raw directory; NULL before it is kept and after it is reclaimed
    raw_offset      INTEGER,
    raw_length      INTEGER,
    raw_sha256      TEXT,
    headers_only    INTEGER NOT NULL DEFAULT 0,
    renumbered_from INTEGER REFERENCES intake (intake_id),  -- the same mail under its number of an older epoch
    message_id      TEXT,
    content_digest  TEXT,
    reason          TEXT,
    ticket          INTEGER,
    parked          INTEGER NOT NULL DEFAULT 0,             -- in quarantine: kept until a person decides or it expires
    trace           TEXT,
    seen_at         TEXT NOT NULL,
    fetched_at      TEXT,
    done_at         TEXT,
    settled_at      TEXT,
    UNIQUE (source, folder, epoch, remote_id)
) STRICT;

CREATE INDEX intake_open ON intake (source, state, intake_id) WHERE state IN ('seen', 'fetched', 'done');
CREATE INDEX intake_by_message_id ON intake (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX intake_by_content ON intake (content_digest) WHERE content_digest IS NOT NULL AND message_id IS NULL;
CREATE INDEX intake_by_raw ON intake (raw_sha256) WHERE raw_sha256 IS NOT NULL;
CREATE INDEX intake_by_file ON intake (raw_file) WHERE raw_file IS NOT NULL;
CREATE UNIQUE INDEX intake_renumbered ON intake (renumbered_from) WHERE renumbered_from IS NOT NULL;

-- Which ticket holds (own = 1) or only cites (own = 0) a Message-ID.
CREATE TABLE thread_id (
    message_id TEXT NOT NULL,
    ticket     INTEGER NOT NULL,
    own        INTEGER NOT NULL,
    PRIMARY KEY (message_id, ticket)
) STRICT, WITHOUT ROWID;

-- What the rules need to know of a ticket, whichever desk keeps it.
CREATE TABLE ticket_facts (
    ticket INTEGER NOT NULL PRIMARY KEY,
    status TEXT NOT NULL
) STRICT;

-- What happened, past tense.
CREATE TABLE event (
    event_id  INTEGER PRIMARY KEY,
    at        TEXT NOT NULL,
    kind      TEXT NOT NULL,
    unit      TEXT NOT NULL,
    intake_id INTEGER,
    ticket    INTEGER,
    detail    TEXT NOT NULL
) STRICT;
CREATE INDEX event_by_intake ON event (intake_id) WHERE intake_id IS NOT NULL;
