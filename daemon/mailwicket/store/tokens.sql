-- name: grant
-- What is kept as this name.
SELECT nonce, sealed FROM oauth_grant WHERE name = ?

-- name: keep_grant
-- One statement, so that there is always one of the two: what was kept before, or this.
INSERT INTO oauth_grant (name, nonce, sealed, changed_at) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET nonce = excluded.nonce, sealed = excluded.sealed, changed_at = excluded.changed_at
