-- name: next_id
-- The number of the next mail: it stands in its Message-ID, so it is known before its row is written.
SELECT coalesce(max(outbox_id), 0) + 1 FROM outbox

-- name: by_cause
-- The mail that this cause queued already.
SELECT outbox_id, message_id FROM outbox WHERE cause = ?

-- name: queue
-- A mail that is to be sent.
INSERT INTO outbox (outbox_id, cause, ticket, event, message_id, queued_at, letter, received_at, chosen, route, meant,
    state, next_attempt, give_up_at, done_at)
VALUES (:outbox_id, :cause, :ticket, :event, :message_id, :queued_at, :letter, :received_at, :chosen, :route, :meant,
    :state, :queued_at, :give_up_at, :done_at)

-- name: queue_recipient
-- One of its recipients.
INSERT INTO outbox_recipient (outbox_id, address, state, told, at) VALUES (?, ?, ?, ?, ?)

-- name: paused_of
-- Which of the addresses of a JSON list are paused, and since when.
SELECT address, since FROM paused_address WHERE lifted_at IS NULL AND address IN (SELECT value FROM json_each(?))

-- name: due
-- Mails for a server that may be sent now, in the order of an index: those that are due first. None overtakes an older one of
-- its ticket to the same recipient; it goes to its others meanwhile. One that rests holds up nobody,
-- nor one whose only server may have it and does not work, while another sends.
SELECT outbox_id FROM outbox AS c
WHERE c.state = 'waiting' AND c.uncertain = 0 AND c.meant = :server AND next_attempt <= :now AND (claimed_until IS NULL OR claimed_until < :now)
    AND (c.event = 'announcement') = :announced
    AND (c.ticket IS NULL
        OR NOT EXISTS (SELECT 1 FROM outbox AS older INDEXED BY outbox_waiting_of_ticket
            WHERE older.ticket = c.ticket AND older.outbox_id < c.outbox_id AND older.state = 'waiting' AND older.resting = 0
                AND (older.uncertain = 0 OR older.claimed_until IS NOT NULL OR older.via = :by))
        OR EXISTS (SELECT 1 FROM outbox_recipient AS mine
            WHERE mine.outbox_id = c.outbox_id AND mine.state = 'waiting' AND NOT EXISTS (
                SELECT 1 FROM outbox AS older INDEXED BY outbox_waiting_of_ticket
                JOIN outbox_recipient AS r ON r.outbox_id = older.outbox_id AND r.state = 'waiting' AND r.address = mine.address
                WHERE older.ticket = c.ticket AND older.outbox_id < c.outbox_id AND older.state = 'waiting' AND older.resting = 0
                AND (older.uncertain = 0 OR older.claimed_until IS NOT NULL OR older.via = :by))))
ORDER BY next_attempt, c.outbox_id LIMIT :limit

-- name: due_uncertain
-- Those that a server may have, and that it alone may be asked to take.
SELECT outbox_id FROM outbox AS c
WHERE c.state = 'waiting' AND c.uncertain = 1 AND c.via = :server AND next_attempt <= :now AND (claimed_until IS NULL OR claimed_until < :now)
    AND (c.ticket IS NULL
        OR NOT EXISTS (SELECT 1 FROM outbox AS older INDEXED BY outbox_waiting_of_ticket
            WHERE older.ticket = c.ticket AND older.outbox_id < c.outbox_id AND older.state = 'waiting' AND older.resting = 0
                AND (older.uncertain = 0 OR older.claimed_until IS NOT NULL OR older.via = :by))
        OR EXISTS (SELECT 1 FROM outbox_recipient AS mine
            WHERE mine.outbox_id = c.outbox_id AND mine.state = 'waiting' AND NOT EXISTS (
                SELECT 1 FROM outbox AS older INDEXED BY outbox_waiting_of_ticket
                JOIN outbox_recipient AS r ON r.outbox_id = older.outbox_id AND r.state = 'waiting' AND r.address = mine.address
                WHERE older.ticket = c.ticket AND older.outbox_id < c.outbox_id AND older.state = 'waiting' AND older.resting = 0
                AND (older.uncertain = 0 OR older.claimed_until IS NOT NULL OR older.via = :by))))
ORDER BY next_attempt, c.outbox_id LIMIT :limit

-- name: claim
-- They are somebody's until then, to be handed to a server.
UPDATE outbox SET claimed_until = ?, via = ? WHERE outbox_id IN (SELECT value FROM json_each(?))

