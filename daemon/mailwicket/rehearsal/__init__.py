"""Scenarios played through the real rules in memory: an admin's policy under test. Contract: docs/rehearse.md."""
