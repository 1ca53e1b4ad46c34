-- name: instance
-- The name of this store in the keys of its effects.
SELECT instance FROM instance

-- name: name_instance
-- Give a new store its name.
INSERT INTO instance (instance) VALUES (?)

-- name: cursor
-- Where the next look of a source starts.
SELECT cursor FROM source_cursor WHERE source = ?

-- name: set_cursor
-- Remember where the next look starts.
INSERT INTO source_cursor (source, cursor, looked_at) VALUES (?, ?, ?)
ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, looked_at = excluded.looked_at

-- name: place
-- The number of a numbering; a new one is made.
INSERT INTO place (source, folder, epoch) VALUES (?, ?, ?)
ON CONFLICT (source, folder, epoch) DO UPDATE SET epoch = excluded.epoch RETURNING place_id

-- name: places
-- Every numbering of a source, the newest first.
SELECT place_id, folder, epoch FROM place WHERE source = ? ORDER BY place_id DESC

-- name: note_ref
-- A mail was seen; one that is known already stays as it is, unless it was given up and is there after all:
-- a server that was repaired takes old numbers back.
INSERT INTO intake_row (place_id, remote_id, size_bytes, received_at, seen_at, state) VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT (place_id, remote_id) DO UPDATE SET state = 1 WHERE state = 5

-- name: rows_of
-- What is known of mails of a place: their ids there are a JSON list.
SELECT remote_id, intake_id, state FROM intake_row
WHERE place_id = ? AND remote_id IN (SELECT value FROM json_each(?))

-- name: give_up_seen
-- Who had the bytes of mails that were only seen is gone; should they be offered again, they are seen again.
UPDATE intake_row SET state = 5 WHERE state = 1 AND place_id IN (SELECT place_id FROM place WHERE source = ?)

-- name: decisions
-- What became of mails: their numbers are a JSON list.
SELECT intake_id, reason, ticket FROM decision WHERE intake_id IN (SELECT value FROM json_each(?))

-- name: forget_old_seen
-- The folder was renumbered: what was only seen will be seen again under its new number.
UPDATE intake_row SET state = 5
WHERE state = 1 AND place_id IN (SELECT place_id FROM place WHERE source = ? AND folder = ? AND epoch <> ?)

-- name: forget_old_done
-- The folder was renumbered: the server's copy is settled under its new number.
UPDATE intake_row SET state = 4
WHERE state = 3 AND place_id IN (SELECT place_id FROM place WHERE source = ? AND folder = ? AND epoch <> ?)

-- name: match_anew
-- Whatever was to be matched before belongs to a numbering that is over.
DELETE FROM to_match WHERE source = ? AND folder = ?

-- name: to_match
-- Every kept mail of a folder under its older numbers.
INSERT INTO to_match (source, folder, sha256, old_id)
SELECT p.source, p.folder, k.sha256, k.intake_id FROM kept AS k
JOIN intake_row AS r ON r.intake_id = k.intake_id JOIN place AS p ON p.place_id = r.place_id
WHERE p.source = ? AND p.folder = ? AND p.epoch <> ?

-- name: matching
-- Tell whether mails of a source are to be matched.
SELECT EXISTS (SELECT 1 FROM to_match WHERE source = ?)

-- name: match
-- The oldest mail with the same bytes; each is taken once.
DELETE FROM to_match WHERE (source, folder, sha256, old_id) IN (
    SELECT source, folder, sha256, old_id FROM to_match
    WHERE source = ? AND folder = ? AND sha256 = ? ORDER BY old_id LIMIT 1
) RETURNING old_id

-- name: renumber
-- A mail is the same as one under an older number.
INSERT INTO renumbered (intake_id, old_id) VALUES (?, ?)

-- name: to_fetch
-- Mails of a place that were seen and not fetched, oldest first.
SELECT intake_id, remote_id, size_bytes, received_at FROM intake_row
WHERE place_id = ? AND state = 1 AND intake_id > ? ORDER BY intake_id LIMIT ?

-- name: to_judge
-- Mails of a place that are kept and not decided, oldest first.
SELECT r.intake_id, r.remote_id, r.size_bytes, r.received_at, k.file, k.first_byte, k.length, k.sha256, k.headers_only, r.attempts
FROM intake_row AS r JOIN kept AS k ON k.intake_id = r.intake_id
WHERE r.place_id = ? AND r.state = 2 AND r.intake_id > ? ORDER BY r.intake_id LIMIT ?

