"""Models of conf.d, reading and merging it, secrets, and errors with file and line."""
