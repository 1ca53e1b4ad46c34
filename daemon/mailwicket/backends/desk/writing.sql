-- name: effects
-- The tickets on which effects happened already: their keys are a JSON list.
SELECT key, ticket FROM desk_event WHERE key IN (SELECT value FROM json_each(?))

-- name: last_numbers
-- The last ticket and the last entry; tickets are never deleted, so a number is given once.
SELECT (SELECT coalesce(max(number), 0) FROM desk_ticket), (SELECT coalesce(max(entry), 0) FROM desk_entry)

-- name: insert_ticket
-- Open a ticket.
INSERT INTO desk_ticket (number, subject, requester, status, "group", category, company, created, updated)
VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?)

-- name: touch_tickets
-- Entries came: a JSON list of [ticket, time]. An entry that comes late does not turn the clock back.
UPDATE desk_ticket SET updated = max(updated, j.value ->> 1) FROM json_each(?) AS j WHERE number = j.value ->> 0

-- name: change_ticket
-- Change state, assignee ('' is nobody) and survivor, NULL leaves each as it is: no row when there is no such ticket.
UPDATE desk_ticket SET status = coalesce(?1, status), assignee = iif(?2 IS NULL, assignee, nullif(?2, '')),
    merged_into = coalesce(?3, merged_into), updated = max(updated, ?4) WHERE number = ?5 RETURNING number

-- name: ticket_exists
-- Tell whether there is a ticket of this number.
SELECT 1 FROM desk_ticket WHERE number = ?

-- name: insert_entry
-- Add an entry behind the others of its ticket.
INSERT INTO desk_entry
(entry, ticket, public, kind, author, received, message_id, raw_sha256, reason, flags, text, html)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: flag_entry
-- Put a flag on the entry that an effect added, behind those that it has.
UPDATE desk_entry SET flags = json_insert(flags, '$[#]', :flag)
WHERE entry = (SELECT detail ->> 'entry' FROM desk_event WHERE key = :key)
    AND NOT EXISTS (SELECT 1 FROM json_each(flags) WHERE value = :flag)

-- name: last_mail_of
-- The last mail on a ticket that everybody may see, of somebody whose address stands in a JSON list in lower case.
SELECT author, (SELECT name FROM desk_person WHERE address = lower(author)), received, text, html, message_id
FROM desk_entry WHERE ticket = ? AND public = 1 AND kind = 'mail' AND lower(author) IN (SELECT value FROM json_each(?))
ORDER BY entry DESC LIMIT 1

-- name: names_of
-- How the people of a JSON list are called.
SELECT address, name FROM desk_person WHERE name IS NOT NULL AND address IN (SELECT value FROM json_each(?))

-- name: insert_attachment
-- Note an attachment and where its bytes stand in the raw mail.
INSERT INTO desk_attachment (entry, position, filename, content_type, size, sha256, inline, content_id,
                             raw_sha256, span_start, span_end, encoding)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_cc
-- Add somebody behind the others who get copies; nothing when they are there.
INSERT INTO desk_cc (ticket, person, position, address)
VALUES (?1, ?2, (SELECT coalesce(max(position), 0) + 1 FROM desk_cc WHERE ticket = ?1), ?3)
ON CONFLICT (ticket, person) DO NOTHING

-- name: remove_cc
-- Somebody gets no more copies.
DELETE FROM desk_cc WHERE ticket = ? AND person = ?

-- name: insert_follower
-- A technician hears of a ticket.
INSERT INTO desk_follower (ticket, person) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: note_person
-- Remember somebody; a name is filled in as soon as one is told.
INSERT INTO desk_person (address, name, first_seen) VALUES (?, ?, ?)
ON CONFLICT (address) DO UPDATE SET name = excluded.name WHERE name IS NULL AND excluded.name IS NOT NULL

-- name: insert_link
-- Link a ticket to another.
INSERT INTO desk_link (ticket, linked_to) VALUES (?, ?) ON CONFLICT DO NOTHING

-- name: insert_event
-- Something happened.
INSERT INTO desk_event (key, at, kind, ticket, detail) VALUES (?, ?, ?, ?, ?)
