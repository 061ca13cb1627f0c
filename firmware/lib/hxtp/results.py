"""At most once: the last K commands by message_id, with what became of them.

K is told in hello, and the cloud publishes its n-th command only when the one K before
it is settled. So beside a command that can still come again, K-1 above it and, as the
network reorders, K-1 below it may have run since: 2K-1 are kept.
"""

KEPT = 8


class Results:
    """A ring of [message_id, payload_hash, ack members or None while it runs]; `kept` is the K of hello."""

    def __init__(self, kept=KEPT):
        self.kept = kept
        self._ring = []

    def find(self, message_id):
        for entry in self._ring:
            if entry[0] == message_id:
                return entry
        return None

    def add(self, message_id, payload_hash, ack=None):
        if len(self._ring) >= 2 * self.kept - 1:
            self._ring.pop(0)
        self._ring.append([message_id, payload_hash, ack])
