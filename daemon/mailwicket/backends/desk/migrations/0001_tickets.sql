-- The embedded desk: tickets with their entries, the people they know, and what happened to them.
-- Times are RFC 3339 UTC with microseconds, so they sort as text. Tickets are never deleted, only marked so:
-- a number is given once.

CREATE TABLE desk_ticket (
    number    INTEGER PRIMARY KEY,
    subject   TEXT NOT NULL,
    requester TEXT NOT NULL,             -- address as written
    status    TEXT NOT NULL CHECK (status IN ('open', 'closed', 'merged', 'deleted', 'spam')),
    "group"   TEXT,
    category  TEXT,
    company   TEXT,
    assignee  TEXT,
    created   TEXT NOT NULL,
    updated   TEXT NOT NULL
) STRICT;

-- Who gets copies; an address stands once, however it is written.
CREATE TABLE desk_cc (
    ticket   INTEGER NOT NULL REFERENCES desk_ticket (number),
    person   TEXT NOT NULL,              -- case-folded address
    position INTEGER NOT NULL,
    address  TEXT NOT NULL,              -- as written
    PRIMARY KEY (ticket, person)
) STRICT, WITHOUT ROWID;

-- The long columns stand last: what is before them is read without walking through a long text.
CREATE TABLE desk_entry (
    entry      INTEGER PRIMARY KEY,
    ticket     INTEGER NOT NULL REFERENCES desk_ticket (number),
    public     INTEGER NOT NULL CHECK (public IN (0, 1)),
    kind       TEXT NOT NULL CHECK (kind IN ('mail', 'reply', 'note', 'event')),
    author     TEXT,                     -- address as written
    received   TEXT NOT NULL,
    message_id TEXT,
    raw_sha256 TEXT NOT NULL,
    reason     TEXT NOT NULL,
    flags      TEXT NOT NULL,            -- JSON list
    text       TEXT NOT NULL,
    html       TEXT                      -- as received: hostile
) STRICT;
CREATE INDEX desk_entry_by_ticket ON desk_entry (ticket);

-- The bytes are a span of the kept raw mail, until a file of their own is made of them (attachments.py).
CREATE TABLE desk_attachment (
    entry        INTEGER NOT NULL REFERENCES desk_entry (entry),
    position     INTEGER NOT NULL,
    filename     TEXT,
    content_type TEXT NOT NULL,
    size         INTEGER NOT NULL,       -- decoded bytes
    sha256       TEXT NOT NULL,          -- of the decoded bytes
    inline       INTEGER NOT NULL CHECK (inline IN (0, 1)),
    content_id   TEXT,
    raw_sha256   TEXT NOT NULL,          -- the mail to which the span belongs
    span_start   INTEGER NOT NULL,
    span_end     INTEGER NOT NULL,
    encoding     TEXT NOT NULL,
    PRIMARY KEY (entry, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX desk_attachment_by_raw ON desk_attachment (raw_sha256);

-- Everybody who ever wrote to the desk or got copies.
CREATE TABLE desk_person (
    address    TEXT NOT NULL PRIMARY KEY,   -- case-folded
    name       TEXT,                        -- the first one that was told
    first_seen TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE desk_link (
    ticket    INTEGER NOT NULL REFERENCES desk_ticket (number),
    linked_to INTEGER NOT NULL REFERENCES desk_ticket (number),
    PRIMARY KEY (ticket, linked_to)
) STRICT, WITHOUT ROWID;

-- What happened, past tense, and by which effect: the same key again changes nothing.
CREATE TABLE desk_event (
    event  INTEGER PRIMARY KEY,
    key    TEXT NOT NULL UNIQUE,
    at     TEXT NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('TicketCreated', 'EntryAppended', 'TicketChanged')),
    ticket INTEGER NOT NULL REFERENCES desk_ticket (number),
    detail TEXT NOT NULL                    -- JSON object
) STRICT;
