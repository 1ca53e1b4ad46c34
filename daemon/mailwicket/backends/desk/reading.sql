-- name: tickets
-- The tickets in a range of numbers: all of them, or the open ones.
SELECT number, subject, requester, status, "group", category, company, assignee, created, updated
FROM desk_ticket WHERE number BETWEEN :first AND :last AND (:all OR status = 'open')
ORDER BY number

-- name: cc
-- Who gets copies of those tickets, in order.
SELECT ticket, address
FROM desk_cc JOIN desk_ticket ON number = ticket
WHERE number BETWEEN :first AND :last AND (:all OR status = 'open')
ORDER BY ticket, position

-- name: followers
-- Technicians who hear of those tickets.
SELECT ticket, person
FROM desk_follower JOIN desk_ticket ON number = ticket
WHERE number BETWEEN :first AND :last AND (:all OR status = 'open')
ORDER BY ticket, person

-- name: links
-- What those tickets are linked to, either way.
SELECT ticket, linked_to FROM desk_link WHERE ticket BETWEEN :first AND :last
UNION SELECT linked_to, ticket FROM desk_link WHERE linked_to BETWEEN :first AND :last
ORDER BY 1, 2

-- name: entry_ids
-- The entries of those tickets, oldest first, each with the id under which it came in.
SELECT ticket, iif(kind = 'mail', message_id, NULL)
FROM desk_entry JOIN desk_ticket ON number = ticket
WHERE number BETWEEN :first AND :last AND (:all OR status = 'open')
ORDER BY ticket, entry

-- name: entries
-- The entries of one ticket, oldest first.
SELECT entry, author, public, kind, text, received, message_id, raw_sha256, reason, flags
FROM desk_entry WHERE ticket = :ticket ORDER BY entry

-- name: attachments
-- The attachments of one ticket's entries, in the order of their mails.
SELECT entry, filename, content_type, size, sha256, inline
FROM desk_attachment JOIN desk_entry USING (entry)
WHERE ticket = :ticket ORDER BY entry, position

-- name: attachments_in_raw
-- Where the attachments of a raw mail stand in it.
SELECT sha256, span_start, span_end, encoding FROM desk_attachment
WHERE raw_sha256 = :raw_sha256 ORDER BY entry, position
