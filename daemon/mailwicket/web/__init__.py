"""Health, metrics and the admin API: a tiny HTTP endpoint."""