-- name: to_settle
-- Mails of a place that are decided and whose server's copy does not show it, oldest first.
SELECT r.intake_id, r.remote_id, r.size_bytes, r.received_at, coalesce(d.parked, 0), coalesce(k.headers_only, 0)
FROM intake_row AS r LEFT JOIN decision AS d ON d.intake_id = r.intake_id LEFT JOIN renumbered AS n ON n.intake_id = r.intake_id
LEFT JOIN kept AS k ON k.intake_id = coalesce(n.old_id, r.intake_id)
WHERE r.place_id = ? AND r.state = 3 ORDER BY r.intake_id LIMIT ?

-- name: backlog
-- How many mails of a place are not yet decided.
SELECT (SELECT count(*) FROM intake_row WHERE place_id = ?1 AND state = 1)
     + (SELECT count(*) FROM intake_row WHERE place_id = ?1 AND state = 2)

-- name: oldest_open
-- When the mail of a place that waits longest for its decision was seen.
SELECT min(seen_at) FROM (
    SELECT * FROM (SELECT seen_at FROM intake_row WHERE place_id = ?1 AND state = 1 ORDER BY intake_id LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT seen_at FROM intake_row WHERE place_id = ?1 AND state = 2 ORDER BY intake_id LIMIT 1))

-- name: untaken
-- How many mails of a JSON list are not kept and decided, nor on the way to that.
SELECT count(*) FROM json_each(?) AS j WHERE NOT EXISTS (
    SELECT 1 FROM intake_row AS r JOIN place AS p ON p.place_id = r.place_id
    WHERE p.source = ? AND p.folder = ? AND p.epoch = ? AND r.remote_id = j.value AND r.state BETWEEN 2 AND 4)

-- name: open_work
-- Whether a source has mails that are seen, fetched or done, and not further.
SELECT EXISTS (SELECT 1 FROM place CROSS JOIN intake_row USING (place_id) WHERE source = ?1 AND state = 1)
    OR EXISTS (SELECT 1 FROM place CROSS JOIN intake_row USING (place_id) WHERE source = ?1 AND state = 2)
    OR EXISTS (SELECT 1 FROM place CROSS JOIN intake_row USING (place_id) WHERE source = ?1 AND state = 3)

-- name: state
-- A mail enters a state.
UPDATE intake_row SET state = ? WHERE intake_id = ?

-- name: states
-- Mails enter a state: their numbers are a JSON list.
UPDATE intake_row SET state = ? WHERE intake_id IN (SELECT value FROM json_each(?))

-- name: keep
-- The raw mail is on disk.
INSERT INTO kept (intake_id, file, first_byte, length, sha256, headers_only, kept_at) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: date_row
-- When a mail was received is known from its bytes.
UPDATE intake_row SET received_at = ? WHERE intake_id = ?

-- name: attempt
-- One more attempt died or failed with this mail in hand.
UPDATE intake_row SET attempts = attempts + 1 WHERE intake_id = ? AND state = 2

