-- name: decided
-- The mails that were decided after a moment, in the order of their mailbox.
SELECT done_at, intake_id, message_id, reason, ticket, parked, trace, content_digest,
       raw_file, raw_offset, raw_length, raw_sha256
FROM intake WHERE done_at > ? ORDER BY intake_id