-- name: claimed
-- What is needed to send them, in the order in which they came, announcements last; with the bytes where they are written already,
-- and those of whom an older mail of the ticket waits.
SELECT o.outbox_id, o.ticket, o.event, o.message_id, o.queued_at, o.letter, o.received_at, o.meant, o.via, o.sent_as,
    o.uncertain, o.attempts, o.give_up_at, o.cause,
    (SELECT json_group_array(r.address) FROM outbox_recipient AS r WHERE r.outbox_id = o.outbox_id AND r.state = 'waiting'),
    w.sent_as, w.raw,
    CASE WHEN EXISTS (SELECT 1 FROM outbox AS older INDEXED BY outbox_waiting_of_ticket
        WHERE older.ticket = o.ticket AND older.outbox_id < o.outbox_id AND older.state = 'waiting' AND older.resting = 0
            AND (older.uncertain = 0 OR older.claimed_until IS NOT NULL OR older.via = o.via))
    THEN (SELECT json_group_array(DISTINCT mine.address) FROM outbox_recipient AS mine
        JOIN outbox AS older ON older.ticket = o.ticket AND older.outbox_id < o.outbox_id AND older.state = 'waiting' AND older.resting = 0
            AND (older.uncertain = 0 OR older.claimed_until IS NOT NULL OR older.via = o.via)
        JOIN outbox_recipient AS r ON r.outbox_id = older.outbox_id AND r.state = 'waiting' AND r.address = mine.address
        WHERE mine.outbox_id = o.outbox_id AND mine.state = 'waiting') END
FROM outbox AS o LEFT JOIN outbox_raw AS w ON w.outbox_id = o.outbox_id WHERE o.outbox_id IN (SELECT value FROM json_each(?))
ORDER BY o.event = 'announcement', o.outbox_id

-- name: begin
-- It is handed to a server from now on: whatever happens, who goes on knows that it may have been taken.
UPDATE outbox SET uncertain = 1, via = ?, sent_as = ? WHERE outbox_id = ? AND state = 'waiting'

-- name: release
-- Nobody has them any more.
UPDATE outbox SET claimed_until = NULL WHERE outbox_id IN (SELECT value FROM json_each(?))

-- name: release_all
-- Whoever had them for a server is dead.
UPDATE outbox SET claimed_until = NULL WHERE state = 'waiting' AND claimed_until IS NOT NULL AND via = ?

-- name: note_recipients
-- What a server said of one recipient.
UPDATE outbox_recipient SET state = ?, code = ?, told = ?, at = ? WHERE outbox_id = ? AND address = ? AND state = 'waiting'

-- name: fail_waiting
-- Nobody tries any more.
UPDATE outbox_recipient SET state = 'failed', told = coalesce(?, told), at = ? WHERE outbox_id = ? AND state = 'waiting'

-- name: note
-- How an attempt ended.
UPDATE outbox SET state = :state, uncertain = :uncertain, attempts = attempts + :counted, next_attempt = :next_attempt,
    claimed_until = NULL, done_at = :done_at, sent_as = coalesce(:sent_as, sent_as)
WHERE outbox_id = :outbox_id AND state = 'waiting'

-- name: distrust
-- Mails that were being sent by a server when the machine died: they may have been taken.
UPDATE outbox SET uncertain = 1 WHERE state = 'waiting' AND claimed_until IS NOT NULL AND via = ?

-- name: recipients_sent
-- The mails of a JSON list are taken for all who waited.
UPDATE outbox_recipient SET state = 'sent', code = 250, at = ?
WHERE outbox_id IN (SELECT value FROM json_each(?)) AND state = 'waiting'

-- name: sent
-- They are sent, at the first attempt.
UPDATE outbox SET state = 'sent', uncertain = 0, attempts = attempts + 1, claimed_until = NULL, done_at = ?, sent_as = ?
WHERE outbox_id IN (SELECT value FROM json_each(?)) AND state = 'waiting'

-- name: drop_raws
-- Their bytes are needed no more.
DELETE FROM outbox_raw WHERE outbox_id IN (SELECT value FROM json_each(?))

-- name: keep_raw
-- The bytes of a mail, as one identity sends it.
INSERT INTO outbox_raw (outbox_id, sent_as, raw) VALUES (?, ?, ?)

-- name: drop_raw
-- It is sent, or written otherwise.
DELETE FROM outbox_raw WHERE outbox_id = ?

