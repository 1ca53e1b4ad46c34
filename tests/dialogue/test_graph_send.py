"""Sending through Microsoft Graph: drafts, large files, answers that are lost, and what is left behind."""
