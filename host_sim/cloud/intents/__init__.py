"""Intents: a wish in fixed words becomes commands, by a table and not by guessing: see `router.run`."""
