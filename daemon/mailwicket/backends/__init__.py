"""Kinds of desks, one file or room an adapter."""
