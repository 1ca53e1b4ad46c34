-- One index for each state in which work waits. SQLite takes a partial index only where a query repeats its condition:
-- the one on "state < 4" was never taken for "state = 1", so every question walked through all mails of the mailbox.
DROP INDEX intake_open;
CREATE INDEX intake_seen ON intake_row (place_id, intake_id) WHERE state = 1;
CREATE INDEX intake_fetched ON intake_row (place_id, intake_id) WHERE state = 2;
CREATE INDEX intake_done ON intake_row (place_id, intake_id) WHERE state = 3;
