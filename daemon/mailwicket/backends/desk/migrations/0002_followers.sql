-- Technicians who hear of a ticket beside the assigned one; what a merged ticket went into.
CREATE TABLE desk_follower (
    ticket INTEGER NOT NULL REFERENCES desk_ticket (number),
    person TEXT NOT NULL,                   -- canonical address
    PRIMARY KEY (ticket, person)
) STRICT, WITHOUT ROWID;

ALTER TABLE desk_ticket ADD COLUMN merged_into INTEGER REFERENCES desk_ticket (number);
