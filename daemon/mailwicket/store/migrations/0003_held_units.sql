-- Units that an admin paused: a restart of the machine does not take that back.
CREATE TABLE held_unit (
    unit    TEXT NOT NULL PRIMARY KEY,   -- "incoming/NAME"
    held_at TEXT NOT NULL                -- RFC 3339, UTC
) STRICT, WITHOUT ROWID;
