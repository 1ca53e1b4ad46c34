-- name: facts_of
-- What is known of the tickets of a JSON list.
SELECT ticket, status, requester, people, assignee, "group", category, company, source, closed_at, merged_into,
    subject, root
FROM ticket_facts WHERE ticket IN (SELECT value FROM json_each(?))

-- name: note_facts
-- What the rules need to know of a ticket.
INSERT INTO ticket_facts (ticket, status, requester, people, assignee, "group", category, company, source, closed_at, merged_into,
    subject, root)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ticket) DO UPDATE SET status = excluded.status, requester = excluded.requester, people = excluded.people,
    assignee = excluded.assignee, "group" = excluded."group", category = excluded.category, company = excluded.company,
    source = excluded.source, closed_at = excluded.closed_at, merged_into = excluded.merged_into,
    subject = excluded.subject, root = excluded.root

-- name: fill_in
-- What the embedded desk knows of tickets that are older than their facts.
UPDATE ticket_facts SET
    requester = lower(t.requester), "group" = t."group", category = t.category, company = t.company,
    people = coalesce((SELECT json_object('cc', json_group_array(c.person)) FROM desk_cc AS c WHERE c.ticket = t.number HAVING count(*)), '')
FROM desk_ticket AS t WHERE t.number = ticket_facts.ticket AND ticket_facts.requester = ''

-- name: fill_in_subjects
-- The subjects of tickets that are older than their facts.
UPDATE ticket_facts SET subject = t.subject FROM desk_ticket AS t WHERE t.number = ticket_facts.ticket AND ticket_facts.subject = ''
