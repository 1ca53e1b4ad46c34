"""The running daemon: units and their supervisor."""