-- name: decide
-- What became of a mail; its ticket is in the same transaction.
INSERT INTO decision (intake_id, message_id, content_digest, reason, ticket, parked, trace, decided_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: move_raw
-- The raw bytes have another place.
UPDATE kept SET file = ?, first_byte = ? WHERE intake_id = ?

-- name: holders
-- For each id of a JSON list the tickets that hold a mail which bears it, the newest first: of each the ten oldest, so that
-- nobody drives a ticket out by mails with an id that he has seen.
SELECT j.value, t.ticket FROM json_each(?) AS j JOIN thread_id AS t ON t.message_id = j.value AND t.intake_id IN (
    SELECT intake_id FROM thread_id WHERE message_id = j.value AND own = 1 AND ticket IS NOT NULL ORDER BY ticket LIMIT 10)
GROUP BY j.value, t.ticket ORDER BY j.value, t.ticket DESC

-- name: known_ids
-- Mails that bear or cite the ids of a JSON list, with what is known of them; the oldest of each id will do.
-- What was handed over came by the mailbox that it was meant for.
SELECT t.message_id, t.intake_id, t.own, t.ticket, d.content_digest, d.reason, d.parked,
    CASE WHEN p.source = '(import)' AND p.folder <> '' THEN p.folder ELSE p.source END
FROM json_each(?) AS j JOIN thread_id AS t ON t.message_id = j.value AND t.intake_id IN (
    SELECT intake_id FROM thread_id WHERE message_id = j.value ORDER BY intake_id LIMIT 40)
JOIN decision AS d ON d.intake_id = t.intake_id
JOIN intake_row AS r ON r.intake_id = t.intake_id JOIN place AS p ON p.place_id = r.place_id
ORDER BY t.intake_id

-- name: same_contents
-- Earlier mails without any id and with a content of a JSON list: the oldest of each, and of each mailbox.
SELECT min(d.intake_id), d.content_digest, d.ticket,
    CASE WHEN p.source = '(import)' AND p.folder <> '' THEN p.folder ELSE p.source END AS home
FROM json_each(?) AS j JOIN decision AS d ON d.content_digest = j.value
JOIN intake_row AS r ON r.intake_id = d.intake_id JOIN place AS p ON p.place_id = r.place_id
WHERE d.message_id IS NULL AND d.parked = 0 AND d.reason NOT IN ('dropped_by_admin', 'expired_from_quarantine')
GROUP BY d.content_digest, home

-- name: bears_ids
-- A mail bears an id.
INSERT INTO thread_id (message_id, intake_id, own, ticket) VALUES (?, ?, 1, ?)
ON CONFLICT (message_id, intake_id) DO UPDATE SET own = 1, ticket = coalesce(excluded.ticket, ticket)

-- name: cites_ids
-- Mails of tickets cite ids that none of their ticket's mails is known to bear or cite: a JSON list of [id, mail, ticket].
INSERT INTO thread_id (message_id, intake_id, own, ticket)
SELECT j.value ->> 0, j.value ->> 1, 0, j.value ->> 2 FROM json_each(?) AS j
WHERE NOT EXISTS (SELECT 1 FROM thread_id WHERE message_id = j.value ->> 0 AND ticket = j.value ->> 2)
ON CONFLICT (message_id, intake_id) DO NOTHING

-- name: note_event
-- Something happened.
INSERT INTO event (at, kind, unit, intake_id, detail) VALUES (?, ?, ?, ?, ?)

-- name: parked_count
-- How many mails wait for a person.
SELECT count(*) FROM decision WHERE parked = 1

-- name: parked_lately
-- How many of the newest parked mails were decided after a moment, and when the first.
SELECT count(*), min(decided_at) FROM (SELECT decided_at FROM decision WHERE parked = 1 ORDER BY intake_id DESC LIMIT ?) WHERE decided_at > ?

-- name: needed_in_file
-- Mails in a raw file whose bytes are still needed: undecided ones, and parked ones.
SELECT count(*) FROM kept AS k JOIN intake_row AS r ON r.intake_id = k.intake_id
LEFT JOIN decision AS d ON d.intake_id = k.intake_id
WHERE k.file = ? AND (r.state < 3 OR d.parked = 1)

-- name: raw_files
-- Every raw file that is named, and how many of its bytes.
SELECT file, max(first_byte + length) FROM kept WHERE file IS NOT NULL GROUP BY file ORDER BY file

-- name: kept_mails
-- Every kept mail whose bytes are not reclaimed, as they lie on disk.
SELECT intake_id, file, first_byte, length, sha256 FROM kept WHERE file IS NOT NULL ORDER BY file, first_byte

-- name: schemas
-- The version of each set of tables.
SELECT name, max(version) FROM schema_version GROUP BY name ORDER BY name

-- name: mails_in_file
-- The mails of a raw file.
SELECT intake_id, file, first_byte, length, sha256 FROM kept WHERE file = ? ORDER BY intake_id

-- name: forget_file
-- The raw bytes are reclaimed; what became of the mails stays known.
UPDATE kept SET file = NULL WHERE file = ?

-- name: expired_parked
-- Parked mails that were decided before a moment, or after another, which is yet to come.
SELECT d.intake_id, p.source, k.file FROM decision AS d JOIN kept AS k ON k.intake_id = d.intake_id
JOIN intake_row AS r ON r.intake_id = d.intake_id JOIN place AS p ON p.place_id = r.place_id
WHERE d.parked = 1 AND (d.decided_at < ? OR d.decided_at > ?)

-- name: expire
-- Nobody asked for the parked mail in time; no row where somebody did meanwhile.
UPDATE decision SET parked = 0, reason = 'expired_from_quarantine'
WHERE intake_id = ? AND parked = 1 AND (decided_at < ? OR decided_at > ?) RETURNING intake_id

-- name: parked_mails
-- Parked mails in a range of numbers.
SELECT d.intake_id, p.source, p.folder, p.epoch, r.remote_id, r.size_bytes, r.received_at,
       k.file, k.first_byte, k.length, k.sha256, k.headers_only, d.reason, d.message_id, d.trace, d.decided_at
FROM decision AS d JOIN kept AS k ON k.intake_id = d.intake_id
JOIN intake_row AS r ON r.intake_id = d.intake_id JOIN place AS p ON p.place_id = r.place_id
WHERE d.parked = 1 AND d.intake_id BETWEEN ? AND ? AND k.file IS NOT NULL ORDER BY d.intake_id

-- name: past_mails
-- The newest decided mails whose bytes are kept.
SELECT d.intake_id, p.source, p.folder, p.epoch, r.remote_id, r.size_bytes, r.received_at,
       k.file, k.first_byte, k.length, k.sha256, k.headers_only
FROM decision AS d JOIN kept AS k ON k.intake_id = d.intake_id
JOIN intake_row AS r ON r.intake_id = d.intake_id JOIN place AS p ON p.place_id = r.place_id
WHERE k.file IS NOT NULL ORDER BY d.intake_id DESC LIMIT ?

-- name: undecide
-- A mail is to be decided again.
DELETE FROM decision WHERE intake_id = ?

-- name: drop_parked
-- A person gave a parked mail up.
UPDATE decision SET parked = 0, reason = 'dropped_by_admin' WHERE intake_id = ? AND parked = 1 RETURNING intake_id

-- name: released
-- Raw files of their own of mails that were parked, and decided otherwise before a moment or after another, yet to come.
SELECT k.intake_id, k.file FROM kept AS k JOIN decision AS d ON d.intake_id = k.intake_id
WHERE k.file >= 'parked-' AND k.file < 'parked.' AND d.parked = 0 AND (d.decided_at < ? OR d.decided_at > ?)

-- name: parked_ages
-- How many mails are parked for which reason, and since when the oldest of them.
SELECT reason, count(*), min(decided_at) FROM decision WHERE parked = 1 GROUP BY reason ORDER BY reason

-- name: traces
-- What became of mails, and why: their numbers are a JSON list.
SELECT d.intake_id, p.source, p.folder, r.received_at, r.seen_at, k.kept_at, d.decided_at, d.message_id, d.reason, d.ticket, d.parked,
       d.trace, k.sha256
FROM json_each(?) AS j JOIN decision AS d ON d.intake_id = j.value JOIN kept AS k ON k.intake_id = d.intake_id
JOIN intake_row AS r ON r.intake_id = d.intake_id JOIN place AS p ON p.place_id = r.place_id ORDER BY d.intake_id

-- name: mails_of_ticket
-- The mails of a ticket.
SELECT intake_id FROM decision WHERE ticket = ?

-- name: mails_of_id
-- The mails that bear an id.
SELECT intake_id FROM thread_id WHERE message_id = ? AND own = 1

-- name: clock
-- What the clock said when it was last read, and after it last leapt.
SELECT read_at, leapt_at FROM clock

-- name: set_clock
-- Remember what the clock says.
UPDATE clock SET read_at = ?, leapt_at = ?

-- name: held_units
-- The units that an admin paused.
SELECT unit FROM held_unit

-- name: hold_unit
-- An admin paused a unit.
INSERT INTO held_unit (unit, held_at) VALUES (?, ?) ON CONFLICT (unit) DO NOTHING

-- name: release_unit
-- An admin resumed a unit.
DELETE FROM held_unit WHERE unit = ?

-- name: mac_keys
-- The newest keys of the MACs, the newest first.
SELECT key, made_at FROM mac_key ORDER BY key_id DESC LIMIT ?

-- name: add_mac_key
-- A new key signs from now on.
INSERT INTO mac_key (key, made_at) VALUES (?, ?)
