"""What adapters share: trust, connections, the IMAP protocol."""
