-- What the clock said when it was last read, and when it last leapt: how old a file is cannot be told by a clock that leaps.
CREATE TABLE clock (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    read_at  TEXT NOT NULL,             -- RFC 3339, UTC
    leapt_at TEXT                       -- what it said after that; NULL where it never did
) STRICT;
INSERT INTO clock (one, read_at) VALUES (1, strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z');
