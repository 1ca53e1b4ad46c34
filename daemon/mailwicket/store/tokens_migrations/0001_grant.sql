-- What is kept of each [oauth.NAME]: tokens, encrypted (AES-256-GCM, RFC 5116) with the key in the file tokens.key,
-- which is never in this database nor in a backup of it. The name is bound in, so that rows cannot be swapped.
CREATE TABLE oauth_grant (
    name       TEXT NOT NULL PRIMARY KEY,
    nonce      BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    changed_at TEXT NOT NULL                 -- RFC 3339, UTC
) STRICT, WITHOUT ROWID;
