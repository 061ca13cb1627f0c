"""How long to wait before the next attempt, so that a thousand devices do not come back in one second.

This module must never wait itself.
"""

FIRST = 1000
MOST = 60000


class Backoff:
    """Exponential with full jitter: anywhere from 0 to a ceiling that doubles from 1 s to 60 s. All in ms."""

    def __init__(self, random):
        """`random(n)` gives n random bytes."""
        self._random = random
        self.reset()

    def reset(self):
        """An attempt led somewhere: begin at 1 s again."""
        self.ceiling = FIRST

    def next(self):
        """The next wait in ms."""
        wait = int.from_bytes(self._random(4), "big") % (self.ceiling + 1)
        self.ceiling = min(2 * self.ceiling, MOST)
        return wait
