"""The SMTP protocol, as one who hands mail over for others speaks it (RFC 6409)."""
