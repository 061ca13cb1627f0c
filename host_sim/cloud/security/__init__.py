"""Secrets, tokens, roles. Knows nothing of HTTP; keeps nothing in clear that can be kept sealed or hashed."""
