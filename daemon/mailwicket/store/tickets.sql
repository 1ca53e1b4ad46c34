-- name: facts_of
-- What is known of the tickets of a JSON list.
SELECT ticket, status, requester, people, assignee, "group", category, company, source, closed_at, merged_into
FROM ticket_facts WHERE ticket IN (SELECT value FROM json_each(?))

-- name: note_facts
-- What the rules need to know of a ticket.
INSERT INTO ticket_facts (ticket, status, requester, people, assignee, "group", category, company, source, closed_at, merged_into)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ticket) DO UPDATE SET status = excluded.status, requester = excluded.requester, people = excluded.people,
    assignee = excluded.assignee, "group" = excluded."group", category = excluded.category, company = excluded.company,
    source = excluded.source, closed_at = excluded.closed_at, merged_into = excluded.merged_into
