"""Outgoing servers: one file for each kind, none knows another, none knows the store."""
