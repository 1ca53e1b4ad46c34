-- Technicians who hear of a ticket beside the assigned one; what a merged ticket went into.
CREATE TABLE desk_follower (
    ticket INTEGER NOT NULL REFERENCES desk_ticket (number),
    person TEXT NOT NULL,                   -- canonical address
    PRIMARY KEY (ticket, person)
) STRICT, WITHOUT ROWID;

ALTER TABLE desk_ticket ADD COLUMN merged_into INTEGER REFERENCES desk_ticket (number);

-- What the rules need to know of the tickets that are older than these facts.
UPDATE ticket_facts SET
    requester = lower(t.requester), "group" = t."group", category = t.category, company = t.company,
    people = coalesce((SELECT json_object('cc', json_group_array(c.person)) FROM desk_cc AS c WHERE c.ticket = t.number HAVING count(*)), '')
FROM desk_ticket AS t WHERE t.number = ticket_facts.ticket AND ticket_facts.requester = '';
