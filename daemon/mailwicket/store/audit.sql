-- name: head
-- The number and hash of the last row.
SELECT audit_id, hash FROM audit_head

-- name: last
-- The number of the last row that there is.
SELECT coalesce(max(audit_id), 0) FROM audit

-- name: add
-- Somebody did something.
INSERT INTO audit (audit_id, at, actor, action, object, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: set_head
-- That is the last row now.
UPDATE audit_head SET audit_id = ?, hash = ?

-- name: instance
-- The first row's hash covers the name of the store.
SELECT CAST(instance AS BLOB) FROM instance

-- name: rows
-- Every row since a moment, the oldest first; as bytes, for a damaged one may be no text.
SELECT audit_id, CAST(at AS BLOB), CAST(actor AS BLOB), CAST(action AS BLOB), CAST(object AS BLOB), CAST(detail AS BLOB), CAST(hash AS BLOB)
FROM audit WHERE at >= ? ORDER BY audit_id

-- name: answered
-- What was asked for under a key, and the answer.
SELECT digest, answer FROM asked WHERE key = ?

-- name: note_answer
-- What was asked for under a key is answered.
INSERT INTO asked (key, at, digest, answer) VALUES (?, ?, ?, ?)

-- name: forget_answers
-- Nobody asks so late again.
DELETE FROM asked WHERE at < ?
