"""What stands in the way of whoever runs a program here: told in one sentence, never as a traceback.

It must never be raised for a mistake in this code, which has to show where it was made.
"""


class Trouble(Exception):
    """Says why it cannot be done and what to do about it, without a secret."""
