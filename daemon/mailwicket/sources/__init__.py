"""Kinds of incoming servers, one file an adapter."""
