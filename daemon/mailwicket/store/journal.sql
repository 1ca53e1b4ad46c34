-- name: instance
-- The name of this store in the keys of its effects.
SELECT instance FROM instance

-- name: name_instance
-- Give a new store its name.
INSERT INTO instance (instance) VALUES (:instance)

-- name: cursor
-- Where the next look of a source starts.
SELECT cursor FROM source_cursor WHERE source = :source

-- name: set_cursor
-- Remember where the next look starts.
INSERT INTO source_cursor (source, cursor, looked_at) VALUES (:source, :cursor, :now)
ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, looked_at = excluded.looked_at

-- name: note_ref
-- A mail was seen; one that is known already stays as it is.
INSERT INTO intake (source, folder, epoch, remote_id, size_bytes, received_at, state, seen_at)
VALUES (?, ?, ?, ?, ?, ?, 'seen', ?)
ON CONFLICT (source, folder, epoch, remote_id) DO NOTHING

-- name: forget_old_epoch_seen
-- The folder was renumbered: what was only seen will be seen again under its new number.
UPDATE intake SET state = 'gone', settled_at = :now
WHERE source = :source AND state = 'seen' AND folder = :folder AND epoch <> :epoch

-- name: forget_old_epoch_done
-- The folder was renumbered: the server's copy is settled under its new number.
UPDATE intake SET state = 'settled', settled_at = :now
WHERE source = :source AND state = 'done' AND folder = :folder AND epoch <> :epoch

-- name: has_other_epoch
-- Tell whether mails of this folder are known under numbers of another epoch.
SELECT EXISTS (SELECT 1 FROM intake WHERE source = :source AND folder = :folder AND epoch <> :epoch)

-- name: same_mail_older_epoch
-- The same bytes in the same folder under a number of another epoch, not yet matched with a new number.
SELECT intake_id, reason, ticket, state FROM intake AS old
WHERE raw_sha256 = :raw_sha256 AND source = :source AND folder = :folder AND epoch <> :epoch
  AND state IN ('fetched', 'done', 'settled')
  AND NOT EXISTS (SELECT 1 FROM intake AS new WHERE new.renumbered_from = old.intake_id)
ORDER BY intake_id LIMIT 1

-- name: in_state
-- The rows of a source in one state, oldest first.
SELECT intake_id, folder, epoch, remote_id, size_bytes, received_at, attempts,
       raw_file, raw_offset, raw_length, raw_sha256, headers_only, parked
FROM intake WHERE source = :source AND state = :state AND intake_id > :after ORDER BY intake_id LIMIT :limit

-- name: backlog
-- How many mails of a source are not yet done.
SELECT count(*) FROM intake WHERE source = :source AND state IN ('seen', 'fetched')

-- name: keep
-- The raw mail is on disk.
UPDATE intake SET state = 'fetched', raw_file = ?, raw_offset = ?, raw_length = ?, raw_sha256 = ?, headers_only = ?,
       fetched_at = ? WHERE intake_id = ?

-- name: match_renumbered
-- The mail was handled under its old number: nothing is left to do but to settle the server's copy.
UPDATE intake SET state = 'done', raw_sha256 = :raw_sha256, renumbered_from = :old, reason = :reason, ticket = :ticket,
       fetched_at = :now, done_at = :now WHERE intake_id = :intake_id

-- name: gone
-- The mail left the server before it was fetched.
UPDATE intake SET state = 'gone', settled_at = ? WHERE intake_id = ?

-- name: attempt
-- One more attempt died or failed with this mail in hand.
UPDATE intake SET attempts = attempts + 1 WHERE intake_id = :intake_id AND state = 'fetched'

-- name: done
-- The mail is decided; its ticket is in the same transaction.
UPDATE intake SET state = 'done', message_id = ?, content_digest = ?, reason = ?, ticket = ?, trace = ?, done_at = ?
WHERE intake_id = ?

-- name: park
-- The mail waits for a person; its raw bytes have a file of their own.
UPDATE intake SET state = 'done', parked = 1, message_id = ?, content_digest = ?, reason = ?, trace = ?, done_at = ?,
       raw_file = ?, raw_offset = ? WHERE intake_id = ?

-- name: settled
-- The server's copy says so, too.
UPDATE intake SET state = 'settled', settled_at = ? WHERE intake_id = ?

-- name: cited_tickets
-- Tickets that hold a mail with this id, the newest first.
SELECT f.ticket, f.status FROM thread_id AS t JOIN ticket_facts AS f ON f.ticket = t.ticket
WHERE t.message_id = ? AND t.own = 1 ORDER BY f.ticket DESC LIMIT 1

-- name: awaiting_ticket
-- A ticket whose mails cite this id, though none of them bears it.
SELECT f.ticket, f.status FROM thread_id AS t JOIN ticket_facts AS f ON f.ticket = t.ticket
WHERE t.message_id = ? AND t.own = 0 ORDER BY f.ticket LIMIT 1

-- name: same_id
-- Earlier mails that bear this Message-ID and were decided.
SELECT intake_id, content_digest, ticket FROM intake
WHERE message_id = ? AND state IN ('done', 'settled') AND parked = 0 AND reason <> 'duplicate' ORDER BY intake_id LIMIT 20

-- name: same_content
-- An earlier mail without any id and with this content.
SELECT intake_id, content_digest, ticket FROM intake
WHERE content_digest = ? AND message_id IS NULL AND state IN ('done', 'settled') AND parked = 0 ORDER BY intake_id LIMIT 1

-- name: note_thread_id
-- A ticket holds or cites an id; holding wins.
INSERT INTO thread_id (message_id, ticket, own) VALUES (?, ?, ?)
ON CONFLICT (message_id, ticket) DO UPDATE SET own = max(own, excluded.own)

-- name: note_ticket
-- What the rules need to know of a ticket.
INSERT INTO ticket_facts (ticket, status) VALUES (?, ?) ON CONFLICT (ticket) DO UPDATE SET status = excluded.status

-- name: note_event
-- Something happened.
INSERT INTO event (at, kind, unit, intake_id, ticket, detail) VALUES (?, ?, ?, ?, ?, ?)

-- name: reasons
-- How many mails ended with each reason.
SELECT reason, count(*) FROM intake WHERE reason IS NOT NULL GROUP BY reason

-- name: parked_count
-- How many mails wait for a person.
SELECT count(*) FROM intake WHERE parked = 1

-- name: needed_in_file
-- Mails in a raw file whose bytes are still needed: undecided ones, and parked ones.
SELECT count(*) FROM intake WHERE raw_file = :raw_file AND (state IN ('seen', 'fetched') OR parked = 1)

-- name: mails_in_file
-- The mails of a raw file.
SELECT intake_id, raw_file, raw_offset, raw_length, raw_sha256 FROM intake WHERE raw_file = :raw_file

-- name: forget_file
-- The raw bytes are reclaimed; what became of the mails stays known.
UPDATE intake SET raw_file = NULL, raw_offset = NULL WHERE raw_file = :raw_file

-- name: expired_parked
-- Parked mails that were decided before a moment.
SELECT intake_id, source, raw_file FROM intake WHERE parked = 1 AND done_at < ?

-- name: expire
-- Nobody asked for the parked mail in time.
UPDATE intake SET parked = 0, reason = 'expired_from_quarantine', raw_file = NULL, raw_offset = NULL WHERE intake_id = ?
