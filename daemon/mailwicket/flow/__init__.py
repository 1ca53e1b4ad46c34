"""The engine: the order of effects from mailbox to desk. Sees contracts, never an adapter."""
