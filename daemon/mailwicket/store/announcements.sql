-- name: next_id
-- The number of the next announcement.
SELECT coalesce(max(announcement_id), 0) + 1 FROM announcement

-- name: add
-- Somebody writes to many.
INSERT INTO announcement (announcement_id, at, actor, by, audience, subject, text) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: add_recipient
-- One of them; or one who gets nothing, and why.
INSERT INTO announcement_recipient (announcement_id, address, name, left_out) VALUES (?, ?, ?, ?)

-- name: to_write
-- Who is still to be written to, the oldest announcement first.
SELECT announcement_id, address, name FROM announcement_recipient INDEXED BY announcement_recipient_to_write
WHERE outbox_id IS NULL AND left_out IS NULL ORDER BY announcement_id, address LIMIT ?

-- name: words
-- What an announcement says, and whose it is.
SELECT subject, text, by FROM announcement WHERE announcement_id = ?

-- name: written
-- His mail is in the outbox; or there is none, and why.
UPDATE announcement_recipient SET outbox_id = (SELECT outbox_id FROM outbox WHERE cause = :cause),
    left_out = CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE cause = :cause) THEN NULL ELSE :why END
WHERE announcement_id = :number AND address = :address

-- name: under_way
-- How many mails of announcements could be sent now.
SELECT count(*) FROM outbox INDEXED BY outbox_announced WHERE event = 'announcement' AND state = 'waiting' AND next_attempt <= ?

-- name: rows
-- Announcements and how far they are, the newest first.
SELECT a.announcement_id, a.at, a.actor, a.by, a.audience, a.subject, a.text, a.cancelled_at
FROM announcement AS a WHERE :number IS NULL OR a.announcement_id = :number ORDER BY a.announcement_id DESC LIMIT :limit

-- name: counts
-- How many of its recipients are where; who was left out, by reason.
SELECT coalesce(p.left_out, ''), CASE WHEN o.state = 'cancelled' AND r.state = 'waiting' THEN 'cancelled' ELSE r.state END, count(*)
FROM announcement_recipient AS p
LEFT JOIN outbox AS o ON o.outbox_id = p.outbox_id
LEFT JOIN outbox_recipient AS r ON r.outbox_id = p.outbox_id AND r.address = p.address
WHERE p.announcement_id = ? GROUP BY 1, 2

-- name: people
-- Each of its recipients.
SELECT p.address, p.name, p.outbox_id, p.left_out,
    CASE WHEN o.state = 'cancelled' AND r.state = 'waiting' THEN 'cancelled' ELSE r.state END, r.told
FROM announcement_recipient AS p
LEFT JOIN outbox AS o ON o.outbox_id = p.outbox_id
LEFT JOIN outbox_recipient AS r ON r.outbox_id = p.outbox_id AND r.address = p.address
WHERE p.announcement_id = ? ORDER BY p.address

-- name: cancel
-- Nobody is written to any more.
UPDATE announcement SET cancelled_at = ? WHERE announcement_id = ?

-- name: leave_out_rest
-- Who was not written to yet is not.
UPDATE announcement_recipient SET left_out = ? WHERE announcement_id = ? AND outbox_id IS NULL AND left_out IS NULL

-- name: at_rest
-- Its mails that wait and that nobody sends now.
SELECT o.outbox_id FROM announcement_recipient AS p JOIN outbox AS o ON o.outbox_id = p.outbox_id
WHERE p.announcement_id = ? AND o.state = 'waiting' AND o.claimed_until IS NULL AND o.uncertain = 0

-- name: askers
-- Who has a ticket that is neither spam nor deleted, and of which companies.
SELECT DISTINCT requester, company FROM ticket_facts
WHERE requester <> '' AND status NOT IN ('spam', 'deleted') ORDER BY requester, company
