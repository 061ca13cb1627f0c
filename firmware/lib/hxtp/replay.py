"""What stops replay at a device: a strictly rising number; the last nonces only name the replay."""

NONCES = 16


class Floor:
    """The last accepted number of one direction and one key, and the last 16 nonces."""

    def __init__(self, last=0):
        """`last`: numbers up to this one are refused; -1 accepts any first number."""
        self.last = last
        self.nonces = []

    def nonce_seen(self, nonce):
        return nonce in self.nonces

    def sequence_ok(self, sequence):
        return sequence > self.last

    def accept(self, sequence, nonce):
        self.last = sequence
        self.nonces.append(nonce)
        if len(self.nonces) > NONCES:
            self.nonces.pop(0)
