"""OAuth 2.0 as a client (RFC 6749, 7636, 8628, 7523): questions and answers without I/O, one HTTP call, the tokens."""