-- name: note_attempt
-- That it was tried.
INSERT INTO outbox_attempt (outbox_id, at, via, outcome) VALUES (?, ?, ?, ?)

-- name: recipients
-- How it stands with each recipient of a mail.
SELECT address, state, code, told, at FROM outbox_recipient WHERE outbox_id = ? ORDER BY address

-- name: attempts
-- Every attempt of a mail.
SELECT at, via, outcome FROM outbox_attempt WHERE outbox_id = ? ORDER BY attempt_id

-- name: too_old
-- Mails that waited until nobody tries any more, of the servers of a JSON list.
SELECT outbox_id, ticket, event, message_id, queued_at, letter, received_at, meant, via, sent_as, uncertain, attempts,
    give_up_at, cause,
    (SELECT json_group_array(r.address) FROM outbox_recipient AS r WHERE r.outbox_id = o.outbox_id AND r.state = 'waiting'),
    NULL, NULL, NULL
FROM outbox AS o
WHERE state = 'waiting' AND give_up_at <= ? AND claimed_until IS NULL
    AND coalesce(CASE WHEN uncertain THEN via END, meant) IN (SELECT value FROM json_each(?)) LIMIT 100

-- name: rows
-- The mails of the outbox; `every`: also those that are done. The newest last.
SELECT outbox_id, ticket, event, letter, sent_as, via, meant, state, uncertain, attempts, next_attempt, message_id,
    queued_at, done_at, route, chosen, claimed_until, reclaimed,
    (SELECT json_group_array(json_array(r.address, r.state, r.code, r.told, r.at)) FROM outbox_recipient AS r
        WHERE r.outbox_id = o.outbox_id)
FROM outbox AS o
WHERE (:outbox_id IS NULL OR outbox_id = :outbox_id) AND (:ticket IS NULL OR ticket = :ticket)
    AND (:every OR state IN ('waiting', 'failed')) AND (:outbox_id IS NOT NULL OR :before IS NULL OR outbox_id < :before)
ORDER BY outbox_id DESC LIMIT :limit

-- name: backlog
-- How much waits for each server, and since when: of the oldest by number, so that the indexes tell.
WITH part AS (
    SELECT meant AS server, count(*) AS mails, min(outbox_id) AS oldest FROM outbox
    WHERE state = 'waiting' AND uncertain = 0 GROUP BY meant
    UNION ALL
    SELECT via, count(*), min(outbox_id) FROM outbox WHERE state = 'waiting' AND uncertain = 1 GROUP BY via
), whole AS (SELECT server, sum(mails) AS mails, min(oldest) AS oldest FROM part GROUP BY server)
SELECT w.server, w.mails, o.queued_at FROM whole AS w JOIN outbox AS o ON o.outbox_id = w.oldest

-- name: next_due
-- When the next mail for a server is due.
SELECT min(next_attempt) FROM outbox WHERE state = 'waiting' AND uncertain = 0 AND meant = ?

-- name: next_due_uncertain
-- When the next one is due that it may have.
SELECT min(next_attempt) FROM outbox WHERE state = 'waiting' AND uncertain = 1 AND via = ?

-- name: next_moment
-- When anything that waits is due, or given up, the next time after a moment.
SELECT min(at) FROM (
    SELECT next_attempt AS at FROM outbox WHERE state = 'waiting'
    UNION ALL SELECT give_up_at FROM outbox WHERE state = 'waiting') WHERE at > ?

-- name: state_of
-- Where a mail is.
SELECT state, uncertain, via, claimed_until, reclaimed FROM outbox WHERE outbox_id = ?

-- name: retry_recipients
-- A person wants it tried again: what was refused waits anew.
UPDATE outbox_recipient SET state = 'waiting', at = ? WHERE outbox_id = ? AND state IN ('failed', 'bounced')

-- name: retry
-- A person wants it tried now, and for as long as a new one.
UPDATE outbox SET state = 'waiting', next_attempt = :now, give_up_at = :give_up_at, done_at = NULL, uncertain = :uncertain,
    meant = :meant, route = :route, resting = 0
WHERE outbox_id = :outbox_id

-- name: cancel
-- A person does not want it sent.
UPDATE outbox SET state = 'cancelled', done_at = ? WHERE outbox_id = ? AND state = 'waiting'

-- name: acknowledged
-- To whom acknowledgements were queued since then.
SELECT o.queued_at, r.address FROM outbox AS o JOIN outbox_recipient AS r ON r.outbox_id = o.outbox_id
WHERE o.event = 'created' AND o.queued_at > ? AND (o.cause LIKE '%/created/requester/%' OR o.cause LIKE '%/created/cc/%')

