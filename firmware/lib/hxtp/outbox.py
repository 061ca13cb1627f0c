"""What waits to be sent: telemetry in a bounded ring, state as one flag, acks in order.

Nothing here is signed: a message gets its number, nonce and time when it leaves, so that
hours offline make nothing stale. Losing the oldest sample is counted and told.
"""


class Outbox:
    """`acks`: [(message_id, ack members)]. `samples`: [(tick, values)]. Both bounded."""

    def __init__(self, samples_kept=32, acks_kept=16):
        self._samples_kept = samples_kept
        self._acks_kept = acks_kept
        self.acks = []
        self.samples = []
        self.dropped = 0
        self.state = False

    def ack(self, message_id, members):
        if len(self.acks) >= self._acks_kept:
            self.acks.pop(0)  # the cloud asks again and gets the stored result
        self.acks.append((message_id, members))

    def sample(self, tick, values):
        if len(self.samples) >= self._samples_kept:
            self.samples.pop(0)
            self.dropped += 1
        self.samples.append((tick, values))

    def first_sample(self, to_time):
        """The oldest sample as the body of a telemetry message; `to_time(tick)` gives its ms since 1970."""
        tick, values = self.samples[0]
        body = dict(values)
        body["sampled_at"] = to_time(tick)
        if self.dropped:
            body["dropped"] = self.dropped
        return body

    def forget_sample(self):
        """The oldest sample was sent, and what was dropped before it was told."""
        self.samples.pop(0)
        self.dropped = 0
