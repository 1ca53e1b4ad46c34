"""IMAP (RFC 3501, RFC 9051) as a client: aioimaplib's command layer under a reader and limits of our own."""