-- name: refused_lately
-- Whether an address was told since then that a mail of its was not accepted.
SELECT 1 FROM outbox_recipient AS r JOIN outbox AS o ON o.outbox_id = r.outbox_id
WHERE r.address = ? AND o.event = 'mail_refused' AND o.queued_at > ? LIMIT 1

-- name: bounced
-- A delivery report says that it did not arrive.
UPDATE outbox_recipient SET state = 'bounced', told = ?, at = ? WHERE outbox_id = ? AND address = ? AND state IN ('sent', 'waiting')

-- name: last_of_address
-- How the newest mails to an address ended, since a person had mail sent there again.
SELECT state, code FROM outbox_recipient AS r WHERE r.address = :address AND state IN ('sent', 'failed', 'bounced')
    AND r.at > coalesce((SELECT lifted_at FROM paused_address AS p WHERE p.address = :address), '')
ORDER BY outbox_id DESC LIMIT :limit

-- name: pause
-- Nothing is sent there any more.
INSERT INTO paused_address (address, since, why) VALUES (?, ?, ?)
ON CONFLICT (address) DO UPDATE SET since = excluded.since, why = excluded.why, lifted_at = NULL

-- name: paused
-- Every address to which nothing is sent.
SELECT address, since, why FROM paused_address WHERE lifted_at IS NULL ORDER BY since, address

-- name: paused_count
-- How many these are.
SELECT count(*) FROM paused_address WHERE lifted_at IS NULL

-- name: unpause
-- A person wants mail sent there again.
UPDATE paused_address SET lifted_at = ? WHERE address = ?

-- name: adopt_orphans
-- Mail for servers that conf.d names no more goes by another.
UPDATE outbox SET meant = ? WHERE state = 'waiting' AND uncertain = 0 AND meant NOT IN (SELECT value FROM json_each(?))

-- name: rest
-- Mails rest that wait for a server that is not one of the JSON list; those of servers that are, rest no more.
UPDATE outbox SET resting = 1 - resting
WHERE state = 'waiting' AND resting = (coalesce(CASE WHEN uncertain THEN via END, meant) IN (SELECT value FROM json_each(?)))

-- name: sent_mail
-- What a delivery report speaks of.
SELECT event, ticket, (SELECT json_group_array(r.address) FROM outbox_recipient AS r WHERE r.outbox_id = o.outbox_id)
FROM outbox AS o WHERE outbox_id = ?

-- name: first_id
-- The id of the first mail about a ticket.
SELECT message_id FROM outbox WHERE ticket = ? ORDER BY outbox_id LIMIT 1

-- name: last_to
-- The newest mail about a ticket that a server took for one of the addresses of a JSON list.
SELECT o.outbox_id FROM outbox AS o JOIN outbox_recipient AS r ON r.outbox_id = o.outbox_id
WHERE o.ticket = ? AND r.address IN (SELECT value FROM json_each(?)) AND r.state = 'sent' ORDER BY o.outbox_id DESC LIMIT 1

-- name: to_reclaim
-- Mails that were settled before a moment, or after another: the clock had leapt then.
SELECT outbox_id FROM outbox WHERE reclaimed = 0 AND done_at < :before
UNION ALL SELECT outbox_id FROM outbox WHERE reclaimed = 0 AND done_at > :after LIMIT :limit

-- name: reclaim
-- Of the mails of a JSON list it stays to whom they went, under which subject, and how; not what they said.
UPDATE outbox SET reclaimed = 1, letter = json_remove(letter, '$.text', '$.html', '$.loop', '$.references', '$.in_reply_to')
WHERE outbox_id IN (SELECT value FROM json_each(?)) AND done_at IS NOT NULL

-- name: drop_reclaimed
-- Nor their bytes, of those that were never sent.
DELETE FROM outbox_raw WHERE outbox_id IN (SELECT o.outbox_id FROM outbox AS o, json_each(?) AS j WHERE o.outbox_id = j.value AND o.reclaimed = 1)

-- name: needs_file
-- Whether a mail that waits takes a file out of a raw mail in that file.
SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'waiting' AND instr(letter, ?))

-- name: files_named
-- The hashes of the files that go along with mails whose words are kept.
SELECT DISTINCT f.value ->> 'sha256' FROM outbox AS o, json_each(o.letter, '$.files') AS f WHERE o.reclaimed = 0
