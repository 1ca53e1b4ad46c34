-- name: mailed
-- Of what people were told by mail, and when last.
SELECT cause, unit, at FROM alert_mailed

-- name: note
-- They are told of it now.
INSERT INTO alert_mailed (cause, unit, at) VALUES (?, ?, ?) ON CONFLICT (cause, unit) DO UPDATE SET at = excluded.at

-- name: forget
-- That is so long ago that they may be told again.
DELETE FROM alert_mailed WHERE at < ?
