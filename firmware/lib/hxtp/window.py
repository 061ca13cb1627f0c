"""What stops replay at a cloud: each number of a device once, within 64 of the highest.

Parallel workers and shared subscriptions reorder messages, so a strict rule would lose some.
"""

WIDTH = 64
MAX_AHEAD = 4294967296


class Window:
    """The highest number of one device and key, and which of the 63 below it were taken."""

    def __init__(self, highest=0, taken=1):
        """`taken`: bit n says that `highest - n` was taken. A new key starts at 0, taken."""
        self.highest = highest
        self.taken = taken

    def nonce_seen(self, nonce):
        """Never: lasting numbers make nonces redundant here."""
        return False

    def sequence_ok(self, sequence):
        behind = self.highest - sequence
        if behind < 0:
            return -behind <= MAX_AHEAD
        return behind < WIDTH and not self.taken >> behind & 1

    def accept(self, sequence, nonce=None):
        behind = self.highest - sequence
        if behind < 0:
            self.taken = (1 if -behind >= WIDTH else self.taken << -behind) & ((1 << WIDTH) - 1) | 1
            self.highest = sequence
        else:
            self.taken |= 1 << behind
