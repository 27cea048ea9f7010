"""Webhooks: how fast one process sends them, what a hanging receiver costs the others, what a million retries cost."""
