"""POP3 (RFC 1939, 2449, 2595, 3206) as a client, with limits and deadlines at every step."""
