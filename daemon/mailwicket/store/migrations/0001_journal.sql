-- The journal: one row a mail, from the first sight of it to the last change of its server's copy.
-- What comes to be known later stands in tables of its own, appended in the order of work: a row that
-- grows in place splits its page, and that was a third of the cost of a mail. Read it through the view `intake`.

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

-- A numbering of mails: UIDs mean something only within one UIDVALIDITY (epoch) of one folder.
CREATE TABLE place (
    place_id INTEGER PRIMARY KEY,
    source   TEXT NOT NULL,
    folder   TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    UNIQUE (source, folder, epoch)
) STRICT;

-- States: 1 seen, 2 fetched, 3 done, 4 settled, 5 gone; docs/states.md.
CREATE TABLE intake_row (
    intake_id   INTEGER PRIMARY KEY,
    place_id    INTEGER NOT NULL REFERENCES place (place_id),
    remote_id   TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,       -- as announced
    received_at TEXT,
    seen_at     TEXT NOT NULL,
    state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
    attempts    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (place_id, remote_id)
) STRICT;
CREATE INDEX intake_open ON intake_row (place_id, state, intake_id) WHERE state < 4;

-- The raw bytes: where they are kept, relative to the raw directory; file is NULL after they are reclaimed.
CREATE TABLE kept (
    intake_id    INTEGER NOT NULL PRIMARY KEY REFERENCES intake_row (intake_id),
    file         TEXT,
    first_byte   INTEGER NOT NULL,
    length       INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    headers_only INTEGER NOT NULL,
    kept_at      TEXT NOT NULL
) STRICT;
CREATE INDEX kept_by_file ON kept (file, intake_id) WHERE file IS NOT NULL;

-- A folder was renumbered: what was handled under older numbers, to be matched by its bytes, one to one.
CREATE TABLE to_match (
    source TEXT NOT NULL,
    folder TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    old_id INTEGER NOT NULL REFERENCES intake_row (intake_id),
    PRIMARY KEY (source, folder, sha256, old_id)
) STRICT, WITHOUT ROWID;

-- The same mail under an older number.
CREATE TABLE renumbered (
    intake_id INTEGER NOT NULL PRIMARY KEY REFERENCES intake_row (intake_id),
    old_id    INTEGER NOT NULL REFERENCES intake_row (intake_id)
) STRICT;

-- What became of a mail, and why.
CREATE TABLE decision (
    intake_id      INTEGER NOT NULL PRIMARY KEY REFERENCES intake_row (intake_id),
    message_id     TEXT,
    content_digest TEXT,
    reason         TEXT NOT NULL,
    ticket         INTEGER,
    parked         INTEGER NOT NULL,    -- in quarantine until a person decides or it expires
    trace          TEXT NOT NULL,       -- JSON list of [rule, answer]
    decided_at     TEXT NOT NULL
) STRICT;
CREATE INDEX decision_by_content ON decision (content_digest) WHERE content_digest IS NOT NULL AND message_id IS NULL;
CREATE INDEX decision_parked ON decision (intake_id) WHERE parked = 1;

-- Everything about a mail in one line, for people and reports.
CREATE VIEW intake AS
SELECT r.intake_id, p.source, p.folder, p.epoch, r.remote_id, r.size_bytes, r.received_at,
       CASE r.state WHEN 1 THEN 'seen' WHEN 2 THEN 'fetched' WHEN 3 THEN 'done' WHEN 4 THEN 'settled' ELSE 'gone' END AS state,
       r.attempts, k.file AS raw_file, k.first_byte AS raw_offset, k.length AS raw_length, k.sha256 AS raw_sha256,
       k.headers_only, n.old_id AS renumbered_from, d.message_id, d.content_digest, d.reason, d.ticket,
       coalesce(d.parked, 0) AS parked, d.trace, r.seen_at, k.kept_at AS fetched_at, d.decided_at AS done_at
FROM intake_row AS r
JOIN place AS p ON p.place_id = r.place_id
LEFT JOIN kept AS k ON k.intake_id = r.intake_id
LEFT JOIN renumbered AS n ON n.intake_id = r.intake_id
LEFT JOIN decision AS d ON d.intake_id = r.intake_id;

-- Which mail bears (own = 1) or cites (own = 0) a Message-ID, and the ticket that it is in. The only index in
-- random order that every mail writes to; an id is cited here only while no mail of the ticket is known to bear it.
CREATE TABLE thread_id (
    message_id TEXT NOT NULL,
    intake_id  INTEGER NOT NULL,
    own        INTEGER NOT NULL,
    ticket     INTEGER,
    PRIMARY KEY (message_id, intake_id)
) STRICT, WITHOUT ROWID;

-- What the rules need to know of a ticket, whichever desk keeps it.
CREATE TABLE ticket_facts (
    ticket INTEGER NOT NULL PRIMARY KEY,
    status TEXT NOT NULL
) STRICT;

-- What happened that no decision tells, past tense.
CREATE TABLE event (
    event_id  INTEGER PRIMARY KEY,
    at        TEXT NOT NULL,
    kind      TEXT NOT NULL,
    unit      TEXT NOT NULL,
    intake_id INTEGER,
    detail    TEXT NOT NULL
) STRICT;
